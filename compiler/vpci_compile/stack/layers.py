"""What one layer of software makes of the function below it, and layers put on top of each other."""

from __future__ import annotations

from typing import NamedTuple

from ..ir import Bar, ConfigSpace
from .incoming import Check


class Change(NamedTuple):
    """One thing that a layer does to the function: first byte, what, how we know, and how many bytes it is about."""

    offset: int
    text: str
    source: str
    length: int = 1


class View(NamedTuple):
    """What is seen above a layer, and why it is not what is below.

    `bars` are those that are seen; `made` the structures that the layer adds, as (first byte, bytes, name); `check` is
    what a migration that comes in must be like, where the layer compares anything.
    """

    config: ConfigSpace
    changes: tuple[Change, ...]
    bars: tuple[Bar, ...] = ()
    made: tuple[tuple[int, int, str], ...] = ()
    check: Check | None = None


def device_image(value: bytes, writable: bytes | None = None, w1c: bytes | None = None) -> ConfigSpace:
    """A function that answers every bit itself: nothing is emulated, every write reaches it.

    `writable` and `w1c` say what a write does to it, where that is known.
    """
    size = len(value)
    return ConfigSpace(value, bytes(size), writable or bytes(size), w1c or bytes(size), b"\xff" * size, bytes(size))


def seen(layer: ConfigSpace, device: ConfigSpace) -> ConfigSpace:
    """Layer and device as one function that answers every bit: what a guest reads, and what its writes change.

    `device.writable` and `device.w1c` count where the layer passes reads and writes on.
    """
    size = layer.size
    whole = (1 << 8 * size) - 1

    def bits(space: ConfigSpace, name: str) -> int:
        octets: bytes = getattr(space, name)
        return int.from_bytes(octets[:size].ljust(size, b"\0"), "little")

    own = bits(layer, "emulated")
    live = ~own & whole
    reached = live & bits(layer, "forwarded")
    rows = {
        "value": bits(layer, "value") & own | bits(device, "value") & live,
        "writable": bits(layer, "writable") & own | bits(device, "writable") & reached,
        "w1c": bits(layer, "w1c") & own | bits(device, "w1c") & reached,
    }
    octets = {name: value.to_bytes(size, "little") for name, value in rows.items()}
    return ConfigSpace(
        value=octets["value"],
        emulated=b"\xff" * size,
        writable=octets["writable"],
        w1c=octets["w1c"],
        forwarded=bytes(size),
        compared=layer.compared,
    )
