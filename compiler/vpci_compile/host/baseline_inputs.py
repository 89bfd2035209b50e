"""The inputs of a baseline: captured functions, layouts, and what is neither."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .. import capture, loader, pipeline
from ..capture import Capture
from ..diagnostics import Diagnostic, Failed, Report, Span
from ..ir import Bar, Function, Kind
from .predict import Device, read_device

_LAYOUTS = (".yaml", ".yml")
_PCI_SIZE, _EXPRESS_SIZE = 256, 4096
_PCI_EXPRESS = 0x10


class Host(NamedTuple):
    """A host's function: its place among the inputs, what people call it, its path, its capture and BARs."""

    number: int
    name: str
    path: str
    slot: str | None
    capture: Capture
    bars: tuple[Bar, ...]

    def device(self) -> Device:
        """The same with a layout made of it, which takes time."""
        return read_device(Path(self.path), self.slot, self.path)

    def place(self, offset: int) -> Span:
        """Where the byte at `offset` stands."""
        return self.capture.place(offset)


class Layout(NamedTuple):
    """A layout that the baseline must not contradict; `shipped` is its name in a library, "" for a file."""

    number: int
    name: str
    path: str
    function: Function
    shipped: str = ""

    def place(self, offset: int) -> Span:
        """Where the layout says the byte at `offset`."""
        owner = self.function.owner(offset)
        return self.function.origin if owner is None or owner.kind is Kind.HEADER else owner.origin


class Unusable(NamedTuple):
    """An input that can be in no baseline, and why."""

    name: str
    diagnostics: tuple[Diagnostic, ...]


class Inputs(NamedTuple):
    """All inputs; `twice` are paths that were given before."""

    hosts: list[Host]
    layouts: list[Layout]
    unusable: list[Unusable]
    twice: list[str]


def read(paths: Sequence[str], slot: str | None) -> Inputs:
    """The inputs at `paths`; `slot` names the function of captures that hold several."""
    found = Inputs([], [], [], [])
    seen: set[str] = set()
    for number, (path, name) in enumerate(zip(paths, _short(paths), strict=True)):
        if os.path.realpath(path) in seen:
            found.twice.append(path)
            continue
        seen.add(os.path.realpath(path))
        try:
            shipped = None if loader.exists(Path(path)) else pipeline.find_layout(Path(path), path)
            if shipped is not None:
                function = pipeline.compile_file(*shipped).function
                found.layouts.append(Layout(number, path, str(shipped[0]), function, path))
            elif path.endswith(_LAYOUTS) and not os.path.isdir(path):  # noqa: PTH112 - a name, as the user gave it
                found.layouts.append(Layout(number, name, path, pipeline.compile_file(Path(path), path).function))
            else:
                taken = capture.read(Path(path), slot, path)
                _complete(taken)
                found.hosts.append(Host(number, name, path, slot, taken, capture.bars(taken)))
        except Failed as failed:
            found.unusable.append(Unusable(path, failed.diagnostics))
    return found


def _short(paths: Sequence[str]) -> list[str]:
    """The paths without the folder that all of them are in."""
    folder = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths])  # noqa: PTH100, PTH120
    return [os.path.relpath(os.path.abspath(path), folder) for path in paths]  # noqa: PTH100


def _complete(taken: Capture) -> None:
    """Refuse a capture that does not say what a guest would find.

    Raises:
        Failed: VPCI2222.
    """
    found = {(kind, number) for kind, number, _, _ in capture.structures(taken.data)}
    large = (Kind.STANDARD, _PCI_EXPRESS) in found or any(kind is Kind.EXTENDED for kind, _ in found)
    whole = _EXPRESS_SIZE if large else _PCI_SIZE
    report = Report()
    if len(taken.data) < whole:
        report.add(
            "VPCI2222",
            taken.origin,
            f"the capture has {len(taken.data)} of {whole} bytes: nobody knows what a guest would find in the others",
            help="capture the function as root: vpci-compile capture, or lspci -vv -xxxx",
        )
    holes = [one for one in taken.missing if not any(a <= one[0] and one[1] <= b for a, b in taken.redacted)]
    if holes:
        shown = ", ".join(f"{first:#x}..{end - 1:#x}" for first, end in holes)
        report.add("VPCI2222", taken.origin, f"the capture has no bytes {shown}", help="capture the function again")
    report.stop_on_errors()
