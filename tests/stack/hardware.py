"""A physical function that is nothing but its bytes: served over vfio-user, its writes kept."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from vpci_compile.ir import ROM_INDEX, Bar
from vpci_compile.live import Server
from vpci_compile.live.device import Device, RegionFacts
from vpci_compile.live.protocol import CONFIG_REGION, FIXED_REGIONS, INTX, ROM_REGION, ProtocolError

STATUS, CAP_LIST, EXTENDED = 0x06, 0x10, 0x100
_HEADER = 0x40
_WRITABLE_HEADER = {0x04: 0x47, 0x05: 0x05, 0x0C: 0xFF, 0x0D: 0xFF, 0x0F: 0xFF, 0x3C: 0xFF}
_VIRTUAL_BAR = 0x4000  # bytes
_PIN = 0x3D
_SPACE = 0x1000
_SRIOV, _SRIOV_BARS, _SRIOV_BARS_END = 0x10, 0x24, 0x3C
_MOST_VIRTUAL = 7
PM, EXPRESS, VPD, AF, MSI, MSIX = 0x01, 0x10, 0x03, 0x13, 0x05, 0x11


@dataclass(frozen=True)
class Image:
    """A function: `value`, the bytes that it answers with, and its BARs.

    `virtual`: an SR-IOV virtual function, whose own ids read ffff; `ids` are those that its physical function says.
    """

    name: str
    value: bytes
    bars: tuple[Bar, ...] = ()
    virtual: bool = False
    ids: tuple[int, int] | None = None


class Write(NamedTuple):
    """A write that reached the function."""

    offset: int
    data: bytes


class Hardware:
    """An `Image` alive, with what a `live.Server` asks of its device.

    All bytes behind the header are memory, which keeps whatever reaches it: what a guest may write is then decided by
    the software in between alone. Only the bits that start a reset read as 0 and do so.

    Raw mode: until the first reset the function shows no capabilities. The QEMU that it is plugged into reads it once
    before that and, finding none, filters nothing; from then on all accesses come here.
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        self.state = bytearray(image.value)
        self.writes: list[Write] = []
        self.regions = _regions(image)
        self._raw = True
        self._writable = _writable(image)
        self._resets = {at: 0x80 if own == EXPRESS else 0x01 for at, own in _reset_bytes(image.value)}
        self._hide()

    def _hide(self) -> None:
        self.state[:] = self.image.value
        self.state[STATUS] &= ~CAP_LIST
        self.state[EXTENDED:] = bytes(len(self.state[EXTENDED:]))

    def reset(self) -> None:
        """The image again; the end of raw mode."""
        self._raw = False
        self.state[:] = self.image.value

    def interrupts(self, index: int) -> int:
        """As many INTx interrupts as the pin says; of others nobody may ask while there are no capabilities."""
        return int(index == INTX and self.image.value[_PIN] != 0)

    def read(self, region: int, offset: int, size: int) -> bytes:
        """Configuration space, or memory of zeros."""
        self._inside(region, offset, size)
        return bytes(self.state[offset : offset + size]) if region == CONFIG_REGION else bytes(size)

    def write(self, region: int, offset: int, data: bytes) -> None:
        """Configuration space; memory forgets."""
        self._inside(region, offset, len(data))
        if region != CONFIG_REGION:
            return
        self.writes.append(Write(offset, data))
        for at, octet in enumerate(data, offset):
            mask = self._writable[at]
            self.state[at] = self.state[at] & ~mask | octet & mask
        if any(octet & self._resets.get(at, 0) for at, octet in enumerate(data, offset)):
            self.reset()

    def _inside(self, region: int, offset: int, size: int) -> None:
        facts = self.regions.get(region)
        if facts is None or not 0 < size <= facts.size or not 0 <= offset <= facts.size - size:
            raise ProtocolError(errno.EINVAL, f"{size} bytes at {offset:#x} are outside region {region}")


def _regions(image: Image) -> dict[int, RegionFacts]:
    facts = {index: RegionFacts(0) for index in range(FIXED_REGIONS)}
    facts[CONFIG_REGION] = RegionFacts(len(image.value))
    for bar in image.bars:
        facts[ROM_REGION if bar.index == ROM_INDEX else bar.index] = RegionFacts(bar.size or 0)
    return facts


