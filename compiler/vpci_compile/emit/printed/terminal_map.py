"""`show`: the configuration space as a map of dwords, the list of its structures, and what is free."""

from __future__ import annotations

from ...diagnostics import printable
from ...ir import Function, Origin
from . import bar_words, space

ROW_BYTES = 256
CELL_BYTES = 4
FREE, RESERVED = ".", "!"
_COLOURS = {Origin.COPIED: "36", Origin.SYNTHESIZED: "33", Origin.HIDDEN: "90"}
_WORDS = {Origin.COPIED: "copied", Origin.SYNTHESIZED: "synthesized", Origin.HIDDEN: "hidden"}


def render(function: Function, *, colour: bool = False) -> str:
    """The whole picture as text; `colour` adds ANSI colours by source (copied, synthesized, hidden)."""
    signs = space.signs(function)
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
    for structure in space.in_order(function):
        word = _WORDS[structure.source] + (f", {structure.style}" if structure.style else "")
        sign = _paint(signs[structure.name], _COLOURS[structure.source], colour)
        lines.append(
            f"  {sign}  {structure.offset:03x}..{structure.end - 1:03x}  {structure.name:<{name}}  "
            f"{structure.length:>4}  {word:<16}  {space.title_of(structure)}".rstrip()
        )
    return "\n".join(lines) + "\n"


def _bars(function: Function) -> str:
    lines: list[str] = []
    for one in bar_words.every(function):
        lines.append(f"  {one.name:<9}  {', '.join((one.kind, one.size, one.source))}")
        lines.append(f"  {'':<9}  {one.behaviour()}")
    return "\n".join(lines) + "\n" if lines else ""


def _free(function: Function) -> str:
    rows = [f"{one.start:#x}..{one.end - 1:#x} ({one.end - one.start})" for one in space.free(function)]
    lines = [f"  free: {', '.join(rows)} bytes"] if rows else []
    lines.extend(f"  reserved: {one.start:#x}..{one.end - 1:#x}  {one.why}" for one in space.reserved(function))
    return "\n".join(lines) + "\n" if lines else ""
