"""Which bytes of captured configuration spaces nobody uses, and which only seem so.

A byte is free where every capture reads its dword as 0, no structure covers it, no quirk of the device names it, and
nothing speaks against the capture there. It is a judgement on what was captured: a register that reads as 0 cannot be
told from none, which is what quirks and a DVSEC that marks ranges are for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from .. import catalog
from ..catalog import Chain
from ..catalog import marks as dvsec
from ..catalog.quirks import QuirkKind
from ..ir import Kind
from . import chains
from .ids import quirks_of
from .model import CONVENTIONAL_BYTES, MAX_SPACE, Capture
from .structures import structures

_DWORD = 4
_NOT_ZERO = "does not read as 0"
_HEADER = 0x40
_PCI_EXPRESS = 0x10
PASID, PASID_BYTES = 0x1B, 8  # PCIe 6.0 7.8.9
QEMU_PASID = 0xFF8  # where QEMU puts it when x-vpasid-cap-offset does not say
FIRST_EXTENDED = 0x100


class State(IntEnum):
    """What is known of a byte; of several captures the largest counts."""

    FREE = 0
    UNPROVEN = 1
    QUIRK = 2
    USED = 3


class Run(NamedTuple):
    """Bytes of one state, from `start` to before `end`, and the reason ("" for free ones)."""

    start: int
    end: int
    state: State
    why: str


@dataclass(frozen=True, slots=True)
class Space:
    """The bytes of one captured function: `runs` covers all `size` of them.

    `extended`: it has an extended list, or the capture does not say; `pasid`: where its own PASID structure is, if any.
    """

    label: str
    size: int
    runs: tuple[Run, ...]
    extended: bool
    pasid: int | None


def space(capture: Capture) -> Space:
    """Everything that is known of the bytes of one function. Raises as catalog.quirks.of."""
    data = capture.data
    walks = {Chain.STANDARD: chains.standard(data), Chain.EXTENDED: chains.extended(data)}
    express = any(link.id == _PCI_EXPRESS for link in walks[Chain.STANDARD].links)
    size = MAX_SPACE if len(data) > CONVENTIONAL_BYTES or express else CONVENTIONAL_BYTES
    marks = _Marks(size)
    for at in range(0, min(len(data), size), _DWORD):
        if any(data[at : at + _DWORD]):  # registers are dwords: a byte of one that reads as 0 is no less its
            marks.put(at, at + _DWORD, State.USED, _NOT_ZERO)
    _of_structures(capture, walks, marks)
    marks.name(0, _HEADER, State.USED, "header")
    _of_marks(capture, marks)
    for quirk in quirks_of(capture):
        for row in quirk.taken(size):
            start, end = row.start // _DWORD * _DWORD, -(-row.end // _DWORD) * _DWORD
            marks.quirk(start, end, f"{row.what} (quirk {quirk.name})")
        if quirk.kind is QuirkKind.MOVES:
            marks.put(_HEADER, size, State.UNPROVEN, f"capabilities move with the firmware (quirk {quirk.name})")
    for first, end in capture.redacted:
        marks.put(first, end, State.UNPROVEN, "taken out of the capture")
    for first, end in (*capture.missing, (len(data), size)):
        marks.put(first, end, State.UNPROVEN, "not in the capture")
    own = next((link.offset for link in walks[Chain.EXTENDED].links if link.id == PASID), None)
    extended = size > CONVENTIONAL_BYTES and (bool(walks[Chain.EXTENDED].links) or not capture.covers(FIRST_EXTENDED))
    return Space(capture.label, size, tuple(marks.runs()), extended, own)


class _Marks:
    """A state and a reason for each byte; a larger state replaces a smaller one, never another reason of its own."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.rows: list[tuple[State, str]] = [(State.FREE, "")] * size

    def put(self, start: int, end: int, state: State, why: str) -> None:
        for at in range(max(0, start), min(end, self.size)):
            if state > self.rows[at][0]:
                self.rows[at] = (state, why)

    def name(self, start: int, end: int, state: State, why: str) -> None:
        """Say whose bytes are that may be marked already as not reading as 0."""
        for at in range(start, min(end, self.size)):
            self.rows[at] = (state, why)

    def quirk(self, start: int, end: int, why: str) -> None:
        """Say what a quirk knows of bytes that belong to no structure."""
        for at in range(start, min(end, self.size)):
            if self.rows[at][0] is not State.USED or self.rows[at][1] == _NOT_ZERO:
                self.rows[at] = (State.QUIRK, why)

    def runs(self) -> Iterator[Run]:
        start = 0
        for at in range(1, self.size + 1):
            if at == self.size or self.rows[at] != self.rows[start]:
                yield Run(start, at, *self.rows[start])
                start = at


