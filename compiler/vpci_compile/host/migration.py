"""Whether a machine with this function can be migrated to where it has that one: both directions, and every reason.

The rule is the destination's: QEMU compares what comes in with what it has itself, under its own masks. What it lets
pass a running guest may still see; what is equal today may not be tomorrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from ..catalog import CLEARED, WRITABLE, Changes
from ..diff import Answer, Difference, Finding, Outcome, compare_bits, value_text
from ..diff import Kind as Means
from ..ir import Function
from ..stack import Check, incoming
from . import outside, policy
from .policy import Accepted
from .sides import Side

_OPEN = "the layout leaves it open, and QEMU compares it"
_TAKEN_OUT = "it was taken out of the capture, and QEMU compares it"
_NOBODYS = {Changes.HARDWARE: "the hardware changes it by itself", Changes.HOST: "the host programs it"}
_CHANGES = {
    Changes.HARDWARE: "equal today; the hardware changes it by itself, and QEMU compares it",
    Changes.HOST: "equal today; the host programs it, and QEMU compares it",
    Changes.UNIT: "equal today; every unit has its own, and QEMU compares it",
}


def outcome(source: Side, destination: Side, accepted: Sequence[Accepted] = ()) -> Outcome:
    """Both directions; `accepted` are the differences that an operator does not mind."""
    found = _differences(source, destination)
    there = answer(source, destination, accepted, found)
    # Where nothing is forgotten on the way, the way back has the same differences, the other way round.
    same = source.arriving is source.function and destination.arriving is destination.function
    return Outcome(there, answer(destination, source, accepted, [*map(_turned, found)] if same else None))


def _turned(one: Difference) -> Difference:
    return replace(one, left=one.right, right=one.left, left_span=one.right_span, right_span=one.left_span)


def answer(
    source: Side, destination: Side, accepted: Sequence[Accepted] = (), found: list[Difference] | None = None
) -> Answer:
    """The verdict on a migration from `source` to `destination`; `found` are their differences, if known."""
    rows = _differences(source, destination) if found is None else found
    everything = [*_byte_findings(source, destination, rows), *outside.findings(source, destination)]
    everything.sort(key=_order)
    differences = policy.marked(everything, accepted)
    return Answer(
        source.name,
        destination.name,
        destination.stack.name,
        _words(source, destination, differences),
        differences,
        (*outside.notes(source, destination), *_accepts_nothing(source, destination, accepted, differences)),
        lambda: policy.marked(_unstable(source, destination), accepted),
    )


def _accepts_nothing(
    source: Side, destination: Side, accepted: Sequence[Accepted], found: Sequence[Finding]
) -> Iterator[str]:
    """What is accepted of a field that neither side has: it was misspelt."""
    for rule in accepted:
        known = any(side.function.place_of(rule.field) is not None for side in (source, destination))
        if not known and not outside.knows(rule.field) and not any(rule.covers(one.difference.path) for one in found):
            yield f"{rule.by} accepts nothing: no side has '{rule.field}'"


_ORDER = [*Means]


def _order(one: Finding) -> tuple[int, bool, int, str]:
    where = one.difference.offset
    return _ORDER.index(one.kind), where is None, where or 0, one.difference.path


def _words(source: Side, destination: Side, found: Sequence[Finding]) -> tuple[str, ...]:
    """What the destination prints: of the first byte that it refuses and nobody ignores."""
    check = destination.check
    rejected = 0
    for one in found:
        if one.kind is Means.REJECTED and not one.ignored:
            rejected |= one.difference.bits
    if check is None or not rejected:
        return ()
    stream = _sent(source)
    mine = (offset for offset in incoming.refused(check, stream) if rejected >> 8 * offset & 0xFF)
    return tuple(incoming.words(check, stream, offset) for offset in islice(mine, 1))


def _sent(side: Side) -> bytes:
    """The configuration space that the source's VMM sends: its own copy."""
    return side.check.config if side.check is not None else side.function.config.value


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "little")


def byte_findings(source: Side, destination: Side) -> Iterator[Finding]:
    """What the configuration spaces say, BARs and regions included."""
    return _byte_findings(source, destination, _differences(source, destination))


