"""The processors of a QEMU machine: their ids.

Source: QEMU 11.1.3 include/hw/i386/topology.h, hw/i386/x86-common.c, hw/arm/virt.c.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from ..ir.machine import Architecture


class Topology(NamedTuple):
    """How many of each there are in the next larger one; threads run fastest (`-smp`)."""

    sockets: int = 1
    dies: int = 1
    clusters: int = 1
    modules: int = 1
    cores: int = 1
    threads: int = 1


def ids(architecture: Architecture, topology: Topology) -> list[int]:
    """APIC ids (x86-64), whose parts have whole bits each, or ACPI processor UIDs, which just count."""
    count = prod(topology)
    if architecture is Architecture.AARCH64:
        return list(range(count))
    return [_apic_id(index, topology) for index in range(count)]


def _apic_id(index: int, topology: Topology) -> int:
    made, shift = 0, 0
    for parts in (topology.threads, topology.cores, topology.modules, topology.dies):
        index, part = divmod(index, parts)
        made |= part << shift
        shift += (parts - 1).bit_length()
    return made | index << shift
