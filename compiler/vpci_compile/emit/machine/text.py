"""`show` of a machine: the tree of its buses with windows, then the guest's nodes and their distances."""

from __future__ import annotations

from collections.abc import Iterator

from ...acpi.node_map import distances
from ...ir.topology import ROOT, Instance, System
from ..printed import node_map_text
from .image import guest_nodes
from .tables import tables


def render(system: System) -> str:
    """The drawing."""
    machine = system.machine
    vmm = machine.vmm
    release = f"{vmm.release[0]}.{vmm.release[1]}"
    kind = f" {vmm.machine}-{system.type_release[0]}.{system.type_release[1]}" if vmm.machine else ""
    size = node_map_text.size
    lines = [
        f"{system.name}: {machine.architecture}, {vmm.name} {release}{kind}",
        f"  {len(machine.cpus)} processor{'' if len(machine.cpus) == 1 else 's'}, {size(machine.memory)} of RAM"
        + (f", {size(machine.hotplug)} to be plugged in" if machine.hotplug else ""),
        *(["  tables as ACPI 6.6 has them, which the guest's initrd brings"] if system.specified else []),
        "",
        *_tree(system),
    ]
    if system.window:
        lines += ["", f"64-bit windows: {size(system.window)} in sum, {size(system.pci_hole)} aligned"]
    lines.append("")
    return "\n".join(lines) + "\n" + _nodes(system)


def _tree(system: System) -> Iterator[str]:
    buses = [(ROOT, 0, None), *((bus.name, bus.number, bus.node) for bus in system.buses)]
    for name, number, node in buses:
        where = f", node {node}" if node is not None else ""
        bus = system.bus(name)
        viommu = bus.viommu if bus else system.viommu
        behind = f", {viommu.type}{' accel' if viommu.accel else ''}" if viommu else ""
        yield f"{name} (bus {number:02x}{where}{behind})"
        rows = [(port.slot, port.function, port.name) for port in system.ports if port.bus == name]
        rows += [
            (one.function.guest.device, one.function.guest.function, one.name)
            for one in system.devices
            if not one.port and one.bus == name
        ]
        for index, (slot, function, own) in enumerate(sorted(rows)):
            last = index == len(rows) - 1
            stem, rest = ("`-- ", "    ") if last else ("|-- ", "|   ")
            port = system.port(own)
            if port is None:
                yield f"{stem}{slot:02x}.{function} {_device(next(one for one in system.devices if one.name == own))}"
                continue
            window = f", window {node_map_text.size(port.window)}" if port.window else ""
            yield f"{stem}{slot:02x}.{function} {port.name} -> bus {port.secondary:02x}{window}"
            for one in (device for device in system.devices if device.port == own):
                guest = one.function.guest
                yield f"{rest}`-- {guest.bus:02x}:{guest.device:02x}.{guest.function} {_device(one)}"


def _device(one: Instance) -> str:
    nodes = ""
    if one.nodes:
        nodes = f", nodes {one.nodes[0]}..{one.nodes[-1]}" if len(one.nodes) > 1 else f", node {one.nodes[0]}"
    return f"{one.name}: {one.layout}{nodes}"


def _nodes(system: System) -> str:
    """The guest's numbers for the nodes, as Linux gives them."""
    made = guest_nodes(system)
    slit = next((table for table in tables(system) if table.format.signature == "SLIT"), None)
    return node_map_text.render(made, distances(made, slit))
