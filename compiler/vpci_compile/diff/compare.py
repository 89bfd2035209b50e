"""Two functions compared by their contracts: which fields differ, what they hold on each side, and who decided it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..diagnostics import Span
from ..ir import Bar, FieldAt, Function, Kind, Structure


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing inside the contract that is not the same.

    `offset` is the first byte in question (None where the difference is not one of bytes); `left` and `right` are the
    values for people, "" on the side that has none; the spans are the YAML lines that decided them.
    """

    path: str
    title: str
    offset: int | None
    left: str
    right: str
    left_span: Span | None
    right_span: Span | None


def compare(left: Function, right: Function) -> list[Difference]:
    """All differences between two contracts, by offset; empty exactly when the digests are equal."""
    if left.digest == right.digest:
        return []
    found = [*_spaces(left, right), *_structures(left, right), *_bars(left, right), *_regions(left, right)]
    found.extend(_rest(left, right, found))
    return sorted(found, key=lambda d: (d.offset is None, d.offset or 0, d.path))


def _spaces(left: Function, right: Function) -> Iterator[Difference]:
    if left.config.size != right.config.size:
        yield Difference(
            "config_size",
            "Configuration space",
            None,
            f"{left.config.size} bytes",
            f"{right.config.size} bytes",
            left.origin,
            right.origin,
        )


def _keyed(function: Function) -> dict[tuple[Kind, int, int], Structure]:
    """Structures by kind, id and how many of that id came before; loose bytes by their offset."""
    seen: dict[tuple[Kind, int], int] = {}
    keyed: dict[tuple[Kind, int, int], Structure] = {}
    for structure in function.structures:
        if structure.kind is Kind.BYTES or structure.source == "hidden":
            continue
        pair = structure.kind, structure.id
        keyed[(*pair, seen.get(pair, 0))] = structure
        seen[pair] = seen.get(pair, 0) + 1
    return keyed


def _structures(left: Function, right: Function) -> Iterator[Difference]:
    ours, theirs = _keyed(left), _keyed(right)
    for key in dict.fromkeys((*ours, *theirs)):
        one, other = ours.get(key), theirs.get(key)
        if one is None or other is None:
            only = one or other
            assert only is not None
            here = f"at {only.offset:#x}, {only.length} bytes"
            yield Difference(
                only.name,
                only.title,
                only.offset,
                here if one else "",
                here if other else "",
                one.origin if one else None,
                other.origin if other else None,
            )
        elif one.offset != other.offset:
            yield Difference(
                one.name,
                one.title,
                one.offset,
                f"at {one.offset:#x}",
                f"at {other.offset:#x}",
                one.origin,
                other.origin,
            )
        else:
            yield from _same_place(left, right, one, other)


def _same_place(left: Function, right: Function, one: Structure, other: Structure) -> Iterator[Difference]:
    ours = {(f.register, f.field.name): f for f in left.fields(one)}
    theirs = {(f.register, f.field.name): f for f in right.fields(other)}
    for key in dict.fromkeys((*ours, *theirs)):
        mine, yours = ours.get(key), theirs.get(key)
        some = mine or yours
        assert some is not None
        contract = _bits(left, "compared", some) | _bits(right, "compared", some)
        agreed = _bits(left, "compared", some) == _bits(right, "compared", some)
        if mine and yours and mine.bit == yours.bit:
            differ = (_bits(left, "value", mine) ^ _bits(right, "value", yours)) & contract
            if not differ and agreed:
                continue
        elif not contract:
            continue
        a, b = _text(left, mine), _text(right, yours)
        if a == b and not agreed:
            a, b = _in_contract(left, some, a), _in_contract(right, some, b)
        yield Difference(
            some.path,
            some.field.title or some.place.register.title or some.structure.title,
            some.offset,
            a,
            b,
            mine.origin if mine else None,
            yours.origin if yours else None,
        )


def _bits(function: Function, name: str, at: FieldAt) -> int:
    first, last = at.bit // 8, (at.bit + at.width + 7) // 8
    return function.config.number(name, first, last - first) >> at.bit % 8 & ((1 << at.width) - 1)


def _text(function: Function, at: FieldAt | None) -> str:
    if at is None:
        return ""
    view = function.view(at.structure)
    assert view is not None
    decoded, raw = view.decode(at.place, at.field), _bits(function, "value", at)
    return decoded if at.place.register.blob or decoded in (str(raw), f"{raw:#x}") else f"{raw:#x} ({decoded})"


