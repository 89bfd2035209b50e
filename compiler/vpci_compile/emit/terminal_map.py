"""`show`: the configuration space as a map of dwords, the list of its structures, and what is free."""

from __future__ import annotations

import string

from ..diagnostics import printable
from ..ir import ROM_INDEX, Bar, BarKind, Function, Kind, Origin, Structure

ROW_BYTES = 256
CELL_BYTES = 4
FREE, RESERVED = ".", "!"
_SIGNS = string.ascii_lowercase + string.ascii_uppercase.replace("H", "") + string.digits
_COLOURS = {Origin.COPIED: "36", Origin.SYNTHESIZED: "33", Origin.HIDDEN: "90"}
_WORDS = {Origin.COPIED: "copied", Origin.SYNTHESIZED: "synthesized", Origin.HIDDEN: "hidden"}


def render(function: Function, *, colour: bool = False) -> str:
    """The whole picture as text; `colour` adds ANSI colours by source (copied, synthesized, hidden)."""
    signs = _signs(function)
    parts = [_title(function), _map(function, signs, colour), _list(function, signs, colour)]
    parts.extend(part for part in (_bars(function), _free(function)) if part)
    return "\n".join(parts)


def _paint(text: str, style: str, colour: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if colour else text


def _title(function: Function) -> str:
    value = function.config.value
    vendor, device = (int.from_bytes(value[at : at + 2], "little") for at in (0, 2))
    code = int.from_bytes(value[9:12], "little")
    lines = [f"{function.name} version {function.version}  {vendor:04x}:{device:04x} class {code:06x}"]
    if function.about:
        lines.append(printable(function.about.strip()))
    lines.append(f"contract {function.digest}")
    return "\n".join(lines) + "\n"


def _signs(function: Function) -> dict[str, str]:
    rest = iter(_SIGNS)
    return {s.name: "H" if s.kind is Kind.HEADER else next(rest, "#") for s in function.structures}


def _map(function: Function, signs: dict[str, str], colour: bool) -> str:
    cells = [FREE] * (function.config.size // CELL_BYTES)
    styles = [""] * len(cells)
    for start, end, _ in function.reserved:
        for cell in range(start // CELL_BYTES, min((end + CELL_BYTES - 1) // CELL_BYTES, len(cells))):
            cells[cell] = RESERVED
    for structure in function.structures:
        for cell in range(structure.offset // CELL_BYTES, min((structure.end + 3) // CELL_BYTES, len(cells))):
            cells[cell], styles[cell] = signs[structure.name], _COLOURS[structure.source]
    width = ROW_BYTES // CELL_BYTES
    ruler = "".join(f"{at:<8x}" for at in range(0, ROW_BYTES, 32)).rstrip()
    lines = [f"       {ruler}", *_rows(cells, styles, width, colour)]
    return "\n".join(lines) + f"\n       one sign is {CELL_BYTES} bytes; {FREE} free, {RESERVED} reserved\n"


def _rows(cells: list[str], styles: list[str], width: int, colour: bool) -> list[str]:
    lines: list[str] = []
    empty: list[int] = []
    for start in range(0, len(cells), width):
        row = cells[start : start + width]
        if set(row) == {FREE} and start:
            empty.append(start * CELL_BYTES)
            continue
        lines.extend(_empty(empty))
        empty = []
        shown = "".join(
            _paint(sign, style, colour) if style else sign for sign, style in zip(row, styles[start:], strict=False)
        )
        lines.append(f"  {start * CELL_BYTES:03x}  {shown}")
    return [*lines, *_empty(empty)]


def _empty(rows: list[int]) -> list[str]:
    return [f"  {rows[0]:03x}  {FREE * 8} free up to {rows[-1] + ROW_BYTES - 1:#x}"] if rows else []


def _list(function: Function, signs: dict[str, str], colour: bool) -> str:
    name = max(len(s.name) for s in function.structures)
    lines = []
    for structure in sorted(function.structures, key=lambda s: (s.offset, s.end)):
        word = _WORDS[structure.source] + (f", {structure.style}" if structure.style else "")
        sign = _paint(signs[structure.name], _COLOURS[structure.source], colour)
        lines.append(
            f"  {sign}  {structure.offset:03x}..{structure.end - 1:03x}  {structure.name:<{name}}  "
            f"{structure.length:>4}  {word:<16}  {_title_of(structure)}".rstrip()
        )
    return "\n".join(lines) + "\n"


def _title_of(structure: Structure) -> str:
    return "" if structure.kind is Kind.BYTES else structure.title


def shown_size(size: int | None) -> str:
    """A number of bytes for people: 16 MiB, 94.5 GiB, 24 bytes."""
    if size is None:
        return "size not stated"
    for unit, shift in (("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift:
            number = size / (1 << shift)
            return (
                f"{number:.6g} {unit}" if float(f"{number:.6g}") == number else f"{size:#x} bytes ({number:.2f} {unit})"
            )
    return f"{size} bytes"


def _bars(function: Function) -> str:
    lines = [_bar(bar) for bar in function.bars]
    lines.extend(
        f"  region  for BAR {r.instead_of}: type {r.type:#010x}, subtype {r.subtype}, {shown_size(r.size)}, {r.caching}"
        for r in function.regions
    )
    return "\n".join(lines) + "\n" if lines else ""


def _bar(bar: Bar) -> str:
    name = "ROM  " if bar.index == ROM_INDEX else f"BAR {bar.index}"
    words = [bar.kind.value + (" prefetchable" if bar.prefetchable else ""), shown_size(bar.size), _WORDS[bar.source]]
    if bar.length is not None and bar.length != bar.size:
        words.append(f"{shown_size(bar.length)} of memory behind it, {bar.beyond} beyond")
    if bar.kind not in (BarKind.IO, BarKind.ROM) and bar.length != bar.size:
        words.append(bar.caching.value)
    if bar.enable != "enforce":
        words.append(f"enable bit: {bar.enable}")
    return f"  {name}  " + ", ".join(words)


def _free(function: Function) -> str:
    taken = sorted([(s.offset, s.end) for s in function.structures] + [(a, b) for a, b, _ in function.reserved])
    rows: list[str] = []
    at = 0
    for start, end in [*taken, (function.config.size, function.config.size)]:
        if start > at:
            rows.append(f"{at:#x}..{start - 1:#x} ({start - at})")
        at = max(at, end)
    lines = [f"  free: {', '.join(rows)} bytes"] if rows else []
    lines.extend(f"  reserved: {a:#x}..{b - 1:#x}  {printable(why)}" for a, b, why in function.reserved)
    return "\n".join(lines) + "\n" if lines else ""
