"""The two capability chains as QEMU walks them, and what it finds out about single structures."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from ..ir import ConfigSpace
from .pci import (
    CAP_LIST,
    CAP_POINTER,
    EXPRESS_SIZE,
    HEADER_END,
    LEGACY,
    MSI,
    MSIX,
    PCI_SIZE,
    PM,
    ROM,
    STATUS,
    number,
)

_ROM_MASK = 0xFFFFF800
_LENGTHS = {PM: 8, MSIX: 12}


class Place(StrEnum):
    """Where the function sits in the guest: below a root port, on the root bus, or on a conventional bus."""

    PORT = "port"
    ROOT = "root"
    CONVENTIONAL = "conventional"


class Standard(NamedTuple):
    """A structure of the standard chain: id, first byte, bytes up to the next one."""

    id: int
    offset: int
    room: int


class Extended(NamedTuple):
    """A structure of the extended chain, as it is linked: `next` is where its header leads."""

    id: int
    version: int
    offset: int
    room: int
    next: int


def standard_chain(value: bytes) -> list[Standard]:
    """The standard chain as QEMU walks it; ends at a loop."""
    found: list[tuple[int, int]] = []
    if len(value) < HEADER_END or not value[STATUS] & CAP_LIST:
        return []
    offset = value[CAP_POINTER]  # QEMU takes pointers as they are; a guest ignores the low two bits
    while offset and offset + 1 < len(value) and offset not in [at for _, at in found]:
        found.append((value[offset], offset))
        offset = value[offset + 1]
    ends = sorted([at for _, at in found] + [PCI_SIZE])
    return [Standard(own, at, next(end for end in ends if end > at) - at) for own, at in found]


def extended_chain(value: bytes) -> list[Extended]:
    """The extended chain as QEMU walks it; ends at a loop, or where a pointer leads below the extended space."""
    rows: dict[int, int] = {}
    offset = PCI_SIZE
    while offset >= PCI_SIZE and offset + 4 <= len(value) and offset not in rows:
        rows[offset] = number(value, offset, 4)
        offset = rows[offset] >> 20 & 0xFFC
    ends = [*sorted(rows), EXPRESS_SIZE]
    return [
        Extended(row & 0xFFFF, row >> 16 & 0xF, at, next(end for end in ends if end > at) - at, row >> 20 & 0xFFC)
        for at, row in rows.items()
    ]


def express_is_hidden(value: bytes, one: Standard, place: Place) -> bool:
    """Whether QEMU unlinks this PCI Express capability: it does not fit the place (vfio_setup_pcie_cap)."""
    is_legacy = number(value, one.offset + 2, 2) >> 4 & 0xF == LEGACY
    return place is Place.CONVENTIONAL or (place is Place.ROOT and is_legacy)


def rom_writable(config: ConfigSpace) -> int:
    """The bits of the ROM's register that a guest can write, as QEMU finds them out; 0: there is no ROM.

    vfio_pci_size_rom writes ones to all but the low bits, and takes the size from what comes back.
    """
    held, writable = (config.number(name, ROM, 4) for name in ("value", "writable"))
    back = (held & ~writable | writable) & _ROM_MASK
    return back | 1 if back else 0


def claimed(value: bytes, one: Standard, *, whole_pm: bool = False) -> int:
    """Bytes that QEMU claims for a capability: those of its kind, or all up to the next one.

    `whole_pm`: a release that claims all for power management, too.
    """
    if one.id == PM and whole_pm:
        return one.room
    return msi_length(value, one) if one.id == MSI else _LENGTHS.get(one.id, one.room)


def msi_length(value: bytes, one: Standard) -> int:
    """Bytes of an MSI capability as QEMU builds it."""
    control = number(value, one.offset + 2, 2)
    return 10 + (4 if control & 0x80 else 0) + (10 if control & 0x100 else 0)
