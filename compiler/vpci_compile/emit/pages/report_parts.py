"""The parts of a report as plain rows, which the templates put into a page: bytes, registers, places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from ...diagnostics import Span, printable
from ...ir import Function, Structure
from ..printed import space
from ..printed.registers import Register, behaviour, registers

_ROW = 16  # bytes of a line of the dump
_LONGEST = 120  # characters of a value, and of a quoted line


class Field(NamedTuple):
    """A line of a register's table, all of it text."""

    bits: str
    name: str
    title: str
    value: str
    reads: str
    writes: str
    contract: str
    place: str
    quote: str


class Entry(NamedTuple):
    """A register: its id in the page, and what stands in its heading and its table."""

    id: str
    path: str
    title: str
    where: str
    value: str
    size: str
    fields: tuple[Field, ...]
    changes: tuple[str, ...]


class Part(NamedTuple):
    """A structure with its registers; `id` is its id in the page."""

    id: str
    sign: str
    name: str
    title: str
    where: str
    length: int
    source: str
    style: str
    clause: str
    place: str
    behaviour: str
    registers: tuple[Entry, ...]


class Piece(NamedTuple):
    """Bytes of one line of the dump that belong together: their text, the register they lead to ("" for none)."""

    text: str
    id: str
    source: str
    title: str


class Line(NamedTuple):
    """A line of the dump; of many alike only the first is there, and `note` says so."""

    where: str
    pieces: tuple[Piece, ...]
    note: str = ""


class Change(NamedTuple):
    """What a stack made of some bytes, and how that is known."""

    start: int
    end: int
    where: str
    text: str
    source: str


def shorter(text: str, room: int = _LONGEST) -> str:
    """`text` in one line, cut where it is longer than `room` characters."""
    text = printable(text)
    return text if len(text) <= room else f"{text[: room - 1]}\N{HORIZONTAL ELLIPSIS}"


def place(span: Span | None) -> str:
    """`file:line` by the file's own name, as the same layout gives the same page wherever it lies; "" for nowhere."""
    return f"{span.path.rsplit('/', 1)[-1]}:{span.line}" if span is not None and span.width else ""


def parts(function: Function, changes: Iterable[Change] = ()) -> list[Part]:
    """The structures by place, with everything that is said of their registers."""
    signs, rows = space.signs(function), list(changes)
    numbers = {id(one): number for number, one in enumerate(function.structures)}
    return [_part(function, one, f"s{numbers[id(one)]}", signs[one.name], rows) for one in space.in_order(function)]


def _part(function: Function, one: Structure, name: str, sign: str, changes: list[Change]) -> Part:
    entries = tuple(
        _entry(function, register, f"{name}r{number}", changes)
        for number, register in enumerate(registers(function, one))
    )
    return Part(
        id=name,
        sign=sign,
        name=one.name,
        title=space.title_of(one) or "bytes outside every capability",
        where=f"{one.offset:#05x}..{one.end - 1:#05x}",
        length=one.length,
        source=one.source.value,
        style=one.style.value if one.style else "",
        clause=one.capability.clause if one.capability else "",
        place=place(one.origin),
        behaviour="" if entries else str(behaviour(function, 8 * one.offset, 8 * _inside(function, one))),
        registers=entries,
    )


def _inside(function: Function, one: Structure) -> int:
    return max(1, min(one.end, function.config.size) - one.offset)


def _entry(function: Function, one: Register, name: str, changes: list[Change]) -> Entry:
    number = function.config.number("value", one.offset, one.size)
    fields = tuple(
        Field(
            row.bits,
            row.name,
            row.title,
            shorter(row.value),
            *row.behaviour,
            place(row.origin),
            shorter(row.origin.source.line(row.origin.line).strip()),
        )
        for row in one.rows(function)
    )
    touching = (
        f"{change.text} [{change.source}]"
        for change in changes
        if change.start < one.offset + one.size and change.end > one.offset
    )
    return Entry(
        id=name,
        path=one.path,
        title=one.title,
        where=f"{one.offset:#05x}",
        value=f"{number:#0{2 + 2 * one.size}x}" if one.size <= 8 else "",
        size=f"{one.size} byte{'s' if one.size > 1 else ''}",
        fields=fields,
        changes=tuple(dict.fromkeys(touching)),
    )


# -- the dump ------------------------------------------------------------------------------------------------------


class _Byte(NamedTuple):
    """What a byte belongs to: the id and the title of its register, and the source of its structure."""

    id: str
    source: str
    title: str


def dump(function: Function) -> list[Line]:
    """All bytes, 16 a line, each with the register it belongs to; lines that are alike are said once."""
    owners = _owners(function)
    value = function.config.value
    lines: list[Line] = []
    for start in range(0, len(value), _ROW):
        end = min(start + _ROW, len(value))
        pieces = []
        for owner, group in groupby(range(start, end), key=owners.__getitem__):
            pieces.append(Piece(" ".join(f"{value[at]:02x}" for at in group), *owner))
        line = Line(f"{start:03x}", tuple(pieces))
        before = lines[-1] if lines else None
        if before is not None and len(pieces) == 1 and before.pieces == line.pieces:
            free = "free, and " if pieces[0].source == "free" else ""
            lines[-1] = before._replace(note=f"{free}the same up to {end - 1:#05x}")
        else:
            lines.append(line)
    return lines


def _owners(function: Function) -> list[_Byte]:
    """What each byte belongs to."""
    found = [_Byte("", "free", "free")] * function.config.size
    for one in space.reserved(function):
        found[one.start : one.end] = [_Byte("", "reserved", f"reserved: {one.why}")] * (one.end - one.start)
    for number, structure in enumerate(function.structures):
        source, end = structure.source.value, min(structure.end, len(found))
        own = _Byte(f"s{number}", source, f"{structure.name}: {structure.title}")
        found[structure.offset : end] = [own] * max(0, end - structure.offset)
        for index, register in enumerate(registers(function, structure)):
            its = _Byte(f"s{number}r{index}", source, f"{register.path} at {register.offset:#05x}: {register.title}")
            for at in range(max(register.offset, structure.offset), min(register.offset + register.size, end)):
                found[at] = its
    return found


def ranges(octets: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Runs of following numbers, as (first, the one after the last)."""
    run: list[int] = []
    for at in sorted(octets):
        if run and at != run[-1] + 1:
            yield run[0], run[-1] + 1
            run = []
        run.append(at)
    if run:
        yield run[0], run[-1] + 1
