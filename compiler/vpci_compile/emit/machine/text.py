"""`show` of a machine: the tree of its buses with windows, then the guest's nodes and their distances."""

from __future__ import annotations

from collections.abc import Iterator

from ...acpi.node_map import distances
from ...ir.topology import ROOT, Instance, PciePort, System, Viommu
from ..printed import node_map_text
from ..sizes import size
from . import apertures
from .image import guest_nodes
from .tables import tables


def render(system: System) -> str:
    """The drawing."""
    machine = system.machine
    vmm = machine.vmm
    release = f"{vmm.release[0]}.{vmm.release[1]}"
    kind = f" {vmm.machine}-{system.type_release[0]}.{system.type_release[1]}" if vmm.machine else ""
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
    if system.machine.vmm.name == "cloud-hypervisor":
        yield from _segments(system)
        return
    for name, number, node in [(ROOT, 0, None), *((bus.name, bus.number, bus.node) for bus in system.buses)]:
        where = f", node {node}" if node is not None else ""
        bus = system.bus(name)
        viommu = bus.viommu if bus else system.viommu
        cxl = ", CXL" if bus is not None and bus.cxl else ""
        yield f"{name} (bus {number:02x}{where}{cxl}{viommu_words(viommu)})"
        yield from _below(system, name, "")


def _segments(system: System) -> Iterator[str]:
    """Each PCI segment with its functions, and what of the 64-bit addresses it has."""
    windows = apertures.plan(system)
    for share in windows.high:
        window = size(apertures.rounded(share.size, up=False))
        need = f", BARs take up to {size(apertures.rounded(share.need, up=True))}" if share.need else ""
        yield f"segment {share.segment:04x} (64-bit window of {window}{need})"
        own = [one for one in system.devices if one.function.guest.segment == share.segment]
        own.sort(key=lambda one: one.function.guest.device)
        for one in own:
            yield f"{'`--' if one is own[-1] else '|--'} {one.function.guest.device:02x}.0 {_device(one)}"
    total = size(apertures.rounded(sum(share.need for share in windows.high), up=True))
    yield ""
    yield f"64-bit windows: up to {total} in sum, of {windows.bits}-bit addresses"


def viommu_words(one: Viommu | None) -> str:
    """A vIOMMU as the last of some facts, ", smmuv3 accel ATS PASID 20"; "" for none."""
    if one is None:
        return ""
    words = [one.type, *(["accel"] if one.accel else []), *(["ATS"] if one.ats else [])]
    return f", {' '.join(words)}" + (f" PASID {one.pasid_bits}" if one.pasid_bits else "")


def _below(system: System, bus: str, stem: str) -> Iterator[str]:
    """What is on a bus, and below that."""
    parts: list[tuple[int, int, PciePort | Instance]] = [
        (port.slot, port.function, port) for port in system.ports if port.bus == bus
    ]
    alone = [one for one in system.devices if not one.port and one.bus == bus]
    parts += [(one.function.guest.device, one.function.guest.function, one) for one in alone]
    parts.sort(key=lambda part: part[:2])
    for slot, function, part in parts:
        last = part is parts[-1][2]
        own, more = (f"{stem}`-- ", f"{stem}    ") if last else (f"{stem}|-- ", f"{stem}|   ")
        if isinstance(part, Instance):
            yield f"{own}{slot:02x}.{function} {_device(part)}"
            continue
        window = f", window {size(part.window)}" if part.window else ""
        yield f"{own}{slot:02x}.{function} {part.name} -> bus {part.secondary:02x}{window}"
        switch = system.switch_behind(part)
        if switch is not None:
            yield f"{more}`-- {part.secondary:02x}:00.0 switch {switch.name} -> bus {switch.number:02x}"
            yield from _below(system, switch.name, f"{more}    ")
        behind = [one for one in system.devices if one.port == part.name]
        for one in behind:
            guest, twig = one.function.guest, "`--" if one is behind[-1] else "|--"
            yield f"{more}{twig} {guest.bus:02x}:{guest.device:02x}.{guest.function} {_device(one)}"


def _device(one: Instance) -> str:
    nodes = ""
    if one.nodes:
        nodes = f", domains {one.nodes[0]}..{one.nodes[-1]}" if len(one.nodes) > 1 else f", domain {one.nodes[0]}"
    return f"{one.name}: {one.layout}{nodes}"


def _nodes(system: System) -> str:
    """The guest's numbers for the nodes, as Linux gives them."""
    made = guest_nodes(system)
    slit = next((table for table in tables(system) if table.format.signature == "SLIT"), None)
    return node_map_text.render(made, distances(made, slit))
