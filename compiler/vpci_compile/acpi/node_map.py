"""Which NUMA nodes a Linux makes of an SRAT: it numbers proximity domains as it meets them.

Source: Linux 7.2 drivers/acpi/numa/srat.c (acpi_numa_init), arch/x86/mm/srat.c, drivers/acpi/tables.c; booted to see.
One pass takes processors and generic initiators in the order of the table, a second one memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from ..ir.machine import Architecture, Range
from . import slit, srat
from .structures import Structure, Table, structure_bytes

_LEAST_DOMAINS = 256  # MAX_PXM_DOMAINS is that, or the number of nodes where that is more
_REVISION_OF_32_BITS = 2
_EXACT, _AT_LEAST = {srat.PROCESSOR.type: 16}, {srat.X2APIC.type: 24, srat.GICC.type: 18, srat.MEMORY.type: 40}


class Guest(NamedTuple):
    """A Linux: `nodes` is its MAX_NUMNODES (1 << NODES_SHIFT)."""

    architecture: Architecture
    nodes: int

    @property
    def domains(self) -> int:
        """Domains from this one on it does not take."""
        return max(_LEAST_DOMAINS, self.nodes)


PROCESSORS = {
    Architecture.X86_64: (srat.PROCESSOR.type, srat.X2APIC.type),
    Architecture.AARCH64: (srat.GICC.type,),
}
"""The structures that a Linux of the architecture takes for processors; others it skips."""


def architecture(table: Table | None) -> Architecture:
    """Whose SRAT it is, by its processors; x86-64 where nothing says."""
    kinds = {one.type for one in table.structures} if table is not None else set()
    return Architecture.AARCH64 if kinds & {*PROCESSORS[Architecture.AARCH64], srat.ITS.type} else Architecture.X86_64


DEFAULT_NODES = {Architecture.X86_64: 1024, Architecture.AARCH64: 16}
"""MAX_NUMNODES of Debian's cloud kernels (7.2.13)."""


class GuestNode(NamedTuple):
    """A node of the guest: its number, the domain it is, and what is in it."""

    number: int
    domain: int
    cpus: tuple[int, ...]
    memory: tuple[Range, ...]
    initiator: bool
    online: bool
    """Whether it is there from the start, and not only possible: on x86-64 with RAM, processor or initiator alone."""


class NodeMap(NamedTuple):
    """The nodes by number. `fault`: why Linux does not use the table ("" where it does): it then fakes one node.

    `stopped` is the structure at which the first pass ended before its time, None where it did not.
    """

    nodes: tuple[GuestNode, ...]
    fault: str = ""
    stopped: int | None = None

    def of(self, domain: int) -> int | None:
        """The node of a domain."""
        return next((node.number for node in self.nodes if node.domain == domain), None)


class _Unused(Exception):  # noqa: N818 - what Linux says
    """`SRAT not used`."""


