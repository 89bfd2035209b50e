"""A machine's numbers as C constants: NAME.h for a VMM, firmware or a test in the guest."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...ir.topology import System
from ..artifact import Artifact, Options
from ..c_header import comment, identifier
from .image import guest_nodes


def emit(system: System, options: Options) -> list[Artifact]:
    """NAME.h: buses, windows, addresses of functions, proximity domains, and the numbers that Linux gives them."""
    prefix = identifier(system.name).upper()
    guard = f"{prefix}_H"
    taken = {guard}
    lines = [
        f"/* {comment(system.name)}: where everything of the machine is. Made from its layout: do not edit. */",
        f"#ifndef {guard}",
        f"#define {guard}",
    ]
    for title, rows in _sections(system):
        named = [(_unique(f"{prefix}_{name}", taken), value) for name, value in rows]
        if named:
            lines += ["", f"/* {title} */", *(f"#define {name} {value}" for name, value in named)]
    return [Artifact(f"{system.name}.h", ("\n".join([*lines, "", f"#endif /* {guard} */", ""])).encode())]


def _unique(name: str, taken: set[str]) -> str:
    """Names of parts that differ in '-', '.' and '_' alone are one in C: the later one gets underscores behind it."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _sections(system: System) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    machine = system.machine
    yield (
        "the machine",
        [
            ("CPUS", f"{len(machine.cpus)}u"),
            ("MEMORY_BYTES", _bytes(machine.memory)),
            ("DOMAINS", f"{len(machine.nodes)}u"),
            ("WINDOWS_BYTES", _bytes(system.window)),
            ("WINDOWS_ALIGNED_BYTES", _bytes(system.pci_hole)),
        ],
    )
    yield "bus numbers of expanders", [(f"BUS_{_name(bus.name)}", f"{bus.number:#04x}u") for bus in system.buses]
    ports: list[tuple[str, str]] = []
    for port in system.ports:
        ports += [(f"PORT_{_name(port.name)}_SECONDARY", f"{port.secondary:#04x}u")]
        ports += [(f"PORT_{_name(port.name)}_WINDOW_BYTES", _bytes(port.window))]
    yield "ports: the bus behind each, and its 64-bit window", ports
    inside = [(f"SWITCH_{_name(one.name)}_BUS", f"{one.number:#04x}u") for one in system.switches]
    yield "switches: the bus inside each", inside
    devices: list[tuple[str, str]] = []
    for one in system.devices:
        guest, own = one.function.guest, f"DEVICE_{_name(one.name)}"
        devices.append((f"{own}_BDF", f"{guest.bus << 8 | guest.device << 3 | guest.function:#06x}u"))
        if one.nodes:
            devices += [(f"{own}_FIRST_DOMAIN", f"{one.nodes[0]}u"), (f"{own}_DOMAINS", f"{len(one.nodes)}u")]
        if one.memory_base is not None:
            devices.append((f"{own}_MEMORY_BASE", _bytes(one.memory_base)))
    yield "functions: bus << 8 | device << 3 | function, and their proximity domains", devices
    rows = [(f"NODE_OF_DOMAIN_{one.domain}", f"{one.number}u") for one in guest_nodes(system).nodes]
    yield "the number that a Linux guest gives to each proximity domain", sorted(rows, key=_by_number)


def _by_number(row: tuple[str, str]) -> int:
    return int(row[0].rpartition("_")[2])


def _name(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def _bytes(value: int) -> str:
    return f"{value:#x}ull"
