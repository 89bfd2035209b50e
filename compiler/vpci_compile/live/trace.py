"""What a guest does to the configuration space, in the words of the catalogue: one line an access."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from ..catalog import View
from ..ir import FieldAt, Function, Kind, Origin, Structure

_LONGEST = 8
"""Bytes of an access that are decoded; longer ones come from a VMM that copies the space, not from a guest."""
_WIDEST = 400  # characters of a line
_BARE_HEX = re.compile(r"[0-9a-f]+")
_ADDRESSES = ("bar", "rom")  # what their bits mean depends on what is written and which half it is: the number says it


class Trace:
    """Gives `say` a line for each access, such as `read 0x04.2 command = 0x0103 (io, memory, serr)`."""

    def __init__(self, function: Function, say: Callable[[str], None]) -> None:
        self._say = say
        self._function = function
        self._registers = _registers(function)
        self._views: dict[int, View] = {}

    def __call__(self, what: str, offset: int, size: int, value: int) -> None:
        """`what` is read, write or reset; `offset` and `size` in bytes (0 of a reset)."""
        if not size:
            self._say(what)
            return
        if size > _LONGEST:
            whole = "the whole space" if (offset, size) == (0, self._function.config.size) else f"{size} bytes"
            self._say(f"{what} {offset:#04x}..{offset + size - 1:#04x} {whole}")
            return
        text = "; ".join(self._parts(offset, size, value))
        if len(text) > _WIDEST:
            text = f"{text[: _WIDEST - 4]} ..."
        self._say(f"{what} {offset:#04x}.{size} {text}")

    def _parts(self, offset: int, size: int, value: int) -> list[str]:
        """What each register says, and the bytes between them where they are not 0 (or there is nothing else)."""
        span = range(offset, offset + size)
        found = {id(row): row for at in span for row in self._registers.get(at, ())}
        parts = [(max(offset, row.offset), self._part(offset, size, value, row)) for row in found.values()]
        for (named, owner), run in groupby(span, self._owner):
            first, *others = run
            seen = value >> 8 * (first - offset) & (1 << 8 * (1 + len(others))) - 1
            if not named and (seen or not parts):
                parts.append((first, f"{_between(owner, first)} = {seen:#0{4 + 2 * len(others)}x}"))
        return [text for _, text in sorted(parts, key=itemgetter(0))]

    def _owner(self, at: int) -> tuple[bool, Structure | None]:
        """Whether a byte is in a register, and else whose it is."""
        return (True, None) if at in self._registers else (False, self._function.owner(at))

    def _part(self, offset: int, size: int, value: int, row: _Register) -> str:
        """One register of an access: its name, the bits of it that the access reaches, and what they say."""
        first, last = max(offset, row.offset), min(offset + size, row.offset + row.size)
        seen = value >> 8 * (first - offset) & (1 << 8 * (last - first)) - 1
        name = _at(row.name, first - row.offset)
        said = [word for one in row.fields if (word := self._field(one, first, last, seen))]
        return f"{name} = {seen:#0{2 + 2 * (last - first)}x}" + (f" ({', '.join(said)})" if said else "")

    def _field(self, one: FieldAt, first: int, last: int, seen: int) -> str:
        """`memory` for a set bit, `name=value` for more of them; "" for zero, or where not all of it is reached."""
        if one.place.register.blob or not 8 * first <= one.bit or one.bit + one.width > 8 * last:
            return ""
        raw = seen >> (one.bit - 8 * first) & (1 << one.width) - 1
        if raw == 0 or one.width == 1:
            return one.field.name if raw else ""
        said = self._decode(one, first - one.structure.offset, seen.to_bytes(last - first, "little"))
        show = one.field.show or ""
        if show.endswith("x}") and "#" not in show and _BARE_HEX.fullmatch(said):  # as lspci writes it, for its columns
            said = f"{int(said, 16):#x}"
        return f"{one.field.name}={said}"

    def _decode(self, one: FieldAt, at: int, octets: bytes) -> str:
        """A field's value for people, in a structure that has `octets` at `at` and is the image elsewhere."""
        structure = one.structure
        body = self._function.config.value[structure.offset : structure.end]
        view = self._views.get(structure.offset)
        if view is None:  # one a structure: each refers to itself, and many would be much to throw away
            assert structure.capability is not None
            header_type = self._function.structures[0].id
            view = View(structure.capability, body, structure.length, header_type)
            self._views[structure.offset] = view
        view.body = body[:at] + octets + body[at + len(octets) :]
        return view.decode(one.place, one.field)


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


def _at(name: str, distance: int) -> str:
    """A place some bytes behind the start of what has a name."""
    return name if not distance else f"{name}+{distance}" if distance < 10 else f"{name}+{distance:#x}"


def _between(owner: Structure | None, offset: int) -> str:
    """A byte that is in no register: of a structure, reserved in the header, or nobody's."""
    if owner is None:
        return "free"
    return "reserved" if owner.kind is Kind.HEADER else _at(owner.name, offset - owner.offset)
