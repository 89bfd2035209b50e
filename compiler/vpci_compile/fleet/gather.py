"""Bits picked out of many byte strings at the same places, as fast as Python can."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import NamedTuple

Gather = Callable[[bytes], bytes]
_WHOLE, _PART = re.compile(b"\xff+"), re.compile(b"[^\0\xff]+")


class Piece(NamedTuple):
    """Bytes that are picked: where they stand in the data, where in what `gather` gives, and how many they are.

    `whole`: all of their bits.
    """

    offset: int
    place: int
    size: int
    whole: bool


def pieces(mask: bytes) -> Iterator[Piece]:
    """What `gather` picks, in its order."""
    place = 0
    for pattern in (_WHOLE, _PART):
        for found in pattern.finditer(mask):
            size = found.end() - found.start()
            yield Piece(found.start(), place, size, pattern is _WHOLE)
            place += size


def gather(mask: bytes) -> Gather:
    """A function that gives the bytes of which `mask` has all bits, then those of which it has some, masked."""
    rows = [*pieces(mask)]
    whole, part = ([one for one in rows if one.whole is wanted] for wanted in (True, False))
    pick, rest = _pick(whole), _pick(part)
    if not part:
        return pick
    bits = b"".join(mask[one.offset : one.offset + one.size] for one in part)
    number, size, from_bytes = int.from_bytes(bits, "little"), len(bits), int.from_bytes

    def both(data: bytes) -> bytes:
        return pick(data) + (from_bytes(rest(data), "little") & number).to_bytes(size, "little")

    return both


def _pick(rows: list[Piece]) -> Gather:
    if not rows:
        return lambda _: b""
    places = [slice(one.offset, one.offset + one.size) for one in rows]
    if len(places) == 1:
        return itemgetter(places[0])
    pick, join = itemgetter(*places), b"".join
    return lambda data: join(pick(data))