def _differences(source: Side, destination: Side) -> list[Difference]:
    """Everything that differs of what both sides say, with the places where they say it."""
    ours, theirs = source.function, destination.arriving
    size = min(ours.config.size, theirs.config.size)
    mask = (_known(source, destination) & (1 << 8 * size) - 1).to_bytes(size, "little")
    found = compare_bits(ours, theirs, mask.ljust(ours.config.size, b"\0"), mask.ljust(theirs.config.size, b"\0"))
    return [
        replace(
            one,
            left_span=source.place(one.offset, one.left_span) if one.offset is not None else one.left_span,
            right_span=destination.place(one.offset, one.right_span) if one.offset is not None else one.right_span,
        )
        for one in found
    ]


def _byte_findings(source: Side, destination: Side, found: list[Difference]) -> Iterator[Finding]:
    ours, theirs = source.function, destination.arriving
    size = min(ours.config.size, theirs.config.size)
    known = _known(source, destination) & (1 << 8 * size) - 1
    refused = _refused(destination.check, source) & known
    settled = _settled(ours) | _settled(theirs)
    differing = (_number(ours.config.value[:size]) ^ _number(theirs.config.value[:size])) & known
    for one in found:
        yield _classed(one, refused, differing, settled, ours, destination)


def _known(source: Side, destination: Side) -> int:
    """The bits whose values both sides say."""
    return _number(source.known) & _number(destination.known)


def _refused(check: Check | None, source: Side) -> int:
    """The bits that the destination refuses."""
    if check is None:
        return 0
    # Of two lengths the bytes that both have are compared before anything is missing, or is too much.
    size = min(len(stream := _sent(source)), len(check.config))
    return (_number(stream[:size]) ^ _number(check.config[:size])) & _number(check.compared[:size])


def _settled(function: Function) -> int:
    """The bits that a guest writes or clears: they are its own state, and travel with it."""
    config = function.config
    return _number(config.writable) | _number(config.w1c)


def _classed(
    one: Difference, refused: int, differing: int, settled: int, function: Function, destination: Side
) -> Finding:
    if one.bits & refused:
        return Finding(Means.REJECTED, one)
    if one.path == "config_size":
        return Finding(Means.REJECTED, one, "the two states have different lengths")
    memory = outside.of_memory(one, destination)
    if memory is not None:
        return memory
    if one.offset is not None and one.bits and one.left and one.right:
        rest = one.bits & differing & ~settled
        if not rest:
            return Finding(Means.HARMLESS, one, "the guest's own state")
        changes = _own_change(function, rest)
        if changes:
            return Finding(Means.HARMLESS, one, changes)
    return Finding(Means.VISIBLE, one)


def _own_change(function: Function, bits: int) -> str:
    """Why nobody relies on these bits, where that is so for all of them."""
    first, last = (bits & -bits).bit_length() - 1, bits.bit_length() - 1
    left = bits
    why = ""
    for offset in range(first // 8, last // 8 + 1):
        for at in function.fields_at(offset):
            one = at.field
            if one.changes in _NOBODYS:
                why = _NOBODYS[one.changes]
            elif one.access in WRITABLE or one.access in CLEARED:
                why = "the guest's own state"
            else:
                continue
            left &= ~(((1 << at.width) - 1) << at.bit)
    return "" if left else why


def _unstable(source: Side, destination: Side) -> Iterator[Finding]:
    """Fields that are compared, that nobody refuses today, and that may differ tomorrow."""
    if destination.check is None:
        return
    known = _known(source, destination)
    function = destination.function
    compared = _number(destination.check.compared)
    live = ~_number(function.config.emulated)
    refused = _refused(destination.check, source)
    for structure in function.structures:
        extent = ((1 << 8 * structure.length) - 1) << 8 * structure.offset
        if structure.source == "hidden" or not compared & extent:
            continue
        for at in function.fields(structure):
            bits = ((1 << at.width) - 1) << at.bit & compared
            if not bits:
                continue
            if bits & ~known:
                why = _OPEN if source.is_layout or destination.is_layout else _TAKEN_OUT
            elif at.field.changes is not None and bits & live and not bits & refused:
                why = _CHANGES[at.field.changes]
            else:
                continue
            title = at.field.title or at.place.register.title or structure.title
            text = value_text(function, at)
            span = destination.place(at.offset, at.origin)
            yield Finding(Means.UNSTABLE, Difference(at.path, title, at.offset, text, text, None, span, bits), why)
