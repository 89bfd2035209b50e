"""The language of machine layouts. The field descriptions are its documentation and the editor's help.

Shape only: a rule that needs two values is a pass (`passes/machine*.py`). Numbers of nodes are proximity domains.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .device import Name, Text
from .readers import FieldValue
from .scalars import U8, CpuRange, NoTruth, Size

Release = Annotated[str, Field(pattern=r"^[0-9]{1,4}\.[0-9]{1,3}$")]
NodeNumber = Annotated[int, Field(ge=0, le=4095)]
Count = Annotated[int, Field(ge=1, le=4096)]
Slot = Annotated[int, Field(ge=0, le=31)]
Distance = Annotated[int, Field(ge=10, le=255)]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{0,31}$")]


class _Part(BaseModel):
    # As in device.py: built on first use.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class VmmEntry(_Part):
    """The VMM that the machine is for."""

    name: Literal["qemu", "cloud-hypervisor", "crosvm", "firecracker"]
    """Which one."""
    release: Release
    """Its release, "11.1"; of crosvm and Firecracker the year and month."""
    type: Literal["q35", "pc", "virt"] | None = None
    """QEMU's machine type; its version is the release's, unless `type_release` says another one."""
    type_release: Release | None = None
    """The version of the machine type (pc-q35-9.0), where it is older than the release: guests that migrate keep it."""
    initiator_ids: Literal["plain", "ascending"] = "plain"
    """Ids of QEMU's generic initiators. QEMU orders them in the SRAT by a hash of these, and a guest numbers its nodes
    in that order: `plain` counts by device (gpu0-gi0); `ascending` deals gi0, gi1, ... out so that nodes ascend."""


class ProcessorEntry(_Part):
    """How the processors are arranged (QEMU's `-smp`); APIC ids follow from it."""

    sockets: Count = 1
    """Packages."""
    dies: Count = 1
    """Dies of a package (x86-64)."""
    clusters: Count = 1
    """Clusters of a package (aarch64)."""
    cores: Count | None = None
    """Cores of a die or a cluster (default: as many as `cpus` takes)."""
    threads: Count = 1
    """Threads of a core."""
    vendor: Literal["intel", "amd"] | None = None
    """Who made the host's processors; AMD's have an address range below 1 TiB that RAM must avoid."""


class NodeEntry(_Part):
    """A NUMA node: its place in the list is its number, and its proximity domain."""

    cpus: CpuRange | None = None
    """Processors, "0-3,8". Left out everywhere: all belong to node 0."""
    memory: Size = 0
    """RAM that the node starts with."""
    initiator: NodeNumber | None = None
    """For the HMAT: the node whose processors or device are nearest to this one's memory."""


class HotplugEntry(_Part):
    """Memory that may be plugged in later; QEMU gives the window to the last node."""

    size: Size
    """Bytes, beside the memory of the nodes."""
    slots: Annotated[int, Field(ge=1, le=256)]
    """Modules at most."""


class ViommuEntry(_Part):
    """A vIOMMU in front of all functions of a bus."""

    type: Literal["smmuv3", "intel-iommu"]
    """Which one."""
    accel: bool = False
    """The guest's first stage runs in the host's hardware (arm-smmuv3 accel=on)."""
    ats: bool = False
    """It offers ATS."""
    pasid_bits: Annotated[int, Field(ge=0, le=20)] = 0
    """Width of the PASIDs that it offers, 0 for none (smmuv3: ssidsize)."""


class BusEntry(_Part):
    """A root bus beside the machine's own: an expander host bridge (pxb-pcie)."""

    number: Annotated[int, Field(ge=1, le=255)]
    """Its bus number; buses behind its ports count on from there."""
    node: NodeNumber | None = None
    """The node that it belongs to (_PXM)."""
    cxl: bool = False
    """A CXL host bridge (pxb-cxl), which can be a generic port."""
    viommu: ViommuEntry | None = None
    """The vIOMMU of this bus."""


class PortEntry(_Part):
    """A root port, or a switch's downstream port. One function, those of one slot, or a switch can be behind it."""

    bus: Id = "root"
    """The bus that it is on: `root`, one of `buses`, or one of `switches`, whose downstream port it is then."""
    slot: Slot | None = None
    """Its device number there (default: the first that is free)."""
    function: Annotated[int, Field(ge=0, le=7)] = 0
    """Its function number."""
    window: Size | Literal["auto", "none"] = "auto"
    """The 64-bit prefetchable window: `auto` takes what the BARs behind it need, a power of two."""
    io: bool = True
    """Whether it reserves a window for I/O ports."""


class SwitchEntry(_Part):
    """A PCI Express switch. Its upstream port is device 0 behind a port; `ports` on it are its downstream ports."""

    port: Id
    """The port that it is behind."""


class DeviceEntry(_Part):
    """A function of the machine."""

    layout: Text
    """Its layout: a path from this file, or one of a library (`nvidia/gh200`)."""
    with_: Annotated[dict[str, FieldValue], Field(alias="with")] = {}
    """Values for the parameters of its layout, as of `extends`."""
    port: Id | None = None
    """The root port that it is behind."""
    bus: Id | None = None
    """The bus that it is on, if it is behind no port: `root`, or one of `buses`."""
    slot: Slot | None = None
    """Device number on `bus` (default: the first that is free)."""
    function: Annotated[int, Field(ge=0, le=7)] = 0
    """Function number."""
    segment: Annotated[int, Field(ge=0, le=95)] = 0
    """The PCI segment whose root bus it is on (cloud-hypervisor, which has up to 96)."""
    first_node: NodeNumber | None = None
    """The first of its NUMA nodes (`initiators` in its layout); default: those behind the nodes listed, in order."""
    node: NodeNumber | None = None
    """The node that a guest finds it near to. It is that of its bus, which has to say the same, or of its segment."""
    memory_base: Size | None = None
    """Guest address of its coherent memory, for `_DSD` (nvidia,gpu-mem-base-pa)."""


class DistanceEntry(_Part):
    """One distance."""

    from_: Annotated[NodeNumber, Field(alias="from")]
    """The one node."""
    to: NodeNumber
    """The other node."""
    value: Distance
    """10 is local, 255 unreachable."""
    both: bool = True
    """The same way back."""


class DistancesEntry(_Part):
    """The SLIT: a rule, and what differs from it; or all of it."""

    remote: Distance = 20
    """Between two nodes of which nothing else is said."""
    initiators: Distance | None = None
    """Between a node that a device brings and any other one."""
    pairs: Annotated[list[DistanceEntry], Field(max_length=100_000)] = []
    """What differs."""
    matrix: Annotated[list[Annotated[list[Distance], Field(max_length=4096)]], Field(max_length=4096)] | None = None
    """Every distance, in place of rule and pairs: a row a node, from its own node to each (`numactl --hardware`)."""


class LocalityEntry(_Part):
    """Latency or bandwidth between an initiator and memory, for the HMAT."""

    measure: Literal[
        "access-latency", "read-latency", "write-latency", "access-bandwidth", "read-bandwidth", "write-bandwidth"
    ]
    """What is told."""
    hierarchy: Literal["memory", "first-level", "second-level", "third-level"] = "memory"
    """To the memory, or to a level of memory-side cache."""
    from_: Annotated[NodeNumber, Field(alias="from")]
    """The initiator's node."""
    to: NodeNumber
    """The memory's node."""
    value: Size
    """Nanoseconds, or bytes a second (200M)."""


class CacheEntry(_Part):
    """A memory-side cache, for the HMAT."""

    node: NodeNumber
    """Whose memory it is for."""
    size: Size
    """Bytes."""
    level: Annotated[int, Field(ge=1, le=3)] = 1
    """Its level."""
    associativity: Literal["none", "direct", "complex"] = "none"
    """How lines are found."""
    policy: Literal["none", "write-back", "write-through"] = "none"
    """How it is written."""
    line: U8 = 0
    """Bytes of a line."""


class GenericPortEntry(_Part):
    """A CXL host bridge as generic port of a node."""

    bus: Id
    """One of `buses`, with `cxl: true`."""
    node: NodeNumber
    """The node."""


class MachineLayout(_Part):
    """A machine as far as a guest can tell: functions, where they sit, memory, processors, NUMA nodes."""

    vpci: Annotated[Literal[1], NoTruth]
    """Version of the language."""
    machine: Name
    """Name of the machine; outputs are named after it."""
    version: Annotated[int, Field(ge=1)] = 1
    """Version of this layout. A published one is never edited."""
    about: Text = ""
    """One sentence for people."""
    architecture: Literal["x86-64", "aarch64"]
    """The guest's processors."""
    vmm: VmmEntry
    """The VMM."""
    cpus: Annotated[int, Field(ge=1, le=4096)]
    """Processors."""
    processor: ProcessorEntry | None = None
    """How they are arranged (default: one socket of single-threaded cores)."""
    nodes: Annotated[list[NodeEntry], Field(min_length=1, max_length=4096)]
    """NUMA nodes with processors or memory; those of devices come behind them, or where `first_node` says."""
    hotplug: HotplugEntry | None = None
    """Memory for later."""
    buses: dict[Id, BusEntry] = {}
    """Expander host bridges."""
    ports: dict[Id, PortEntry] = {}
    """Root ports, and downstream ports of switches."""
    switches: dict[Id, SwitchEntry] = {}
    """Switches."""
    viommu: ViommuEntry | None = None
    """A vIOMMU for the whole machine (intel-iommu)."""
    devices: dict[Id, DeviceEntry] = {}
    """Functions by name. What the host has for each is told at build time."""
    generic_ports: Annotated[list[GenericPortEntry], Field(max_length=256)] = []
    """CXL host bridges that are generic ports."""
    distances: DistancesEntry | None = None
    """Distances between nodes; left out: no SLIT."""
    latencies: Annotated[list[LocalityEntry], Field(max_length=100_000)] = []
    """Latencies and bandwidths; with them or `caches` there is an HMAT."""
    caches: Annotated[list[CacheEntry], Field(max_length=4096)] = []
    """Memory-side caches."""
    tables: Literal["vmm", "acpi-6.6"] = "vmm"
    """SRAT, SLIT and HMAT as the VMM makes them, or as ACPI 6.6 orders them: for the guest's initrd, in their place."""
    guest_nodes: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Nodes that the guest's kernel can have (1 << CONFIG_NODES_SHIFT); default: that of the architecture."""
