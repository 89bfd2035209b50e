"""Processors, memory, NUMA cells, distances and HMAT of a libvirt domain."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from ...ir.machine import Locality, Machine
from ...ir.topology import System
from .qemu import address_bits, runs

Element = ElementTree.Element
_CELL_GRAIN = 1 << 20  # libvirt rounds the memory of a cell up to it
_KIB = 1 << 10
_LOCAL = 10
_ASSOCIATIVITY = ("none", "direct", "full")
_POLICY = ("none", "writeback", "writethrough")


def unsayable(machine: Machine) -> Iterator[tuple[str, str]]:
    """(Key of the layout, why) of what libvirt cannot say."""
    for number, node in enumerate(machine.nodes):
        if node.memory % _CELL_GRAIN:
            yield "nodes", f"node {number}: libvirt has memory in MiB, not {node.memory} bytes"
    if machine.ports:
        yield "generic_ports", "libvirt has no generic ports"
    if not machine.hmat:
        return
    for one in machine.localities:
        if not one.measure.is_latency and any(value % _KIB for value in one.values.values()):
            yield "latencies", "libvirt has bandwidths in KiB a second"
    if any(cache.size % _KIB for cache in machine.caches):
        yield "caches", "libvirt has sizes of caches in KiB"
    for number, node in enumerate(machine.nodes):
        chosen = _initiator(machine, number)
        if node.initiator != chosen and (node.initiator is not None or not _has_cpus(machine, number)):
            said = "no initiator" if node.initiator is None else f"initiator {node.initiator}"
            yield "nodes", f"node {number} has {said}, and libvirt gives it initiator {chosen}"


def _has_cpus(machine: Machine, node: int) -> bool:
    return any(cpu.node == node for cpu in machine.cpus)


def _initiator(machine: Machine, node: int) -> int:
    """The initiator that libvirt gives a node: itself, or of the least latency, or else of the highest bandwidth."""
    if _has_cpus(machine, node):
        return node
    best: dict[bool, tuple[int, int]] = {}
    for one in machine.localities:
        latency = one.measure.is_latency
        for (initiator, target), value in one.values.items():
            rank = value if latency else -value
            if target == node and (latency not in best or rank < best[latency][0]):
                best[latency] = (rank, initiator)
    return (best.get(True) or best.get(False) or (0, 0))[1]


def cpu(system: System, uses: set[str]) -> Element:
    """The `cpu` element, with what it needs of libvirt added to `uses`."""
    machine, parts = system.machine, system.processors._asdict()
    found = ElementTree.Element("cpu", mode="host-passthrough")
    if dated := [name for name in ("dies", "clusters") if parts.get(name, 1) > 1]:
        uses.update(dated)
    ElementTree.SubElement(
        found, "topology", {name: str(parts[name]) for name in ("sockets", *dated, "cores", "threads")}
    )
    if bits := address_bits(system):
        uses.add("maxphysaddr")
        ElementTree.SubElement(found, "maxphysaddr", mode="emulate", bits=str(bits))
    numa = ElementTree.SubElement(found, "numa")
    for number, node in enumerate(machine.nodes):
        cell = ElementTree.SubElement(numa, "cell", id=str(number))
        cpus = ",".join(f"{a}-{b}" if a != b else str(a) for a, b in runs(machine, number))
        if cpus:
            cell.set("cpus", cpus)
        else:
            uses.add("cell-without-cpus")
        cell.set("memory", str(node.memory // _KIB))
        cell.set("unit", "KiB")
        if machine.distances:
            uses.add("distances")
            row = ElementTree.SubElement(cell, "distances")
            for other in range(len(machine.nodes)):
                value = machine.distances.get((number, other), _LOCAL)
                ElementTree.SubElement(row, "sibling", id=str(other), value=str(value))
        for cache in machine.caches:
            if cache.node == number:
                part = ElementTree.SubElement(
                    cell, "cache", level=str(cache.level), associativity=_ASSOCIATIVITY[cache.associativity],
                    policy=_POLICY[cache.policy],
                )  # fmt: skip
                ElementTree.SubElement(part, "size", value=str(cache.size // _KIB), unit="KiB")
                ElementTree.SubElement(part, "line", value=str(cache.line), unit="B")
    if machine.hmat:
        uses.add("interconnects")
        links = ElementTree.SubElement(numa, "interconnects")
        # The schema has all latencies first.
        for one in sorted(machine.localities, key=lambda row: not row.measure.is_latency):
            _links(links, one)
    return found


def _links(parent: Element, one: Locality) -> None:
    kind = one.measure.name.partition("_")[0].lower()
    for (initiator, target), value in one.values.items():
        part = ElementTree.SubElement(
            parent, "latency" if one.measure.is_latency else "bandwidth", initiator=str(initiator), target=str(target)
        )
        if one.hierarchy:
            part.set("cache", str(int(one.hierarchy)))
        part.set("type", kind)
        part.set("value", str(value if one.measure.is_latency else value // _KIB))
        if not one.measure.is_latency:
            part.set("unit", "KiB")
