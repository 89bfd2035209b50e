"""What QEMU compares of a function of vfio-pci when a migration comes in: its masks cmask, wmask and w1cmask.

Source: hw/pci/pci.c (pci_init_cmask, pci_init_wmask, pci_init_w1cmask, pci_add_capability, pci_register_bar),
hw/pci/pcie.c (pcie_add_capability), hw/pci/msi.c, hw/pci/msix.c, hw/vfio/pci.c (vfio_add_vendor_specific_cap). The rule
was executed on QEMU 11.1.3 with emulated devices; that vfio-pci fills the masks in the same way is read.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..chains import Extended, Standard, msi_length
from ..incoming import Check
from ..pci import (
    CAP_LIST,
    CAP_POINTER,
    COMMAND,
    HEADER_END,
    HEADER_TYPE,
    INTERRUPT_LINE,
    MSI,
    MSIX,
    PM,
    ROM,
    STATUS,
    VNDR,
    number,
)

_CACHE_LINE, _CLASS_END = 0x0C, 0x0C
_VNDR_HEADER = 3
_COMMAND_WRITABLE = 0x0507  # I/O, memory, master, SERR#, INTx disable
_STATUS_CLEARED = 0xF900  # errors that are cleared by writing 1


class Masks:
    """The three masks while they are built: of what no capability claims nothing is compared."""

    def __init__(self, size: int) -> None:
        self._cmask = bytearray(size)
        self._wmask = bytearray(HEADER_END) + b"\xff" * (size - HEADER_END)
        self._w1cmask = bytearray(size)

    def check(self, config: bytes) -> Check:
        """The masks as they are now, with what the function holds; as long as `config`."""
        size = len(config)
        return Check(config, bytes(self._cmask[:size]), bytes(self._wmask[:size]), bytes(self._w1cmask[:size]))

    def claim(self, offset: int, length: int) -> None:
        """Compare whole bytes, which no guest can write (pci_add_capability)."""
        self._put(self._cmask, offset, length, (1 << 8 * length) - 1)
        self._put(self._wmask, offset, length, 0)

    def writable(self, offset: int, length: int, bits: int) -> None:
        """These bits of `length` bytes can be written, and no others of them."""
        self._put(self._wmask, offset, length, bits)

    @staticmethod
    def _put(mask: bytearray, offset: int, length: int, bits: int) -> None:
        length = min(length, len(mask) - offset)
        if length > 0:
            mask[offset : offset + length] = (bits & (1 << 8 * length) - 1).to_bytes(length, "little")

    def header(self) -> None:
        """Ids, class, revision, header type, the capability list: not the subsystem ids, nor the interrupt pin."""
        for offset, length in ((0, 4), (0x08, _CLASS_END - 0x08), (HEADER_TYPE, 1), (CAP_POINTER, 1)):
            self.claim(offset, length)
        self._put(self._cmask, STATUS, 2, CAP_LIST)
        self._put(self._w1cmask, STATUS, 2, _STATUS_CLEARED)
        self.writable(COMMAND, 2, _COMMAND_WRITABLE)
        for offset in (_CACHE_LINE, INTERRUPT_LINE):
            self.writable(offset, 1, 0xFF)

    def bar(self, offset: int, width: int, size: int) -> None:
        """The register of a BAR, of which the bits below its size are compared."""
        self._put(self._cmask, offset, width, (1 << 8 * width) - 1)
        self.writable(offset, width, -size)

    def rom(self, writable: int) -> None:
        """The same of the ROM's register; nothing where there is no ROM."""
        if writable:
            self._put(self._cmask, ROM, 4, (1 << 32) - 1)
            self.writable(ROM, 4, writable)

    def standard(self, kept: Iterable[Standard], value: bytes, *, skip_vsc: bool, whole_pm: bool) -> None:
        """The capabilities of the standard chain; `whole_pm`: PM is compared like those that QEMU knows nothing of."""
        for one in kept:
            at = one.offset
            if one.id == PM and not whole_pm:
                self.claim(at, 8)
                self.writable(at + 4, 2, 0x0003)
            elif one.id == MSI:
                self._msi(one, value)
            elif one.id == MSIX:
                self.claim(at, 12)
                self.writable(at + 3, 1, 0xC0)
            else:
                self.claim(at, one.room)
                if one.id == VNDR and skip_vsc:
                    self._put(self._cmask, at + _VNDR_HEADER, one.room - _VNDR_HEADER, 0)

    def _msi(self, one: Standard, value: bytes) -> None:
        control = number(value, one.offset + 2, 2)
        at, wide = one.offset, bool(control & 0x80)
        self.claim(at, msi_length(value, one))
        self.writable(at + 2, 2, 0x0071)
        self.writable(at + 4, 4, 0xFFFFFFFC)
        if wide:
            self.writable(at + 8, 4, 0xFFFFFFFF)
        data = at + (12 if wide else 8)
        self.writable(data, 2, 0xFFFF)
        if control & 0x100:
            self.writable(data + 4, 4, (1 << (1 << min(control >> 1 & 7, 5))) - 1)

    def extended(self, kept: Iterable[Extended]) -> None:
        """The capabilities of the extended chain; a stub at its head is not compared."""
        for one in kept:
            self.claim(one.offset, one.room)

    def pasid(self, offset: int) -> None:
        """The PASID capability that QEMU builds: a guest writes its control register."""
        self.claim(offset, 8)
        self.writable(offset + 6, 2, 0x0007)

    def stub(self, offset: int) -> None:
        """The header that stands in for a first extended capability that is not shown: no guest writes it, either."""
        self.writable(offset, 4, 0)
