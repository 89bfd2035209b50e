"""Pairs that nobody thought of: two machines with one device, whose properties were drawn by chance.

`python -m migration.chance SEED COUNT` (from tests/) tries more of them than a test does.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from vpci_compile.live.qmp import Monitor
from vpci_compile.live.qtest import QemuError
from vpci_compile.stack.emulated.verdict import verdict

from .rig import BACKENDS, Outcome, Side, migrate, probed, qemu, side

NEEDS = {
    "nvme": ",serial=a,drive=disk",
    "virtio-blk-pci": ",drive=disk",
    "ivshmem-plain": ",memdev=small,master=on",
    "AC97": ",audiodev=sound",
    "ES1370": ",audiodev=sound",
    "virtio-sound-pci": ",audiodev=sound",
    "pci-bridge": ",chassis_nr=9",
    "pcie-root-port": ",chassis=9",
    "ioh3420": ",chassis=9",
}
DRIVERS = (
    "e1000e", "e1000", "igb", "vmxnet3", "rtl8139", "pcnet", "i82559er", "tulip", "ne2k_pci",
    "virtio-net-pci", "virtio-blk-pci", "virtio-scsi-pci", "virtio-rng-pci", "virtio-balloon-pci", "virtio-gpu-pci",
    "virtio-vga", "virtio-serial-pci", "virtio-keyboard-pci", "virtio-iommu-pci", "virtio-net-pci-transitional",
    "virtio-net-pci-non-transitional", "virtio-sound-pci",
    "nvme", "megasas", "megasas-gen2", "mptsas1068", "pvscsi", "lsi53c895a", "ich9-ahci", "am53c974", "sdhci-pci",
    "qemu-xhci", "nec-usb-xhci", "usb-ehci", "pci-ohci", "piix3-usb-uhci", "ich9-usb-uhci1",
    "VGA", "secondary-vga", "bochs-display", "cirrus-vga", "vmware-svga", "ati-vga",
    "pcie-root-port", "ioh3420", "x3130-upstream", "pci-bridge", "pcie-pci-bridge", "i82801b11-bridge",
    "intel-hda", "ich9-intel-hda", "AC97", "ES1370", "ivshmem-plain", "pvpanic-pci", "pci-testdev", "edu", "i6300esb",
    "pci-serial", "tpci200",
)  # fmt: skip
ELSEWHERE = {"x3130-upstream": "port"}
_LEFT_OUT = {
    "addr", "bus", "id", "drive", "netdev", "chardev", "iothread", "cdev", "serial", "memdev", "audiodev", "romfile",
    "failover_pair_id", "sriov-pf", "bootindex", "iothread-vq-mapping", "driver", "rng", "subsys", "acpi-index",
    "chassis", "chassis_nr", "port", "backend_defaults", "logical_block_size", "physical_block_size", "display",
}  # fmt: skip
_NUMBERS = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 32, 64, 128, 256, 512, 1024, 4096, 65536, 1 << 20, 1 << 23, 1 << 24)
_CHANCE_OF_ANOTHER = 0.4


class Drawn(NamedTuple):
    """Two cells of the table, and where."""

    where: str
    cells: tuple[str, str]

    @property
    def sides(self) -> tuple[Side, Side]:
        one, other = (side(self.where, cell) for cell in self.cells)
        return one, other

    @property
    def text(self) -> str:
        return " | ".join((self.where, *self.cells))


@cache
def properties(driver: str) -> tuple[tuple[str, str, Any], ...]:
    """Name, type and default of what QEMU says that the driver has."""
    with Monitor(qemu(), "q35", BACKENDS) as monitor:
        rows = monitor.execute("device-list-properties", {"typename": driver})
    return tuple(sorted((row["name"], row["type"], row.get("default-value")) for row in rows))


def draw(dice: random.Random) -> Drawn:
    """Any device, with some properties on one side and some, perhaps the same, on the other."""
    driver = dice.choice(DRIVERS)
    both = _some(driver, dice) if dice.random() < _CHANCE_OF_ANOTHER else ""
    base = f"{driver}{NEEDS.get(driver, '')}{both}"
    where = ELSEWHERE.get(driver) or dice.choice(("root", "root", "port", "bridge", "expander"))
    return Drawn(where, (base, base + _some(driver, dice)))


def _some(driver: str, dice: random.Random) -> str:
    known = [row for row in properties(driver) if row[0] not in _LEFT_OUT and _values(row[1])]
    count = 1 if dice.random() > _CHANCE_OF_ANOTHER else dice.randrange(2, 5)
    words = []
    for name, kind, default in dice.sample(known, min(count, len(known))):
        values = [value for value in _values(kind) if value != default]
        words.append(f",{name}={dice.choice(values)}")
    return "".join(words)


def _values(kind: str) -> tuple[object, ...]:
    if kind in ("bool", "OnOffAuto"):
        return ("on", "off")
    if kind.startswith(("uint", "int", "size")):
        return _NUMBERS
    if kind == "PCIELinkSpeed":
        return ("2_5", "5", "8", "16", "32")
    if kind == "PCIELinkWidth":
        return (1, 2, 4, 8, 16, 32)
    return ()


def wrong(pair: Drawn) -> Iterator[str]:
    """Where verdict and QEMU differ, in words, for both directions.

    Raises:
        QemuError: QEMU does not make one of the machines.
    """
    one, other = pair.sides
    for source, destination in ((one, other), (other, one)):
        found = verdict(probed(source), probed(destination))
        real = migrate(source, destination)
        if found.accepted is None:
            continue
        if Outcome(found.accepted, found.lines) != real:
            yield f"{pair.text}\n  {source.devices[-1]} -> {destination.devices[-1]}\n  QEMU {real}\n  we   {found}"


def main() -> None:
    """Try many, print what is wrong."""
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    dice = random.Random(seed)
    tried = failed = 0
    for _ in range(count):
        pair = draw(dice)
        try:
            lines = list(wrong(pair))
        except QemuError as error:
            print(f"not made: {pair.text}: {str(error)[:200]!r}", flush=True)
            continue
        tried, failed = tried + 2, failed + len(lines)
        print(*lines, sep="\n", end="\n" if lines else "", flush=True)
    print(f"{tried} verdicts, {failed} wrong")


if __name__ == "__main__":
    main()
