"""`explain FILE OFFSET`: what a guest finds at one byte, who answers, what a write does, and which line decided it."""

from __future__ import annotations

from ..diagnostics import Span, printable
from ..ir import BarKind, FieldAt, Function, Kind, Origin, Structure

_SOURCES = {
    Origin.COPIED: "copied from the device",
    Origin.SYNTHESIZED: "synthesized by the VMM",
    Origin.HIDDEN: "hidden from the guest",
}


def explain(function: Function, offset: int) -> str:
    """The text for byte `offset`, which must lie inside the space."""
    octet = function.config.value[offset]
    owner = function.owner(offset)
    if owner is None:
        return _nobody(function, offset)
    where = f"{owner.offset:#x}..{owner.end - 1:#x}"
    if owner.kind is Kind.BYTES:
        head = f"{offset:#05x} = {octet:#04x}  bytes outside every capability ({where}), {_SOURCES[owner.source]}"
    else:
        head = f"{offset:#05x} = {octet:#04x}  in '{owner.name}': {owner.title} ({where}), {_SOURCES[owner.source]}"
    lines = [head]
    if owner.capability is not None:
        lines.append(f"  rule: {owner.capability.clause}")
    if owner.style is not None:
        lines.append(f"  hidden: {owner.style}: {_STYLES[owner.style.value]}")
        if owner.style == "unlinked" and owner.offset == 0x100 and offset < 0x104:
            lines.append("  where the chain begins: a header with id 0 stands here for it, and leads to the next")
    at_byte = function.fields_at(offset)
    if at_byte:
        lines.extend(_registers(function, owner, at_byte))
    else:
        lines.extend(["", f"  no field of the catalogue: {_behaviour(function, 8 * offset, 8)}", *_quote(owner.origin)])
    return "\n".join(lines) + "\n"


_QUOTED = 120  # characters of a line
_STYLES = {
    "unlinked": "no pointer leads to it; its bytes are still the device's",
    "zeroed": "no pointer leads to it and its bytes read as zero",
}


def _nobody(function: Function, offset: int) -> str:
    below = max((s.end for s in function.structures if s.end <= offset), default=0)
    above = min((s.offset for s in function.structures if s.offset > offset), default=function.config.size)
    lines = [
        f"{offset:#05x} = {function.config.value[offset]:#04x}  free: nothing stands in {below:#x}..{above - 1:#x}",
        f"  {_behaviour(function, 8 * offset, 8)}",
    ]
    lines.extend(
        f"  reserved ({start:#x}..{end - 1:#x}): {printable(why)}"
        for start, end, why in function.reserved
        if start <= offset < end
    )
    return "\n".join(lines) + "\n"


def _registers(function: Function, owner: Structure, at_byte: list[FieldAt]) -> list[str]:
    lines: list[str] = []
    done: set[str] = set()
    every = list(function.fields(owner))
    for first in at_byte:
        if first.register in done:
            continue
        done.add(first.register)
        place = first.place
        title = place.register.title or first.field.title
        size = f"{place.size} byte{'s' if place.size > 1 else ''}"
        lines.extend(["", f"  {owner.name}.{first.register}  {title} ({size} at {first.offset:#x})"])
        fields = [f for f in every if f.register == first.register]
        rows = _base_address(function, first) or [_row(function, f) for f in fields]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines.extend(
            f"    {bits:>{max(7, widths[0])}}  {name:<{widths[1]}}  {value:<{widths[2]}}  {behaviour}"
            for bits, name, value, behaviour in rows
        )
        by_line = {(f.origin.path, f.origin.line): f.origin for f in reversed(fields)}
        for span in reversed(by_line.values()):
            lines.extend(_quote(span))
    return lines


Row = tuple[str, str, str, str]
"""Bits, name, value and behaviour of a field."""


def _row(function: Function, at: FieldAt) -> Row:
    view = function.view(at.structure)
    assert view is not None
    low = at.bit - 8 * at.offset
    decoded = view.decode(at.place, at.field)
    if len(decoded) > 50:
        decoded = f"{decoded[:47]}..."
    return _range(low, at.width), at.field.name, decoded, _behaviour(function, at.bit, at.width, low)


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
            (_range(low, width), name, text, _behaviour(function, first + low, width, low))
            for low, width, name, text in rows
        ]
    return []


def _range(low: int, width: int) -> str:
    return f"{low + width - 1}..{low}" if width > 1 else str(low)


def _behaviour(function: Function, bit: int, width: int, low: int = 0) -> str:
    """Who answers, what a write does, whether a migration compares, over all bits of a field.

    `low` is the number that its lowest bit has in its register: single bits are named as the register counts them.
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
    return f"{reads}; {', '.join(effects) or 'writes are dropped'}; {contract}"


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


def _quote(span: Span) -> list[str]:
    text = printable(span.source.line(span.line).strip())
    if len(text) > _QUOTED:
        text = f"{text[: _QUOTED - 4]} ..."
    return [f"    decided by {span}" + (f":  {text}" if text else "")]
