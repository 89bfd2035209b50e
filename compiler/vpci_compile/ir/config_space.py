"""The image: for every bit a value, who answers a read, and what a write does.

A read of bit b gives `state[b]` where `emulated`, else what the device answers. A write of v sets `state[b] = v` where
`writable`, clears it where `w1c` and v = 1, and is passed on to the device where `forwarded`. `state` starts as
`value` and starts again at reset. `compared` bits must be equal on the destination of a migration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MASKS = ("emulated", "writable", "w1c", "forwarded", "compared")

DeviceRead = Callable[[int, int], int]
"""(offset, size in bytes) -> value."""
DeviceWrite = Callable[[int, int, int, int], None]
"""(offset, size in bytes, value, mask of the bits that are passed on)."""


@dataclass(frozen=True, slots=True)
class ConfigSpace:
    """A configuration space: six byte strings of one length (`size` bytes, 256 or 4096 as a rule)."""

    value: bytes
    emulated: bytes
    writable: bytes
    w1c: bytes
    forwarded: bytes
    compared: bytes

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.value)

    def number(self, name: str, offset: int, size: int) -> int:
        """`size` bytes of `value` or of a mask at `offset`, little-endian."""
        octets: bytes = getattr(self, name)
        return int.from_bytes(octets[offset : offset + size], "little")


def is_access(space: ConfigSpace, offset: int, size: int) -> bool:
    """Whether a configuration request can be so: 1, 2 or 4 bytes, naturally aligned, inside the space."""
    return size in (1, 2, 4) and offset >= 0 and offset % size == 0 and offset + size <= space.size


def read(space: ConfigSpace, state: bytes | bytearray, offset: int, size: int, device: DeviceRead) -> int:
    """What a guest reads. An access that cannot be (see `is_access`) reads all ones.

    `device` is asked only if a bit of the access is not emulated.
    """
    ones = (1 << 8 * size) - 1
    if not is_access(space, offset, size):
        return ones
    emulated = space.number("emulated", offset, size)
    answer = int.from_bytes(state[offset : offset + size], "little") & emulated
    if emulated != ones:
        answer |= device(offset, size) & ~emulated & ones
    return answer


def write(space: ConfigSpace, state: bytearray, offset: int, size: int, value: int, device: DeviceWrite) -> None:
    """What a guest's write does to `state` and, where bits are forwarded, to the device.

    An access that cannot be (see `is_access`) does nothing.
    """
    if not is_access(space, offset, size):
        return
    writable = space.number("writable", offset, size)
    cleared = space.number("w1c", offset, size) & value
    held = int.from_bytes(state[offset : offset + size], "little")
    held = ((held & ~writable) | (value & writable)) & ~cleared
    state[offset : offset + size] = held.to_bytes(size, "little")
    forwarded = space.number("forwarded", offset, size)
    if forwarded:
        device(offset, size, value & forwarded, forwarded)
