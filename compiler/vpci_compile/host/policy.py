"""What an operator accepts of the differences between two functions, and where that is said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .. import loader
from ..diagnostics import Report
from ..diff import Finding
from ..loader import Node

_VERSION_KEY, _VERSION, _ACCEPT = "vpci-policy", 1, "accept"
_ENTRY = ("field", "why")
_EXAMPLE = f"{_ACCEPT}: [{{field: pcie.lnksta, why: ...}}]"


class Accepted(NamedTuple):
    """One field that may differ (`pcie.lnksta`, or `pcie` for all of it): who says so, and why."""

    field: str
    by: str

    def covers(self, path: str) -> bool:
        """Whether a difference at `path` is meant."""
        return path == self.field or (path.startswith(self.field) and path[len(self.field)] in ".+@")


def read(path: Path, shown: str) -> list[Accepted]:
    """The fields that the policy file `path` accepts, in its order.

    Raises:
        Failed: VPCI1001..1005 (it cannot be read), VPCI2316 (not a policy).
    """
    tree, report = loader.load(path, shown, f"{_VERSION_KEY}: {_VERSION}, and {_EXAMPLE}"), Report()
    keys = tree.value if isinstance(tree.value, dict) else {}
    if _VERSION_KEY not in keys or keys[_VERSION_KEY].value != _VERSION:
        message = f"a policy begins with '{_VERSION_KEY}: {_VERSION}'"
        report.add("VPCI2316", tree.span, message, help=_EXAMPLE)
    for key in keys:
        if key not in (_VERSION_KEY, _ACCEPT):
            report.add("VPCI2316", tree.keys[key], f"unknown key '{key}'", help=f"known here: {_ACCEPT}")
    found = [*_entries(tree.find([_ACCEPT]), report)] if _ACCEPT in keys else []
    report.stop_on_errors()
    return found


def _entries(node: Node, report: Report) -> Iterator[Accepted]:
    if not isinstance(node.value, list):
        report.add("VPCI2316", node.span, f"'{_ACCEPT}' is a list of fields", help=_EXAMPLE)
    for entry in node.entries():
        words = {key: one.value for key, one in entry.items()}
        if set(words) != set(_ENTRY) or not all(isinstance(word, str) and word for word in words.values()):
            message = f"an entry has the keys {' and '.join(_ENTRY)}, each with a text"
            report.add("VPCI2316", entry.span, message, help="{field: pcie.lnksta, why: both links train alike}")
            continue
        span = entry.span
        yield Accepted(str(words["field"]), f"{span.path}:{span.line}: {words['why']}")


def marked(findings: Iterable[Finding], accepted: Sequence[Accepted]) -> tuple[Finding, ...]:
    """The findings, each that somebody accepts with who does."""
    if not accepted:
        return tuple(findings)

    def by(path: str) -> str:
        return next((rule.by for rule in accepted if rule.covers(path)), "")

    return tuple(one._replace(ignored=by(one.difference.path)) for one in findings)
