"""DVSECs that mark configuration space as free or used: our own definition, under ids that a user's library names.

In `quirks/*.yaml` of a library: `marks: [{dvsec: "1234:0001", shape: gap}]`, or `shape: table` (see the capabilities
free-space and space-table).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from . import libraries, quirks

HEAD = 0x0C  # bytes of such a structure before what it marks
_VENDOR, _LENGTH, _ID, _MARKS = 0x04, 0x06, 0x08, 0x0A
_DVSEC = 0x23
_SPACE = 0x1000
SHAPES = {"gap": "free-space", "table": "space-table"}
"""What a library calls a shape, and the capability of it."""


class Mark(NamedTuple):
    """Bytes of configuration space, (first, byte after the last), that registers stand in, or that none do."""

    start: int
    end: int
    used: bool


def name_of(number: int, body: bytes) -> str | None:
    """The catalogue's name of the extended capability with these bytes, if it marks space."""
    if number != _DVSEC or len(body) < HEAD:
        return None
    return _known(tuple(libraries.folders())).get((_number(body, _VENDOR), _number(body, _ID)))


def marked(number: int, at: int, body: bytes) -> list[Mark]:
    """What the extended capability at `at` marks; `body` are its bytes, as far as there are any."""
    name = name_of(number, body)
    if name is None:
        return []
    used, length = bool(_number(body, _MARKS) & 1), _number(body, _LENGTH) >> 4
    if name == SHAPES["gap"]:
        return [Mark(at + HEAD, min(at + length, _SPACE), used)] if length > HEAD else []
    rows = [int.from_bytes(body[row : row + 4], "little") for row in range(HEAD, min(length, len(body)) - 3, 4)]
    ranges = [(row & 0xFFF, (row >> 16 & 0xFFF) + 1) for row in rows]
    return [Mark(start, end, used) for start, end in ranges if start < end]


def _number(body: bytes, at: int) -> int:
    return int.from_bytes(body[at : at + 2], "little")


@cache
def _known(folders: tuple[Path, ...]) -> dict[tuple[int, int], str]:
    """(vendor, DVSEC id) -> the catalogue's name."""
    return {
        (row["dvsec"][0], row["dvsec"][1]): SHAPES[row["shape"]]
        for folder in folders
        for row in quirks.read_marks(folder / libraries.QUIRKS)
    }
