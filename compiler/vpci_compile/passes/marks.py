"""DVSECs that mark free or used space: the device's, which placement honours, and those of the layout itself."""

from __future__ import annotations

from ..catalog import Chain, marks
from ..catalog.marks import HEAD, Mark
from ..ir import Kind
from .work import Draft, Work

_NAMES = tuple(marks.SHAPES.values())


def of_device(work: Work) -> list[Mark]:
    """What the captured device marks; none where there is no capture, or no library that knows such a DVSEC."""
    found = []
    for number, at, body in _extended(work):
        found.extend(marks.marked(number, at, body))
    return found


def own_length(work: Work, kind: Kind, number: int, at: int, length: int) -> int:
    """How much of a structure of the device is taken: of one whose length covers a free gap, its head alone."""
    if kind is not Kind.EXTENDED:
        return length
    body = work.physical_bytes[at : at + length]
    gaps = [mark for mark in marks.marked(number, at, body) if not mark.used and mark.start == at + HEAD]
    return HEAD if gaps and marks.name_of(number, body) == marks.SHAPES["gap"] else length


def _extended(work: Work) -> list[tuple[int, int, bytes]]:
    physical = work.physical.structures if work.physical is not None else ()
    data = work.physical_bytes
    return [(number, at, data[at : at + size]) for kind, number, at, size in physical if kind is Kind.EXTENDED]


def of_layout(work: Work) -> list[tuple[Draft, Mark]]:
    """The ranges that the tables of the layout itself mark."""
    found = []
    for draft in work.extended:
        if not draft.linked or draft.capability is None or draft.capability.name != marks.SHAPES["table"]:
            continue
        used = bool(draft.field("marks.used"))
        for number in range((draft.length - HEAD) // 4):
            start, end = draft.field(f"range{number}.first"), draft.field(f"range{number}.last") + 1
            found.append((draft, Mark(start, end, used)))
    return found


def free_in(work: Work, chain: Chain, low: int, high: int) -> list[Mark]:
    """The ranges of one chain's space that the device marks as free."""
    return [mark for mark in of_device(work) if not mark.used and mark.start < high and low < mark.end]


def check(work: Work) -> None:
    """Report VPCI1335: a table of the layout says that a range is free, and a structure stands in it."""
    for draft, mark in of_layout(work):
        if mark.used:
            continue
        for other in work.placed:
            if other is not draft and mark.start < other.end and other.offset < mark.end:
                work.report.add(
                    "VPCI1335",
                    draft.span,
                    f"{draft.name} says that {mark.start:#x}..{mark.end - 1:#x} is free; {other.shown} stands there",
                    labels=[(work.at(other), other.name)],
                    help=f"end the range before {other.offset:#x}, or leave it out",
                )
