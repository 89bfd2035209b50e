"""A machine as far as its ACPI tables go: processors, memory, NUMA nodes and what belongs to them.

Frozen values, standard library only. A node's number is its proximity domain. Sizes and addresses in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple


class Architecture(StrEnum):
    """The processors of the guest."""

    X86_64 = "x86-64"
    AARCH64 = "aarch64"


class Cpu(NamedTuple):
    """A processor: `id` is its (x2)APIC id on x86-64, its ACPI processor UID on aarch64."""

    id: int
    node: int


class Node(NamedTuple):
    """A NUMA node: the RAM it starts with, and for the HMAT the node of the initiator it is attached to."""

    memory: int = 0
    initiator: int | None = None


class Range(NamedTuple):
    """Addresses of memory that belong to a node."""

    node: int
    base: int
    size: int
    hotplug: bool = False


class Initiator(NamedTuple):
    """A PCI function that is the generic initiator of a node; `id` is the name of QEMU's object."""

    node: int
    segment: int
    bus: int
    device: int
    function: int
    id: str = ""


class Port(NamedTuple):
    """A CXL host bridge (ACPI0016 with `uid`) whose root ports belong to a node; `id` as of `Initiator`."""

    node: int
    uid: int
    id: str = ""


class Hierarchy(IntEnum):
    """What a latency or bandwidth is measured to (ACPI 6.6 5.2.29.4): the memory or a memory-side cache."""

    MEMORY = 0
    FIRST_LEVEL = 1
    SECOND_LEVEL = 2
    THIRD_LEVEL = 3


class Measure(IntEnum):
    """What a System Locality structure tells (ACPI 6.6 5.2.29.4, "Data Type"); latencies come first."""

    ACCESS_LATENCY = 0
    READ_LATENCY = 1
    WRITE_LATENCY = 2
    ACCESS_BANDWIDTH = 3
    READ_BANDWIDTH = 4
    WRITE_BANDWIDTH = 5

    @property
    def is_latency(self) -> bool:
        """Whether its unit is nanoseconds; else it is bytes a second."""
        return self <= Measure.WRITE_LATENCY


@dataclass(frozen=True, slots=True)
class Locality:
    """Latencies (ns) or bandwidths (bytes/s) by (initiator node, target node)."""

    hierarchy: Hierarchy
    measure: Measure
    values: Mapping[tuple[int, int], int]


class Cache(NamedTuple):
    """A memory-side cache; associativity 0 none, 1 direct, 2 complex; policy 0 none, 1 write-back, 2 write-through."""

    node: int
    size: int
    level: int
    associativity: int
    policy: int
    line: int


class Vmm(NamedTuple):
    """Who makes the tables: "qemu", its release, its machine type without a version ("q35", "pc", "virt")."""

    name: str
    release: tuple[int, int]
    machine: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What the tables are made from.

    `nodes` by number; none where the machine has no NUMA (QEMU makes one of all RAM where memory can be plugged in).
    `distances` by (from, to), complete for SLIT or empty.
    `hotplug` and `slots` are memory that may come later (QEMU's maxmem less its size, and slots). `objects` are the
    ids of all of QEMU's objects as they are made: first initiators, ports and their like in the order of the command
    line, then memory backends. They decide in which order QEMU's SRAT has the initiators. The last three are of PCs and
    move RAM: whether the processor is one of AMD, QEMU's `pci-hole64-size` and `max-ram-below-4g` where they are set.
    """

    architecture: Architecture
    vmm: Vmm
    cpus: tuple[Cpu, ...]
    nodes: tuple[Node, ...]
    initiators: tuple[Initiator, ...] = ()
    ports: tuple[Port, ...] = ()
    distances: Mapping[tuple[int, int], int] = field(default_factory=dict)
    hmat: bool = False
    localities: tuple[Locality, ...] = ()
    caches: tuple[Cache, ...] = ()
    hotplug: int = 0
    slots: int = 0
    objects: tuple[str, ...] = ()
    amd: bool = False
    pci_hole64: int | None = None
    max_below_4g: int | None = None

    @property
    def memory(self) -> int:
        """The RAM of all nodes."""
        return sum(node.memory for node in self.nodes)

    @property
    def initiator_nodes(self) -> tuple[int, ...]:
        """The nodes that can access memory by themselves: those with processors or generic initiators."""
        return tuple(sorted({cpu.node for cpu in self.cpus} | {one.node for one in self.initiators}))
