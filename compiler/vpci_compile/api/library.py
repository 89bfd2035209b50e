"""The libraries of layouts: the user's, and the one that the program brings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .. import loader, pipeline, spec
from ..catalog import libraries
from ..diagnostics import Diagnostic, Failed, Report, failure, whole_file
from .named import compile_layout

if TYPE_CHECKING:
    from ..emit.printed.library_text import Card, Entry
    from ..spec import DeviceLayout


class Layouts(NamedTuple):
    """The layouts that were asked for, and what is wrong with those that cannot be read."""

    entries: tuple[Entry, ...]
    diagnostics: tuple[Diagnostic, ...]


def layouts(vendor: int | None = None, device: int | None = None, *, every: bool = False) -> Layouts:
    """The layouts of all libraries, the user's and the program's, by name: those of functions, then those of machines.

    With a vendor or a device id, those that show it to the guest or stand on such a device, and machines with one of
    those. Older versions, and bases, which are there to be extended only, are left out unless `every`.
    """
    report, entries = Report(), []
    for name, path in [*libraries.layouts().items(), *libraries.machines().items()]:
        if not every and ("@" in name or libraries.is_base(name)):
            continue
        try:
            entry = _entry_of_machine(name, path) if libraries.is_machine(name) else _entry(name, path)
        except Failed as failed:
            report.diagnostics.extend(failed.diagnostics)
            continue
        if any(vendor in (None, own[0]) and device in (None, own[1]) for own in entry.ids):
            entries.append(entry)
    return Layouts(tuple(entries), tuple(report.sorted()))


def _entry(name: str, path: Path) -> Entry:
    from ..emit.printed.library_text import Entry

    layout, _ = pipeline.typed_layout(loader.read_source(path), path, Report())
    return Entry(name, layout.version, _ids(layout), layout.about, str(path), libraries.is_base(name))


def _ids(layout: DeviceLayout) -> tuple[tuple[int, int], ...]:
    """(vendor, device) as the guest sees them, and as the device has them where they are others."""
    seen, own = layout.identity, layout.physical
    ids = [(seen.vendor, seen.device)]
    if own is not None:
        ids.append((own.vendor or seen.vendor, own.device or seen.device))
    return tuple(dict.fromkeys(ids))


def _entry_of_machine(name: str, path: Path) -> Entry:
    """`ids` are those of its functions."""
    from ..emit.printed.library_text import Entry

    layout = spec.machine_layout(loader.parse(loader.read_source(path)), Report())
    found: dict[tuple[int, int], None] = {}
    for own in dict.fromkeys(device.layout for device in layout.devices.values()):
        place = pipeline.find_layout(path, own)
        if place is not None:
            typed, _ = pipeline.typed_layout(loader.read_source(*place), place[0], Report())
            found |= dict.fromkeys(_ids(typed))
    return Entry(name, layout.version, tuple(found), layout.about, str(path), base=False)


def layout_card(name: str) -> Card:
    """What a layout of a library is, where it comes from, and what it promises (a machine: nothing)."""
    from ..emit.printed.library_text import Card

    path = libraries.find(name)
    if path is not None and libraries.is_machine(name):
        entry = _entry_of_machine(name, path)
        return Card(entry, tuple(libraries.versions(name)), libraries.remarks(path), None, (), migrates=None)
    function = compile_layout(name).function
    if path is None:
        message = f"no library has a layout '{name}'"
        raise failure("VPCI1001", whole_file(name), message, help="'vpci-compile layouts list' names them")
    return Card(
        _entry(name, path),
        tuple(libraries.versions(name)),
        libraries.remarks(path),
        function.digest,
        function.targets,
        function.migrates,
    )
