"""Base address registers of a capture as a layout says them; what no entry can say stays a register of the header."""

from __future__ import annotations

from dataclasses import dataclass

from ..diagnostics import Span, whole_file
from ..ir import ROM_INDEX, Bar, BarKind, Beyond, Caching, Enable, Origin
from ..passes import bars as rules
from .model import BarFact, Capture

_HEADER_TYPE, _LAYOUT = 0x0E, 0x7F
_NOWHERE = whole_file("")


@dataclass(frozen=True, slots=True)
class BarPlan:
    """One BAR: `registers` are the names of the header registers that it takes, `octets` the bytes at `offset`."""

    index: int
    kind: BarKind
    prefetchable: bool
    size: int | None
    address: int
    registers: tuple[str, ...]
    offset: int
    octets: bytes

    @property
    def key(self) -> str:
        """Its key under `bars`."""
        return "rom" if self.index == ROM_INDEX else str(self.index)


def bars(capture: Capture) -> tuple[Bar, ...]:
    """The BARs of a captured function; of a BAR whose size the capture does not say, the size is None.

    Those of a virtual function are in its PF, and its own registers read 0 (PCIe 6.0 9.3.4.1.11): what the kernel says
    of them counts.
    """
    kind = capture.data[_HEADER_TYPE] & _LAYOUT
    found = {
        plan.index: _copied(plan.index, plan.kind, plan.prefetchable, plan.size, capture.origin)
        for plan in plan_bars(capture, kind if kind in rules.SLOTS else 0)
    }
    for fact in capture.bars if capture.virtual else ():
        if fact.index not in found and fact.index != ROM_INDEX:
            wide = BarKind.MEM64 if fact.wide else BarKind.MEM32
            found[fact.index] = _copied(fact.index, wide, fact.prefetchable, fact.size, fact.origin or capture.origin)
    return tuple(found[index] for index in sorted(found))


def plan_bars(capture: Capture, header_type: int) -> list[BarPlan]:
    """The BARs that an entry can say so that the compiled registers hold the captured bytes."""
    facts = {fact.index: fact for fact in capture.bars}
    found: list[BarPlan] = []
    index, slots = 0, rules.SLOTS[header_type]
    while index < slots:
        plan = _bar(capture.data, index, slots, facts.get(index), header_type)
        if plan is not None:
            found.append(plan)
        index += 2 if plan is not None and plan.kind is BarKind.MEM64 else 1
    if header_type in rules.ROM_OFFSET:
        rom = _rom(capture.data, facts.get(ROM_INDEX), header_type)
        found += [rom] if rom is not None else []
    return found


def _bar(data: bytes, index: int, slots: int, fact: BarFact | None, header_type: int) -> BarPlan | None:
    offset = rules.FIRST_BAR + 4 * index
    low = int.from_bytes(data[offset : offset + 4], "little")
    if not low and (fact is None or fact.io or fact.wide or fact.prefetchable):
        return None  # no BAR, or one that hardware does not show: a virtual function's is in its PF
    if low & 1:
        kind, prefetchable, address = BarKind.IO, False, low & ~3
    elif low & 6 == 4 and index + 1 < slots:
        kind, prefetchable = BarKind.MEM64, bool(low & rules.PREFETCHABLE)
        address = int.from_bytes(data[offset : offset + 8], "little") & ~0xF
    else:
        kind, prefetchable, address = BarKind.MEM32, bool(low & rules.PREFETCHABLE), low & ~0xF
    names = tuple(f"bar{index + n}" for n in range(2 if kind is BarKind.MEM64 else 1))
    size = fact.size if fact is not None and fact.io == (kind is BarKind.IO) else None
    return _fitting(data, index, kind, prefetchable, size, address, names, header_type)


def _rom(data: bytes, fact: BarFact | None, header_type: int) -> BarPlan | None:
    offset = rules.ROM_OFFSET[header_type]
    held = int.from_bytes(data[offset : offset + 4], "little")
    if not held and fact is None:
        return None
    size = fact.size if fact is not None else None
    return _fitting(data, ROM_INDEX, BarKind.ROM, False, size, held, ("rom",), header_type)


def _fitting(
    data: bytes,
    index: int,
    kind: BarKind,
    prefetchable: bool,
    size: int | None,
    address: int,
    names: tuple[str, ...],
    header_type: int,
) -> BarPlan | None:
    """The entry, with its size where a BAR can have that, else without; None where neither gives the bytes."""
    for tried in dict.fromkeys((size, None)):
        if tried is not None and (tried & (tried - 1) or not rules.SMALLEST[kind] <= tried <= rules.LARGEST[kind]):
            continue
        bar = _copied(index, kind, prefetchable, tried, _NOWHERE)
        offset, length, value, _ = rules.registers(bar, address, header_type)
        octets = value.to_bytes(length, "little")
        if octets == data[offset : offset + length] and (tried is None or not address & ~1 & (tried - 1)):
            return BarPlan(index, kind, prefetchable, tried, address, names, offset, octets)
    return None


def _copied(index: int, kind: BarKind, prefetchable: bool, size: int | None, origin: Span) -> Bar:
    """A BAR of the device, with memory behind all of it."""
    return Bar(
        index, kind, prefetchable, size, size, Origin.COPIED, Caching.UNCACHED, Beyond.ONES, Enable.ENFORCE, origin
    )
