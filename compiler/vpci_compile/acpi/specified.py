"""SRAT, SLIT and HMAT as ACPI 6.6 orders and fills them, for a VMM or a guest that takes tables as files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import gcd

from ..ir.machine import Architecture, Locality, Machine
from . import crosvm_memory, hmat, qemu_memory, slit, srat
from .structures import Header, Structure, Table, make

_LARGEST_ENTRY = 0xFFFE
_REPLACES_QEMUS = partial(Header, oem_id=b"BOCHS ", oem_table_id=b"BXPC    ", oem_revision=2)
"""A table in the initrd takes the place of one with its OEM ids and a lower revision (Linux drivers/acpi/tables.c)."""


_RANGES = {"qemu": qemu_memory.ranges, "crosvm": crosvm_memory.ranges}


def tables(machine: Machine) -> list[Table]:
    """The tables of a machine: each kind of structure by its domain, all distances, no empty entries.

    The addresses of the RAM are those of the machine's VMM.

    Raises:
        ValueError: a latency or bandwidth is missing, is 0, or the values have no common unit; says which.
    """
    if not machine.nodes:
        return []
    header = _REPLACES_QEMUS if machine.vmm.name == "qemu" else Header
    made = [srat.table(header("SRAT", 3), list(_structures(machine)))]
    if len(machine.nodes) > 1:
        made.append(slit.table(header("SLIT", 1), slit.matrix(len(machine.nodes), machine.distances)))
    if machine.localities or machine.caches:
        made.append(hmat.table(header("HMAT", 2), list(_attributes(machine))))
    return made


def _structures(machine: Machine) -> Iterator[Structure]:
    for cpu in sorted(machine.cpus):
        if machine.architecture is Architecture.X86_64:
            yield srat.processor(cpu.id, cpu.node)
        else:
            yield make(srat.GICC, domain=cpu.node, uid=cpu.id)
    for one in _RANGES[machine.vmm.name](machine):
        yield srat.memory(one.node, one.base, one.size)
    for window in qemu_memory.hotplug_window(machine):
        # It goes with RAM, and not with the node of a device that happens to be the last.
        node = max(number for number, node in enumerate(machine.nodes) if node.memory)
        yield srat.memory(node, window.base, window.size, srat.ENABLED | srat.HOT_PLUGGABLE)
    for gi in sorted(machine.initiators):
        yield make(srat.INITIATOR, domain=gi.node, pci=srat.address(gi.segment, gi.bus, gi.device, gi.function))
    for port in sorted(machine.ports):
        yield srat.port(port.node, port.uid)


def _attributes(machine: Machine) -> Iterator[Structure]:
    with_cpus = {cpu.node for cpu in machine.cpus}
    for number, node in enumerate(machine.nodes):
        if node.memory:
            yield hmat.attributes(number, number if number in with_cpus else node.initiator)
    for one in sorted(machine.localities, key=lambda one: (one.hierarchy, one.measure)):
        yield _locality(one)
    for number in range(len(machine.nodes)):
        caches = sorted((one for one in machine.caches if one.node == number), key=lambda one: one.level)
        for cache in caches:
            yield hmat.cache(cache, len(caches))


def _locality(one: Locality) -> Structure:
    """The initiators and targets that are named, every pair of them with a value (5.2.29.4)."""
    what = one.measure.name.lower().replace("_", " ")
    initiators = tuple(sorted({a for a, _ in one.values}))
    targets = tuple(sorted({b for _, b in one.values}))
    scale = hmat.PS_PER_NS if one.measure.is_latency else 1
    values = [one.values.get((a, b), 0) * scale for a in initiators for b in targets]
    if not all(values):
        a, b = next((a, b) for a in initiators for b in targets if not one.values.get((a, b)))
        raise ValueError(f"{what} from node {a} to {b}: ACPI wants a value for every pair, and 0 is none")
    step = 1 if one.measure.is_latency else hmat.MIB
    if any(value % step for value in values):
        raise ValueError(f"{what}: a bandwidth is a whole number of MiB/s")
    unit = gcd(*values)
    if max(values) // unit > _LARGEST_ENTRY:
        raise ValueError(f"{what}: {max(values)} and {min(values)} have no unit in which both fit into 16 bits")
    entries = tuple(value // unit for value in values)
    lists = hmat.Localities(initiators, targets, entries)
    return hmat.locality(one.hierarchy, one.measure, unit // step, lists)
