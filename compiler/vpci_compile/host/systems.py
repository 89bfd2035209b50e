"""Whether a whole machine can be migrated to where another layout was built: its parts one by one, functions included.

Source: QEMU 11.1.3: the stream names machine type, RAM blocks and the guest's path to each function, and a destination
without one of them refuses; ACPI tables travel with the guest, which reads the destination's at its next boot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..acpi.structures import encode
from ..diagnostics import Span
from ..diff import Answer, Finding, Outcome
from ..diff import Difference as Row
from ..diff import Kind as Means
from ..emit.machine import tables as machine_tables
from ..ir.topology import Instance, PciePort, System
from ..stack import QEMU, newest
from . import migration, policy, sides
from .policy import Accepted

_STREAM = "QEMU's stream names it, and the destination has none of that name or size"
_TABLES = "ACPI tables travel with the guest: it finds the destination's when it boots again"
_FRESH = "the destination has what no stream fills: QEMU leaves it as it is after a reset"
_TITLES = {
    "architecture": "Architecture",
    "vmm": "Machine type",
    "cpus": "Processors",
    "hotplug": "Memory to be plugged in",
    "nodes": "NUMA node",
    "buses": "Expander bus",
    "ports": "Port",
    "switches": "Switch",
    "functions": "Function at this place",
    "distances": "Distance",
    "tables": "ACPI table",
}
Parts = Mapping[str, tuple[str, Span]]


def outcome(source: System, destination: System, accepted: Sequence[Accepted] = ()) -> Outcome:
    """Both directions; paths of a function's differences begin with `devices.` and its name."""
    return Outcome(_answer(source, destination, accepted), _answer(destination, source, accepted))


def _answer(source: System, destination: System, accepted: Sequence[Accepted]) -> Answer:
    functions = _functions(source, destination)
    rows = [
        *_compared(_hard(source), _hard(destination), Means.REJECTED, _STREAM),
        *(row for name, one in functions.items() for row in _named(name, one.differences)),
        *_compared(_soft(source), _soft(destination), Means.VISIBLE, _TABLES),
    ]
    order = [*Means]
    rows.sort(key=lambda one: order.index(one.kind))
    vmm = destination.machine.vmm
    below = f"{vmm.name}-{vmm.release[0]}.{vmm.release[1]}"
    notes: dict[str, list[str]] = {}
    for name, one in functions.items():
        for text in one.notes:
            notes.setdefault(text, []).append(name)
    return Answer(
        source.name,
        destination.name,
        below,
        (),
        policy.marked(rows, accepted),
        tuple(f"{', '.join(names)}: {text}" for text, names in notes.items()),
        lambda: policy.marked([row for name, one in functions.items() for row in _named(name, one.look())], accepted),
    )


def _compared(ours: Parts, theirs: Parts, kind: Means, why: str) -> Iterator[Finding]:
    for path in dict.fromkeys((*ours, *theirs)):
        left, right = ours.get(path), theirs.get(path)
        if left is None or right is None or left[0] != right[0]:
            new = left is None and kind is Means.REJECTED
            (here, here_span), (there, there_span) = left or ("", None), right or ("", None)
            row = Row(path, _TITLES[path.partition(".")[0]], None, here, there, here_span, there_span)
            yield Finding(Means.VISIBLE if new else kind, row, _FRESH if new else why)


def _hard(system: System) -> Parts:
    """What a destination must have: the machine's type, processors, RAM, buses, ports and places of functions."""
    machine, origin = system.machine, system.origin
    kind = f"{machine.vmm.machine}-{system.type_release[0]}.{system.type_release[1]}"
    found: dict[str, tuple[str, Span]] = {
        "architecture": (machine.architecture, system.origins.get("architecture", origin)),
        "vmm": (f"{machine.vmm.name} {kind.removeprefix('-')}", system.origins.get("vmm", origin)),
        "cpus": (f"{len(machine.cpus)} {tuple(system.processors)}", system.origins.get("cpus", origin)),
        "hotplug": (f"{machine.hotplug:#x} in {machine.slots}", system.origins.get("hotplug", origin)),
    }
    for number, node in enumerate(machine.nodes):
        if node.memory:
            found[f"nodes.{number}.memory"] = (f"{node.memory:#x}", system.origins["nodes"])
    for bus in system.buses:
        found[f"buses.{bus.number:02x}"] = (f"at 00:{bus.slot:02x}.0", bus.origin)
    for port in system.ports:
        told = f"window {port.window:#x}, {'an' if port.io else 'no'} I/O window"
        found[f"ports.{_port_place(system, port)}"] = (told, port.origin)
    for switch in system.switches:
        over = system.port(switch.port)
        assert over is not None
        found[f"switches.{_port_place(system, over)}/00.0"] = ("there", switch.origin)
    for one in system.devices:
        found[f"functions.{_place(system, one)}"] = ("there", one.origin)
    return found


def _port_place(system: System, port: PciePort) -> str:
    """The guest's path to a port; the one part between the ports of a path is a switch's upstream port."""
    own, switch = f"{port.slot:02x}.{port.function}", system.switch(port.bus)
    over = system.port(switch.port) if switch is not None else None
    return f"{port.primary:02x}:{own}" if over is None else f"{_port_place(system, over)}/00.0/{own}"


def _place(system: System, one: Instance) -> str:
    """The guest's path to a function, as QEMU's stream has it: names do not count."""
    guest, port = one.function.guest, system.port(one.port)
    own = f"{guest.device:02x}.{guest.function}"
    return f"{_port_place(system, port)}/{own}" if port is not None else f"{guest.bus:02x}:{own}"


def _soft(system: System) -> Parts:
    """What only tables tell: nodes, distances, and the tables themselves."""
    machine, nodes = system.machine, system.origins["nodes"]
    found: dict[str, tuple[str, Span]] = {"nodes": (f"{len(machine.nodes)}", nodes)}
    for number in range(len(machine.nodes)):
        cpus = sum(cpu.node == number for cpu in machine.cpus)
        owners = [one.name for one in system.devices if number in one.nodes]
        found[f"nodes.{number}"] = (f"{cpus} processors, initiators: {', '.join(owners) or 'none'}", nodes)
    for (a, b), value in sorted(machine.distances.items()):
        found[f"distances.{a}-{b}"] = (f"{value}", system.origins.get("distances", system.origin))
    for table in machine_tables.tables(system):
        octets = encode(table)
        found[f"tables.{table.header.signature}"] = (f"{len(octets)} bytes {octets.hex()[-16:]}", system.origin)
    return found


def _functions(source: System, destination: System) -> dict[str, Answer]:
    """The answer of each function of the source, by its name: against that of the same name, or at the same place."""
    by_name = {one.name: one for one in destination.devices}
    by_place = {_place(destination, one): one for one in destination.devices}
    vmm = destination.machine.vmm
    below = newest(vmm.release if vmm.name == QEMU else None)
    known: dict[tuple[str, str], Answer] = {}
    found: dict[str, Answer] = {}
    for one in source.devices:
        other = by_name.get(one.name) or by_place.get(_place(source, one))
        if other is None:
            continue
        key = (one.function.digest, other.function.digest)
        if key not in known:
            here, there = (sides.of_layout(two.function, two.name, below, {}) for two in (one, other))
            known[key] = migration.answer(here, there)
        found[one.name] = known[key]
    return found


def _named(name: str, rows: Sequence[Finding]) -> Iterator[Finding]:
    for row in rows:
        path = f"devices.{name}.{row.difference.path}"
        yield row._replace(difference=replace(row.difference, path=path))
