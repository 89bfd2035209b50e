"""The configuration space as ranges: what every picture of it is drawn from."""

from __future__ import annotations

import string
from typing import NamedTuple

from ...diagnostics import printable
from ...ir import Function, Kind, Structure

_SIGNS = string.ascii_lowercase + string.ascii_uppercase.replace("H", "") + string.digits


class Range(NamedTuple):
    """Bytes `start` to `end` (the byte after the last): a structure's, reserved ones with the reason, or free ones."""

    start: int
    end: int
    structure: Structure | None = None
    why: str = ""

    @property
    def text(self) -> str:
        """`0x040..0x047`."""
        return f"{self.start:#05x}..{self.end - 1:#05x}"


def signs(function: Function) -> dict[str, str]:
    """The letter of each structure: H for the header, the others in their order, # when there are no more."""
    rest = iter(_SIGNS)
    return {s.name: "H" if s.kind is Kind.HEADER else next(rest, "#") for s in function.structures}


def in_order(function: Function) -> list[Structure]:
    """The structures by place."""
    return sorted(function.structures, key=lambda s: (s.offset, s.end))


def free(function: Function) -> list[Range]:
    """What no structure has and nobody reserved."""
    taken = sorted([(s.offset, s.end) for s in function.structures] + [(a, b) for a, b, _ in function.reserved])
    found, at = [], 0
    for start, end in [*taken, (function.config.size, function.config.size)]:
        if start > at:
            found.append(Range(at, start))
        at = max(at, end)
    return found


def reserved(function: Function) -> list[Range]:
    """What the layout reserves, with its reasons."""
    return [Range(start, end, None, printable(why)) for start, end, why in function.reserved]


def title_of(structure: Structure) -> str:
    """What people call a structure; nothing for bytes outside every capability."""
    return "" if structure.kind is Kind.BYTES else structure.title
