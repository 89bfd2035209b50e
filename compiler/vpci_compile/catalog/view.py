"""A structure's bytes read through its catalogue entry: registers, fields, decoded values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from . import expressions
from .model import Access, Capability, Chain, Field, Register

_MAX_REPEAT = 2048
_INDEXED = re.compile(r"(.*?)(?:([0-9]{1,4})_)?([0-9]{1,4})")
MAX_STRUCTURE = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """A register that exists in this structure: its name with index, and `offset` from the structure's start."""

    name: str
    register: Register
    offset: int
    size: int
    index: int = 0
    group: int = 0


_HEADERS = {
    Chain.STANDARD: (
        Register("id", 0, 1, (Field("id", 0, 8, title="Capability ID"),), "Capability ID"),
        Register("next", 1, 1, (Field("next", 0, 8, title="Next Capability Pointer"),), "Next Capability Pointer"),
    ),
    Chain.EXTENDED: (
        Register(
            "header",
            0,
            4,
            (
                Field("id", 0, 16, title="PCI Express Extended Capability ID"),
                Field("version", 16, 4, title="Capability Version"),
                Field("next", 20, 12, title="Next Capability Offset"),
            ),
            "Extended Capability Header",
        ),
    ),
    Chain.HEADER: (),
}


@cache
def _fixed(register: Register) -> Place | None:
    """The place of a register that stands once, at the same offset with the same size in every structure."""
    at, size = register.at, register.bytes
    if register.repeat is not None or not isinstance(at, int) or not isinstance(size, int):
        return None
    return Place(register.name, register, at, size)


@cache
def _by_name(capability: Capability) -> tuple[dict[str, Register], dict[str, list[Register]]]:
    """Registers that stand once, and those that repeat, by name."""
    single: dict[str, Register] = {}
    repeated: dict[str, list[Register]] = {}
    for register in (*_HEADERS[capability.chain], *capability.registers):
        if register.repeat is None:
            single.setdefault(register.name, register)
        else:
            repeated.setdefault(register.name, []).append(register)
    return single, repeated


