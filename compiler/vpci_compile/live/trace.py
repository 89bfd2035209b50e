"""What a guest does to the configuration space, in the words of the catalogue: one line an access."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..catalog import View
from ..ir import FieldAt, Function, Kind, Origin

_LONGEST = 8
"""Bytes of an access that are decoded; longer ones come from a VMM that copies the space, not from a guest."""
_WIDEST = 400  # characters of a line
_ADDRESSES = ("bar", "rom")  # what their bits mean depends on what is written and which half it is: the number says it


class Trace:
    """Gives `say` a line for each access, such as `read 0x04.2 command = 0x0103 (io, memory, serr)`."""

    def __init__(self, function: Function, say: Callable[[str], None]) -> None:
        self._say = say
        self._function = function
        self._registers = _registers(function)

    def __call__(self, what: str, offset: int, size: int, value: int) -> None:
        """`what` is read, write or reset; `offset` and `size` in bytes (0 of a reset)."""
        if not size:
            self._say(what)
            return
        if size > _LONGEST:
            whole = "the whole space" if (offset, size) == (0, self._function.config.size) else f"{size} bytes"
            self._say(f"{what} {offset:#04x}..{offset + size - 1:#04x} {whole}")
            return
        parts = [self._part(offset, size, value, row) for row in self._at(offset, size)]
        text = "; ".join(parts) or f"free = {value:#0{2 + 2 * size}x}"
        if len(text) > _WIDEST:
            text = f"{text[: _WIDEST - 4]} ..."
        self._say(f"{what} {offset:#04x}.{size} {text}")

    def _at(self, offset: int, size: int) -> list[_Register]:
        found: dict[int, _Register] = {}
        for at in range(offset, offset + size):
            for row in self._registers.get(at, ()):
                found[id(row)] = row
        return list(found.values())

    def _part(self, offset: int, size: int, value: int, row: _Register) -> str:
        """One register of an access: its name, the bits of it that the access reaches, and what they say."""
        first, last = max(offset, row.offset), min(offset + size, row.offset + row.size)
        seen = value >> 8 * (first - offset) & (1 << 8 * (last - first)) - 1
        name = row.name if first == row.offset else f"{row.name}+{first - row.offset}"
        said = [word for one in row.fields if (word := _field(self._function, one, first, last, seen))]
        return f"{name} = {seen:#0{2 + 2 * (last - first)}x}" + (f" ({', '.join(said)})" if said else "")


@dataclass(eq=False, slots=True)
class _Register:
    """A register of the space: its name for people, place and size in bytes, and the fields worth a word."""

    name: str
    offset: int
    size: int
    fields: list[FieldAt] = field(default_factory=list)


def _registers(function: Function) -> dict[int, list[_Register]]:
    """The registers that each byte of the space belongs to; a structure without registers is one by itself."""
    by_byte: dict[int, list[_Register]] = {}
    for structure in function.structures:
        rows: dict[str, _Register] = {}
        for one in function.fields(structure) if structure.source is not Origin.HIDDEN else ():
            own = one.register if structure.kind is Kind.HEADER else f"{structure.name}.{one.register}"
            row = rows.setdefault(one.register, _Register(own, one.offset, one.place.size))
            is_address = structure.kind is Kind.HEADER and one.register.startswith(_ADDRESSES)
            if one.width < 8 * row.size and not is_address:
                row.fields.append(one)
        if not rows:
            rows[""] = _Register(structure.name, structure.offset, structure.length)
        for row in rows.values():
            for at in range(row.offset, row.offset + row.size):
                by_byte.setdefault(at, []).append(row)
    return by_byte


def _field(function: Function, one: FieldAt, first: int, last: int, seen: int) -> str:
    """`memory` for a set bit, `name=value` for more of them; "" for zero, or where the access does not reach it all."""
    if one.place.register.blob or not 8 * first <= one.bit or one.bit + one.width > 8 * last:
        return ""
    raw = seen >> (one.bit - 8 * first) & (1 << one.width) - 1
    if raw == 0 or one.width == 1:
        return one.field.name if raw else ""
    structure = one.structure
    body = bytearray(function.config.value[structure.offset : structure.end])
    body[first - structure.offset : last - structure.offset] = seen.to_bytes(last - first, "little")
    assert structure.capability is not None
    view = View(structure.capability, body, structure.length, function.structures[0].id)
    return f"{one.field.name}={view.decode(one.place, one.field)}"
