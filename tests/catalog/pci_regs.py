"""linux/pci_regs.h read as numbers: the header that tools/fetch-judges.sh fetches, or the machine's own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from judges import lacking

from .lspci import ROOT

_DEFINE = re.compile(r"#\s*define\s+(\w+)(\(?)[ \t]*(.*)")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_SUFFIX = re.compile(r"\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]+\b")


def path() -> Path | None:
    """VPCI_PCI_REGS, the fetched header, or the machine's own."""
    named = os.environ.get("VPCI_PCI_REGS")
    places = [Path(named)] if named else []
    places += [ROOT / ".cache/judges/include/linux/pci_regs.h", Path("/usr/include/linux/pci_regs.h")]
    return next((place for place in places if place.is_file()), None)


_FUNCTION = re.compile(r"\((\w+)\)\s*(\S.*)")


def _genmask(high: int, low: int) -> int:
    return (1 << high + 1) - (1 << low)


def _bit(number: int) -> int:
    return 1 << number


def parse(text: str) -> dict[str, int]:
    """Every macro without parameters that has a value, and its number; `~0x3` is a negative one."""
    scope: dict[str, object] = {"__builtins__": {}, "__GENMASK": _genmask, "_BITUL": _bit, "_BITULL": _bit}
    values: dict[str, int] = {}
    for line in _COMMENT.sub(" ", text).splitlines():
        define = _DEFINE.match(line.strip())
        if define is None or define[2] or not define[3].strip():
            continue
        number = eval(_SUFFIX.sub(r"\1", define[3].strip()), {**scope, **values})
        assert isinstance(number, int), line
        values[define[1]] = number
    return values


def parse_functions(text: str, values: dict[str, int]) -> dict[str, Callable[[int], int]]:
    """Every macro with one parameter, as a function."""
    found: dict[str, Callable[[int], int]] = {}
    for line in _COMMENT.sub(" ", text).splitlines():
        define = _DEFINE.match(line.strip())
        function = _FUNCTION.match(f"({define[3].strip()}") if define and define[2] else None
        if define and function:
            body = eval(f"lambda {function[1]}: {function[2]}", {"__builtins__": {}, **values})
            found[define[1]] = body
    return found


@cache
def _text() -> str:
    place = path()
    if place is None:
        lacking("no linux/pci_regs.h here (set VPCI_PCI_REGS, or run tools/fetch-judges.sh)")
    return place.read_text("utf-8")


@cache
def macros() -> dict[str, int]:
    """The macros of `path()`; the calling test does not go on without such a header."""
    return parse(_text())


@cache
def functions() -> dict[str, Callable[[int], int]]:
    """The macros of `path()` that have a parameter."""
    return parse_functions(_text(), macros())
