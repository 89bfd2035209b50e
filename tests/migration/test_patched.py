"""The masks of a probe are QEMU's, bit by bit: a saved stream is loaded with its configuration space changed.

A whole space is changed at once. QEMU names one byte, which must be the first that the masks say, in the words that
they say; it is put right, and so on, until none is left that they say: then QEMU must name none. So each pattern gives
the exact set of refused bytes out of all 4096, each judged by a destination of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from vpci_compile.live import saved_state
from vpci_compile.stack.incoming import Check, refused, words

from .rig import Side, load, probed, saved, side

BAD = "Bad config data"
DEVICES = {
    "e1000e": side("root", "e1000e"),
    "pcie-root-port": side("root", "pcie-root-port,chassis=4,mem-reserve=32M"),
    "virtio-net-pci": side("port", "virtio-net-pci,ats=on,aer=on"),
}
PATTERNS = (0xFF, *(1 << bit for bit in range(8)))
SAMPLES = 10


class Stream:
    """A saved stream whose configuration space is exchanged."""

    def __init__(self, one: Side) -> None:
        self.side = one
        function = probed(one).function("x")
        assert function is not None and function.check is not None
        self.check: Check = function.check
        self._stream, problem = saved(one)
        assert not problem
        (section,) = (s for s in saved_state.read(self._stream).sections if s.name == function.section)
        self._at = self._stream.index(section.key) + len(section.key) + section.config_at
        assert self._stream[self._at :].startswith(self.check.config)

    def load(self, space: bytes) -> str:
        """What a destination says of it first, if that is about the configuration space."""
        end = self._at + len(space)
        outcome = load(self.side, self._stream[: self._at] + space + self._stream[end:])
        return next((line for line in outcome.lines if BAD in line), "")

    def judge(self, space: bytes) -> int | None:
        """Load it: QEMU must say what the masks say. The byte that is refused."""
        first = next(refused(self.check, space), None)
        assert self.load(space) == ("" if first is None else words(self.check, space, first))
        return first

    def changed(self, pattern: int) -> Iterator[int]:
        """Every byte of the space changed; the bytes that are refused, one load each."""
        space = bytearray(octet ^ pattern for octet in self.check.config)
        while (first := self.judge(bytes(space))) is not None:
            yield first
            space[first] = self.check.config[first]


@pytest.mark.stack
@pytest.mark.parametrize("pattern", PATTERNS, ids=hex)
@pytest.mark.parametrize("name", DEVICES)
def test_every_byte(name: str, pattern: int) -> None:
    stream = Stream(DEVICES[name])
    assert len(stream.check.config) == 4096
    found = list(stream.changed(pattern))
    compared = stream.check.compared
    assert found == [offset for offset in range(4096) if compared[offset] & pattern]
    assert len(found) > 40


@pytest.mark.parametrize("name", DEVICES)
def test_some_bits_and_all_that_is_not_compared(name: str) -> None:
    stream, dice = Stream(DEVICES[name]), random.Random(name)
    config, compared = stream.check.config, stream.check.compared
    for offset in dice.sample([offset for offset, bits in enumerate(compared) if bits], SAMPLES):
        space = bytearray(config)
        space[offset] ^= 1 << dice.randrange(8)
        stream.judge(bytes(space))
    free = bytes(octet ^ ~bits & 0xFF for octet, bits in zip(config, compared, strict=True))
    assert stream.judge(free) is None
