"""Drivers of a real Linux bind to served functions: interrupts are set up, memory is mapped, nothing is refused."""

from __future__ import annotations

import errno
import json
import lzma
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from compiling import compiled
from live import crafted
from live.guests import need_guest
from vpci_compile import api
from vpci_compile.live import Place, guest, initramfs, protocol
from vpci_compile.live.board import Q35
from vpci_compile.live.device import Device
from vpci_compile.live.initramfs import Entry
from vpci_compile.live.protocol import Command, Header
from vpci_compile.live.server import Server
from vpci_compile.live.verify import path_in_linux

_DRIVERS = (
    "uio",
    "uio_pci_generic",
    "irqbypass",
    "vfio",
    "vfio_iommu_type1",
    "vfio-pci-core",
    "vfio-pci",
    "virtio-rng",
)
_NIC = """
header: {interrupt_pin: 1}
bars:
  0: {kind: mem64, prefetchable: true, size: 64K, source: synthesized}
capabilities:
  - {cap: pm, at: 0x40, source: synthesized}
  - {cap: pcie, at: 0x60, source: synthesized, fields: {flags: {version: 2, type: endpoint}, devcap.flr: 1}}
  - {cap: msix, at: 0xa0, source: synthesized, fields: {table_size: 4, table: bar0+0x0, pba: bar0+0x1000}}
"""


class Entropy(Device):
    """A virtio device behind the registers: what is no plain memory of them (virtio 1.3, 4.1.4.3)."""

    COMMON = 0x1000
    SELECT, FEATURES, QUEUES, LENGTH = 0x00, 0x04, 0x12, 0x18

    def read(self, region: int, offset: int, size: int) -> bytes:
        if region == 2 and offset == self.COMMON + self.FEATURES:
            # The number of the half: of the upper 32 features the lowest is there, VERSION_1; of the lower ones none.
            return super().read(region, self.COMMON + self.SELECT, 4)
        if region == 2 and offset == self.COMMON + self.QUEUES:
            return (1).to_bytes(size, "little")
        if region == 2 and offset == self.COMMON + self.LENGTH:
            return (8).to_bytes(size, "little")
        return super().read(region, offset, size)


def _modules(system: guest.System) -> list[Entry]:
    """The drivers, unpacked: busybox cannot."""
    folder = system.kernel.parent / "kernel"
    paths = {name: next(folder.rglob(f"{name}.ko.xz")) for name in _DRIVERS}
    return [initramfs.file(f"{name}.ko", lzma.decompress(path.read_bytes())) for name, path in paths.items()]


@contextmanager
def _served(folder: Path, devices: Mapping[str, Device]) -> Iterator[list[str]]:
    """Servers of devices, each behind a port of its own; the arguments for QEMU."""
    arguments: list[str] = []
    with ExitStack() as stack:
        for number, (name, device) in enumerate(devices.items(), start=1):
            server = stack.enter_context(Server(folder / name, device))
            thread = threading.Thread(target=server.run)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.stop)
            shown = {"driver": "vfio-user-pci", "bus": name, "socket": {"type": "unix", "path": str(folder / name)}}
            arguments += ["-device", f"pcie-root-port,id={name},bus=pcie.0,addr={number:#x},chassis={number}"]
            arguments += ["-device", json.dumps(shown)]
        yield arguments


def _listen(monkeypatch: pytest.MonkeyPatch) -> tuple[Counter[str], list[str]]:
    """Counts commands that servers answer, and gathers those that they refuse."""
    answered, refused = Counter[str](), []
    reply, refusal = protocol.reply, protocol.refusal

    def counted(header: Header, payload: bytes = b"") -> bytes:
        answered[Command(header.command).name] += 1
        return reply(header, payload)

    def gathered(header: Header, number: int) -> bytes:
        refused.append(f"{Command(header.command).name} {errno.errorcode[number]}")
        return refusal(header, number)

    monkeypatch.setattr(protocol, "reply", counted)
    monkeypatch.setattr(protocol, "refusal", gathered)
    return answered, refused


def test_drivers_bind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """uio_pci_generic (INTx), vfio-pci (an IOMMU, power states) and virtio-rng (MSI-X); a reset; nothing is refused."""
    program, system = need_guest(Q35)
    answered, refused = _listen(monkeypatch)
    heard: list[tuple[str, int, int]] = []
    # The shipped layout, with the ids of a transitional entropy device: its driver is the smallest.
    ids = {0x02: b"\x05\x10", 0x2E: b"\x04\0"}
    devices = {
        "uio": Device(compiled(_NIC), lambda what, at, _, value: heard.append((what, at, value))),
        "vfio": Device(compiled(_NIC)),
        "entropy": Entropy(crafted.changed(api.load("virtio/net-vf-transitional").function, ids)),
    }
    uio, vfio, entropy = (f"/sys/{path_in_linux(number, Place.PORT)}" for number in range(3))
    lines = [
        *(f"insmod /{name}.ko" for name in _DRIVERS),
        'bind() { echo "$2" >"$1/driver_override"; echo "${1##*/}" >/sys/bus/pci/drivers_probe; }',
        f"bind {uio} uio_pci_generic; bind {vfio} vfio-pci",
        f"echo 1 >$(echo {uio}/reset)",
        f"for at in {uio} {vfio} {entropy}; do",
        '  echo "function: $(basename $(readlink $at/driver)), group $(basename $(readlink $at/iommu_group))"',
        '  lspci -vv -s "${at##*/}" 2>/dev/null',
        "done",
        "cat /proc/interrupts /sys/class/misc/hw_random/rng_available",
    ]
    with _served(tmp_path, devices) as arguments:
        said = guest.boot(program, system, arguments, "\n".join(lines), files=_modules(system), iommu=True)
    assert re.findall(r"^function: (\S+), group \d+$", said, re.MULTILINE) == [
        "uio_pci_generic",
        "vfio-pci",
        "virtio-pci",
    ]
    assert re.search(r"fasteoi +uio_pci_generic$", said, re.MULTILINE)
    assert len(re.findall(r"PCI-MSIX?-\S+ +\d-edge +virtio0-(?:config|input)$", said, re.MULTILINE)) == 2
    assert "virtio_rng.0" in said
    assert re.findall(r"MSI-X: Enable([+-]) Count=(\d+)", said) == [("-", "4"), ("-", "4"), ("+", "4")]
    assert re.findall(r"Status: (D\w+) ", said) == ["D0", "D3"]  # vfio-pci lets a function sleep that nobody uses
    initiated = next(n for n, (what, at, value) in enumerate(heard) if (what, at) == ("write", 0x68) and value & 0x8000)
    assert heard[initiated + 1] == ("reset", 0, 0)  # Initiate FLR
    assert refused == []
    assert {"DMA_MAP", "DMA_UNMAP", "DEVICE_SET_IRQS", "REGION_WRITE", "DEVICE_RESET"} <= set(answered)
