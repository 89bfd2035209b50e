"""What devices have that no capability says: `schemas/quirks/`, and the `quirks/` of a user's libraries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from .. import loader, resources
from ..diagnostics import Report
from . import libraries, packed, quirk_shape

PACKED = "quirks.json"  # the fast form that a wheel carries, made by hatch_build.py


class QuirkKind(StrEnum):
    """What a quirk is about; schemas/quirks/README.md says what each means."""

    REGISTERS = "registers"
    UNLINKED = "unlinked"
    CONFIG_SIZE = "config-size"
    MOVES = "moves"
    MIRROR = "mirror"
    NO_INTX = "no-intx"
    ATS_BROKEN = "ats-broken"
    ATS_REQUIRED = "ats-required"
    MSIX_PBA = "msix-pba"
    NO_MSIX_RELOCATION = "no-msix-relocation"


class Ids(NamedTuple):
    """Who a device says that it is; None is not known, and then it may be any."""

    vendor: int
    device: int
    class_code: int | None = None
    revision: int | None = None
    subsystem: tuple[int, int] | None = None


class QuirkRange(NamedTuple):
    """Bytes of configuration space, (first, byte after the last), and what stands there."""

    start: int
    end: int
    what: str


@dataclass(frozen=True, slots=True)
class Quirk:
    """One quirk; of `ranges`, `size`, `bar` and `at` those that its kind has. Sizes and offsets in bytes."""

    name: str
    kind: QuirkKind
    about: str
    source: str
    ranges: tuple[QuirkRange, ...] = ()
    size: int = 0
    bar: int = 0
    at: int = 0

    def taken(self, space: int) -> tuple[QuirkRange, ...]:
        """Where in a configuration space of so many bytes nothing may be placed."""
        if self.kind is QuirkKind.CONFIG_SIZE and self.size < space:
            return (QuirkRange(self.size, space, self.about),)
        return self.ranges

    @property
    def said(self) -> str:
        """The quirk in a sentence, for messages."""
        places = ", ".join(f"{start:#x}..{end - 1:#x}" for start, end in _joined(self.ranges))
        start = {
            QuirkKind.REGISTERS: f"registers outside every capability at {places}",
            QuirkKind.UNLINKED: f"no pointer leads to what stands at {places}",
            QuirkKind.CONFIG_SIZE: f"nothing may be read from {self.size:#x} on",
            QuirkKind.MOVES: "its capabilities move with the firmware",
            QuirkKind.MIRROR: f"BAR {self.bar} shows the configuration space at {self.at:#x}, {self.size:#x} bytes",
            QuirkKind.NO_INTX: "its INTx is never used: through vfio the interrupt pin reads 0",
            QuirkKind.ATS_BROKEN: "its ATS is not used",
            QuirkKind.ATS_REQUIRED: "it needs ATS",
            QuirkKind.MSIX_PBA: f"its MSI-X structure is wrong about the PBA, which is at {self.at:#x}",
            QuirkKind.NO_MSIX_RELOCATION: "its MSI-X table cannot be moved to another BAR",
        }[self.kind]
        return f"{start}; {self.about}" if self.about else start


def _joined(ranges: tuple[QuirkRange, ...]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for row in sorted(ranges):
        if runs and row.start <= runs[-1][1]:
            runs[-1] = (runs[-1][0], max(runs[-1][1], row.end))
        else:
            runs.append((row.start, row.end))
    return runs


def of(ids: Ids) -> tuple[Quirk, ...]:
    """The quirks of a device: those that come with the program first, then those of the user's libraries.

    Raises:
        Failed: VPCI1120 or VPCI1333, a library of the user's is not there, or a file of it says nothing that we read.
    """
    rows = [*_shipped().get(f"{ids.vendor:04x}", ()), *_own(tuple(libraries.folders())).get(f"{ids.vendor:04x}", ())]
    return tuple(_quirk(row) for row in rows if _meant(row["devices"], ids))


def of_linux(ids: Ids, kind: QuirkKind) -> tuple[Quirk, ...]:
    """Those of one kind that come with the program: what a user adds is not in the kernel."""
    rows = _shipped().get(f"{ids.vendor:04x}", ())
    return tuple(_quirk(row) for row in rows if row["kind"] == kind and _meant(row["devices"], ids))


def _meant(devices: list[Mapping[str, Any]], ids: Ids) -> bool:
    return any(_is(row, ids) for row in devices)


def _is(row: Mapping[str, Any], ids: Ids) -> bool:
    if row["vendor"] != ids.vendor:
        return False
    if "ids" in row and not any(low <= ids.device <= high for low, high in row["ids"]):
        return False
    if "class" in row and ids.class_code is not None and ids.class_code >> row["shift"] != row["class"]:
        return False
    if "revision" in row and ids.revision is not None and not row["revision"][0] <= ids.revision <= row["revision"][1]:
        return False
    return "subsystems" not in row or ids.subsystem is None or [*ids.subsystem] in row["subsystems"]


def _quirk(row: Mapping[str, Any]) -> Quirk:
    ranges = tuple(QuirkRange(*entry) for entry in row.get("ranges", ()))
    numbers = {key: row[key] for key in ("size", "bar", "at") if key in row}
    return Quirk(row["name"], QuirkKind(row["kind"]), row["about"], row["source"], ranges, **numbers)


# -- files ---------------------------------------------------------------------------------------------------------

_Rows = dict[str, list[dict[str, Any]]]
"""Vendor id in hex -> the quirks that name it, with ranges as numbers; see quirk_shape."""


@cache
def _shipped() -> _Rows:
    rows: _Rows = packed.load(PACKED, [_root()], lambda: read_all(_root()))
    return rows


@cache
def _own(folders: tuple[Path, ...]) -> _Rows:
    rows: _Rows = {}
    for folder in folders:
        for vendor, found in read_all(folder / libraries.QUIRKS).items():
            rows.setdefault(vendor, []).extend(found)
    return rows


def _root() -> Path:
    return resources.folder("schemas") / "quirks"


def read_all(folder: Path) -> _Rows:
    """What the files of a folder say.

    Raises:
        Failed: VPCI1333, or what loading says.
    """
    report, rows = Report(), _Rows()
    for path in sorted(folder.glob("*.yaml")):
        for row in quirk_shape.quirks(loader.load(path, begin="title: ..., and quirks: [...]"), report):
            for vendor in sorted({device["vendor"] for device in row["devices"]}):
                rows.setdefault(f"{vendor:04x}", []).append(row)
    report.stop_on_errors()
    return rows


def read_marks(folder: Path) -> list[dict[str, Any]]:
    """The DVSECs that the files of a folder say mark space. Raises as `read_all`."""
    report = Report()
    rows = [row for path in sorted(folder.glob("*.yaml")) for row in quirk_shape.marks(loader.load(path), report)]
    report.stop_on_errors()
    return rows


def pack() -> str:
    """The shipped quirks as one JSON text: the fast form for a wheel."""
    return json.dumps(read_all(_root()))
