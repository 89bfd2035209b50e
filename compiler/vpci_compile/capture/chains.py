"""The two capability lists of a configuration space, walked so that no bytes can lead astray."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class End(StrEnum):
    """How a list ends: as it should, or by one of the faults that real hardware has."""

    ZERO = "zero"
    LOOP = "loop"
    OUTSIDE = "outside"
    ALL_ONES = "all-ones"


@dataclass(frozen=True, slots=True)
class Link:
    """One structure in a list: `pointer` is where a byte says that it stands, `offset` where readers look."""

    offset: int
    id: int
    version: int
    next: int
    pointer: int


@dataclass(frozen=True, slots=True)
class Walk:
    """A whole list, in its order; `stop` is the pointer that ended it."""

    links: tuple[Link, ...]
    end: End
    stop: int


STATUS_CAP_LIST = 0x10  # bit 4 of Status: PCI 3.0 6.2.3
CARDBUS = 2


def pointer_offset(data: bytes) -> int:
    """Where the first pointer of the standard list stands: 0x34, or 0x14 in a CardBus bridge's header."""
    return 0x14 if len(data) > 0x0E and data[0x0E] & 0x7F == CARDBUS else 0x34


def standard(data: bytes) -> Walk:
    """The standard list: PCIe 6.0 7.5.1.1.11. The low two bits of a pointer are reserved and masked by readers."""
    if len(data) < 64 or not data[0x06] & STATUS_CAP_LIST:
        return Walk((), End.ZERO, 0)
    return _collect(_standard_steps(data), data[pointer_offset(data)])


def extended(data: bytes) -> Walk:
    """The extended list, from 0x100 on: PCIe 6.0 7.6.3. An empty list is a zero dword there."""
    if len(data) < 0x104:
        return Walk((), End.ZERO, 0)
    return _collect(_extended_steps(data), 0x100)


def _collect(steps: Iterator[Link | End], first: int) -> Walk:
    links: list[Link] = []
    for step in steps:
        if isinstance(step, End):
            return Walk(tuple(links), step, links[-1].next if links else first)
        links.append(step)
    raise AssertionError("steps end with an End")


def _standard_steps(data: bytes) -> Iterator[Link | End]:
    seen: set[int] = set()
    pointer = data[pointer_offset(data)]
    limit = min(len(data), 0x100)
    while pointer & 0xFC:
        offset = pointer & 0xFC
        if offset in seen:
            yield End.LOOP
            return
        if offset < 0x40 or offset + 2 > limit:
            yield End.OUTSIDE
            return
        if data[offset] == 0xFF:
            yield End.ALL_ONES
            return
        seen.add(offset)
        yield Link(offset, data[offset], 0, data[offset + 1], pointer)
        pointer = data[offset + 1]
    yield End.ZERO


def _extended_steps(data: bytes) -> Iterator[Link | End]:
    seen: set[int] = set()
    pointer = 0x100
    while pointer & 0xFFC:
        offset = pointer & 0xFFC
        if offset in seen:
            yield End.LOOP
            return
        if offset < 0x100 or offset + 4 > len(data):
            yield End.OUTSIDE
            return
        header = int.from_bytes(data[offset : offset + 4], "little")
        if header == 0xFFFFFFFF:
            yield End.ALL_ONES
            return
        if header == 0 and offset == 0x100:
            break
        seen.add(offset)
        yield Link(offset, header & 0xFFFF, header >> 16 & 0xF, header >> 20, pointer)
        pointer = header >> 20
    yield End.ZERO
