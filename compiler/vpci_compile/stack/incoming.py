"""What QEMU does with the configuration space that a migration brings in: the rule, and its words.

Source: hw/pci/pci.c (get_pci_config_device). The rule is the destination's alone: its own bytes and its own masks. It
was executed on QEMU 11.1.3 with emulated devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Check(NamedTuple):
    """A function as the destination of a migration: its bytes, and QEMU's three masks, all of one length.

    `cmask`: bits that are compared; `wmask`, `w1cmask`: bits that a guest can write, and that are not, for that.
    """

    config: bytes
    cmask: bytes
    wmask: bytes
    w1cmask: bytes

    @property
    def compared(self) -> bytes:
        """The bits that must be equal."""
        size = len(self.config)
        rows = (int.from_bytes(mask, "little") for mask in (self.cmask, self.wmask, self.w1cmask))
        cmask, wmask, w1cmask = rows
        return (cmask & ~wmask & ~w1cmask).to_bytes(size, "little")


def refused(check: Check, stream: bytes) -> Iterator[int]:
    """The offsets of those bytes of `stream`, a source's space, that `check` does not take, lowest first.

    Where the spaces have two lengths, it is about the bytes that both have.
    """
    rows = zip(stream, check.config, check.compared, strict=False)
    return (offset for offset, (read, device, compared) in enumerate(rows) if (read ^ device) & compared)


def words(check: Check, stream: bytes, offset: int) -> str:
    """What QEMU prints of a byte that it does not take. It does so of the lowest one, and ends."""
    return (
        f"get_pci_config_device: Bad config data: i={offset:#x} read: {stream[offset]:x} "
        f"device: {check.config[offset]:x} cmask: {check.cmask[offset]:x} wmask: {check.wmask[offset]:x} "
        f"w1cmask:{check.w1cmask[offset]:x}"
    )
