"""Registers in words: for each field its bits, its value, who answers a read, what a write does, who compares it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from ...diagnostics import Span
from ...ir import BarKind, FieldAt, Function, Kind, Structure


class Behaviour(NamedTuple):
    """What the image says of some bits, in words."""

    reads: str
    writes: str
    contract: str

    def __str__(self) -> str:
        return "; ".join(self)


class Row(NamedTuple):
    """A field of a register: its bits as the register counts them, name, decoded value, behaviour, title."""

    bits: str
    name: str
    value: str
    behaviour: Behaviour
    title: str
    origin: Span


class Register(NamedTuple):
    """A register of the space; `offset` and `size` in bytes, `path` as layouts call it."""

    path: str
    title: str
    offset: int
    size: int
    fields: tuple[FieldAt, ...]

    def rows(self, function: Function) -> list[Row]:
        """Its fields; of a base address register those that the kind of the BAR gives it."""
        return _base_address(function, self.fields[0]) or [_row(function, one) for one in self.fields]


def registers(function: Function, structure: Structure) -> Iterator[Register]:
    """The registers of a structure in the order of the catalogue; none where the catalogue has no entry."""
    for name, group in groupby(function.fields(structure), key=lambda one: one.register):
        fields = tuple(group)
        place = fields[0].place
        title = place.register.title or fields[0].field.title
        yield Register(f"{structure.name}.{name}", title, fields[0].offset, place.size, fields)


def _row(function: Function, at: FieldAt) -> Row:
    view = function.view(at.structure)
    assert view is not None
    low = at.bit - 8 * at.offset
    title = at.field.title if at.field.name != at.register else ""
    value = view.decode(at.place, at.field)
    return Row(
        _range(low, at.width), at.field.name, value, behaviour(function, at.bit, at.width, low), title, at.origin
    )


def _base_address(function: Function, at: FieldAt) -> list[Row]:
    """The rows of a base address register whose bits are not those of a 32-bit memory BAR; none for another."""
    if at.structure.kind is not Kind.HEADER:
        return []
    value = function.config.number("value", at.offset, at.place.size)
    for bar in function.bars:
        if bar.kind is BarKind.MEM64 and at.register == f"bar{bar.index + 1}":
            rows = [(0, 32, "address", f"upper half of BAR {bar.index}: {value:08x}")]
        elif bar.kind is BarKind.IO and at.register == f"bar{bar.index}":
            rows = [(0, 1, "space", "I/O"), (2, 30, "address", f"{value & ~3:08x}")]
        else:
            continue
        first = 8 * at.offset
        return [
            Row(_range(low, width), name, text, behaviour(function, first + low, width, low), "", at.origin)
            for low, width, name, text in rows
        ]
    return []


def _range(low: int, width: int) -> str:
    return f"{low + width - 1}..{low}" if width > 1 else str(low)


def behaviour(function: Function, bit: int, width: int, low: int = 0) -> Behaviour:
    """Who answers, what a write does, whether a migration compares, over `width` bits from `bit` of the space on.

    `low` is the number that the lowest has in its register: single bits are named as the register counts them.
    """
    config = function.config
    first, last = bit // 8, (bit + width + 7) // 8
    every = (1 << width) - 1

    def bits(name: str) -> int:
        return config.number(name, first, last - first) >> bit % 8 & every

    emulated, written, cleared, forwarded = (bits(n) for n in ("emulated", "writable", "w1c", "forwarded"))
    reads = (
        "the VMM answers" if emulated == every else "the device answers" if not emulated else "VMM and device answer"
    )
    kept = "writes are kept" if written == every else f"writes of {_named(written, low)} are kept"
    clears = "a written 1 clears" if cleared == every else f"a 1 written to {_named(cleared, low)} clears"
    passed = "writes reach the device" if forwarded == every else f"writes of {_named(forwarded, low)} reach the device"
    effects = [word for word, mask in ((kept, written), (clears, cleared), (passed, forwarded)) if mask]
    compared = bits("compared")
    contract = "in the contract" if compared == every else "not compared"
    if compared not in (0, every):
        contract = f"{_named(compared, low)} in the contract"
    return Behaviour(reads, ", ".join(effects) or "writes are dropped", contract)


def _named(mask: int, low: int) -> str:
    """`bits 15, 10..8`: the set bits of a field whose lowest bit is number `low`."""
    runs: list[tuple[int, int]] = []
    for at in range(mask.bit_length() - 1, -1, -1):
        if mask >> at & 1:
            if runs and runs[-1][1] == at + 1:
                runs[-1] = runs[-1][0], at
            else:
                runs.append((at, at))
    words = [_range(low + last, first - last + 1) for first, last in runs]
    return f"bit{'s' if mask & (mask - 1) else ''} {', '.join(words)}"
