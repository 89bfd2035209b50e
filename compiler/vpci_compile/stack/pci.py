"""Numbers of the configuration space that several stacks share, with the names of linux/pci_regs.h in words."""

from __future__ import annotations

HEADER_END, PCI_SIZE, EXPRESS_SIZE = 0x40, 0x100, 0x1000
"""Where the header ends, and how large a conventional and an express configuration space is (bytes)."""
COMMAND, STATUS, CLASS, HEADER_TYPE, BARS, BARS_END, ROM = 0x04, 0x06, 0x09, 0x0E, 0x10, 0x28, 0x30
SUBSYSTEM, CAP_POINTER, INTERRUPT_LINE, INTERRUPT_PIN = 0x2C, 0x34, 0x3C, 0x3D
IO_ENABLE, MEMORY_ENABLE, BUS_MASTER, INTX_DISABLE = 0x1, 0x2, 0x4, 0x400
CAP_LIST, MULTIFUNCTION = 0x10, 0x80
PM, MSI, PCIX, VNDR, EXPRESS, MSIX = 0x01, 0x05, 0x07, 0x09, 0x10, 0x11
NULL, ARI, ATS, SRIOV, REBAR, PASID = 0x0000, 0x000E, 0x000F, 0x0010, 0x0015, 0x001B
ENDPOINT, LEGACY, INTEGRATED = 0x0, 0x1, 0x9
"""Device/port types of the PCI Express capability register."""
NEXT_MASK = 0xFFC00000
"""The pointer in the header of an extended capability, as software takes it: aligned."""


def number(octets: bytes | bytearray, offset: int, size: int) -> int:
    """`size` bytes at `offset`, little-endian; what lies beyond the end counts as zero."""
    return int.from_bytes(octets[offset : offset + size], "little")
