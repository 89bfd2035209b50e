"""Shapes: functions whose contracts differ at most in bits that stand in the function itself."""

from __future__ import annotations

import hashlib

from ..capture import Capture
from ..ir import Bar, ConfigSpace, Region, contract
from .conditions import Facts, capture_of
from .gather import Gather, gather, pieces


class Shape:
    """What functions share: the form of their contract, and which of its bits (`live`) are a function's own.

    `data` is the first function of it, `facts` what its capture said (None: an image, which is not predicted).
    `refusal` says why the stack does not show such a function; "" where it does.
    """

    __slots__ = (
        "_first", "_head", "_places", "_template", "bars", "config", "data", "facts", "key", "live",
        "refusal", "regions",
    )  # fmt: skip

    def __init__(
        self,
        data: bytes,
        facts: Facts | None,
        config: ConfigSpace,
        bars: tuple[Bar, ...],
        live: bytes,
        refusal: str = "",
        regions: tuple[Region, ...] = (),
    ) -> None:
        self.data = data
        self.facts = facts
        self.config = config
        self.bars = bars
        self.regions = regions
        self.live = live
        self.refusal = refusal
        self.key: Gather = gather(live)
        """The bits of a function that are its own."""
        self._first = int.from_bytes(self.key(data), "little")
        self._head = hashlib.sha256(contract.head(config.size, config.compared, bars, regions))
        fixed = bytes(octet & ~own & 0xFF for octet, own in zip(config.value, live, strict=True))
        self._template = contract.pinned(fixed, config.compared)
        rank = [0]
        for bits in config.compared:
            rank.append(rank[-1] + bool(bits))
        self._places = [(rank[one.offset], one.place, one.size, one.whole) for one in pieces(live)]

    def digest(self, key: bytes) -> str:
        """The digest of the contract of a function with these own bits."""
        form = bytearray(self._template)
        for at, place, size, whole in self._places:
            if whole:
                form[at : at + size] = key[place : place + size]
            else:
                for step in range(size):
                    form[at + step] |= key[place + step]
        digest = self._head.copy()
        digest.update(form)
        return digest.hexdigest()

    def delta(self, key: bytes) -> tuple[int, int]:
        """What sets a key apart from that of the first function, as (bits, how far they are shifted): a few bytes."""
        bits = int.from_bytes(key, "little") ^ self._first
        shift = (bits & -bits).bit_length() - 1 if bits else 0
        return bits >> shift, shift

    def _key(self, delta: tuple[int, int]) -> bytes:
        return (self._first ^ delta[0] << delta[1]).to_bytes(len(self.key(self.data)), "little")

    def digest_without(self, delta: tuple[int, int], bits: bytes) -> str:
        """The digest of the contract with the `bits` of the space left out; equal where the others are."""
        own = int.from_bytes(self.key(bits.ljust(len(self.data), b"\0")), "little")
        key = int.from_bytes(self._key(delta), "little") & ~own
        rest = hashlib.sha256(bits)
        rest.update(self.digest(key.to_bytes(len(self.key(self.data)), "little")).encode())
        return rest.hexdigest()

    def apart(self, one: tuple[int, int], other: tuple[int, int]) -> bytes:
        """The bits of the space in which two functions of this shape differ."""
        octets = (one[0] << one[1] ^ other[0] << other[1]).to_bytes(len(self.key(self.data)), "little")
        return self._spread(octets, bytes(len(self.data)))

    def space(self, delta: tuple[int, int]) -> bytes:
        """A function of this shape that is so far from the first one."""
        return self._spread(self._key(delta), self.data)

    def _spread(self, key: bytes, data: bytes) -> bytes:
        """`data` with the own bits of a key."""
        made = bytearray(data)
        for one in pieces(self.live):
            for at, octet in enumerate(key[one.place : one.place + one.size], one.offset):
                made[at] = made[at] & ~self.live[at] | octet
        return bytes(made)

    @property
    def bar_words(self) -> bytes:
        """BARs and regions in a form that is equal where they are."""
        return contract.head(0, b"", self.bars, self.regions)

    def capture(self, delta: tuple[int, int], name: str) -> Capture:
        """The same as a capture with the file name `name`, to be predicted."""
        assert self.facts is not None
        return capture_of(self.space(delta), self.facts, name)
