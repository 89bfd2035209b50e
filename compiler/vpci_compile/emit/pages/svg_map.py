"""`show --svg`: the configuration space as a picture that needs nothing but itself.

One row is 256 bytes, drawn to scale; rows where nothing stands are one line. Below it the list of the structures, the
BARs with how much of each is real, and what is free. Light and dark; no script, no font, no file from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ...ir import Bar, Function, Kind, Origin, Region, Structure
from ..printed import bar_words, space
from ..printed.registers import registers
from .svg_text import ADVANCE, CSS, MARKS, attributes, elided, escaped, wrapped

WIDTH = 572
_EDGE, _LEFT = 12, 48
_ROW_BYTES = 256
_GRID = WIDTH - _LEFT - _EDGE  # 512: two units a byte
_SCALE = _GRID / _ROW_BYTES
_ROW, _GAP = 26, 8  # heights of a row of the map, and of the space below it
_LINE = 20  # height of a line of text
_MOST_REGISTERS = 48  # lines of a hover title

_SOURCES = {
    Origin.COPIED: "copied from the device",
    Origin.SYNTHESIZED: "synthesized by the VMM",
    Origin.HIDDEN: "hidden from the guest",
}


class Mark(NamedTuple):
    """Bytes `start` to `end` (the byte after the last) of which there is something to say; `kind` as in `MARKS`."""

    start: int
    end: int
    kind: str
    text: str


class Canvas:
    """Lines of SVG from top to bottom; `y` is where the next thing goes."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.y = 0.0

    def add(self, line: str) -> None:
        """A line as it is."""
        self.lines.append(line)

    def rect(self, x: float, y: float, width: float, height: float, name: str, **more: str) -> None:
        """A rectangle of the class `name`."""
        self.add(f"<rect{attributes(x=x, y=y, width=width, height=height, **{'class': name}, **more)}/>")

    def text(self, x: float, y: float, text: str, name: str = "", **more: str) -> None:
        """Text that begins at `x`, its base line at `y`."""
        given = {"class": name} if name else {}
        self.add(f"<text{attributes(x=x, y=y, **given, **more)}>{escaped(text)}</text>")


def render(
    function: Function, *, marks: Sequence[Mark] = (), prefix: str = "vpci", alone: bool = True, links: bool = False
) -> str:
    """The picture as text, a whole SVG document. `prefix` begins its ids, where several stand in one page.

    With `alone` it brings its colours and its heading; else the page that it stands in has them (`svg_text.CSS`). With
    `links` each structure of the map leads to what the page says of it: "#s" and its number.
    """
    canvas = Canvas()
    if alone:
        _title(canvas, function)
    _map(canvas, function, prefix, marks, links=links)
    _legend(canvas, function, prefix, marks)
    _list(canvas, function, prefix)
    _bars(canvas, function, prefix)
    _free(canvas, function)
    height = round(canvas.y + _EDGE)
    # What has the role of an image has no links for a screen reader.
    frame = _frame(function, prefix, height, alone, "group" if links else "img")
    return "\n".join([*frame, *canvas.lines, "</svg>"]) + "\n"


def _frame(function: Function, prefix: str, height: int, alone: bool, role: str) -> Iterator[str]:
    size = f' viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    names = f"{prefix}-title {prefix}-desc"
    yield f'<svg xmlns="http://www.w3.org/2000/svg" class="vpci-map"{size} role="{role}" aria-labelledby="{names}">'
    yield f'<title id="{prefix}-title">Configuration space of {escaped(function.name)}</title>'
    yield f'<desc id="{prefix}-desc">{escaped(_description(function))}</desc>'
    if alone:
        yield f"<style>{CSS}</style>"
    yield "<defs>"
    yield (
        f'<pattern id="{prefix}-hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><path d="M0 0V5" class="hatch"/></pattern>'
    )
    yield (
        f'<pattern id="{prefix}-cross" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><path d="M0 0V6M0 0H6" class="cross"/></pattern>'
    )
    yield (
        f'<pattern id="{prefix}-dwords" x="{_LEFT}" width="{16 * _SCALE:g}" height="8" '
        f'patternUnits="userSpaceOnUse"><path d="M0 0V8" class="tick"/></pattern>'
    )
    yield "</defs>"
    if alone:
        yield f'<rect class="page" width="{WIDTH}" height="{height}" rx="6"/>'


