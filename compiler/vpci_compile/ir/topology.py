"""A machine with everything that a VMM must be told of it: buses, ports, functions, and what its tables are made from.

Frozen values, standard library only. Sizes and addresses in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..diagnostics import Span
from .function import Function
from .machine import Machine

ROOT = "root"
"""The name of the machine's own root bus."""


class Viommu(NamedTuple):
    """A vIOMMU: "smmuv3" or "intel-iommu"; `pasid_bits` is 0 where it offers no PASID."""

    type: str
    accel: bool
    ats: bool
    pasid_bits: int


class Processors(NamedTuple):
    """How many of each there are in the next larger one (QEMU's `-smp`)."""

    sockets: int
    dies: int
    clusters: int
    cores: int
    threads: int


class Bus(NamedTuple):
    """An expander host bridge beside the root bus; `slot` is its own device number there."""

    name: str
    number: int
    slot: int
    node: int | None
    cxl: bool
    viommu: Viommu | None
    origin: Span


class PciePort(NamedTuple):
    """A root port on `bus` (ROOT, or an expander's name), or a downstream port, whose `bus` is its switch's name.

    `primary` is the number of that bus, `secondary` that of the bus behind the port and `subordinate` the last one
    below, as firmware will give them; `window` is its 64-bit prefetchable window, 0 for none.
    """

    name: str
    bus: str
    slot: int
    function: int
    primary: int
    secondary: int
    subordinate: int
    window: int
    io: bool
    chassis: int
    origin: Span


class Switch(NamedTuple):
    """A switch: its upstream port is device 0 behind `port`, its downstream ports are on bus `number` inside."""

    name: str
    port: str
    number: int
    origin: Span


class Instance(NamedTuple):
    """A function of the machine: its compiled layout with its guest address, behind `port` ("" for none) on `bus`.

    `nodes` are the proximity domains that it is the generic initiator of; `near` the node that a guest is to find it
    near to, None where nobody says; `memory_base` the guest address of its coherent memory, None as before.
    """

    name: str
    layout: str
    function: Function
    port: str
    bus: str
    nodes: tuple[int, ...]
    near: int | None
    memory_base: int | None
    origin: Span


@dataclass(frozen=True)
class System:
    """A compiled machine layout; `machine` is what the ACPI tables are made from.

    `type_release` is the version of QEMU's machine type. `ports` are in the order in which firmware meets them, so that
    each stands behind those above it. `window` is the sum of the 64-bit windows of all root ports, and
    `pci_hole` the least power of two that holds them aligned, with room for functions that the layout does not name.
    `vendor` is that of the processors ("intel", "amd"), "" where nobody says. `specified` says that the guest's tables
    are those of ACPI 6.6 and not its VMM's.
    """

    name: str
    version: int
    about: str
    machine: Machine
    type_release: tuple[int, int]
    processors: Processors
    vendor: str
    buses: tuple[Bus, ...]
    ports: tuple[PciePort, ...]
    switches: tuple[Switch, ...]
    devices: tuple[Instance, ...]
    viommu: Viommu | None
    window: int
    pci_hole: int
    specified: bool
    guest_nodes: int | None
    origin: Span
    origins: Mapping[str, Span]

    def port(self, name: str) -> PciePort | None:
        """The port of this name."""
        return next((one for one in self.ports if one.name == name), None)

    def bus(self, name: str) -> Bus | None:
        """The expander of this name; None for the root bus."""
        return next((one for one in self.buses if one.name == name), None)

    def switch(self, name: str) -> Switch | None:
        """The switch of this name."""
        return next((one for one in self.switches if one.name == name), None)

    def switch_behind(self, port: PciePort) -> Switch | None:
        """The switch whose upstream port is behind a port."""
        return next((one for one in self.switches if one.port == port.name), None)
