"""In which order GLib's GHashTable gives strings back: QEMU keeps its objects in one, and its SRAT shows the order.

Source: GLib 2.84 glib/ghash.c and g_str_hash; the table starts with 8 places and never loses an entry here.
"""

from __future__ import annotations

from collections.abc import Sequence

_MIN_SHIFT = 3
_FIRST_REAL = 2  # a hash below marks a place that is free or was freed
_WRAP = 1 << 32  # C's unsigned int
_FACTOR = 11  # g_hash_table_hash_to_index: spreads hashes that differ in their low bits only
_GROWTH = 1.333
# The greatest prime below each power of two; the table of 2**shift places starts a search at hash % prime.
_PRIMES = (
    *(1, 2, 3, 7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521),
    *(131071, 262139, 524287, 1048573),
)


def str_hash(text: str) -> int:
    """g_str_hash, 32 bits: Bernstein's, over characters that are signed in C."""
    value = 5381
    for octet in text.encode():
        value = (value * 33 + (octet - 256 if octet > 127 else octet)) % _WRAP
    return value


class _Table:
    """Places that hold a string or nothing."""

    def __init__(self) -> None:
        self.shift = _MIN_SHIFT
        self.places: list[str | None] = [None] * (1 << _MIN_SHIFT)
        self.count = 0

    def _start(self, text: str) -> int:
        value = max(str_hash(text), _FIRST_REAL)
        return value * _FACTOR % _WRAP % _PRIMES[self.shift]

    def _free(self, text: str, taken: Sequence[object]) -> int:
        """The first place of the search for `text` that is not `taken`."""
        place, step = self._start(text), 0
        while taken[place]:
            step += 1
            place = (place + step) & ((1 << self.shift) - 1)
        return place

    def insert(self, text: str) -> None:
        """Put in a string that is not there."""
        self.places[self._free(text, self.places)] = text
        self.count += 1
        if len(self.places) <= self.count + self.count // 16:
            self._grow()

    def _grow(self) -> None:
        """Resize in place: a string moves to its new place and drives out the one that is there."""
        old = len(self.places)
        self.shift = max(int(self.count * _GROWTH).bit_length(), _MIN_SHIFT)
        self.places += [None] * ((1 << self.shift) - old)
        settled = [False] * len(self.places)
        for place in range(old):
            moving = self.places[place]
            if moving is None or settled[place]:
                continue
            self.places[place] = None
            while moving is not None:
                target = self._free(moving, settled)
                settled[target] = True
                moving, self.places[target] = self.places[target], moving


def order(inserted: Sequence[str]) -> list[str]:
    """The strings as an iteration gives them, put in one after another. Each is there once."""
    table = _Table()
    for text in inserted:
        table.insert(text)
    return [text for text in table.places if text is not None]
