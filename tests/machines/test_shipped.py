"""Each machine that is shipped: QEMU starts it as it is emitted, served functions in place of hardware; its tables are
ours, byte for byte.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from acpi.test_qemu_tables import without_checksum
from emit import qtest
from emit.judges import need
from vpci_compile import api, resources
from vpci_compile.acpi.structures import encode
from vpci_compile.emit import Options, machine_qemu, machine_tables
from vpci_compile.ir.machine import Architecture
from vpci_compile.ir.topology import ROOT, System
from vpci_compile.live.verify import serving

MACHINES = sorted((resources.folder("layouts") / "machines").glob("*.yaml"))
_ECAM = 0x40_1000_0000  # QEMU hw/arm/virt.c: VIRT_HIGH_PCIE_ECAM
_BUS_NUMBERS = 0x18


def stand_in(argv: list[str], sockets: dict[str, Path]) -> list[str]:
    """The same command with a served function in place of each device of the host."""
    made: list[str] = []
    for option, text in zip(argv[::2], argv[1::2], strict=True):
        row = json.loads(text) if text.startswith("{") else {}
        if row.get("driver") == "arm-smmuv3" and row.get("accel"):
            continue
        if row.get("driver") == "vfio-pci":
            socket = {"type": "unix", "path": str(sockets[row["id"]])}
            kept = {key: row[key] for key in ("id", "bus", "addr", "multifunction") if key in row}
            made += [option, json.dumps({"driver": "vfio-user-pci", "socket": socket, **kept})]
        elif row.get("qom-type") == "iommufd":  # an object of its name: names decide the order of initiators
            made += [option, json.dumps({"qom-type": "secret", "id": row["id"], "data": "none"})]
        else:
            made += [option, text]
    return made


def number_buses(machine: qtest.Machine, system: System) -> None:
    """What firmware does: give each port its secondary bus."""
    for port in system.ports:
        bus = system.bus(port.bus)
        primary = 0 if port.bus == ROOT or bus is None else bus.number
        value = port.secondary << 16 | port.secondary << 8 | primary
        devfn = port.slot << 3 | port.function
        if system.machine.architecture is Architecture.AARCH64:
            machine.command(f"writel {_ECAM + (primary << 20 | devfn << 12 | _BUS_NUMBERS):#x} {value:#x}")
        else:
            machine.command(f"outl 0xcf8 {0x80000000 | primary << 16 | devfn << 8 | _BUS_NUMBERS:#x}")
            machine.command(f"outl 0xcfc {value:#x}")


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_qemu_makes_the_same_tables(path: Path, tmp_path: Path) -> None:
    system = api.check_machine(path).system
    argv, _ = machine_qemu.arguments(system, Options())
    assert argv[0] == "-nodefaults"
    aarch64 = system.machine.architecture is Architecture.AARCH64
    program = need("VPCI_QEMU_AARCH64" if aarch64 else "VPCI_QEMU", f"qemu-system-{'aarch64' if aarch64 else 'x86_64'}")
    with contextlib.ExitStack() as stack:
        sockets = {one.name: tmp_path / f"{index}" for index, one in enumerate(system.devices)}
        for one in system.devices:
            stack.enter_context(serving(sockets[one.name], one.function))
        kind = system.machine.vmm.machine
        machine = stack.enter_context(qtest.machine(program, kind, stand_in(argv[1:], sockets)))
        number_buses(machine, system)
        theirs = [table for name in (b"SRAT", b"SLIT", b"HMAT") for table in machine.acpi_tables(name)]
    ours = [without_checksum(encode(table)) for table in machine_tables.tables(system)]
    assert [one.hex() for one in ours] == [one.hex() for one in theirs]
