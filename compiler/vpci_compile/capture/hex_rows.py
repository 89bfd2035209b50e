"""Configuration space as rows of text: "000: 86 80 d3 10 ...", "110..fff: 00" for rows of one value, -- for unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ..diagnostics import Report
from ..loader import Node
from .model import MAX_SPACE

ROW_BYTES = 16
_UNKNOWN = "--"
_FEWEST = 2  # rows that are worth a run
Range = tuple[int, int]


def write(data: bytes, unknown: Iterable[Range] = ()) -> list[str]:
    """The rows of `data`; the bytes of the ranges (first, byte after the last) in `unknown` stand as --."""
    octets = [f"{octet:02x}" for octet in data]
    for first, end in unknown:
        octets[first:end] = [_UNKNOWN] * len(octets[first:end])
    return list(_written(octets))


def _written(octets: Sequence[str]) -> Iterator[str]:
    at = 0
    while at < len(octets):
        end = at
        while octets[end : end + ROW_BYTES] == [octets[at]] * ROW_BYTES:
            end += ROW_BYTES
        if end - at >= _FEWEST * ROW_BYTES:
            yield f"{at:03x}..{end - 1:03x}: {octets[at]}"
            at = end
        else:
            yield f"{at:03x}: {' '.join(octets[at : at + ROW_BYTES])}"
            at += ROW_BYTES


class Space:
    """Rows that were read: `data`, and `known`, which has a 1 for each byte that a row gave."""

    __slots__ = ("data", "dump", "known")

    def __init__(self) -> None:
        self.data = bytearray()
        self.known = bytearray()
        self.dump: list[list[int]] = []  # offset, line, rows of each run of lines

    @property
    def missing(self) -> tuple[Range, ...]:
        """The ranges that no row gave."""
        return tuple((hole.start(), hole.end()) for hole in re.finditer(b"\0+", self.known))

    def _put(self, offset: int, octets: Sequence[str]) -> None:
        gap = offset - len(self.data)
        self.data += bytes(gap)
        self.known += bytes(gap)
        self.data += bytes(0 if octet == _UNKNOWN else int(octet, 16) for octet in octets)
        self.known += bytes(octet != _UNKNOWN for octet in octets)


def read(rows: Node, report: Report) -> Space:
    """The bytes of rows that have the form of rows. Reports VPCI1704 for those that do not follow each other."""
    space = Space()
    for node in rows.entries():
        where, _, rest = str(node.value).partition(":")
        first, _, last = where.partition("..")
        offset, octets = int(first, 16), rest.split()
        if last:
            octets *= max(0, int(last, 16) + 1 - offset)
        if not octets:
            report.add("VPCI1704", node.span, f"the row {where} ends before it begins")
        elif offset < len(space.data):
            message = f"row {offset:#05x} stands after byte {len(space.data) - 1:#05x}"
            report.add("VPCI1704", node.span, message, help="rows stand in their order, each once")
        else:
            assert offset + len(octets) <= MAX_SPACE  # three digits can say no more
            space._put(offset, octets)
            if not last:
                _note_line(space, node, offset)
    return space


def _note_line(space: Space, node: Node, offset: int) -> None:
    """Remember on which line a row stands, where it has that line for itself."""
    line = node.span.line
    if node.span.source.line(line).strip(' \t",') != node.value:
        return
    last = space.dump[-1] if space.dump else None
    if last is not None and last[1] + last[2] == line and last[0] + last[2] * ROW_BYTES == offset:
        last[2] += 1
    else:
        space.dump.append([offset, line, 1])
