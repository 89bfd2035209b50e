"""Captures: taken from this host, imported as layouts, and asked for the room that they leave."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .. import pipeline
from ..diagnostics import Diagnostic, Report, Source
from ..ir import Function
from .named import StrPath

if TYPE_CHECKING:
    from ..capture.collect import Taken
    from ..capture.free import Offer, Run, Space


class Imported(NamedTuple):
    """The layout that describes a capture, and what could not be accounted for."""

    text: str
    diagnostics: tuple[Diagnostic, ...]


def import_capture(path: StrPath, slot: str | None = None) -> Imported:
    """A layout for the function in a capture, of whatever form; `slot` picks one of many."""
    from .. import capture

    read = capture.read(Path(path), slot, os.fspath(path))
    text, diagnostics = capture.layout_text(read, _compile_text)
    return Imported(text, (*read.diagnostics, *diagnostics))


def _compile_text(text: str) -> Function:
    return pipeline.compile_source(Source("<import>", text), Path("import.yaml")).function


def capture_host(
    slots: Sequence[str] | None, *, vfio: bool = False, redact: bool = False, sysfs: StrPath = "/sys"
) -> Taken:
    """A capture file of the functions at `slots` of this host, of all for None. `load` and the others read it.

    With `vfio` the functions that are bound to a vfio driver are opened, too, which resets them. `redact` takes out
    what tells one unit from another. Warnings in the result name what could not be read.
    """
    from ..capture import collect, vfio_probe

    kernel = vfio_probe.Linux() if vfio else None
    return collect.take(slots, vfio=kernel, redacted=redact, sysfs=Path(sysfs))


class Free(NamedTuple):
    """What of the captured spaces is free: each by itself, all together, and the place for a PASID structure."""

    spaces: tuple[Space, ...]
    together: tuple[Run, ...]
    pasid: Offer
    diagnostics: tuple[Diagnostic, ...]


def free(paths: Sequence[StrPath], slots: Sequence[str] = ()) -> Free:
    """Which bytes of the captured functions are free; `slots` names the function of each capture, or is empty."""
    from .. import capture
    from ..capture import free as freely
    from ..passes import quirks

    report, spaces = Report(), []
    for path, slot in zip(paths, slots or (None,) * len(paths), strict=True):
        read = capture.read(Path(path), slot, os.fspath(path))
        report.diagnostics.extend(read.diagnostics)
        quirks.applied(capture.quirks_of(read), read.origin, report)
        one = freely.space(read)
        spaces.append(replace(one, label=f"{os.fspath(path)}{f' {read.slot}' if slot else ''}"))
    return Free(tuple(spaces), tuple(freely.together(spaces)), freely.pasid(spaces), tuple(report.sorted()))
