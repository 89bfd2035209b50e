"""What a machine layout says that cannot be, beside places: names, nodes, memory, vIOMMUs, slots with many functions.

Source: QEMU 11.1.3, which refuses each of these, or makes another machine of it without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..diagnostics import Report
from ..ir.topology import ROOT
from ..loader import Node

if TYPE_CHECKING:
    from ..spec.machine import DeviceEntry, MachineLayout, ViommuEntry
    from .topology import Plan

_KINDS = {"buses": "a bus", "ports": "a port", "switches": "a switch", "devices": "a device"}
_RESERVED = (ROOT, "pcie.0", "pci.0")
_RAM_GRAIN = 1 << 20
_HEADER_TYPE, _MULTIFUNCTION = 0x0E, 0x80
_SMMU, _INTEL = "smmuv3", "intel-iommu"


def names(layout: MachineLayout, tree: Node, report: Report) -> None:
    """One name means one part: QEMU finds buses, ports and functions by it. Reports VPCI1992."""
    seen: dict[str, str] = dict.fromkeys(_RESERVED, "the machine's own root bus")
    for kind, word in _KINDS.items():
        for name in getattr(layout, kind):
            if name in seen:
                message = f"{word} cannot be called '{name}': that is {seen[name]}"
                report.add("VPCI1992", tree.key_of(kind, name), message, help="another name")
            seen[name] = word
    for name, bus in layout.buses.items():
        own = f"{name}-smmu"  # the id of its vIOMMU
        if bus.viommu is not None and own in seen:
            message = f"{seen[own]} cannot be called '{own}': that is the vIOMMU of {name}"
            kind = next(one for one in _KINDS if own in getattr(layout, one))
            report.add("VPCI1992", tree.key_of(kind, own), message, help="another name")


def viommus(layout: MachineLayout, tree: Node, report: Report) -> None:
    """An SMMU stands before a bus of an aarch64 machine, Intel's before a whole x86-64 one. Reports VPCI1993."""
    if layout.viommu is not None:
        span = tree.span_of("viommu")
        if layout.viommu.type != _INTEL:
            message = f"{layout.viommu.type} for the whole machine: it stands before one bus"
            report.add("VPCI1993", span, message, help="buses: {b1: {number: 1, viommu: {type: smmuv3, accel: true}}}")
        elif layout.architecture != "x86-64":
            report.add("VPCI1993", span, f"{_INTEL} in an {layout.architecture} machine", help=f"type: {_SMMU}")
    for name, bus in layout.buses.items():
        span = tree.span_of("buses", name, "viommu")
        if bus.viommu is None:
            continue
        if bus.viommu.type != _SMMU or layout.architecture != "aarch64":
            message = f"{bus.viommu.type} before one bus of an {layout.architecture} machine"
            way_out = (
                f"type: {_SMMU}" if layout.architecture == "aarch64" else f"viommu: {{type: {_INTEL}}}, of the machine"
            )
            report.add("VPCI1993", span, message, help=way_out)
        elif not bus.viommu.accel:
            _plain_smmu(layout, name, bus.viommu, tree, report)


def _plain_smmu(layout: MachineLayout, bus: str, entry: ViommuEntry, tree: Node, report: Report) -> None:
    """QEMU's own SMMUv3 has no ATS and no PASID, and VFIO cannot follow its mappings."""
    ports = _ports_below(layout, bus)
    behind = [name for name, one in layout.devices.items() if one.port in ports or one.bus == bus]
    what = "ats" if entry.ats else "pasid_bits" if entry.pasid_bits else ""
    if what:
        message = f"{what}: an SMMUv3 that QEMU itself makes has none"
        report.add("VPCI1993", tree.span_of("buses", bus, "viommu", what), message, help="accel: true")
    elif behind:
        message = f"{behind[0]} is behind an SMMUv3 that QEMU itself makes: it does not tell VFIO what a guest maps"
        report.add("VPCI1993", tree.span_of("buses", bus, "viommu"), message, help="accel: true")


def _ports_below(layout: MachineLayout, bus: str) -> set[str]:
    """All ports below a bus, through switches too."""
    buses, found = {bus}, set[str]()
    while more := {name for name, port in layout.ports.items() if port.bus in buses} - found:
        found |= more
        buses |= {name for name, switch in layout.switches.items() if switch.port in found}
    return found


def memory(layout: MachineLayout, tree: Node, report: Report) -> None:
    """Sizes that QEMU would round, or refuse. Reports VPCI1994."""
    if not any(node.memory for node in layout.nodes):
        report.add("VPCI1994", tree.span_of("nodes"), "no node has memory", help="nodes: [{memory: 1G}]")
    sizes: list[tuple[tuple[str | int, ...], int]] = [
        (("nodes", number, "memory"), node.memory) for number, node in enumerate(layout.nodes)
    ]
    if layout.hotplug is not None:
        sizes.append((("hotplug", "size"), layout.hotplug.size))
        if not layout.hotplug.size:
            report.add("VPCI1994", tree.span_of("hotplug", "size"), "no memory to be plugged in", help="leave it out")
    for path, size in sizes:
        if size % _RAM_GRAIN:
            message = f"{size:#x} bytes of memory are no whole MiB"
            report.add("VPCI1994", tree.span_of(*path), message, help=f"{-(-size // _RAM_GRAIN)}M")


