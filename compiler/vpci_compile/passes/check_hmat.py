"""Latencies, bandwidths and caches that QEMU refuses, or that an HMAT cannot hold.

Source: QEMU 11.1.3 hw/core/numa.c (parse_numa_hmat_lb, parse_numa_hmat_cache, numa_validate_initiator); ACPI 6.6
5.2.29.4: an entry has 16 bits in a unit that its structure shares, and 0xffff means unreachable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..diagnostics import Report
from ..ir.machine import Cpu, Locality
from ..loader import Node

if TYPE_CHECKING:
    from ..spec.machine import MachineLayout

_MIB = 1 << 20
_ENTRY_BITS = 16
_UNREACHABLE = 0xFFFF
_CODE = "VPCI1995"


def check(
    layout: MachineLayout,
    tree: Node,
    report: Report,
    cpus: tuple[Cpu, ...],
    devices: set[int],
    localities: tuple[Locality, ...],
) -> None:
    """Report VPCI1995; `devices` are the nodes that devices bring."""
    with_cpus = {cpu.node for cpu in cpus}
    for number, node in enumerate(layout.nodes):
        span = tree.span_of("nodes", number, "initiator")
        if node.initiator is None:
            continue
        if number in with_cpus and node.initiator != number:
            report.add(_CODE, span, f"node {number} has processors: they are its initiator", help="leave it out")
        elif node.initiator not in with_cpus:
            report.add(_CODE, span, f"node {node.initiator} has no processor to be the initiator of node {number}")
    _entries(layout, tree, report, with_cpus | devices)
    for one in localities:
        _range(one, tree, report)
    _caches(layout, tree, report)


def _entries(layout: MachineLayout, tree: Node, report: Report, initiators: set[int]) -> None:
    seen: set[tuple[str, str, int, int]] = set()
    for index, one in enumerate(layout.latencies):
        span = tree.span_of("latencies", index)
        key = (one.measure, one.hierarchy, one.from_, one.to)
        if key in seen:
            report.add(_CODE, span, f"the {one.measure} from node {one.from_} to node {one.to} is told twice")
        seen.add(key)
        if one.from_ not in initiators:
            message = f"node {one.from_} has neither processors nor a device that could be an initiator"
            report.add(_CODE, tree.span_of("latencies", index, "from"), message)
        if one.measure.endswith("bandwidth") and one.value % _MIB:
            message = f"{one.value} bytes a second are no whole MiB"
            report.add(_CODE, tree.span_of("latencies", index, "value"), message, help="200M, 1G")


def _range(one: Locality, tree: Node, report: Report) -> None:
    values = [value for value in one.values.values() if value]
    if not values:
        return
    what = one.measure.name.lower().replace("_", "-")
    if one.measure.is_latency:
        fits = max(values) // min(map(_power_of_ten, values)) < _UNREACHABLE
    else:
        union = 0
        for value in values:
            union |= value
        fits = union.bit_length() - ((union & -union).bit_length() - 1) <= _ENTRY_BITS
    if not fits:
        message = f"{what} from {min(values)} to {max(values)}: no unit has 16 bits for all of them"
        report.add(_CODE, tree.span_of("latencies"), message, help="round the large ones")


def _power_of_ten(value: int) -> int:
    unit = 1
    while value % (10 * unit) == 0:
        unit *= 10
    return unit


def _caches(layout: MachineLayout, tree: Node, report: Report) -> None:
    told = {
        kind: {one.to for one in layout.latencies if one.value and one.measure.endswith(kind)}
        for kind in ("latency", "bandwidth")
    }
    known: dict[tuple[int, int], int] = {}
    for index, one in sorted(enumerate(layout.caches), key=lambda row: (row[1].node, row[1].level)):
        span = tree.span_of("caches", index)
        missing = [kind for kind, nodes in told.items() if one.node not in nodes]
        below = known.get((one.node, one.level - 1), 0)
        if missing:
            report.add(_CODE, span, f"a cache of node {one.node}, and nobody tells a {missing[0]} of its memory")
        elif (one.node, one.level) in known:
            report.add(_CODE, span, f"node {one.node} has a cache of level {one.level} already")
        elif one.level > 1 and not below:
            report.add(_CODE, span, f"a cache of level {one.level} of node {one.node}, and none of {one.level - 1}")
        elif one.size <= below:
            message = f"{one.size:#x} bytes: the cache of level {one.level - 1} below has {below:#x}"
            report.add(_CODE, span, message, help="each level is larger than the one before it")
        known[one.node, one.level] = one.size
