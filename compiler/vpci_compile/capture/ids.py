"""Who a captured function is, for the quirks of its device."""

from __future__ import annotations

from ..catalog import quirks
from ..catalog.quirks import Ids, Quirk
from .model import Capture

_REVISION, _CLASS, _HEADER_TYPE, _SUBSYSTEM = 0x08, 0x09, 0x0E, 0x2C
_NOBODY = (0xFFFF, 0xFFFF)


def ids(capture: Capture) -> Ids | None:
    """The ids of a captured function; None for a virtual function whose ids the capture does not have."""
    data = capture.data
    own = (_number(data, 0, 2), _number(data, 2, 2))
    if capture.virtual:
        own = capture.ids or _NOBODY
    if own == _NOBODY:
        return None
    endpoint = data[_HEADER_TYPE] & 0x7F == 0
    subsystem = (_number(data, _SUBSYSTEM, 2), _number(data, _SUBSYSTEM + 2, 2)) if endpoint else None
    return Ids(*own, _number(data, _CLASS, 3), data[_REVISION], subsystem)


def quirks_of(capture: Capture) -> tuple[Quirk, ...]:
    """The quirks of a captured function. Raises as catalog.quirks.of."""
    own = ids(capture)
    return () if own is None else quirks.of(own)


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
