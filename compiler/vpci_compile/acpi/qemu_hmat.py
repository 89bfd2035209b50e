"""The structures of QEMU's HMAT, and how it finds one unit for many values.

Source: QEMU 11.1.3 hw/acpi/hmat.c (build_hmat), hw/core/numa.c (parse_numa_hmat_lb).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..ir.machine import Locality, Machine
from . import hmat
from .structures import Structure

MAX_NODES = 128
"""Nodes of QEMU; where a memory is attached to no initiator, this stands for it."""


_WRAP = 1 << 32  # build_hmat_lb keeps the unit in 32 bits
_NO_LATENCY = (1 << 64) - 1


def structures(machine: Machine) -> Iterator[Structure]:
    """Attributes of every memory, localities by hierarchy and measure, caches by node and level."""
    with_cpus = {cpu.node for cpu in machine.cpus}
    for number, node in enumerate(machine.nodes):
        if node.memory:
            own = number if number in with_cpus else node.initiator
            yield hmat.attributes(number, own, unknown=MAX_NODES)
    for one in sorted(machine.localities, key=lambda one: (one.hierarchy, one.measure)):
        if one.values:
            yield _locality(machine, one)
    for number in range(len(machine.nodes)):
        caches = sorted((one for one in machine.caches if one.node == number), key=lambda one: one.level)
        for cache in caches:
            yield hmat.cache(cache, len(caches))


def _locality(machine: Machine, one: Locality) -> Structure:
    """All nodes are targets, and a pair that nobody gave a value has 0."""
    unit = _latency_unit(one) if one.measure.is_latency else _bandwidth_unit(one)
    initiators, targets = machine.initiator_nodes, tuple(range(len(machine.nodes)))
    entries = tuple(one.values.get((a, b), 0) // unit for a in initiators for b in targets)
    stated = unit * hmat.PS_PER_NS if one.measure.is_latency else unit // hmat.MIB
    return hmat.locality(one.hierarchy, one.measure, stated % _WRAP, hmat.Localities(initiators, targets, entries))


def _latency_unit(one: Locality) -> int:
    """Nanoseconds: the largest power of ten that divides all values; of zeros alone, where QEMU's search starts."""
    return min((_power_of_ten(value) for value in one.values.values() if value), default=_NO_LATENCY)


def _power_of_ten(value: int) -> int:
    """The largest power of ten that divides a value."""
    unit = 1
    while value % (10 * unit) == 0:
        unit *= 10
    return unit


def _bandwidth_unit(one: Locality) -> int:
    """Bytes a second: the largest power of two that divides all values."""
    union = 0
    for value in one.values.values():
        union |= value
    return union & -union or 1
