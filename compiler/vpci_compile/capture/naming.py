"""Bytes of a structure as a layout says them: registers and fields by the catalogue's names, the rest as raw bytes."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from ..catalog import CLEARED, WRITABLE, Capability, Field, Place, View, encoder
from ..loader.yaml_reader import scalar

SPACE = 4096
_PLAIN = re.compile(r"[A-Za-z0-9_.+/][A-Za-z0-9_.+/%-]*")
_HEX_SHOW = re.compile(r":#?\d*x")
_NUMBERED = re.compile(r"([a-z0-9_]*[a-z_])(0|[1-9][0-9]{0,3})")
_LONGEST_COMMENT = 64
_TOLD = {("pcie", "flags", "type")}  # zero, and worth saying


@dataclass(frozen=True, slots=True)
class Row:
    """One register: `value` for the whole of it, or `fields`; all as YAML text. `blob` is a long run of bytes."""

    register: str
    value: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    blob: bytes = b""
    comment: str = ""


def quoted(text: str) -> str:
    """`text` as a YAML scalar that reads as this text, plain where it can be."""
    if _PLAIN.fullmatch(text) and scalar(text) == text:
        return text
    return '"' + "".join(f"\\{c}" if c in '"\\' else c for c in text) + '"'


def number(value: int, *, hexadecimal: bool = False) -> str:
    """A number as a person writes it: small ones in decimal."""
    return str(value) if value < 10 or not hexadecimal else f"{value:#x}"


def token(one: Field, raw: int) -> str:
    """The bits of a field as a layout writes them: a name where the catalogue has one, else bias and scale applied."""
    for named in one.values:
        if named.value == raw and encoder(one)(named.name) == raw:
            return quoted(named.name)
    counts = one.scale == 1 and (one.width <= 12 or (one.show and not _HEX_SHOW.search(one.show)))
    return number(raw * one.scale + one.bias, hexadecimal=not counts or bool(_HEX_SHOW.search(one.show)))


def folded(rows: list[Row]) -> list[Row]:
    """The same rows, shorter: numbered registers that follow each other and say the same become one `lane0..15`."""
    found: list[tuple[Row, str, int, int]] = []
    for row in rows:
        numbered = _NUMBERED.fullmatch(row.register)
        name, number = (numbered[1], int(numbered[2])) if numbered else (row.register, -1)
        if found and numbered:
            last, last_name, first, latest = found[-1]
            if last_name == name and latest == number - 1 and replace(row, register=last.register) == last:
                found[-1] = (last, name, first, number)
                continue
        found.append((row, name, number, number))
    return [
        row if first == last else replace(row, register=f"{name}{first}..{last}") for row, name, first, last in found
    ]


def describe(view: View, length: int, header_type: int, skip: Collection[str] = ()) -> tuple[list[Row], bytearray]:
    """The rows that say `view`'s bytes up to `length`, and the bytes that a compiler makes of these rows.

    `skip` holds registers and `register.field` paths that are said elsewhere.
    """
    made = bytearray(SPACE)
    first = view.capability.chain.header_bytes
    made[:first] = view.body[:first]
    copy = View(view.capability, made, view.room, header_type)
    found: list[Row] = []
    for place in view.places():
        if place.offset < first or place.offset + place.size > length or place.name in skip:
            continue
        row = _row(view, place, skip)
        if row is not None:
            _apply(copy, view, place, row, skip)
            found.append(row)
    return found, made


def _apply(copy: View, view: View, place: Place, row: Row, skip: Collection[str]) -> None:
    """Do to `copy` what a compiler does for `row`: the register is looked up by name, where it now stands."""
    where = copy.locate(place.name)
    try:
        if row.fields:
            for one in place.register.fields:
                if f"{place.name}.{one.name}" not in skip:
                    copy.put(where, one, view.get(place, one))
        elif not place.register.blob or where.size == place.size:
            lone = place.register.fields[0] if len(place.register.fields) == 1 else None
            copy.put(where, lone, view.get(place, lone))
    except ValueError:
        return  # what it leaves undone is said by raw bytes


def _row(view: View, place: Place, skip: Collection[str]) -> Row | None:
    register, value = place.register, view.get(place)
    if register.blob:
        octets = bytes(view.body[place.offset : place.offset + place.size]).rstrip(b"\0")
        return Row(place.name, blob=octets) if octets else None
    fields = [one for one in register.fields if f"{place.name}.{one.name}" not in skip]
    said = {one.name: view.get(place, one) for one in fields}
    hidden = sum(one.mask for one in register.fields if one not in fields)
    if not any(said.values()) and not value & ~hidden:
        return None
    unnamed = value & ~sum(one.mask for one in register.fields)
    if len(register.fields) == 1:  # a lone field cannot say its neighbours' bits: raw bytes do
        only = register.fields[0]
        if not said.get(only.name):
            return None
        text, comment = token(only, said[only.name]), _comment(view, place, fields)
        plain = only.name in (register.name, place.name)
        return Row(place.name, text if plain else "", {} if plain else {only.name: text}, comment=comment)
    if unnamed:
        return Row(place.name, f"{value:#x}", comment=_reserved(unnamed, fields, said))
    where = _bar_offset(register.fields, said)
    if where:
        return Row(place.name, where)
    told = {
        one.name: token(one, said[one.name])
        for one in fields
        if said[one.name] or (view.capability.name, register.name, one.name) in _TOLD
    }
    return Row(place.name, fields=told, comment=_comment(view, place, fields))


def _reserved(unnamed: int, fields: list[Field], said: dict[str, int]) -> str:
    """Which bits without a name are set, then the names of the others: what the whole register's number hides."""
    bits = [str(bit) for bit in range(unnamed.bit_length()) if unnamed >> bit & 1]
    named = [
        one.name if one.width == 1 else f"{one.name} {token(one, said[one.name])}" for one in fields if said[one.name]
    ]
    text = f"reserved bit{'s' if len(bits) > 1 else ''} {', '.join(bits)}"
    return _cut(f"{text}; {', '.join(named)}" if named else text, _LONGEST_COMMENT)


