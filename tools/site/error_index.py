"""The index of the error codes, from the registry; their pages are `docs/errors/`."""

from __future__ import annotations

from collections.abc import Iterator

from vpci_compile.diagnostics import REGISTRY

_HEAD = """# Error codes

Every complaint has a code, and every code a page; `vpci-compile explain VPCI1304` shows the same. Of what a real
device can be, a layout can say that it knows (`accept`).

| code | what | severity | acceptable |
|---|---|---|---|
"""


def pages() -> Iterator[tuple[str, str]]:
    """The one page."""
    rows = (
        f"| [{one.id}]({one.id}.md) | {one.title} | {one.severity} | {'yes' if one.acceptable else ''} |"
        for one in REGISTRY.values()
    )
    yield "errors/index.md", _HEAD + "\n".join(rows) + "\n"
