"""What QEMU compares of a function when a migration comes in: its mask `cmask` without the bits that a guest can write.

Source: hw/pci/pci.c (get_pci_config_device, pci_init_cmask, pci_init_wmask, pci_add_capability, pci_register_bar),
hw/pci/pcie.c (pcie_add_capability), hw/vfio/pci.c (vfio_add_vendor_specific_cap). The rule was executed on QEMU 11.1.3
with emulated devices; that vfio-pci fills the masks in the same way is read.
"""

from __future__ import annotations

from collections.abc import Iterable

from .chains import Extended, Standard, msi_length
from .pci import BARS, CAP_LIST, CAP_POINTER, HEADER_TYPE, MSI, MSIX, PM, ROM, STATUS, VNDR, number

_CLASS_END = 0x0C
_VNDR_HEADER = 3


class Compared:
    """The mask while it is built: bit set, compared."""

    def __init__(self, size: int) -> None:
        self._mask = bytearray(size)

    @property
    def mask(self) -> bytes:
        """The mask as it is now."""
        return bytes(self._mask)

    def fill(self, offset: int, length: int) -> None:
        """Compare whole bytes."""
        self.change(offset, length, (1 << 8 * length) - 1)

    def change(self, offset: int, length: int, bits: int) -> None:
        """Compare these bits of `length` bytes, and no others of them."""
        length = min(length, len(self._mask) - offset)
        if length > 0:
            self._mask[offset : offset + length] = (bits & (1 << 8 * length) - 1).to_bytes(length, "little")

    def header(self) -> None:
        """Ids, class, revision, header type, the capability list: not the subsystem ids, nor the interrupt pin."""
        self.fill(0, 4)
        self.change(STATUS, 2, CAP_LIST)
        self.fill(0x08, _CLASS_END - 0x08)
        self.fill(HEADER_TYPE, 1)
        self.fill(CAP_POINTER, 1)
        self.change(BARS, ROM + 4 - BARS, 0)

    def bar(self, offset: int, width: int, size: int) -> None:
        """The bits of a BAR below its size."""
        self.change(offset, width, size - 1)

    def rom(self, writable: int) -> None:
        """The same of the ROM's register; nothing where there is no ROM."""
        self.change(ROM, 4, ~writable if writable else 0)

    def standard(self, kept: Iterable[Standard], value: bytes, *, skip_vsc: bool, whole_pm: bool) -> None:
        """The capabilities of the standard chain; `whole_pm`: PM is compared like those that QEMU knows nothing of."""
        for one in kept:
            at = one.offset
            if one.id == PM and not whole_pm:
                self.fill(at, 8)
                self.change(at + 4, 2, 0xFFFC)
            elif one.id == MSI:
                self._msi(one, value)
            elif one.id == MSIX:
                self.fill(at, 12)
                self.change(at + 3, 1, 0x3F)
            else:
                self.fill(at, min(_VNDR_HEADER, one.room) if one.id == VNDR and skip_vsc else one.room)

    def _msi(self, one: Standard, value: bytes) -> None:
        control = number(value, one.offset + 2, 2)
        at, wide = one.offset, bool(control & 0x80)
        self.fill(at, msi_length(value, one))
        self.change(at + 2, 2, 0xFF8E)
        self.change(at + 4, 4, 0x3)
        if wide:
            self.change(at + 8, 4, 0)
        data = at + (12 if wide else 8)
        self.change(data, 2, 0)
        if control & 0x100:
            vectors = (1 << (1 << min(control >> 1 & 7, 5))) - 1
            self.change(data + 4, 4, ~vectors)

    def extended(self, kept: Iterable[Extended]) -> None:
        """The capabilities of the extended chain; a stub at its head is not compared."""
        for one in kept:
            self.fill(one.offset, one.room)
