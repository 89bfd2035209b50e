"""Gives an offset to every structure that the layout leaves open.

Pinned structures come first and never move. The others follow in the order of the list, each into the first gap that
fits, so one that is added at the end moves none. Nothing is placed over reserved ranges, over bytes that the device
uses, or (where a capture is known) over bytes of the device that do not read as zero.
"""

from __future__ import annotations

from ..catalog import Chain
from .drafts import FIRST_EXTENDED, PCI_SIZE
from .work import NULL_OFFSET, Draft, Work

ALIGNMENT = 4  # PCI 3.0 6.7, PCIe 6.0 7.6.3: structures begin at a dword
Interval = tuple[int, int]


def place(work: Work) -> None:
    """Set the offset of every draft; reports VPCI1305 where there is no room (its offset stays NULL_OFFSET)."""
    taken = _taken(work)
    taken.extend((draft.offset, draft.end) for draft in work.placed)
    for draft in work.drafts:
        if draft.offset != NULL_OFFSET or (draft.chain is Chain.EXTENDED and work.size <= PCI_SIZE):
            continue  # an extended structure in a space of 256 bytes is another complaint
        draft.offset = _gap(work, draft, taken)
        if draft.offset != NULL_OFFSET:
            taken.append((draft.offset, draft.end))
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
    others = [(other.offset, other.end) for other in work.placed if other is not draft]
    return _gap(work, draft, [*_taken(work), *others])


def _taken(work: Work) -> list[Interval]:
    taken: list[Interval] = [(0, work.header.length)]
    taken.extend(entry.range for entry in work.layout.reserved)
    taken.extend((entry.at, entry.at + len(entry.hex)) for entry in work.layout.bytes)
    if work.physical is not None:
        taken.extend((offset, offset + length) for _, _, offset, length in work.physical.structures)
        taken.extend(work.physical.used)
    return taken


def _gap(work: Work, draft: Draft, taken: list[Interval]) -> int:
    offset, high = space(work, draft.chain)
    while offset + draft.length <= high:
        clash = max((end for start, end in taken if start < offset + draft.length and offset < end), default=0)
        if not clash:
            clash = _live_byte(work.physical_bytes, offset, offset + draft.length)
        if not clash:
            return offset
        offset = (clash + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    return NULL_OFFSET


def _live_byte(captured: bytes, start: int, end: int) -> int:
    """The byte after the last non-zero one of the device in a range; 0 if there is none."""
    return start + len(captured[start:end].rstrip(b"\0")) if any(captured[start:end]) else 0
