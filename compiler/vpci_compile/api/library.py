"""The libraries of layouts: the user's, and the one that the program brings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .. import loader, pipeline
from ..catalog import libraries
from ..diagnostics import Diagnostic, Failed, Report, failure, whole_file
from .named import compile_layout

if TYPE_CHECKING:
    from ..emit.printed.library_text import Card, Entry


class Layouts(NamedTuple):
    """The layouts that were asked for, and what is wrong with those that cannot be read."""

    entries: tuple[Entry, ...]
    diagnostics: tuple[Diagnostic, ...]


def layouts(vendor: int | None = None, device: int | None = None, *, every: bool = False) -> Layouts:
    """The layouts of all libraries, the user's and the program's, by name.

    With a vendor or a device id, those that show it to the guest or stand on such a device. Older versions, and bases,
    which are there to be extended only, are left out unless `every`.
    """
    report, entries = Report(), []
    for name, path in libraries.layouts().items():
        if not every and ("@" in name or libraries.is_base(name)):
            continue
        try:
            entry = _entry(name, path)
        except Failed as failed:
            report.diagnostics.extend(failed.diagnostics)
            continue
        if any(vendor in (None, own[0]) and device in (None, own[1]) for own in entry.ids):
            entries.append(entry)
    return Layouts(tuple(entries), tuple(report.sorted()))


def _entry(name: str, path: Path) -> Entry:
    from ..emit.printed.library_text import Entry

    layout, _ = pipeline.typed_layout(loader.read_source(path), path, Report())
    seen, own = layout.identity, layout.physical
    ids = [(seen.vendor, seen.device)]
    if own is not None:
        ids.append((own.vendor or seen.vendor, own.device or seen.device))
    base = libraries.is_base(name)
    return Entry(name, layout.version, tuple(dict.fromkeys(ids)), layout.about, str(path), base)


def layout_card(name: str) -> Card:
    """What a layout of a library is, where it comes from, and what it promises."""
    from ..emit.printed.library_text import Card

    function = compile_layout(name).function
    path = libraries.find(name)
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