class _Reader:
    """The state of Linux while it reads."""

    def __init__(self, table: Table, guest: Guest) -> None:
        self.table, self.guest = table, guest
        self.numbers: dict[int, int] = {}
        self.cpus: dict[int, list[int]] = {}
        self.memory: dict[int, list[Range]] = {}
        self.initiators: set[int] = set()
        self.stopped: int | None = None

    def node(self, domain: int) -> int | None:
        """acpi_map_pxm_to_node."""
        if domain >= self.guest.domains or (domain not in self.numbers and len(self.numbers) >= self.guest.nodes):
            return None
        return self.numbers.setdefault(domain, len(self.numbers))

    def processors_and_initiators(self) -> None:
        for place, one in enumerate(self.table.structures):
            shape = one.shape.type if one.shape is not None else one.type
            if shape in PROCESSORS[self.guest.architecture]:
                self._processor(one)
            elif shape == srat.INITIATOR.type:
                node = self.node(srat.domain(one)) if _enabled(one) else None
                if node is None:
                    self.stopped = place
                    return
                self.initiators.add(node)

    def _processor(self, one: Structure) -> None:
        _length(one)
        if not _enabled(one):
            return
        narrow = one.type == srat.PROCESSOR.type and self.table.header.revision < _REVISION_OF_32_BITS
        node = self.node(one["domain"] if narrow else srat.domain(one))
        if node is None:
            raise _Unused("SRAT: Too many proximity domains")
        self.cpus.setdefault(node, []).append(one["uid"] if one.type == srat.GICC.type else one["apic_id"])

    def memories(self) -> None:
        for one in self.table.structures:
            if one.type != srat.MEMORY.type:
                continue
            _length(one)
            if not _enabled(one):
                continue
            narrow = self.table.header.revision < _REVISION_OF_32_BITS
            node = self.node(one["domain"] & 0xFF if narrow else one["domain"])
            if node is None:
                raise _Unused("SRAT: Too many proximity domains")
            hotplug = bool(one["flags"] & srat.HOT_PLUGGABLE)
            self.memory.setdefault(node, []).append(Range(node, one["base"], one["size"], hotplug))

    def check(self) -> None:
        """What is looked at when all was read: there is memory, and no two nodes have the same."""
        if not self.memory:
            raise _Unused("No NUMA configuration found: it has no memory")
        if len([one for ranges in self.memory.values() for one in ranges]) > 2 * self.guest.nodes:
            raise _Unused("too many memblk ranges")
        for a, b in overlaps([one for ranges in self.memory.values() for one in ranges]):
            if a.node != b.node:
                raise _Unused(f"node {a.node} [mem ...] overlaps with node {b.node} [mem ...]")

    def nodes(self) -> Iterator[GuestNode]:
        for domain, number in self.numbers.items():
            cpus, memory = self.cpus.get(number, ()), self.memory.get(number, ())
            filled = bool(cpus) or number in self.initiators or any(one.size and not one.hotplug for one in memory)
            online = filled or self.guest.architecture is Architecture.AARCH64
            yield GuestNode(number, domain, tuple(cpus), tuple(memory), number in self.initiators, online)


def node_map(table: Table, guest: Guest) -> NodeMap:
    """The nodes that the guest makes of an SRAT, whose memory is taken to be there and to be all that there is."""
    reader = _Reader(table, guest)
    try:
        reader.processors_and_initiators()
        reader.memories()
        reader.check()
    except _Unused as unused:
        return NodeMap((), str(unused), reader.stopped)
    if has_zero_length(table):
        return NodeMap((), "Invalid zero length", reader.stopped)
    return NodeMap(tuple(reader.nodes()), "", reader.stopped)


def has_zero_length(table: Table) -> bool:
    """Whether a structure of an SRAT or HMAT has the length 0; one whose head ends the table nobody looks at."""
    assert table.format.head is not None
    size = table.format.head.size  # its second half is the length
    return len(table.tail) - table.behind > size and not any(table.tail[size // 2 : size])


def overlaps(ranges: list[Range]) -> list[tuple[Range, Range]]:
    """Pairs of ranges that share an address, each range with the one before it that reaches farthest."""
    found = []
    farthest: Range | None = None
    for one in sorted((one for one in ranges if one.size), key=lambda one: (one.base, one.size)):
        if farthest is not None and one.base < farthest.base + farthest.size:
            found.append((farthest, one))
        if farthest is None or one.base + one.size > farthest.base + farthest.size:
            farthest = one
    return found


def distances(nodes: NodeMap, table: Table | None) -> list[list[int]]:
    """The distances between the guest's nodes; those of no valid SLIT are 10 and 20."""
    rows = slit.rows(table) if table is not None else None
    if rows is None or not valid_distances(rows):
        rows = []

    def distance(a: int, b: int) -> int:
        if a < len(rows) and b < len(rows):
            return rows[a][b]
        return slit.LOCAL if a == b else slit.REMOTE

    return [[distance(a.domain, b.domain) for b in nodes.nodes] for a in nodes.nodes]


def valid_distances(rows: list[bytes]) -> bool:
    """Whether Linux uses a SLIT (`slit_valid`)."""
    return all(
        value == slit.LOCAL if a == b else value > slit.LOCAL
        for a, row in enumerate(rows)
        for b, value in enumerate(row)
    )


def _enabled(one: Structure) -> bool:
    return bool(one["flags"] & srat.ENABLED)


def _length(one: Structure) -> None:
    """Too short (or for an APIC id, any other length): then the whole table is not used."""
    length = one.length or len(structure_bytes(one, _head()))
    if length != _EXACT.get(one.type, length) or length < _AT_LEAST.get(one.type, 0):
        raise _Unused("SRAT not used")


def _head() -> struct.Struct:
    head = srat.FORMAT.head
    assert head is not None
    return head
