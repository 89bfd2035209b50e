"""Gives an offset to every structure that the layout leaves open.

Pinned structures come first and never move. The others follow in the order of the list, so one that is added at the end
moves none: standard structures and the head of the extended chain into the first gap that fits, other extended ones
into the last, away from the device's own, whose registers often go on behind the length that they state. Nothing is
placed over reserved ranges, over bytes that the device uses or that a quirk of it names, or (where a capture is known)
over bytes of the device that do not read as zero. Where the device marks free ranges by a DVSEC, only those are free.
"""

from __future__ import annotations

from ..catalog import Chain
from . import marks
from .drafts import FIRST_EXTENDED, PCI_SIZE
from .work import NULL_OFFSET, Draft, Work

ALIGNMENT = 4  # PCI 3.0 6.7, PCIe 6.0 7.6.3: structures begin at a dword
Interval = tuple[int, int]


def place(work: Work) -> None:
    """Set the offset of every draft; reports VPCI1305 where there is no room (its offset stays NULL_OFFSET)."""
    taken = _taken(work)
    for draft in work.placed:
        _take(taken, draft.offset, draft.end)
    for draft in work.drafts:
        if draft.offset != NULL_OFFSET or (draft.chain is Chain.EXTENDED and work.size <= PCI_SIZE):
            continue  # an extended structure in a space of 256 bytes is another complaint
        draft.offset = _gap(work, draft, taken)
        if draft.offset != NULL_OFFSET:
            _take(taken, draft.offset, draft.end)
            continue
        low, high = space(work, draft.chain)
        work.report.add(
            "VPCI1305",
            draft.span,
            f"no room for {draft.name}: {draft.length} bytes in the {draft.chain} space ({low:#x}..{high - 1:#x})",
            note="pinned structures, reserved ranges and what the device uses leave no gap of that size",
            help="pin structures closer together, narrow the reserved ranges, or take one out",
        )


def space(work: Work, chain: Chain) -> Interval:
    """Where structures of a chain can stand: (first byte, byte after the last)."""
    return (work.header.length, PCI_SIZE) if chain is Chain.STANDARD else (FIRST_EXTENDED, work.size)


def free(work: Work, draft: Draft) -> int:
    """An offset where a structure that is already placed would fit, or NULL_OFFSET."""
    taken = _taken(work)
    for other in work.placed:
        if other is not draft:
            _take(taken, other.offset, other.end)
    return _gap(work, draft, taken)


def _taken(work: Work) -> bytearray:
    """One byte for each of the space, 1 where nothing is placed."""
    taken = bytearray(work.size)
    _take(taken, 0, work.header.length)
    for entry in work.layout.reserved:
        _take(taken, *entry.range)
    for run in work.layout.bytes:
        _take(taken, run.at, run.at + len(run.hex))
    if work.physical is not None:
        for kind, number, offset, length in work.physical.structures:
            _take(taken, offset, offset + marks.own_length(work, kind, number, offset, length))
        for start, end in work.physical.used:
            _take(taken, start, end)
    for mark in (*marks.of_device(work), *(mark for _, mark in marks.of_layout(work))):
        if mark.used:
            _take(taken, mark.start, mark.end)
    for quirk in work.quirks:
        for row in quirk.taken(work.size):
            _take(taken, row.start, row.end)
    for offset, octet in enumerate(work.physical_bytes[: work.size]):
        taken[offset] |= octet != 0
    return taken


def _take(taken: bytearray, start: int, end: int) -> None:
    end = min(end, len(taken))
    if start < end:
        taken[start:end] = b"\x01" * (end - start)


def _gap(work: Work, draft: Draft, taken: bytearray) -> int:
    low, high = space(work, draft.chain)
    free = marks.free_in(work, draft.chain, low, high)
    if free:  # the device says where nothing is: then nowhere else
        marked = {at for mark in free for at in range(mark.start, mark.end)}
        taken = bytearray(one or at not in marked for at, one in enumerate(taken))
    if draft.chain is Chain.EXTENDED and draft is not work.extended[0]:
        return _last_gap(low, high, draft.length, taken)
    offset = low
    while offset + draft.length <= high:
        clash = taken.rfind(1, offset, offset + draft.length)
        if clash < 0:
            return offset
        offset = (clash + ALIGNMENT) // ALIGNMENT * ALIGNMENT
    return NULL_OFFSET


def _last_gap(low: int, high: int, length: int, taken: bytearray) -> int:
    offset = (high - length) // ALIGNMENT * ALIGNMENT
    while offset >= low:
        clash = taken.find(1, offset, offset + length)
        if clash < 0:
            return offset
        offset = (clash - length) // ALIGNMENT * ALIGNMENT
    return NULL_OFFSET