def _description(function: Function) -> str:
    """The picture for who does not see it."""
    parts = [f"{one.name} at {one.offset:#x}, {one.length} bytes, {one.source}" for one in space.in_order(function)]
    free = ", ".join(one.text for one in space.free(function)) or "none"
    return f"{function.config.size} bytes. {'; '.join(parts)}. Free: {free}."


def _title(canvas: Canvas, function: Function) -> None:
    number = function.config.number
    code = number("value", 8, 4) >> 8
    canvas.text(_EDGE, 24, elided(function.name, WIDTH - 2 * _EDGE, 9.4), "name")
    facts = f"version {function.version}   {number('value', 0, 2):04x}:{number('value', 2, 2):04x}   class {code:06x}"
    canvas.text(_EDGE, 44, f"{facts}   contract {function.digest[:12]}", "mono soft")
    canvas.y = 60


# -- the map -------------------------------------------------------------------------------------------------------


def _map(canvas: Canvas, function: Function, prefix: str, marks: Sequence[Mark], *, links: bool) -> None:
    for at in range(0, _ROW_BYTES, 32):
        canvas.text(_x(at), canvas.y + 10, f"{at:02x}", "mono small soft")
    canvas.y += 16
    tops = _rows(canvas, function, prefix)
    for one in space.reserved(function):
        canvas.add(f"<g><title>{escaped(f'reserved {one.text}: {one.why}')}</title>")
        for x, y, width in _pieces(one.start, one.end, tops):
            canvas.rect(x, y, width, _ROW, "reserved", fill=f"url(#{prefix}-cross)")
        canvas.add("</g>")
    signs = space.signs(function)
    for number, structure in enumerate(function.structures):
        if links:
            canvas.add(f'<a href="#s{number}" aria-label="{escaped(structure.name)}">')
        _structure(canvas, function, structure, signs[structure.name], tops, prefix)
        if links:
            canvas.add("</a>")
    for mark in marks:
        _mark(canvas, mark, tops)