def _bar_offset(fields: tuple[Field, ...], said: dict[str, int]) -> str:
    """`bar0+0x2000` for a register that names a BAR and an offset in it, else ""."""
    if {one.name for one in fields} != {"bir", "offset"} or not 0 <= said.get("bir", 9) <= 5 or "offset" not in said:
        return ""
    offset = next(one for one in fields if one.name == "offset")
    return f"bar{said['bir']}+{said['offset'] * offset.scale:#x}"


def _comment(view: View, place: Place, fields: list[Field]) -> str:
    """What a person would like to read beside the numbers: units, widths, speeds."""
    parts: list[str] = []
    for one in fields:
        raw = view.get(place, one)
        if not raw or not one.show or any(named.value == raw for named in one.values):
            continue
        text = " ".join(view.decode(place, one).split())
        if text.partition(" ")[0] == token(one, raw):
            continue  # "20 bytes" beside `length: 20`
        if re.search(r"[A-Za-z/]", text) and not re.fullmatch(r"(0x)?[0-9a-f]+|[Uu]nknown|[Rr]eserved|\?\?", text):
            parts.append(text)
    return _cut(", ".join(parts), _LONGEST_COMMENT)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def changing(view: View, length: int) -> list[str]:
    """The registers and fields of a copied structure that a guest's copy and the device can disagree on.

    What the catalogue marks as changed by hardware, host or unit, but for what the VMM answers and the guest writes:
    that is no part of a contract anyway.
    """
    capability = view.capability
    paths: list[str] = []
    for place in view.places():
        if place.offset < capability.chain.header_bytes or place.offset + place.size > length:
            continue
        register = place.register
        open_ones = [
            one.name for one in register.fields if one.changes is not None and not _held(capability, place, one)
        ]
        if open_ones and len(open_ones) == len(register.fields):
            paths.append(place.name)
        else:
            paths.extend(f"{place.name}.{name}" for name in open_ones)
    return paths


def _held(capability: Capability, place: Place, one: Field) -> bool:
    answered = capability.vmm or place.register.vmm or one.vmm
    return answered and one.access in (*WRITABLE, *CLEARED)
