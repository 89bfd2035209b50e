"""`explain FILE OFFSET`: what a guest finds at one byte, who answers, what a write does, and which line decided it."""

from __future__ import annotations

from ...diagnostics import Span, printable
from ...ir import Function, Kind, Origin, Structure
from .registers import behaviour, registers

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
    if function.fields_at(offset):
        lines.extend(_registers(function, owner, offset))
    else:
        lines.extend(["", f"  no field of the catalogue: {behaviour(function, 8 * offset, 8)}", *_quote(owner.origin)])
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
        f"  {behaviour(function, 8 * offset, 8)}",
    ]
    lines.extend(
        f"  reserved ({start:#x}..{end - 1:#x}): {printable(why)}"
        for start, end, why in function.reserved
        if start <= offset < end
    )
    return "\n".join(lines) + "\n"


def _registers(function: Function, owner: Structure, offset: int) -> list[str]:
    lines: list[str] = []
    for one in registers(function, owner):
        if not any(at.bit < 8 * offset + 8 and at.bit + at.width > 8 * offset for at in one.fields):
            continue
        size = f"{one.size} byte{'s' if one.size > 1 else ''}"
        lines.extend(["", f"  {one.path}  {one.title} ({size} at {one.offset:#x})"])
        rows = [(row.bits, row.name, _short(row.value), str(row.behaviour)) for row in one.rows(function)]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines.extend(
            f"    {bits:>{max(7, widths[0])}}  {name:<{widths[1]}}  {value:<{widths[2]}}  {behaves}"
            for bits, name, value, behaves in rows
        )
        by_line = {(f.origin.path, f.origin.line): f.origin for f in reversed(one.fields)}
        for span in reversed(by_line.values()):
            lines.extend(_quote(span))
    return lines


_LONGEST = 50  # characters of a value


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 3]}..."


def _quote(span: Span) -> list[str]:
    text = printable(span.source.line(span.line).strip())
    if len(text) > _QUOTED:
        text = f"{text[: _QUOTED - 4]} ..."
    return [f"    decided by {span}" + (f":  {text}" if text else "")]