class View:
    """Reads and writes `body`, the bytes of one structure from its first byte on, by the catalogue.

    `room` is how many bytes there are up to the next structure or the end of the space (bytes). `header_type` is the
    layout of the function's header (0, 1 for a bridge, 2 for CardBus): a few structures differ by it. Bits beyond the
    end of `body` read as 0.
    """

    def __init__(
        self, capability: Capability, body: bytes | bytearray, room: int | None = None, header_type: int = 0
    ) -> None:
        self.capability = capability
        self.body = body
        self.room = len(body) if room is None else room
        self._scope = expressions.scope(
            F=self._by_path,
            u8=lambda offset: self.number(offset, 1),
            u16=lambda offset: self.number(offset, 2),
            u32=lambda offset: self.number(offset, 4),
            room=self.room,
            header_type=header_type,
            i=0,
            n=0,
        )

    # -- numbers -----------------------------------------------------------------------------------------------

    def number(self, offset: int, size: int) -> int:
        """`size` bytes at `offset`, little-endian."""
        return int.from_bytes(self.body[offset : offset + size], "little") if offset >= 0 else 0

    def _value(self, rule: int | str, index: int = 0, group: int = 0) -> int:
        if isinstance(rule, int):
            return rule
        # A rule can ask for a register whose own rule is then evaluated: each has its i and n.
        scope = self._scope
        outer = scope["i"], scope["n"]
        scope["i"], scope["n"] = index, group
        try:
            return int(expressions.evaluate(rule, scope))
        finally:
            scope["i"], scope["n"] = outer

    @property
    def length(self) -> int:
        """The structure's length by its rule, header included, in bytes; never less than its header."""
        length = self._value(self.capability.length)
        return max(self.capability.chain.header_bytes, min(length, MAX_STRUCTURE))

    def matches(self) -> bool:
        """Whether these bytes are the variant that the catalogue entry describes by `match`."""
        return bool(self.capability.match) and bool(self._value(self.capability.match))

    # -- registers ---------------------------------------------------------------------------------------------

    def places(self) -> Iterator[Place]:
        """The registers that exist here, header first, in the order of the catalogue.

        A register that starts beyond the end of `body` is left out.
        """
        for register in (*_HEADERS[self.capability.chain], *self.capability.registers):
            repeat = register.repeat
            if repeat is None:
                place = self._place(register, 0, register.name)
                if place.offset < len(self.body) and self.has(place):
                    yield place
                continue
            groups = 1 if repeat.each is None else min(self._value(repeat.each), _MAX_REPEAT)
            for group in range(groups):
                name = register.name if repeat.each is None else f"{register.name}{group}_"
                for index in range(min(self._value(repeat.count, 0, group), _MAX_REPEAT)):
                    place = self._place(register, index, f"{name}{index + repeat.first}", group)
                    if place.offset >= len(self.body):
                        break
                    if self.has(place):
                        yield place

    def has(self, place: Place) -> bool:
        """Whether the condition of a register holds here; its place can lie beyond the end all the same."""
        rule = place.register.when
        return not rule or bool(self._value(rule, place.index, place.group))

    def _place(self, register: Register, index: int, name: str, group: int = 0) -> Place:
        fixed = _fixed(register)
        if fixed is not None:
            return fixed
        offset = self._value(register.at, index, group)
        if register.repeat is not None:
            offset += index * self._value(register.repeat.stride, index, group)
        size = max(0, self._value(register.bytes, index, group))
        return Place(name, register, offset, size, index, group)

    def locate(self, name: str) -> Place:
        """The register called `name` (with its index where it repeats), whether or not its condition holds.

        Raises:
            KeyError: no register of that name.
        """
        single, repeated = _by_name(self.capability)
        if name in single:
            return self._place(single[name], 0, name)
        indexed = _INDEXED.fullmatch(name)
        for register in repeated.get(indexed[1], ()) if indexed else ():
            repeat = register.repeat
            assert indexed is not None and repeat is not None
            if (repeat.each is None) == (indexed[2] is None):
                index, group = int(indexed[3]) - repeat.first, int(indexed[2] or 0)
                if 0 <= index < _MAX_REPEAT and group < _MAX_REPEAT:
                    return self._place(register, index, name, group)
        raise KeyError(name)

    def implemented(self, place: Place) -> int:
        """The bits of a register that exist in this structure; the others are reserved."""
        every = (1 << 8 * place.size) - 1
        rule = place.register.implemented
        return every & self._value(rule, place.index, place.group) if rule else every

    # -- fields ------------------------------------------------------------------------------------------------

    def get(self, place: Place, field: Field | None = None) -> int:
        """The value of a register, or of one field of it, as the bits are (no bias)."""
        value = self.number(place.offset, place.size)
        return value if field is None or place.register.blob else (value & field.mask) >> field.low

    def put(self, place: Place, field: Field | None, raw: int) -> None:
        """Write bits into a register or a field of it; `body` must be a bytearray that reaches it.

        Raises:
            ValueError: `raw` does not fit.
        """
        assert isinstance(self.body, bytearray)
        width = 8 * place.size if field is None or place.register.blob else field.width
        if not 0 <= raw < 1 << width:
            raise ValueError(f"{raw:#x} does not fit into {width} bits")
        end = place.offset + place.size
        if len(self.body) < end:
            raise ValueError(f"register '{place.name}' ends at {end:#x}, the structure at {len(self.body):#x}")
        if field is not None and not place.register.blob:
            raw = (self.number(place.offset, place.size) & ~field.mask) | raw << field.low
        self.body[place.offset : end] = raw.to_bytes(place.size, "little")

    def _by_path(self, path: str) -> int:
        name, _, field_name = path.partition(".")
        place = self.locate(name)
        if not field_name:
            return self.get(place)
        for field in place.register.fields:
            if field.name == field_name:
                return self.get(place, field)
        raise KeyError(path)

    def find(self, path: str) -> tuple[Place, Field | None]:
        """The place that a layout calls `path`: `register.field`, `register`, or a field name that occurs once.

        Raises:
            KeyError: nothing, or more than one thing, has this name; its text says which.
        """
        name, _, field_name = path.partition(".")
        try:
            place = self.locate(name)
        except KeyError:
            if field_name:
                raise
            return self._unique(path)
        if not field_name:
            return place, None
        for field in place.register.fields:
            if field.name == field_name:
                return place, field
        raise KeyError(path)

    def _unique(self, field_name: str) -> tuple[Place, Field]:
        found = [
            (register, field)
            for register in self.capability.registers
            for field in register.fields
            if field.name == field_name and not register.blob and register.repeat is None
        ]
        if len(found) != 1:
            raise KeyError(field_name)
        register, field = found[0]
        return self._place(register, 0, register.name), field

    def known_paths(self) -> list[str]:
        """Every name that `find` takes for the registers that exist here."""
        paths: list[str] = []
        for place in self.places():
            paths.append(place.name)
            fields = place.register.fields
            if not place.register.blob and (len(fields) > 1 or fields[0].name != place.register.name):
                paths.extend(f"{place.name}.{field.name}" for field in fields)
        return paths

    def decode(self, place: Place, field: Field) -> str:
        """The field's value as a person reads it."""
        raw = self.get(place, field)
        if place.register.blob:
            return self.body[place.offset : place.offset + place.size].hex(" ")
        for named in field.values:
            if named.value == raw:
                return named.title or named.name
        if field.show:
            return expressions.fill(field.show, {**self._scope, "i": place.index, "n": place.group, "raw": raw})
        if field.bias or field.scale > 1:
            return str(raw * field.scale + field.bias)
        return str(raw) if raw < 10 or field.width <= 4 else f"{raw:#x}"


READ_ONLY = (Access.RO, Access.HWINIT, Access.ROS, Access.RSVDP, Access.RSVDZ, Access.WO)
WRITABLE = (Access.RW, Access.RWS)
CLEARED = (Access.RW1C, Access.RW1CS)


def encoder(field: Field) -> Callable[[int | str | bool], int]:
    """A function from what a layout writes (a number with bias, or a value's name) to the bits of the field.

    The function raises ValueError with a text for people when the value is no value of this field.
    """

    def encode(value: int | str | bool) -> int:
        if isinstance(value, str):
            for named in field.values:
                if named.name == value:
                    return named.value
            known = ", ".join(f"'{named.name}'" for named in field.values)
            raise ValueError(f"'{value}' is not a value of '{field.name}'" + (f" (known: {known})" if known else ""))
        raw, rest = divmod(int(value) - field.bias, field.scale)
        highest = (1 << field.width) - 1
        if rest:
            raise ValueError(f"{value} is not a multiple of {field.scale}, as '{field.name}' counts")
        if not 0 <= raw <= highest:
            limits = f"{field.bias}..{highest * field.scale + field.bias:#x}"
            raise ValueError(f"{value} does not fit '{field.name}' ({field.width} bits: {limits})")
        return raw

    return encode
