"""The machines of QEMU that show a function: how each is started, and where its configuration space stands.

Source: QEMU hw/i386/pc_q35.c and hw/arm/virt.c; what the options do was executed with QEMU 11.1.3.
"""

from __future__ import annotations

from typing import NamedTuple


class Board(NamedTuple):
    """A machine type of QEMU, and the options of it that we use."""

    machine: str
    architecture: str
    ecam: int
    """Where the extended configuration space stands in memory (on q35: where it is put)."""
    processor: str
    console: str
    """Linux's name of its first serial port."""
    quick: str
    """Arguments for Linux that shorten its start on an emulated processor."""
    boot: tuple[str, ...] = ()
    """More arguments for a machine that boots."""
    firmware: str = ""
    """The firmware's place in a guest's folder; "" where QEMU brings its own."""
    iommu: tuple[str, ...] = ()
    """Arguments for an emulated IOMMU that can ATS, PRI and PASID; none where QEMU has no such one."""
    iommu_linux: str = ""

    @property
    def program(self) -> str:
        """The name of the QEMU that has it."""
        return f"qemu-system-{self.architecture}"


_QUICK = "mitigations=off nokaslr cryptomgr.notests audit=0"

Q35 = Board(
    machine="q35",
    architecture="x86_64",
    ecam=0xB0000000,
    processor="max",
    console="ttyS0",
    quick=f"{_QUICK} no_timer_check tsc=reliable",
    # SeaBIOS has drivers: an LSI 1068 that is only memory makes it wait for ever. With qboot nobody but Linux touches
    # the function. Linux then gives out addresses, in a window that has to have room for large BARs.
    boot=("-bios", "qboot.rom", "-global", "q35-pcihost.pci-hole64-size=512G"),
    # Without caching mode QEMU aborts when Linux turns the IOMMU on; svm needs fsts, and the two make it ask for pages.
    iommu=(
        *("-machine", "kernel-irqchip=split"),
        *(
            "-device",
            "intel-iommu,intremap=on,scalable-mode=on,pasid-bits=20,fsts=on,svm=on,device-iotlb=on,caching-mode=on",
        ),
    ),
    iommu_linux="intel_iommu=on,sm_on",
)
VIRT = Board(
    machine="virt",
    architecture="aarch64",
    ecam=0x40_1000_0000,
    processor="max,pauth-impdef=on",
    console="ttyAMA0",
    quick=_QUICK,
    firmware="usr/share/qemu-efi-aarch64/QEMU_EFI.fd",
)
BOARDS = {board.machine: board for board in (Q35, VIRT)}
