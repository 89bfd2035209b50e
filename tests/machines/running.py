"""A machine as it is emitted, in a QEMU that runs no guest: its tables, once the buses have their numbers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from acpi.test_qemu_tables import without_checksum
from emit import qtest
from judges import need
from vpci_compile.acpi.qemu_memory import hotplug_window, ranges
from vpci_compile.acpi.structures import encode
from vpci_compile.emit import Options
from vpci_compile.emit.machine import qemu as machine_qemu
from vpci_compile.emit.machine import tables as machine_tables
from vpci_compile.ir.machine import Architecture
from vpci_compile.ir.topology import System
from vpci_compile.live.verify import serving

_GIB = 1 << 30
_HIGH, _ECAM = 256 * _GIB, 0x1000_0000  # QEMU hw/arm/virt.c: above this, and above all RAM, VIRT_HIGH_PCIE_ECAM
_BUS_NUMBERS = 0x18

Row = dict[str, object]


def served(sockets: Mapping[str, Path]) -> Callable[[Row], Row]:
    """A served function in place of a device of the host."""

    def made(row: Row) -> Row:
        socket = {"type": "unix", "path": str(sockets[str(row["id"])])}
        return {"driver": "vfio-user-pci", "socket": socket}

    return made


def emulated(row: Row) -> Row:
    """The least function that QEMU has, where nobody looks at anything but its place."""
    return {"driver": "pci-testdev"}


def stand_in(argv: list[str], device: Callable[[Row], Row]) -> list[str]:
    """The same command with something else in place of each device of the host."""
    made: list[str] = []
    for option, text in zip(argv[::2], argv[1::2], strict=True):
        row = json.loads(text) if text.startswith("{") else {}
        if row.get("driver") == "arm-smmuv3" and row.get("accel"):
            continue
        if row.get("driver") == "vfio-pci":
            kept = {key: row[key] for key in ("id", "bus", "addr", "multifunction") if key in row}
            made += [option, json.dumps({**device(row), **kept})]
        elif row.get("qom-type") == "iommufd":  # an object of its name: names decide the order of initiators
            made += [option, json.dumps({"qom-type": "secret", "id": row["id"], "data": "none"})]
        elif row.get("qom-type") == "memory-backend-ram":  # of more than this host has
            made += [option, json.dumps({**row, "reserve": False})]
        else:
            made += [option, text]
    return made


def _ecam(system: System) -> int:
    """Where a virt machine has its configuration space."""
    end = max((one.base + one.size for one in (*ranges(system.machine), *hotplug_window(system.machine))), default=0)
    return max(_HIGH, -(-end // _GIB) * _GIB) + _ECAM


def number_buses(machine: qtest.Machine, system: System) -> None:
    """What firmware does: give each port, and each switch, the numbers of the buses behind it."""
    bridges = []
    for port in system.ports:
        bridges.append((port.primary, port.slot << 3 | port.function, port.secondary, port.subordinate))
        if (switch := system.switch_behind(port)) is not None:
            bridges.append((port.secondary, 0, switch.number, port.subordinate))
    for primary, devfn, secondary, last in bridges:
        value = last << 16 | secondary << 8 | primary
        if system.machine.architecture is Architecture.AARCH64:
            machine.command(f"writel {_ecam(system) + (primary << 20 | devfn << 12 | _BUS_NUMBERS):#x} {value:#x}")
        else:
            machine.command(f"outl 0xcf8 {0x80000000 | primary << 16 | devfn << 8 | _BUS_NUMBERS:#x}")
            machine.command(f"outl 0xcfc {value:#x}")


def program_of(system: System) -> Path:
    aarch64 = system.machine.architecture is Architecture.AARCH64
    return need("VPCI_QEMU_AARCH64" if aarch64 else "VPCI_QEMU", f"qemu-system-{'aarch64' if aarch64 else 'x86_64'}")


def theirs(system: System, device: Callable[[Row], Row]) -> list[str]:
    """SRAT, SLIT and HMAT of the machine that QEMU makes, in hex."""
    argv, _ = machine_qemu.arguments(system, Options())
    assert argv[0] == "-nodefaults"
    with qtest.machine(program_of(system), system.machine.vmm.machine, stand_in(argv[1:], device)) as machine:
        number_buses(machine, system)
        return [table.hex() for name in (b"SRAT", b"SLIT", b"HMAT") for table in machine.acpi_tables(name)]


def theirs_served(system: System, folder: Path) -> list[str]:
    """The same with the functions themselves, served."""
    with contextlib.ExitStack() as stack:
        sockets = {one.name: folder / f"{index}" for index, one in enumerate(system.devices)}
        for one in system.devices:
            stack.enter_context(serving(sockets[one.name], one.function))
        return theirs(system, served(sockets))


def ours(system: System) -> list[str]:
    """Our tables, in hex."""
    return [without_checksum(encode(table)).hex() for table in machine_tables.tables(system)]
