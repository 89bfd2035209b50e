"""Which bits of a function decide what a stack makes of it; all others are passed through or answered over.

Programs look at few registers: ids, the links of both chains, what says how long a structure is, what they rebuild.
Two functions that agree in those bits (`Control.mask`) come to the same prediction, but for bits that stand in the
guest's space where they stand in the device's. Rather too many bits than too few: one that is here for nothing costs a
prediction more, one that is missing a wrong answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, SupportsIndex

from ..ir import ROM_INDEX, BarKind
from ..passes.bars import ROM_OFFSET, SLOTS
from .chains import standard_chain
from .hardware import Hardware
from .linux import lengths
from .linux.facts import linux
from .pci import (
    BARS,
    CAP_LIST,
    CAP_POINTER,
    CLASS,
    EXPRESS,
    HEADER_END,
    HEADER_TYPE,
    INTERRUPT_PIN,
    MSI,
    MSIX,
    PCI_SIZE,
    PCIX,
    REBAR,
    ROM,
    STATUS,
    number,
)
from .predict import Stack

_SATA, _HT, _VNDR, _DVSEC, _VF_REBAR = 0x12, 0x08, 0x09, 0x23, 0x24
_MSI_FORM = 0x018E  # number of vectors, 64-bit addresses, per-vector masks: not what a driver switches
_MSIX_FORM = 0x07FF
_LOOKED_AT = {EXPRESS: 4, PCIX: 8, _HT: 4, _VNDR: 3, _SATA: 8}
"""Bytes of a standard capability, from its first one, that decide; of others the two of the link."""
_DVSEC_HEADER = 12
_TYPE_BITS, _ROM_RESERVED, _ROM_ENABLE = 0xF, 0x7FE, 0x1


class Control(NamedTuple):
    """The deciding bits of a function, and the dwords at `addresses` of which it counts, too, that they are not 0."""

    mask: bytes
    addresses: tuple[int, ...]


def control(hardware: Hardware, sizes: Mapping[int, int], below: Stack, seen: bytes = b"") -> Control:
    """What decides of `hardware` below a stack; `sizes` of its BARs by index, as far as its capture has them.

    `seen` is the space as the stack's kernel shows it, where it does.

    The kernel may lead a VMM along pointers that are not the device's; a bit of `seen` is that of the device or
    follows from deciding ones.
    """
    marks = _Marks(hardware, sizes, below)
    marks.header()
    marks.base_addresses()
    for octets in (hardware.value, seen):
        marks.standard(octets)
        marks.extended(octets)
    return Control(bytes(marks.mask), tuple(marks.addresses))


class _Recorder(bytes):
    """Bytes that mark what is read of them."""

    mask: bytearray

    def __getitem__(self, key: SupportsIndex | slice) -> Any:
        place = key if isinstance(key, slice) else slice(int(key), int(key) + 1)
        first, end, _ = place.indices(len(self))
        self.mask[first:end] = b"\xff" * max(0, end - first)
        return super().__getitem__(key)


class _Marks:
    def __init__(self, hardware: Hardware, sizes: Mapping[int, int], below: Stack) -> None:
        self.hardware = hardware
        self.sizes = sizes
        self.below = below
        self.mask = bytearray(len(hardware.value))
        self.addresses: list[int] = []

    def take(self, octets: bytes, offset: int, size: int, bits: int = -1) -> int:
        """Mark bits of `size` bytes; their value in `octets`."""
        size = max(0, min(size, len(self.mask) - offset))
        held = number(self.mask, offset, size) | bits & (1 << 8 * size) - 1
        self.mask[offset : offset + size] = held.to_bytes(size, "little")
        return number(octets, offset, size)

    def recorder(self, octets: bytes) -> _Recorder:
        made = _Recorder(octets)
        made.mask = self.mask
        return made

    # -- header ----------------------------------------------------------------------------------------------------

    def header(self) -> None:
        value = self.hardware.value
        for offset, size in ((0, 4), (CLASS, 3), (HEADER_TYPE, 1), (CAP_POINTER, 1), (INTERRUPT_PIN, 1)):
            self.take(value, offset, size)
        self.take(value, STATUS, 1, CAP_LIST)
        if self.below.kernel is not None:
            recorder = self.recorder(value)
            lengths.config_size(self.hardware._replace(value=recorder), linux())
            lengths.express(recorder)
        else:
            self.take(value, ROM, 4)  # QEMU takes from its bits how large the ROM is

    def base_addresses(self) -> None:
        """Kind and known size of each BAR, and whether there is one: a register of 0 is none."""
        value = self.hardware.value
        wide = {bar.index for bar in self.hardware.bars if bar.kind is BarKind.MEM64}
        kind = value[HEADER_TYPE] & 0x7F
        index, slots = 0, SLOTS.get(kind, SLOTS[0])
        while index < slots:
            self._address(index, BARS + 4 * index, 8 if index in wide else 4, _TYPE_BITS)
            index += 2 if index in wide else 1
        if kind in ROM_OFFSET or kind not in SLOTS:
            self._address(ROM_INDEX, ROM_OFFSET.get(kind, ROM), 4, _ROM_RESERVED)

    def _address(self, index: int, offset: int, width: int, kind: int) -> None:
        value = self.hardware.value
        held = number(value, offset, 4)
        bits = kind | self.sizes.get(index, 1) - 1
        if index == ROM_INDEX:
            bits &= ~_ROM_ENABLE
        if not held:
            bits = -1
        elif not held & kind:
            self.addresses.append(offset)
        self.take(value, offset, width, bits)

    # -- chains ----------------------------------------------------------------------------------------------------

    def standard(self, octets: bytes) -> None:
        """The standard chain of `octets`, as QEMU follows it: further than others do."""
        if len(octets) < HEADER_END:
            return
        for one in standard_chain(self.recorder(octets)):
            if one.id == MSI:
                self.take(octets, one.offset + 2, 2, _MSI_FORM)
            elif one.id == MSIX:
                self.take(octets, one.offset + 2, 2, _MSIX_FORM)
                self.take(octets, one.offset + 4, 8)
            else:
                self.take(octets, one.offset, _LOOKED_AT.get(one.id, 2))

    def extended(self, octets: bytes) -> None:
        """The extended chain of `octets`; where a pointer leads below it, QEMU follows that, too."""
        if len(octets) <= PCI_SIZE:
            return
        position, done = PCI_SIZE, set[int]()
        while position not in done and position < len(octets) and (position or not done):
            done.add(position)
            header = self.take(octets, position, 4)
            if position >= PCI_SIZE:
                self._structure(octets, header & 0xFFFF, position)
            position = header >> 20 & 0xFFC

    def _structure(self, octets: bytes, own: int, position: int) -> None:
        facts = linux()
        version = self.below.kernel or facts.newest
        if own <= facts.last_extended:
            try:
                lengths.extended(facts, version, self.recorder(octets), own, position)
            except lengths.KernelError:
                self.take(octets, position, len(octets) - position)
        if own in (REBAR, _VF_REBAR):
            count = max(1, self.take(octets, position + 8, 4) >> 5 & 7)
            for index in range(count):
                self.take(octets, position + 8 + 8 * index, 4)
        elif own == _DVSEC:
            self.take(octets, position, _DVSEC_HEADER)
