"""The SSDT of a machine in a real Linux: what tells of a GPU's memory belongs to the GPU, behind its port."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from judges import need
from live.guests import need_guest
from machines.running import emulated, stand_in
from vpci_compile import api
from vpci_compile.emit import Options
from vpci_compile.emit.machine import qemu as machine_qemu
from vpci_compile.emit.machine import tables as machine_tables
from vpci_compile.ir.topology import System
from vpci_compile.live import guest, initramfs
from vpci_compile.live.board import VIRT

_LINES = """\
for one in /sys/bus/pci/devices/*; do echo "$(basename $one) $(cat $one/firmware_node/path 2>/dev/null)"; done
"""
_ON_THE_ROOT_BUS = """vpci: 1
machine: near
architecture: aarch64
vmm: {name: qemu, release: "11.1", type: virt}
cpus: 1
nodes: [{memory: 1G}]
ports: {p: {slot: 3}}
devices: {gpu0: {layout: nvidia/gh200, port: p, memory_base: 512G}}
"""


def paths(system: System, folder: Path) -> dict[str, str]:
    """What Linux's ACPI calls each PCI function, "" for nothing."""
    (source,) = (one for one in machine_tables.emit(system, Options()) if one.name.endswith(".ssdt.dsl"))
    (folder / "gpus.dsl").write_bytes(source.data)
    program, parts = need_guest(VIRT)
    subprocess.run(
        [need("VPCI_IASL", "iasl"), "-p", folder / "gpus", folder / "gpus.dsl"], capture_output=True, check=True
    )
    files = [initramfs.file("kernel/firmware/acpi/SSDT.aml", (folder / "gpus.aml").read_bytes())]
    argv, _ = machine_qemu.arguments(system, Options())
    devices = ["-object", "memory-backend-ram,id=ram,size=512M", "-numa", "node,memdev=ram"]  # of an expander's node
    stood = stand_in(argv[1:], emulated)
    for option, text in zip(stood[::2], stood[1::2], strict=True):
        if option == "-device":
            devices += [option, text]
    said = guest.boot(program, parts, devices, _LINES, files=files)
    return {line.split(" ")[0]: line.partition(" ")[2] for line in said.splitlines() if " " in line}


@pytest.mark.stack
def test_below_an_expander(tmp_path: Path) -> None:
    system = api.check_machine("machines/gh200-dsd").system
    assert paths(system, tmp_path)["0000:02:00.0"] == r"\_SB_.PC01.S00_.GPU0"


@pytest.mark.stack
def test_below_the_root_bus(tmp_path: Path) -> None:
    """There QEMU has an object of its own, which the SSDT joins: another one would be ignored."""
    (tmp_path / "near.yaml").write_text(_ON_THE_ROOT_BUS, encoding="utf-8")
    system = api.check_machine(tmp_path / "near.yaml").system
    assert paths(system, tmp_path)["0000:01:00.0"] == r"\_SB_.PCI0.S18_.S00_"
