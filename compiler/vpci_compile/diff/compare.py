"""Two functions compared by their contracts: which fields differ, what they hold on each side, and who decided it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..diagnostics import Span
from ..ir import ROM_INDEX, Bar, BarKind, FieldAt, Function, Kind, Region, Structure


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same.

    `offset` is the first byte in question on either side (None where it is not about bytes); `left` and `right` are the
    values for people, "" on the side that has none; the spans are the YAML lines that decided them. `bits` are those
    of the space that it is about, as a mask of the whole space; 0 where it is not about bits.
    """

    path: str
    title: str
    offset: int | None
    left: str
    right: str
    left_span: Span | None
    right_span: Span | None
    bits: int = 0


def compare(left: Function, right: Function) -> list[Difference]:
    """All differences between two contracts, by offset; empty exactly when the digests are equal."""
    if left.digest == right.digest:
        return []
    return compare_bits(left, right, left.config.compared, right.config.compared)


def compare_bits(left: Function, right: Function, ours: bytes, theirs: bytes) -> list[Difference]:
    """All differences by offset: of BARs, regions and places; and of the bits that `ours` or `theirs` has.

    These masks are as long as the spaces. A bit that only one of them has is a difference by itself.
    """
    return _Comparison(left, right, ours, theirs).run()


class _Comparison:
    """Two functions, and the bits of each that are to be compared."""

    def __init__(self, left: Function, right: Function, ours: bytes, theirs: bytes) -> None:
        self.left, self.right = left, right
        self.ours, self.theirs = ours, theirs
        size = min(left.config.size, right.config.size)
        values = _number(left.config.value, size) ^ _number(right.config.value, size)
        contract = _number(ours, size), _number(theirs, size)
        self.differing = values & (contract[0] | contract[1]) | contract[0] ^ contract[1]
        self.octets = self.differing.to_bytes(size, "little")
        self._fields_of: dict[tuple[int, int], list[FieldAt]] = {}

    def run(self) -> list[Difference]:
        left, right = self.left, self.right
        bars = list(_bars(left, right))
        pairs = _pairs(left, right)
        found = [*_spaces(left, right), *bars, *_regions(left, right)]
        sized = {difference.path.partition(".")[0] for difference in bars}
        for one, other in pairs:
            found.extend(_place(one, other))
            if one and other and not self._alike(one, other):
                found.extend(self._fields(one, other, sized))
        found.extend(self._rest(pairs))
        return sorted(found, key=lambda d: (d.offset is None, d.offset or 0, d.path))

    def _alike(self, one: Structure, other: Structure) -> bool:
        """Whether nothing differs in a structure that is the same on both sides: no need to look at its fields."""
        same = (one.offset, one.length, one.capability) == (other.offset, other.length, other.capability)
        return same and one.end <= len(self.octets) and not any(self.octets[one.offset : one.end])

    def _fields(self, one: Structure, other: Structure, sized: set[str]) -> Iterator[Difference]:
        """Fields of a structure that both sides have. `sized` names the BARs that differ as a whole: their registers
        say the same once more.
        """
        left, right = self.left, self.right
        ours = {(f.register, f.field.name): f for f in self._of(left, one)}
        theirs = {(f.register, f.field.name): f for f in self._of(right, other)}
        shift = 8 * (other.offset - one.offset)
        registers = _base_addresses(left, right, sized) if one.kind is Kind.HEADER else ()
        for key in dict.fromkeys((*ours, *theirs)):
            if key[0] in registers:
                continue
            mine, yours = ours.get(key), theirs.get(key)
            if mine and yours and mine.bit == yours.bit and mine.width == yours.width and not self._touches(mine):
                continue
            some = mine or yours
            assert some is not None
            width = max(at.width for at in (mine, yours) if at)
            here = mine.bit if mine else some.bit - shift
            there = yours.bit if yours else some.bit + shift
            masks = _bits(self.ours, here, width), _bits(self.theirs, there, width)
            contract, agreed = masks[0] | masks[1], masks[0] == masks[1]
            if mine and yours and here + shift == there:
                values = _bits(left.config.value, here, width), _bits(right.config.value, there, width)
                if not (values[0] ^ values[1]) & contract and agreed:
                    continue
            elif not contract:
                continue
            a, b = value_text(left, mine), value_text(right, yours)
            if a == b and not agreed:
                a, b = _in_contract(a, masks[0], width), _in_contract(b, masks[1], width)
            every = (1 << width) - 1
            yield Difference(
                some.path,
                some.field.title or some.place.register.title or some.structure.title,
                min(at.offset for at in (mine, yours) if at),
                a,
                b,
                mine.origin if mine else None,
                yours.origin if yours else None,
                every << here | every << there if here >= 0 <= there else every << some.bit,
            )

    def _touches(self, at: FieldAt) -> bool:
        """Whether a byte of a field differs; beyond the smaller space nobody knows."""
        first, last = at.bit // 8, (at.bit + at.width + 7) // 8
        return last > len(self.octets) or any(self.octets[first:last])

    def _rest(self, pairs: list[Pair]) -> Iterator[Difference]:
        """Bits that differ and lie in no field of either side: reserved bits, unknown ids, loose bytes."""
        if not self.differing:
            return
        explained = self._explained(self.left, [one for one, _ in _elsewhere(pairs)])
        explained |= self._explained(self.right, [other for _, other in _elsewhere(pairs)])
        octets = (self.differing & ~explained).to_bytes(len(self.octets), "little")
        run: list[int] = []
        owners: tuple[Structure | None, Structure | None] = None, None
        for offset in (offset for offset, octet in enumerate(octets) if octet):
            here = self.left.owner(offset), self.right.owner(offset)
            shown = any(one is not None and one.source != "hidden" for one in here)
            if run and (offset > run[-1] + (1 if shown else _JOIN) or here != owners):
                yield self._run(run)
                run = []
            run.append(offset)
            owners = here
        if run:
            yield self._run(run)

    def _explained(self, function: Function, elsewhere: list[Structure | None]) -> int:
        """The bits that a field covers, or a structure that the other side has not or has elsewhere, as one number."""
        bits = 0
        for structure in function.structures:
            if structure.source == "hidden":
                continue
            if any(structure is one for one in elsewhere):
                bits |= _extent(structure)
            elif any(self.octets[structure.offset : structure.end]):
                for at in self._of(function, structure):
                    bits |= ((1 << at.width) - 1) << at.bit
        return bits

    def _of(self, function: Function, structure: Structure) -> list[FieldAt]:
        """The fields of a structure, found once."""
        key = id(function), id(structure)
        if key not in self._fields_of:
            self._fields_of[key] = [*function.fields(structure)]
        return self._fields_of[key]

    def _run(self, run: list[int]) -> Difference:
        first, end = run[0], run[-1] + 1
        one, other = self.left.owner(first), self.right.owner(first)
        owner = min((s for s in (one, other) if s), key=lambda s: s.offset, default=None)
        texts = [side.config.value[first:end].hex(" ") for side in (self.left, self.right)]
        width = 8 * (end - first)
        if texts[0] == texts[1]:
            texts = [
                _in_contract(text, _bits(mask, 8 * first, width), width)
                for mask, text in zip((self.ours, self.theirs), texts, strict=True)
            ]
        return Difference(
            f"{owner.name}+{first - owner.offset:#x}" if owner else f"bytes@{first:#x}",
            f"bytes {first:#x}..{end - 1:#x}",
            first,
            texts[0],
            texts[1],
            one.origin if one else None,
            other.origin if other else None,
            ((1 << width) - 1) << 8 * first,
        )


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


