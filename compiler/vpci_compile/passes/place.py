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
    """Set the offset of every draft; reports VPCI1305 where there is no room."""
    taken = _taken(work)
    for draft in work.drafts:
        if draft.offset != NULL_OFFSET:
            taken.append((draft.offset, draft.end))
    for draft in work.drafts:
        if draft.offset != NULL_OFFSET:
            continue
        draft.offset = _gap(work, draft, taken)
        if draft.offset == NULL_OFFSET:
            work.report.add(
                "VPCI1305",
                draft.span,
                f"no room for {draft.name} ({draft.length} bytes) in the {draft.chain} space",
                help="pin other structures closer together, or narrow the reserved ranges",
            )
            draft.offset = 0
        taken.append((draft.offset, draft.end))


def _taken(work: Work) -> list[Interval]:
    taken: list[Interval] = [(0, work.header.length)]
    taken.extend(entry.range for entry in work.layout.reserved)
    taken.extend((entry.at, entry.at + len(entry.hex)) for entry in work.layout.bytes)
    if work.physical is not None:
        taken.extend((offset, offset + length) for _, _, offset, length in work.physical.structures)
        taken.extend(work.physical.used)
    return taken


def _gap(work: Work, draft: Draft, taken: list[Interval]) -> int:
    standard = draft.chain is Chain.STANDARD
    low, high = (work.header.length, PCI_SIZE) if standard else (FIRST_EXTENDED, work.size)
    offset = low
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
