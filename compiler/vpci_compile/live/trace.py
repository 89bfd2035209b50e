"""What a guest does to the configuration space, in the words of the catalogue: one line an access."""

from __future__ import annotations

from collections.abc import Callable

from ..catalog import View
from ..ir import FieldAt, Function, Kind, Origin, Structure

_LONGEST = 8
"""Bytes of an access that are decoded; longer ones come from a VMM that copies the space, not from a guest."""
_WIDEST = 400  # characters of a line


class Trace:
    """Gives `say` a line for each access, such as `read 0x04.2 command = 0x0103 (io, memory, serr)`."""

    def __init__(self, function: Function, say: Callable[[str], None]) -> None:
        self._say = say
        self._size = function.config.size
        self._registers = _registers(function)

    def __call__(self, what: str, offset: int, size: int, value: int) -> None:
        """`what` is read or write; `offset` and `size` in bytes."""
        if size > _LONGEST:
            whole = "the whole space" if (offset, size) == (0, self._size) else f"{size} bytes"
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
        said = [word for one in row.fields if (word := _field(row, one, first, last, seen))]
        return f"{name} = {seen:#0{2 + 2 * (last - first)}x}" + (f" ({', '.join(said)})" if said else "")


class _Register:
    """A register of the space: its name for people, place and size in bytes, and fields."""

    __slots__ = ("fields", "name", "offset", "size", "view")

    def __init__(self, name: str, one: FieldAt, view: View) -> None:
        self.name = name
        self.offset = one.offset
        self.size = one.place.size
        self.view = view
        self.fields: list[FieldAt] = []


def _registers(function: Function) -> dict[int, list[_Register]]:
    """The registers that each byte of the space belongs to."""
    by_byte: dict[int, list[_Register]] = {}
    for structure in function.structures:
        view = function.view(structure)
        if view is None or structure.source is Origin.HIDDEN:
            _opaque(structure, by_byte)
            continue
        rows: dict[str, _Register] = {}
        for one in function.fields(structure):
            row = rows.get(one.register)
            if row is None:
                own = one.register if structure.kind is Kind.HEADER else f"{structure.name}.{one.register}"
                row = rows[one.register] = _Register(own, one, view)
                for at in range(row.offset, row.offset + row.size):
                    by_byte.setdefault(at, []).append(row)
            if not one.field.name.startswith(one.register.rstrip("0123456789")) or one.width < 8 * row.size:
                row.fields.append(one)
    return by_byte


def _opaque(structure: Structure, by_byte: dict[int, list[_Register]]) -> None:
    """A structure without registers is named as a whole."""
    row = _Register.__new__(_Register)
    row.name, row.offset, row.size, row.fields = structure.name, structure.offset, structure.length, []
    for at in range(structure.offset, structure.end):
        by_byte.setdefault(at, []).append(row)


def _field(row: _Register, one: FieldAt, first: int, last: int, seen: int) -> str:
    """`memory` for a set bit, `name=value` for more of them; "" for zero, or where the access does not reach it all."""
    if one.place.register.blob or not 8 * first <= one.bit or one.bit + one.width > 8 * last:
        return ""
    raw = seen >> (one.bit - 8 * first) & (1 << one.width) - 1
    if raw == 0:
        return ""
    if one.width == 1:
        return one.field.name
    named = next((value.title or value.name for value in one.field.values if value.value == raw), f"{raw:#x}")
    return f"{one.field.name}={named}"
