"""The ACPI tables of a machine: SRAT, SLIT and HMAT as bytes and as source for iasl, and an SSDT for its GPUs.

They are what that QEMU makes by itself, byte for byte, or as ACPI 6.6 has them where the layout asks for those. crosvm
makes none, and takes these. Of other VMMs there are none: where they put RAM is not known, or they make their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...acpi import qemu, source, specified, ssdt
from ...acpi.structures import Table, encode
from ...diagnostics import Report
from ...ir.machine import Machine
from ...ir.topology import Bus, Instance, System
from ...live import initramfs
from ..artifact import Artifact, Options

_QEMU, _CROSVM = "qemu", "crosvm"
_NARROW = ("q35", "pc")  # machines whose DSDT has revision 1 (QEMU 11.1.3)
_MAX_GPUS = 16  # their names have one hex digit


def tables(system: System) -> list[Table]:
    """The tables that the guest of a machine of QEMU's finds, or of crosvm's. The system has passed `check`."""
    machine = system.machine
    if machine.vmm.name == _CROSVM and is_numa(machine):
        return specified.tables(machine)
    if machine.vmm.name != _QEMU:
        return []
    return specified.tables(machine) if system.specified else qemu.tables(machine)


def is_numa(machine: Machine) -> bool:
    """Whether a guest without tables would miss anything."""
    return len(machine.nodes) > 1 or machine.hmat or bool(machine.initiators)


def check(system: System, report: Report) -> None:
    """Report VPCI1995 for what an HMAT of ACPI 6.6 cannot say, VPCI1999 for an address that a guest reads otherwise."""
    try:
        tables(system)
    except ValueError as error:
        report.add("VPCI1995", system.origins.get("latencies", system.origin), str(error))
    for one in system.devices:
        if one.memory_base is not None and system.machine.vmm.machine in _NARROW:
            message = f"memory of {one.name} at {one.memory_base:#x}: a PC's ACPI has integers of 32 bits, and cuts it"
            note = "QEMU's DSDT for PCs has revision 1, which decides for every other table (ACPI 6.6 5.2.11.1)"
            report.add("VPCI1999", one.origin, message, note=note, help="leave out memory_base")


def emit(system: System, options: Options) -> list[Artifact]:
    """NAME.srat.aml, NAME.srat.dsl and so on; NAME.ssdt.dsl where a device has coherent memory at a known address.

    NAME.acpi.cpio, where the tables are to take the place of the VMM's: it goes before the guest's initrd (Linux,
    Documentation/admin-guide/acpi/initrd_table_override.rst).
    """
    found: list[Artifact] = []
    made = tables(system)
    if system.specified and made:
        files = [initramfs.file(f"kernel/firmware/acpi/{one.header.signature}.aml", encode(one)) for one in made]
        found.append(Artifact(f"{system.name}.acpi.cpio", initramfs.pack(files)))
    for table in made:
        stem = f"{system.name}.{table.format.signature.lower()}"
        found.append(Artifact(f"{stem}.aml", encode(table)))
        found.append(Artifact(f"{stem}.dsl", source.text(table).encode()))
    gpus = list(_gpus(system))
    if gpus:
        found.append(Artifact(f"{system.name}.ssdt.dsl", ssdt.source(gpus).encode()))
    return found


def _gpus(system: System) -> Iterator[ssdt.GpuMemory]:
    """The functions whose coherent memory has an address in the guest.

    QEMU 11.1.3 names an expander's host bridge after its bus number and nothing below it; everything below its own root
    bus has an object named after its place, and what is said here joins that.
    """
    own = [one for one in system.devices if one.memory_base is not None][:_MAX_GPUS]
    for index, one in enumerate(own):
        guest = one.function.guest
        top, bridges = _way(system, one)
        told = ssdt.GpuMemory(
            name=f"GPU{index:X}",
            device=guest.device,
            function=guest.function,
            base=one.memory_base or 0,
            size=max([bar.length or 0 for bar in one.function.bars] + [region.size for region in one.function.regions]),
            first_domain=one.nodes[0] if one.nodes else 0,
            domains=len(one.nodes),
        )
        if top is not None:
            yield told._replace(parent=rf"\_SB.PC{top.number:02X}", bridges=bridges)
        else:
            places = (*bridges, (guest.device, guest.function))
            path = "".join(f".S{device << 3 | function:02X}" for device, function in places)
            yield told._replace(name="", parent=rf"\_SB.PCI0{path}")


def _way(system: System, one: Instance) -> tuple[Bus | None, tuple[tuple[int, int], ...]]:
    """The expander that a function is below, None for the root bus; and (device, function) of the bridges between."""
    bridges: list[tuple[int, int]] = []
    bus, port = one.bus, system.port(one.port)
    while port is not None:
        bridges.insert(0, (port.slot, port.function))
        bus, switch = port.bus, system.switch(port.bus)
        if switch is not None:
            bridges.insert(0, (0, 0))
        port = system.port(switch.port) if switch is not None else None
    return system.bus(bus), tuple(bridges)