def _rows(canvas: Canvas, function: Function, prefix: str) -> dict[int, float]:
    """Draws the empty rows; gives the top of each row that is drawn whole, by the offset it starts at."""
    tops: dict[int, float] = {}
    size = function.config.size
    used = {at // _ROW_BYTES for s in function.structures for at in (*range(s.offset, s.end, _ROW_BYTES), s.end - 1)}
    used |= {at // _ROW_BYTES for a, b, _ in function.reserved for at in (*range(a, b, _ROW_BYTES), b - 1)}
    row, rows = 0, (size + _ROW_BYTES - 1) // _ROW_BYTES
    while row < rows:
        start = row * _ROW_BYTES
        if row in used or row == 0:
            tops[start] = canvas.y
            canvas.text(_LEFT - 6, canvas.y + 17, f"{start:03x}", "mono soft", **{"text-anchor": "end"})
            width = (min(size, start + _ROW_BYTES) - start) * _SCALE
            canvas.rect(_LEFT, canvas.y, width, _ROW, "free", fill=f"url(#{prefix}-dwords)")
            canvas.y += _ROW + _GAP * (1 if start else 2)  # apart: the conventional 256 bytes
            row += 1
            continue
        while row < rows and row not in used:
            row += 1
        canvas.text(_LEFT - 6, canvas.y + 9, f"{start:03x}", "mono soft", **{"text-anchor": "end"})
        canvas.text(_LEFT, canvas.y + 9, f"free up to {min(size, row * _ROW_BYTES) - 1:#x}", "small soft")
        canvas.y += 12 + _GAP
    return tops


def _x(offset: int) -> float:
    return _LEFT + offset % _ROW_BYTES * _SCALE


def _pieces(start: int, end: int, tops: dict[int, float]) -> Iterator[tuple[float, float, float]]:
    """Left, top and width of the part of a range in each row."""
    at = start
    while at < end:
        row = at - at % _ROW_BYTES
        stop = min(end, row + _ROW_BYTES)
        if row in tops:
            yield _x(at), tops[row], (stop - at) * _SCALE
        at = stop


def _structure(
    canvas: Canvas, function: Function, structure: Structure, sign: str, tops: dict[int, float], prefix: str
) -> None:
    canvas.add(f'<g class="s"><title>{escaped(_hover(function, structure))}</title>')
    hidden = {"fill": f"url(#{prefix}-hatch)"} if structure.source is Origin.HIDDEN else {}
    named = False
    for x, y, width in _pieces(structure.offset, structure.end, tops):
        canvas.rect(x, y, width, _ROW, structure.source.value, **hidden)
        text = structure.name if len(structure.name) * ADVANCE + 6 <= width else sign
        if len(text) * ADVANCE <= width + 1 and (not named or text != sign):
            plate = len(text) * ADVANCE + 4
            if hidden:  # a letter on hatching is hard to read
                canvas.rect(x + (width - plate) / 2, y + 6, plate, 14, "plate")
            canvas.text(x + width / 2, y + 17.5, text, "mono mid")
            named = True
    canvas.add("</g>")


def _hover(function: Function, structure: Structure) -> str:
    where = f"{structure.offset:#05x}..{structure.end - 1:#05x}"
    word = _SOURCES[structure.source] + (f", {structure.style}" if structure.style else "")
    lines = [f"{structure.name}: {structure.title}, {where}, {structure.length} bytes, {word}"]
    rows = []
    for one in registers(function, structure):
        if one.size > 8:
            rows.append(f"{one.offset:#05x} {one.path}: {one.size} bytes")
            continue
        value = function.config.number("value", one.offset, one.size)
        said = [f"{row.name}={row.value}" for row in one.rows(function) if len(one.fields) > 1 and row.value != "0"]
        rows.append(
            f"{one.offset:#05x} {one.path} = {value:#0{2 + 2 * one.size}x}" + (f" ({', '.join(said)})" if said else "")
        )
    lines += rows[:_MOST_REGISTERS]
    if len(rows) > _MOST_REGISTERS:
        lines.append(f"... and {len(rows) - _MOST_REGISTERS} more")
    return "\n".join(lines)


def _mark(canvas: Canvas, mark: Mark, tops: dict[int, float]) -> None:
    canvas.add(f"<g><title>{escaped(mark.text)}</title>")
    for x, y, width in _pieces(mark.start, mark.end, tops):
        wide = max(width, 3.0)
        canvas.rect(x, y + _ROW + 1, wide, 4, f"mark {mark.kind}")
    canvas.add("</g>")


# -- what stands below it --------------------------------------------------------------------------------------------


def _legend(canvas: Canvas, function: Function, prefix: str, marks: Sequence[Mark]) -> None:
    canvas.y += 6
    found = {structure.source.value for structure in function.structures}
    entries = [(one.value, one.value, f"url(#{prefix}-hatch)" if one is Origin.HIDDEN else "") for one in Origin]
    shown = [entry for entry in entries if entry[0] in found]
    if function.reserved:
        shown.append(("reserved", "reserved", f"url(#{prefix}-cross)"))
    shown.append(("free", "free, a line each 16 bytes", f"url(#{prefix}-dwords)"))
    x = float(_LEFT)
    for name, text, fill in shown:
        canvas.rect(x, canvas.y, 16, 12, name, **({"fill": fill} if fill else {}))
        canvas.text(x + 22, canvas.y + 10.5, text, "small")
        x += 40 + 6.2 * len(text)
    canvas.y += 24
    kinds = [kind for kind in MARKS if any(mark.kind == kind for mark in marks)]
    x = float(_LEFT)
    for kind in kinds:
        canvas.rect(x, canvas.y, 16, 4, f"mark {kind}")
        canvas.text(x + 22, canvas.y + 6.5, kind, "small")
        x += 40 + 6.6 * len(kind)
    canvas.y += 20 if kinds else 0


def _list(canvas: Canvas, function: Function, prefix: str) -> None:
    signs = space.signs(function)
    column = 26 + 9 * ADVANCE + 10
    longest = min(max(len(s.name) for s in function.structures), 18)
    title = column + longest * ADVANCE + 12
    canvas.y += 4
    for structure in space.in_order(function):
        y = canvas.y + 14
        canvas.add(f'<g class="s"><title>{escaped(_short(structure))}</title>')
        hidden = {"fill": f"url(#{prefix}-hatch)"} if structure.source is Origin.HIDDEN else {}
        canvas.rect(_EDGE, canvas.y + 2, 18, 15, structure.source.value, **hidden)
        if hidden:
            canvas.rect(_EDGE + 4, canvas.y + 3, 10, 13, "plate")
        canvas.text(_EDGE + 9, y - 0.5, signs[structure.name], "mono mid")
        canvas.text(_EDGE + 26, y, f"{structure.offset:03x}..{structure.end - 1:03x}", "mono soft")
        canvas.text(_EDGE + column, y, elided(structure.name, longest * ADVANCE, ADVANCE), "mono strong")
        style = f" ({structure.style})" if structure.style else ""
        words = space.title_of(structure) or "bytes outside every capability"
        canvas.text(_EDGE + title, y, elided(words + style, WIDTH - 2 * _EDGE - title, 6.4), "soft")
        canvas.add("</g>")
        canvas.y += _LINE


def _short(structure: Structure) -> str:
    style = f", {structure.style}" if structure.style else ""
    clause = f", {structure.capability.clause}" if structure.capability and structure.kind is not Kind.BYTES else ""
    return f"{structure.name}: {structure.title}, {structure.length} bytes, {structure.source}{style}{clause}"


def _bars(canvas: Canvas, function: Function, prefix: str) -> None:
    bars, regions = (
        sorted(function.bars, key=lambda bar: bar.index),
        sorted(function.regions, key=lambda r: r.instead_of),
    )
    both: list[Bar | Region] = [*bars, *regions]
    for one, words in zip(both, bar_words.every(function), strict=True):
        canvas.y += 12
        canvas.add(
            f'<g class="s"><title>{escaped(f"{words.name}: {words.kind}, {words.size}; {words.behaviour()}")}</title>'
        )
        canvas.text(_EDGE, canvas.y + 12, words.name, "mono strong")
        facts = elided(f"{words.kind}, {words.size}, {words.source}", WIDTH - 2 * _EDGE - 100, 6.6)
        canvas.text(_EDGE + 10 + len(words.name) * ADVANCE, canvas.y + 12, facts)
        width = WIDTH - 2 * _EDGE
        real = bar_words.share(one)
        if real is None:
            canvas.rect(_EDGE, canvas.y + 20, width, 10, "tail", fill="none")
        else:
            source = words.source if words.source in _SOURCES else Origin.SYNTHESIZED.value  # a region is made
            if real < 1:
                canvas.rect(_EDGE, canvas.y + 20, width, 10, "tail", fill=f"url(#{prefix}-hatch)")
            canvas.rect(_EDGE, canvas.y + 20, max(2.0, round(width * real, 1)), 10, source)
        canvas.y += 34
        for line in wrapped(words.behaviour(), width, 6.2):
            canvas.text(_EDGE, canvas.y + 11, line, "small soft")
            canvas.y += 15
        canvas.add("</g>")


def _free(canvas: Canvas, function: Function) -> None:
    rows: list[tuple[str, str]] = []
    for word, ranges in (("free", space.free(function)), ("reserved", space.reserved(function))):
        texts = [f"{one.text} ({one.end - one.start}{': ' + one.why if one.why else ''})" for one in ranges]
        if texts:
            rows.append((word, ", ".join(texts)))
    canvas.y += 8 if rows else 0
    for word, text in rows:
        canvas.text(_EDGE, canvas.y + 12, word, "small strong")
        for line in wrapped(text, WIDTH - 2 * _EDGE - 66, 7.3):
            canvas.text(_EDGE + 66, canvas.y + 12, line, "mono small soft")
            canvas.y += 16


def marks_of(found: Iterable[Mark]) -> list[Mark]:
    """The marks, the gravest last, so that it is drawn over the others."""
    order = [*MARKS]
    return sorted(found, key=lambda one: (-order.index(one.kind), one.start, one.end))
