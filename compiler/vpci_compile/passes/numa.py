"""The NUMA nodes of a machine: processors, memory, those that devices bring, distances, HMAT."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..diagnostics import Report
from ..ir.machine import Cache, Cpu, Hierarchy, Locality, Measure, Node
from ..ir.topology import Processors
from ..loader import Node as Tree

if TYPE_CHECKING:
    from ..spec.machine import MachineLayout

_LOCAL = 10
_ASSOCIATIVITY = {"none": 0, "direct": 1, "complex": 2}
_POLICY = {"none": 0, "write-back": 1, "write-through": 2}


def processors(layout: MachineLayout, tree: Tree, report: Report) -> Processors:
    """How the processors are arranged.

    Raises:
        Failed: VPCI1990, their product is not `cpus`, or the architecture has no such parts.
    """
    entry = layout.processor
    if entry is None:
        return Processors(1, 1, 1, layout.cpus, 1)
    for part, count, own in (("dies", entry.dies, "x86-64"), ("clusters", entry.clusters, "aarch64")):
        if count > 1 and layout.architecture != own:
            message = f"{part}: {count}, and the processors of QEMU's {layout.architecture} machines have none"
            report.add("VPCI1990", tree.span_of("processor", part), message, help="leave it out")
    above = entry.sockets * entry.dies * entry.clusters * entry.threads
    cores = entry.cores or layout.cpus // above
    if above * cores != layout.cpus:
        own = f"{entry.sockets} x {entry.dies} x {entry.clusters} x {cores} x {entry.threads}"
        message = f"sockets x dies x clusters x cores x threads are {own}, and cpus: {layout.cpus}"
        report.add("VPCI1990", tree.span_of("processor"), message, help=f"cpus: {above * max(cores, 1)}")
    report.stop_on_errors()
    return Processors(entry.sockets, entry.dies, entry.clusters, cores, entry.threads)


def cpus(layout: MachineLayout, ids: Sequence[int], tree: Tree, report: Report) -> tuple[Cpu, ...]:
    """Each processor with its id and its node; all belong to node 0 where nobody says. Reports VPCI1963."""
    homes: dict[int, int] = {}
    for number, node in enumerate(layout.nodes):
        if node.cpus is None:
            continue
        span = tree.span_of("nodes", number, "cpus")
        for cpu in _range(node.cpus):
            if cpu >= layout.cpus:
                report.add("VPCI1963", span, f"processor {cpu}: there are 0..{layout.cpus - 1}")
                break
            if cpu in homes:
                report.add("VPCI1963", span, f"processor {cpu} belongs to node {homes[cpu]}, too")
                break
            homes[cpu] = number
    missing = [cpu for cpu in range(layout.cpus) if cpu not in homes]
    if homes and missing and not report.failed:
        message = f"processor {missing[0]} belongs to no node"
        report.add("VPCI1963", tree.span_of("cpus"), message, help="name every processor, or none")
    return tuple(Cpu(ids[cpu], homes.get(cpu, 0)) for cpu in range(layout.cpus))


def _range(text: str) -> Iterator[int]:
    for first, last in re.findall(r"([0-9]+)(?:-([0-9]+))?", text):
        yield from range(int(first), int(last or first) + 1)


def brought(layout: MachineLayout, counts: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """The nodes of each device: from `first_node` on, or behind all others. `counts`: how many each one brings."""
    following = len(layout.nodes)
    found: dict[str, tuple[int, ...]] = {}
    for name, device in layout.devices.items():
        first = following if device.first_node is None else device.first_node
        found[name] = tuple(range(first, first + counts[name]))
        following = max(following, first + counts[name])
    return found


def nodes(layout: MachineLayout, count: int) -> tuple[Node, ...]:
    """All nodes by number: those listed, and empty ones for devices."""
    own = [Node(node.memory, node.initiator) for node in layout.nodes]
    return tuple(own + [Node()] * (count - len(own)))


def distances(
    layout: MachineLayout, tree: Tree, report: Report, count: int, devices: set[int]
) -> dict[tuple[int, int], int]:
    """Every ordered pair of nodes, or none at all. Reports VPCI1960 for a node that is not there, and VPCI1940."""
    entry = layout.distances
    if entry is None:
        return {}
    if entry.matrix is not None:
        return _matrix(entry.matrix, tree, report, count)
    far = entry.remote if entry.initiators is None else entry.initiators
    found = {
        (a, b): far if a in devices or b in devices else entry.remote
        for a in range(count)
        for b in range(count)
        if a != b
    }
    for index, pair in enumerate(entry.pairs):
        for key in ("from", "to"):
            number = pair.from_ if key == "from" else pair.to
            if number >= count:
                span = tree.span_of("distances", "pairs", index, key)
                report.add("VPCI1960", span, f"there is no node {number}", help=f"nodes here: 0..{count - 1}")
        if pair.from_ == pair.to:
            span = tree.span_of("distances", "pairs", index)
            report.add("VPCI1963", span, f"from node {pair.from_} to itself the distance is {_LOCAL}")
            continue
        found[pair.from_, pair.to] = pair.value
        if pair.both:
            found[pair.to, pair.from_] = pair.value
    return found


def _matrix(rows: Sequence[Sequence[int]], tree: Tree, report: Report, count: int) -> dict[tuple[int, int], int]:
    others = [key for key in tree.find(["distances"]).keys if key != "matrix"]
    if others:
        span = tree.key_of("distances", others[0])
        report.add("VPCI1940", span, f"{others[0]} beside a matrix, which says every distance", help="one of the two")
    if len(rows) != count:
        text = f"{len(rows)} rows, and the machine has {count} nodes, those of devices included"
        report.add("VPCI1940", tree.key_of("distances", "matrix"), text)
    for a, row in enumerate(rows):
        if len(row) != len(rows):
            text = f"row {a} has {len(row)} distances, and there are {len(rows)} rows"
            report.add("VPCI1940", tree.span_of("distances", "matrix", a), text)
        elif row[a] != _LOCAL:
            text = f"from node {a} to itself the distance is {_LOCAL}, and not {row[a]}"
            report.add("VPCI1940", tree.span_of("distances", "matrix", a, a), text)
    return {(a, b): value for a, row in enumerate(rows) for b, value in enumerate(row) if a != b}


def localities(layout: MachineLayout) -> tuple[Locality, ...]:
    """Latencies and bandwidths, one structure for each measure of a level, in the order in which they are named."""
    found: dict[tuple[Hierarchy, Measure], dict[tuple[int, int], int]] = {}
    for entry in layout.latencies:
        key = Hierarchy[_name(entry.hierarchy)], Measure[_name(entry.measure)]
        found.setdefault(key, {})[entry.from_, entry.to] = entry.value
    return tuple(Locality(level, measure, values) for (level, measure), values in found.items())


def _name(word: str) -> str:
    return word.upper().replace("-", "_")


def caches(layout: MachineLayout) -> tuple[Cache, ...]:
    """Memory-side caches, by node and level, as QEMU wants them."""
    return tuple(
        Cache(one.node, one.size, one.level, _ASSOCIATIVITY[one.associativity], _POLICY[one.policy], one.line)
        for one in sorted(layout.caches, key=lambda one: (one.node, one.level))
    )