def _of_structures(capture: Capture, walks: dict[Chain, chains.Walk], marks: _Marks) -> None:
    """The structures of both lists, whole dwords; and what a list leaves open that does not end as it should."""
    found = structures(capture.data)
    for kind, number, at, length in found:
        chain, end = Chain(kind.value), CONVENTIONAL_BYTES if kind is Kind.STANDARD else marks.size
        known = catalog.identify(chain, number, capture.data[at : at + length])
        name = known.name if known is not None else f"{chain} capability {number:#x}"
        marks.name(at, -(-(at + length) // _DWORD) * _DWORD, State.USED, name)
        if known is None:
            following = min((other for _, _, other, _ in found if other > at), default=end)
            marks.put(at, min(following, end), State.UNPROVEN, f"nobody knows how long the {name} at {at:#x} is")
    for chain, walk in walks.items():
        if walk.end is not chains.End.ZERO:
            low, high = (_HEADER, CONVENTIONAL_BYTES) if chain is Chain.STANDARD else (FIRST_EXTENDED, marks.size)
            why = f"the {chain} list breaks off at pointer {walk.stop:#x}: there may be more than it leads to"
            marks.put(low, high, State.UNPROVEN, why)


def _of_marks(capture: Capture, marks: _Marks) -> None:
    """What the function marks by a DVSEC of the user's (catalog.marks): free where its bytes are 0, or used."""
    data = capture.data
    for kind, number, at, length in structures(data):
        for mark in dvsec.marked(number, at, data[at : at + length]) if kind is Kind.EXTENDED else ():
            if mark.used:
                marks.put(mark.start, mark.end, State.USED, f"marked as used by the DVSEC at {at:#x}")
            elif not any(data[mark.start : mark.end]):
                marks.name(mark.start, mark.end, State.FREE, "")


def together(spaces: Sequence[Space]) -> list[Run]:
    """The bytes of several functions as one: each byte as the worst of them, and which of them that is."""
    marks = _Marks(max(one.size for one in spaces))
    for one in spaces:
        where = f" on {one.label}" if len(spaces) > 1 else ""
        for run in one.runs:
            if run.state:
                marks.put(run.start, run.end, run.state, run.why + where)
        marks.put(one.size, marks.size, State.USED, f"the space ends at {one.size:#x}{where}")
    return list(marks.runs())


class Offer(NamedTuple):
    """Where a PASID structure could stand on all of the functions: `at`, or None; `state` of the bytes there.

    `instead` says why the place that QEMU takes by itself is not the one; "" where it is.
    """

    at: int | None
    state: State
    instead: str


def pasid(spaces: Sequence[Space]) -> Offer:
    """The best place for a PASID structure: free on all, else unproven on some; QEMU's own first, then the last one."""
    if any(not one.extended for one in spaces):
        lacking = next(one.label for one in spaces if not one.extended)
        return Offer(None, State.USED, f"{lacking} has no extended list that it could join")
    runs = together(spaces)
    last = min(one.size for one in spaces) - PASID_BYTES
    places = [QEMU_PASID, *range(last, FIRST_EXTENDED, -_DWORD)]
    states = {at: _worst(runs, at, at + PASID_BYTES) for at in places}
    best = min(places, key=lambda at: states[at].state)
    if states[best].state > State.UNPROVEN:
        return Offer(None, State.USED, "no eight bytes are free on all of them")
    own = states[QEMU_PASID]
    instead = "" if best == QEMU_PASID else f"{QEMU_PASID:#x}, which QEMU takes by itself: {own.why}"
    return Offer(best, states[best].state, instead)


def _worst(runs: Iterable[Run], start: int, end: int) -> Run:
    return max((run for run in runs if run.start < end and start < run.end), key=lambda run: run.state)
