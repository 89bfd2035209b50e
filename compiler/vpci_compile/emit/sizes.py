"""Sizes as pciutils' show_size writes them: 16K, 128G."""

from __future__ import annotations

_KIB = 1 << 10
_UNITS = ("", "K", "M", "G", "T")


def size(count: int) -> str:
    """Bytes with the largest unit that leaves a whole number."""
    unit = 0
    while count and count % _KIB == 0 and unit < len(_UNITS) - 1:
        count, unit = count // _KIB, unit + 1
    return f"{count}{_UNITS[unit]}"
