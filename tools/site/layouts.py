"""A page for each layout of the library, with its picture and its text."""

from __future__ import annotations

from collections.abc import Iterator

from vpci_compile import api
from vpci_compile.catalog import libraries
from vpci_compile.emit.pages import svg_map
from vpci_compile.emit.printed import bar_words

_HEAD = """# Reference layouts

What `vpci-compile layouts list` lists. Each is a file of `layouts/`, with the sources of its facts.

| layout | ids | what it is |
|---|---|---|
"""


def pages() -> Iterator[tuple[str, str]]:
    """The list, and for each layout a page and a picture."""
    rows = []
    for one in api.layouts().entries:
        if one.base or libraries.is_machine(one.name):
            continue
        name, ids = one.name.partition("@")[0], one.shown_ids
        rows.append(f"| [{name}]({name}.md) | `{ids}` | {' '.join(one.about.split())} |")
        yield from _layout(name)
    yield "layouts/index.md", _HEAD + "\n".join(rows) + "\n"


def _layout(name: str) -> Iterator[tuple[str, str]]:
    function = api.check(name).function
    card, path = api.layout_card(name), libraries.find(name)
    assert path is not None
    yield f"layouts/{name}.svg", svg_map.render(function)
    last = name.rsplit("/", 1)[-1]
    ids = card.entry.shown_ids
    does = "migrates" if function.migrates else "does not migrate"
    lines = [
        f"# {name}\n",
        f"{' '.join(function.about.split())}\n",
        f"Version {function.version}, `{ids}`, contract `{function.digest}`.",
        f"Targets: {', '.join(function.targets) or 'none'}. It {does}.\n",
        f"![Map of the configuration space of {name}]({last}.svg)\n",
    ]
    bars = bar_words.every(function)
    if bars:
        lines += ["| BAR | kind | size | behaviour |", "|---|---|---|---|"]
        lines += [f"| {bar.name} | {bar.kind} | {bar.size} | {bar.behaviour()} |" for bar in bars]
    text = path.read_text(encoding="utf-8").rstrip()
    lines += ["", "## The layout\n", f"```yaml\n{text}\n```\n"]
    yield f"layouts/{name}.md", "\n".join(lines)
