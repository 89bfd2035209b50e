"""A machine layout compiled: everything placed and numbered, so that tables and configurations can be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..diagnostics import Report
from ..ir import Function
from ..ir.machine import Architecture, Initiator, Machine, Port, Vmm
from ..ir.topology import Instance, PciePort, Processors, System
from ..loader import Node
from . import check_hmat, check_machine, numa, topology
from .windows import Windows

if TYPE_CHECKING:
    from ..spec.machine import MachineLayout

_TYPES = {"x86-64": ("q35", "pc"), "aarch64": ("virt",)}
QEMU = "qemu"
IOMMUFD = "iommufd0"
SINCE_HYPERTRANSPORT = (7, 1)
"""Machine types before leave RAM where processors of AMD cannot have it (QEMU hw/i386/pc.c, enforce_amd_1tb_hole)."""
_Q35_HOLE = 32 << 30  # what q35 has for 64-bit windows where nobody asks for more (QEMU hw/pci-host/q35.c)


def compile_machine(
    layout: MachineLayout,
    tree: Node,
    report: Report,
    functions: dict[str, Function],
    processors: Processors,
    ids: Sequence[int],
) -> System:
    """Compile a typed machine layout; `functions` are its devices' by name, `ids` the processors' in their order.

    Raises:
        Failed: VPCI1960..1967 and VPCI1990..1998, all that one stage finds.
    """
    _vmm(layout, tree, report)
    check_machine.names(layout, tree, report)
    check_machine.viommus(layout, tree, report)
    check_machine.memory(layout, tree, report)
    report.stop_on_errors()
    plan = topology.Plan(layout, tree, report, functions)
    topology.expander_slots(plan)
    expanders = topology.buses(plan)
    windows = Windows(layout, functions)
    ports, switches = topology.ports(plan, expanders, windows)
    report.stop_on_errors()
    counts = {name: function.guest.initiators for name, function in functions.items()}
    nodes = numa.brought(layout, counts)
    count = max([len(layout.nodes), *(node + 1 for own in nodes.values() for node in own)])
    check_machine.nodes(layout, tree, report, count)
    check_machine.slots(plan)
    devices = [
        instance
        for name in layout.devices
        if (instance := _instance(plan, name, nodes[name], {port.name: port for port in ports})) is not None
    ]
    report.stop_on_errors()
    reserved = {port.name: port.window for port in ports if not windows.is_downstream(port.name)}
    hole = windows.hole(reserved) if layout.vmm.name == QEMU else 0  # others divide the addresses in their own ways
    system = System(
        name=layout.machine,
        version=layout.version,
        about=layout.about,
        machine=_machine(layout, tree, report, devices, count, ids, hole),
        type_release=_type_release(layout),
        processors=processors,
        vendor=_vendor(layout),
        buses=tuple(expanders),
        ports=tuple(ports),
        switches=tuple(switches),
        devices=tuple(devices),
        viommu=topology.viommu(layout.viommu),
        window=sum(reserved.values()),
        pci_hole=hole,
        specified=layout.tables == "acpi-6.6",
        guest_nodes=layout.guest_nodes,
        origin=tree.span_of("machine"),
        origins={key: tree.key_of(key) for key in tree.keys},
    )
    report.stop_on_errors()
    return system


def _release(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


def _type_release(layout: MachineLayout) -> tuple[int, int]:
    return _release(layout.vmm.type_release or layout.vmm.release)


def _vendor(layout: MachineLayout) -> str:
    return (layout.processor.vendor or "") if layout.processor else ""


def _vmm(layout: MachineLayout, tree: Node, report: Report) -> None:
    kind, known = layout.vmm.type, _TYPES[layout.architecture]
    if layout.vmm.name == QEMU and kind not in known:
        message = f"vmm type {kind or 'missing'}: an {layout.architecture} machine of QEMU is {' or '.join(known)}"
        report.add("VPCI1967", tree.span_of("vmm", "type"), message, help=f"type: {known[0]}")
    elif layout.vmm.name != QEMU and kind is not None:
        report.add(
            "VPCI1967", tree.span_of("vmm", "type"), f"{layout.vmm.name} has no machine types", help="leave it out"
        )
    if layout.vmm.name == QEMU and _type_release(layout) > _release(layout.vmm.release):
        message = f"QEMU {layout.vmm.release} has no machine type of version {layout.vmm.type_release}"
        report.add("VPCI1967", tree.span_of("vmm", "type_release"), message, help=f"type_release: {layout.vmm.release}")
    if layout.vmm.name != QEMU and layout.vmm.initiator_ids == "ascending":
        message = f"{layout.vmm.name} has no ids of generic initiators"
        report.add("VPCI1967", tree.span_of("vmm", "initiator_ids"), message, help="leave it out")


def _instance(plan: topology.Plan, name: str, nodes: tuple[int, ...], ports: dict[str, PciePort]) -> Instance | None:
    entry, function = plan.layout.devices[name], plan.functions[name]
    where = topology.of_device(plan, name, entry, ports)
    if where is None:
        return None
    place, bus, slot = where
    # Other VMMs have one flat bus, and put an Endpoint on it as it is.
    if plan.layout.vmm.name == QEMU and function.guest.place != place:
        message = f"{name} is {_WORDS[place]}, and its layout says place: {function.guest.place}"
        note = "what a guest finds of a PCI Express function depends on it (PCIe 6.0 7.5.3.2, device type)"
        plan.report.add(
            "VPCI1962", plan.span("devices", name), message, note=note, help=f"guest: {{place: {place}}} there"
        )
    guest = function.guest._replace(
        segment=entry.segment, bus=bus, device=slot, function=entry.function, first_node=nodes[0] if nodes else None
    )
    over = entry.port or ""
    return Instance(
        name,
        entry.layout,
        replace(function, guest=guest),
        over,
        ports[over].bus if over else entry.bus or "",
        nodes,
        entry.node,
        entry.memory_base,
        plan.span("devices", name),
    )


_WORDS = {"port": "behind a port", "root": "on a root bus"}


def _machine(
    layout: MachineLayout,
    tree: Node,
    report: Report,
    devices: list[Instance],
    count: int,
    ids: Sequence[int],
    hole: int,
) -> Machine:
    """What the tables are made from."""
    own = {node for one in devices for node in one.nodes}
    cpus, localities = numa.cpus(layout, ids, tree, report), numa.localities(layout)
    check_hmat.check(layout, tree, report, cpus, own, localities)
    initiators = tuple(
        Initiator(
            node, one.function.guest.segment, one.function.guest.bus, one.function.guest.device,
            one.function.guest.function, f"{one.name}-gi{index}",
        )
        for one in devices
        for index, node in enumerate(one.nodes)
    )  # fmt: skip
    ports = tuple(
        Port(entry.node, layout.buses[entry.bus].number, f"{entry.bus}-gp{index}")
        for index, entry in enumerate(layout.generic_ports)
    )
    release = _release(layout.vmm.release)
    return Machine(
        architecture=Architecture(layout.architecture),
        vmm=Vmm(layout.vmm.name, release, layout.vmm.type or ""),
        cpus=cpus,
        nodes=numa.nodes(layout, count),
        initiators=initiators,
        ports=ports,
        distances=numa.distances(layout, tree, report, count, own),
        hmat=bool(layout.latencies or layout.caches),
        localities=localities,
        caches=numa.caches(layout),
        hotplug=layout.hotplug.size if layout.hotplug else 0,
        slots=layout.hotplug.slots if layout.hotplug else 0,
        objects=tuple(_objects(layout, initiators, ports, devices)),
        amd=_vendor(layout) == "amd" and _type_release(layout) >= SINCE_HYPERTRANSPORT,
        pci_hole64=hole if layout.vmm.type == "q35" and hole > _Q35_HOLE else None,
    )


def _objects(
    layout: MachineLayout, initiators: tuple[Initiator, ...], ports: tuple[Port, ...], devices: list[Instance]
) -> list[str]:
    """QEMU's objects as it makes them: initiators and their like as on the command line, then memory backends."""
    early = [IOMMUFD] if devices else []
    late = [f"ram{number}" for number, node in enumerate(layout.nodes) if node.memory]
    return [*early, *(one.id for one in initiators), *(one.id for one in ports), *late]
