"""`diff` for people: the verdict first, then every field with both values and both lines."""

from __future__ import annotations

from itertools import groupby

from ...diagnostics import Span
from ...diff import Difference


def render(found: list[Difference], left: str, right: str, *, colour: bool = False) -> str:
    """The text; `left` and `right` are the names of the two sides."""
    if not found:
        return "equal: the contracts are the same\n"
    count = f"{len(found)} difference{'s' if len(found) > 1 else ''}"
    lines = [f"different: {count} inside the contract", f"  - {left}", f"  + {right}"]
    for structure, rows in groupby(found, key=lambda d: d.path.split(".")[0].split("+")[0]):
        lines.extend(["", structure])
        for row in rows:
            lines.extend(_row(row, colour))
    return "\n".join(lines) + "\n"


def _row(row: Difference, colour: bool) -> list[str]:
    place = "" if row.offset is None else f" at {row.offset:#x}"
    lines = [f"  {row.path}{place}: {row.title}"]
    for sign, value, span, style in (("-", row.left, row.left_span, "31"), ("+", row.right, row.right_span, "32")):
        text = f"    {sign} {value or '(none)'}"
        if colour:
            text = f"\x1b[{style}m{text}\x1b[0m"
        lines.append(f"{text}{_where(span)}")
    return lines


def _where(span: Span | None) -> str:
    return f"  ({span})" if span is not None else ""