def nodes(layout: MachineLayout, tree: Node, report: Report, count: int) -> None:
    """Every node that is named is there, and a generic port is a CXL host bridge. Reports VPCI1960 and VPCI1941."""
    _near(layout, tree, report)
    for path, number in _named(layout):
        if number is not None and number >= count:
            message = f"there is no node {number}"
            report.add("VPCI1960", tree.span_of(*path), message, help=f"nodes here: 0..{count - 1}")
    for index, entry in enumerate(layout.generic_ports):
        bus = layout.buses.get(entry.bus)
        if bus is None or not bus.cxl:
            own = [name for name, one in layout.buses.items() if one.cxl]
            message = f"there is no CXL host bridge '{entry.bus}'"
            known = f"known here: {', '.join(own) or 'none'}; a bus with cxl: true is one"
            report.add("VPCI1960", tree.span_of("generic_ports", index, "bus"), message, help=known)


def _near(layout: MachineLayout, tree: Node, report: Report) -> None:
    if layout.vmm.name == "cloud-hypervisor":
        _near_segments(layout, tree, report)
        return
    for name, one in layout.devices.items():
        bus = _host_bridge(layout, one)
        if one.node is None or bus is None:
            continue
        node = layout.buses[bus].node if bus != ROOT else None
        if one.node == node:
            continue
        other = "says none" if node is None else f"says {node}"
        message = f"{name} is to be near node {one.node}, and its bus '{bus}' {other}"
        note = "a guest takes a function's node from its host bridge: Linux 7.2 looks at no _PXM of the function itself"
        way_out = f"a bus of `buses` with node: {one.node}, and the port of {name} there"
        report.add("VPCI1941", tree.span_of("devices", name, "node"), message, note=note, help=way_out)


def _near_segments(layout: MachineLayout, tree: Node, report: Report) -> None:
    """A segment has one node, and segment 0 has node 0 (cloud-hypervisor, vmm/src/config.rs, NumaConfig::validate)."""
    first: dict[int, tuple[str, int]] = {0: ("segment 0", 0)}
    for name, one in layout.devices.items():
        if one.node is None:
            continue
        other, node = first.setdefault(one.segment, (name, one.node))
        if node != one.node:
            message = f"{name} is to be near node {one.node}, and {other} of the same segment is near node {node}"
            note = "cloud-hypervisor gives a node to a whole PCI segment, and segment 0 is that of node 0"
            way_out = "another segment for it"
            report.add("VPCI1941", tree.span_of("devices", name, "node"), message, note=note, help=way_out)


def _host_bridge(layout: MachineLayout, device: DeviceEntry) -> str | None:
    """The bus at the top, above all ports and switches; None where one of them is not there."""
    port, bus = device.port, device.bus
    while port is not None:
        bus = layout.ports[port].bus if port in layout.ports else None
        port = layout.switches[bus].port if bus in layout.switches else None
    return bus if bus == ROOT or bus in layout.buses else None


def _named(layout: MachineLayout) -> Iterator[tuple[tuple[str | int, ...], int | None]]:
    for number, node in enumerate(layout.nodes):
        yield ("nodes", number, "initiator"), node.initiator
    for name, bus in layout.buses.items():
        yield ("buses", name, "node"), bus.node
    for name, device in layout.devices.items():
        yield ("devices", name, "node"), device.node
    for index, port in enumerate(layout.generic_ports):
        yield ("generic_ports", index, "node"), port.node
    for index, locality in enumerate(layout.latencies):
        yield ("latencies", index, "from"), locality.from_
        yield ("latencies", index, "to"), locality.to
    for index, cache in enumerate(layout.caches):
        yield ("caches", index, "node"), cache.node


def slots(plan: Plan) -> None:
    """A guest finds the functions of a slot by function 0, which says that there are others. Reports VPCI1996.

    Ports say so by themselves; a device's header is its layout's.
    """
    places: dict[tuple[str, int, int], str] = dict(plan.places)
    places |= {(f"behind {one.port}", 0, one.function): name for name, one in plan.layout.devices.items() if one.port}
    for (bus, slot, function), name in places.items():
        if function == 0:
            continue
        kind = "ports" if name in plan.layout.ports else "devices"
        first, span = places.get((bus, slot, 0)), plan.span(kind, name)
        if first is None:
            message = f"{name} is function {function} of a slot without function 0, and no guest finds it there"
            plan.report.add("VPCI1996", span, message, help="function: 0")
        elif first in plan.functions:
            value = plan.functions[first].config.value[_HEADER_TYPE]
            if not value & _MULTIFUNCTION:
                message = f"{name} is function {function}, and the layout of {first} says that it is alone in its slot"
                way_out = f"identity: {{multifunction: true}} in the layout of {first}"
                plan.report.add("VPCI1996", span, message, help=way_out)
        elif first not in plan.layout.ports:
            message = f"{name} shares a slot with {first}, which is alone there"
            plan.report.add("VPCI1996", span, message, help="another slot")