_JOIN = 16  # bytes of no structure that stand so close are said together
Pair = tuple[Structure | None, Structure | None]


def _pairs(left: Function, right: Function) -> list[Pair]:
    """The structures of both sides that are one and the same, and those that only one side has."""
    ours, theirs = _keyed(left), _keyed(right)
    return [(ours.get(key), theirs.get(key)) for key in dict.fromkeys((*ours, *theirs))]


def _extent(structure: Structure) -> int:
    return ((1 << 8 * structure.length) - 1) << 8 * structure.offset


def _place(one: Structure | None, other: Structure | None) -> Iterator[Difference]:
    """A structure that only one side has, or that stands elsewhere."""
    some = one or other
    assert some is not None
    if one and other and one.offset == other.offset:
        return
    alone = one is None or other is None
    left, right = (
        "" if s is None else f"at {s.offset:#x}, {s.length} bytes" if alone else f"at {s.offset:#x}"
        for s in (one, other)
    )
    spans = [s.origin if s else None for s in (one, other)]
    bits = (_extent(one) if one else 0) | (_extent(other) if other else 0)
    first = min(s.offset for s in (one, other) if s)
    yield Difference(some.name, some.title, first, left, right, spans[0], spans[1], bits)


def _base_addresses(left: Function, right: Function, sized: set[str]) -> set[str]:
    """The header registers of the BARs called `sized`."""
    names: set[str] = set()
    for bar in (*left.bars, *right.bars):
        if f"bar{bar.index}" in sized:
            names.add("rom" if bar.index == ROM_INDEX else f"bar{bar.index}")
            if bar.kind is BarKind.MEM64:
                names.add(f"bar{bar.index + 1}")
    return names