def _in_contract(function: Function, at: FieldAt, text: str) -> str:
    return f"{text}, {'compared' if _bits(function, 'compared', at) else 'not compared'}"


def _bars(left: Function, right: Function) -> Iterator[Difference]:
    ours, theirs = {bar.index: bar for bar in left.bars}, {bar.index: bar for bar in right.bars}
    for index in sorted({*ours, *theirs}):
        one, other = ours.get(index), theirs.get(index)
        if one and other:
            for name in ("kind", "prefetchable", "size", "length", "caching", "beyond", "enable"):
                a, b = getattr(one, name), getattr(other, name)
                if a != b:
                    title = f"BAR {index} {name}"
                    yield Difference(
                        f"bar{index}.{name}",
                        title,
                        one.offset,
                        _bar_word(name, a),
                        _bar_word(name, b),
                        one.origin,
                        other.origin,
                    )
        else:
            only = one or other
            assert only is not None
            yield Difference(
                f"bar{index}",
                f"BAR {index}",
                only.offset,
                _bar_text(one),
                _bar_text(other),
                one.origin if one else None,
                other.origin if other else None,
            )


def _bar_word(name: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and name in ("size", "length"):
        return f"{value:#x} bytes"
    return "not stated" if value is None else str(value).lower()


def _bar_text(bar: Bar | None) -> str:
    return "" if bar is None else f"{bar.kind}, {_bar_word('size', bar.size)}"


def _regions(left: Function, right: Function) -> Iterator[Difference]:
    ours, theirs = {r.instead_of: r for r in left.regions}, {r.instead_of: r for r in right.regions}
    for slot in sorted({*ours, *theirs}):
        one, other = ours.get(slot), theirs.get(slot)
        texts = [
            ", ".join(
                f"{name} {getattr(region, name)}" for name in region._fields if name not in ("origin", "instead_of")
            )
            if region
            else ""
            for region in (one, other)
        ]
        if texts[0] != texts[1]:
            yield Difference(
                f"region{slot}",
                f"Device-specific region in place of BAR {slot}",
                None,
                texts[0],
                texts[1],
                one.origin if one else None,
                other.origin if other else None,
            )


def _rest(left: Function, right: Function, found: list[Difference]) -> Iterator[Difference]:
    """Contract bits that differ and lie in no field of either side: reserved bits, unknown ids, loose bytes."""
    whole = {d.path for d in found if d.offset is not None and "." not in d.path}
    explained = _explained(left, whole) | _explained(right, whole)
    a, b = left.config, right.config
    size = min(a.size, b.size)
    contract = _number(a.compared, size) | _number(b.compared, size)
    differing = (_number(a.value, size) ^ _number(b.value, size)) & contract
    differing |= _number(a.compared, size) ^ _number(b.compared, size)
    octets = (differing & ~explained).to_bytes(size, "little")
    run: list[int] = []
    for offset in (offset for offset, octet in enumerate(octets) if octet):
        if run and offset != run[-1] + 1:
            yield _run(left, right, run)
            run = []
        run.append(offset)
    if run:
        yield _run(left, right, run)


def _number(octets: bytes, size: int) -> int:
    return int.from_bytes(octets[:size], "little")


def _explained(function: Function, whole: set[str]) -> int:
    """The bits that a reported structure or a field covers, as one number."""
    bits = 0
    for structure in function.structures:
        if structure.source == "hidden":
            continue
        if structure.name in whole:
            bits |= ((1 << 8 * structure.length) - 1) << 8 * structure.offset
        for at in function.fields(structure):
            bits |= ((1 << at.width) - 1) << at.bit
    return bits


def _run(left: Function, right: Function, run: list[int]) -> Difference:
    first, end = run[0], run[-1] + 1
    one, other = left.owner(first), right.owner(first)
    owner = one or other
    return Difference(
        f"{owner.name}+{first - owner.offset:#x}" if owner else f"bytes@{first:#x}",
        f"bytes {first:#x}..{end - 1:#x}",
        first,
        left.config.value[first:end].hex(" "),
        right.config.value[first:end].hex(" "),
        one.origin if one else None,
        other.origin if other else None,
    )
