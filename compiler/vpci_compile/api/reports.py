"""Pages for people: one HTML file each, which needs nothing but itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..diagnostics import Diagnostic
from .functions import load
from .machines import is_machine, load_machine
from .migrations import Below, migration
from .named import StrPath, find
from .stacks import predict

if TYPE_CHECKING:
    from ..host.machines import Probed
    from ..host.policy import Accepted
    from ..host.sides import Side


class Page(NamedTuple):
    """The text of a page (HTML) or a picture (SVG), and the warnings and notes on the way to it."""

    text: str
    diagnostics: tuple[Diagnostic, ...]


def report(path: StrPath, slot: str | None = None, below: Below | None = None) -> Page:
    """A page about a function: of a layout, a capture, or a JSON document of `build` or `predict`.

    With `below` it is what a guest finds of the captured function there.

    Raises:
        ValueError: there is no such stack, place or option.
        Failed: it cannot be read, or the stack does not show it.
    """
    from ..emit.pages import report as pages
    from ..host import document

    shown = Path(path).name
    if below is not None:
        seen = predict(path, below.stack, below.place, below.options, slot)
        page = pages.function_page(seen.function, shown=shown, stack=below.stack, changes=seen.prediction.changes)
        return Page(page, tuple(seen.diagnostics))
    read = document.read(Path(path), os.fspath(path)) if Path(path).is_file() else None
    if read is not None:
        return Page(pages.function_page(read.function, shown=shown, stack=read.stack, changes=read.changes), ())
    compiled = load(path, slot)
    return Page(pages.function_page(compiled.function, shown=shown), compiled.diagnostics)


def picture(path: StrPath, slot: str | None = None, below: Below | None = None) -> Page:
    """The same function as a picture (SVG), or the topology of a machine layout. Raises as `report`."""
    from ..emit.pages import machine_svg, svg_map

    if is_machine(path):
        compiled = load_machine(path)
        return Page(machine_svg.render(compiled.system), compiled.diagnostics)
    if below is not None:
        seen = predict(path, below.stack, below.place, below.options, slot)
        return Page(svg_map.render(seen.function), tuple(seen.diagnostics))
    function, found = load(path, slot)
    return Page(svg_map.render(function), found)


def report_of_machine(path: StrPath) -> Page:
    """A page about the machine of a machine layout. Raises as `check_machine`."""
    from ..emit.pages import machine_page

    compiled = load_machine(path)
    return Page(machine_page.render(compiled.system, shown=find(path)[0].name), compiled.diagnostics)


def report_of_migration(source: Side | Probed, destination: Side | Probed, accepted: Sequence[Accepted] = ()) -> Page:
    """The answer of `migration` as a page, both sides beside one another. Raises as `migration`."""
    from ..emit.pages import report as pages
    from ..host.sides import Side

    found = migration(source, destination, accepted)
    shown = None  # of two machines that `probe` asked about: they have no one function
    if isinstance(source, Side) and isinstance(destination, Side):
        shown = source.function, destination.arriving
    said = [one for side in (source, destination) for one in getattr(side, "diagnostics", ())]
    return Page(pages.migration_page(found, shown), tuple(said))


def report_of_machines(source: StrPath, destination: StrPath, accepted: Sequence[Accepted] = ()) -> Page:
    """The answer of `migration_of_machines` as a page, both topologies beside one another."""
    from ..emit.pages import report as pages
    from ..host import systems

    ours, theirs = load_machine(source), load_machine(destination)
    found = systems.outcome(ours.system, theirs.system, accepted)
    return Page(
        pages.migration_page(found, None, (ours.system, theirs.system)), (*ours.diagnostics, *theirs.diagnostics)
    )