def _bits(octets: bytes, bit: int, width: int) -> int:
    first, last = bit // 8, (bit + width + 7) // 8
    return int.from_bytes(octets[max(first, 0) : max(last, 0)], "little") >> bit % 8 & ((1 << width) - 1)


def value_text(function: Function, at: FieldAt | None) -> str:
    """The value of a field for people: in hex, and decoded where that says more; "" where there is no such field."""
    if at is None:
        return ""
    view = function.view(at.structure)
    assert view is not None
    decoded = view.decode(at.place, at.field)
    if at.place.register.blob:
        return decoded
    raw = _bits(function.config.value, at.bit, at.width)
    same = (str(raw), f"{raw:#x}", f"{raw:0{len(decoded)}x}")
    return decoded if decoded in same[:2] else f"{raw:#x}" + ("" if decoded in same else f" ({decoded})")


def _in_contract(text: str, mask: int, width: int) -> str:
    if mask in (0, (1 << width) - 1):
        return f"{text}, {'compared' if mask else 'not compared'}"
    return f"{text}, compared in bits {mask:#x}"


def _bars(left: Function, right: Function) -> Iterator[Difference]:
    ours, theirs = {bar.index: bar for bar in left.bars}, {bar.index: bar for bar in right.bars}
    for index in sorted({*ours, *theirs}):
        one, other = ours.get(index), theirs.get(index)
        if one and other:
            unsized = one.size is None or other.size is None
            for name, words in _BAR_WORDS.items():
                a, b = getattr(one, name), getattr(other, name)
                if a != b and not (name == "length" and unsized):  # what is behind a BAR of unknown size is as unknown
                    title = f"{_bar_title(index)} {words}"
                    yield Difference(
                        f"{bar_name(index)}.{name}",
                        title,
                        one.offset,
                        _bar_word(name, a),
                        _bar_word(name, b),
                        one.origin,
                        other.origin,
                        _TYPE_BITS.get(name, 0) << 8 * one.offset,
                    )
        else:
            only = one or other
            assert only is not None
            yield Difference(
                bar_name(index),
                _bar_title(index),
                only.offset,
                _bar_text(one),
                _bar_text(other),
                one.origin if one else None,
                other.origin if other else None,
                ((1 << (64 if only.kind is BarKind.MEM64 else 32)) - 1) << 8 * only.offset,
            )


NOT_STATED = "not stated"
"""A size that nobody says."""
_TYPE_BITS = {"kind": 0x7, "prefetchable": 0x8}
"""The bits of a BAR's register that say an attribute (PCIe 6.0 7.5.1.2.1)."""
_BAR_WORDS = {
    "kind": "kind",
    "prefetchable": "prefetchable bit",
    "size": "size",
    "length": "real memory behind it",
    "caching": "caching",
    "beyond": "access past the real memory",
    "enable": "rule of the enable bit",
}
"""What a guest finds of a BAR: the attribute, and its name for people."""


def bar_name(index: int) -> str:
    """How paths name a BAR."""
    return "rom" if index == ROM_INDEX else f"bar{index}"


def _bar_title(index: int) -> str:
    return "Expansion ROM" if index == ROM_INDEX else f"BAR {index}"


def _bar_word(name: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and name in ("size", "length"):
        return f"{value:#x} bytes"
    return NOT_STATED if value is None else str(value).lower()


def _bar_text(bar: Bar | None) -> str:
    """A BAR that the other side has not, with all that a guest may rely on."""
    if bar is None:
        return ""
    words = [f"{bar.kind}{' prefetchable' if bar.prefetchable else ''}", _bar_word("size", bar.size)]
    if bar.length != bar.size:
        words += [f"{_bar_word('length', bar.length)} of memory", f"{bar.beyond} beyond"]
    return ", ".join([*words, bar.caching, f"enable bit: {bar.enable}"])


def _region_text(region: Region | None) -> str:
    if region is None:
        return ""
    place = f"type {region.type:#010x}, subtype {region.subtype}, {_bar_word('size', region.size)}"
    return f"{place}, {region.caching}, enable bit: {region.enable}"


def _regions(left: Function, right: Function) -> Iterator[Difference]:
    ours, theirs = {r.instead_of: r for r in left.regions}, {r.instead_of: r for r in right.regions}
    for slot in sorted({*ours, *theirs}):
        one, other = ours.get(slot), theirs.get(slot)
        texts = [_region_text(one), _region_text(other)]
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


def _elsewhere(pairs: list[Pair]) -> list[Pair]:
    return [(one, other) for one, other in pairs if one is None or other is None or one.offset != other.offset]


def _number(octets: bytes, size: int) -> int:
    return int.from_bytes(octets[:size], "little")
