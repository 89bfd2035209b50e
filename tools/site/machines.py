"""A page for each machine that is shipped, with its picture and its text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vpci_compile import api, resources
from vpci_compile.diagnostics import Failed
from vpci_compile.emit.machine import nodes as node_rows
from vpci_compile.emit.pages import machine_svg
from vpci_compile.ir.topology import System

_HEAD = """# Machines

Each is a file of `layouts/machines/`, with the sources of its facts; [machines](../machine.md) says how one is written.

| machine | what it shows |
|---|---|
"""


def pages() -> Iterator[tuple[str, str]]:
    """The list, and for each machine a page and a picture."""
    rows = []
    for path in sorted((resources.folder("layouts") / "machines").glob("*.yaml")):
        system = api.load_machine(path).system
        rows.append(f"| [machines/{system.name}]({system.name}.md) | {' '.join(system.about.split())} |")
        yield f"machines/{system.name}.svg", machine_svg.render(system)
        yield f"machines/{system.name}.md", _page(system, path)
    yield "machines/index.md", _HEAD + "\n".join(rows) + "\n"


def _page(system: System, path: Path) -> str:
    name, used = system.name, dict.fromkeys(one.layout for one in system.devices)
    links = ", ".join(f"[{layout}](../layouts/{layout}.md)" for layout in used)
    lines = [
        f"# machines/{name}\n",
        f"{' '.join(system.about.split())}\n",
        f"Version {system.version}: {machine_svg.facts(system)}. Layouts of its functions: {links}.\n",
        *([f"**No released VMM makes it:** {refused}.\n"] if (refused := _refused(path)) else []),
        f"![Topology of {name}]({name}.svg)\n",
        "| node of Linux | proximity domain | has |",
        "|---|---|---|",
    ]
    lines += [f"| {one.numbers} | {one.domains} | {one.has} |" for one in node_rows.of(system).rows]
    text = path.read_text(encoding="utf-8").rstrip()
    return "\n".join([*lines, "", "## The layout\n", f"```yaml\n{text}\n```\n"])


def _refused(path: Path) -> str:
    """What its VMM cannot do, "" where it can."""
    try:
        api.check_machine(path)
    except Failed as failed:
        return "; ".join(dict.fromkeys(one.message for one in failed.diagnostics))
    return ""