def _writable(image: Image) -> bytes:
    mask = bytearray(b"\xff" * len(image.value))
    mask[:_HEADER] = bytes(_HEADER)
    for at, bits in _WRITABLE_HEADER.items():
        mask[at] = bits
    for at, bits in _virtual_bars(image.value):
        mask[at : at + 4] = bits.to_bytes(4, "little")
    for at, own in _reset_bytes(image.value):
        mask[at] &= 0x7F if own == EXPRESS else 0xFE
    return bytes(mask)


def physical(image: Image) -> Image:
    """A physical function for virtual ones like `image`: the least that Linux wants of it."""
    vendor, device = image.ids or (0, 0)
    value = bytearray(_SPACE)
    value[0:4] = vendor.to_bytes(2, "little") + device.to_bytes(2, "little")
    value[STATUS], value[0x0E], value[0x34] = CAP_LIST, 0x80, _HEADER
    value[_HEADER : _HEADER + 8] = b"\x10\0\x02\0" + (0x10008000).to_bytes(4, "little")
    value[EXTENDED : EXTENDED + 4] = b"\x10\0\x01\0"
    for at, number in ((0x0C, _MOST_VIRTUAL), (0x0E, _MOST_VIRTUAL), (0x14, 1), (0x16, 1), (0x1A, device)):
        value[EXTENDED + at : EXTENDED + at + 2] = number.to_bytes(2, "little")
    value[EXTENDED + 0x1C] = 0x53  # pages of 4 KiB and more
    value[EXTENDED + 0x20] = 0x01
    return Image("physical", bytes(value))


def _reset_bytes(value: bytes) -> Iterator[tuple[int, int]]:
    """The bytes with a bit that starts a reset, where the function says that it has it: Initiate FLR."""
    for at, own in standard_chain(value):
        if own == EXPRESS and value[at + 7 : at + 8] and value[at + 7] & 0x10:
            yield at + 9, own
        if own == AF and value[at + 3 : at + 4] and value[at + 3] & 0x02:
            yield at + 4, own


def standard_chain(value: bytes) -> list[tuple[int, int]]:
    """(offset, id) of the standard capabilities."""
    found: list[tuple[int, int]] = []
    at = value[0x34] & ~3
    while value[STATUS] & CAP_LIST and at >= _HEADER and at not in [one for one, _ in found]:
        found.append((at, value[at]))
        at = value[at + 1] & ~3
    return found


def _virtual_bars(value: bytes) -> Iterator[tuple[int, int]]:
    """The BARs of the SR-IOV capability, whose size Linux finds out, and their bits that can be written."""
    at, seen = EXTENDED, set[int]()
    while EXTENDED <= at < len(value) - _SRIOV_BARS_END and at not in seen:
        seen.add(at)
        header = int.from_bytes(value[at : at + 4], "little")
        upper = False
        for register in range(at + _SRIOV_BARS, at + _SRIOV_BARS_END, 4) if header & 0xFFFF == _SRIOV else ():
            low = int.from_bytes(value[register : register + 4], "little")
            yield register, 0xFFFFFFFF if upper else -_VIRTUAL_BAR & 0xFFFFFFFF if low else 0
            upper = not upper and low & 7 == 4
        at = header >> 20 & 0xFFC


@contextmanager
def served(path: Path, hardware: Hardware) -> Iterator[None]:
    """A server of `hardware` at `path`, in a thread of its own."""
    with Server(path, cast(Device, hardware)) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield
        finally:
            server.stop()
            thread.join()


def forwarded(size: int, writes: Sequence[Write]) -> bytes:
    """The bits that reached the function with both values.

    A bit of a partly writable register that may not be written arrives, too, but always with the value it had.
    """
    ones, zeros = bytearray(size), bytearray(size)
    for offset, data in writes:
        for at, octet in enumerate(data, offset):
            ones[at] |= octet
            zeros[at] |= ~octet & 0xFF
    return bytes(a & b for a, b in zip(ones, zeros, strict=True))
