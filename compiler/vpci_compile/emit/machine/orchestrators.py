"""What KubeVirt and Nova share: they ask for functions by ids, and have no words for many parts of a machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...diagnostics import Report, Span
from ...ir.machine import Architecture
from ...ir.topology import Instance, System
from .. import qemu
from ..artifact import Options
from .qemu import host_options

_OWN = {"driver", "id", "bus", "addr", "host", "sysfsdev", "iommufd", "rombar", "multifunction"}


class Ids(NamedTuple):
    """Vendor and device of a function of the host."""

    vendor: int
    device: int


def ids(one: Instance) -> Ids:
    """Those of the device itself, which can differ from what the guest is shown."""
    own = one.function.physical.ids if one.function.physical else {}
    shown = one.function.config
    return Ids(own.get("vendor", shown.number("value", 0, 2)), own.get("device", shown.number("value", 2, 2)))


def properties(one: Instance, system: System, options: Options) -> dict[str, object]:
    """Options of vfio-pci that make the function what it is, but for its place."""
    row, _ = qemu.of_device(one.function, host_options(one, options, system.machine))
    return {name: value for name, value in row.items() if name not in _OWN}


def parts(system: System) -> Iterator[tuple[Span, str]]:
    """Parts of the machine that neither has words for, each with its place in the layout."""

    def at(key: str) -> Span:
        return system.origins.get(key, system.origin)

    machine, processors = system.machine, system.processors
    if system.devices:
        yield at("devices"), "the places of functions in the guest"
    if system.buses:
        yield at("buses"), "expander host bridges"
    if system.ports:
        yield at("ports"), "root ports and their windows"
    if system.switches:
        yield at("switches"), "switches"
    if machine.ports:
        yield at("generic_ports"), "generic ports"
    if machine.initiators:
        yield at("devices"), "NUMA nodes that functions bring"
    if machine.distances:
        yield at("distances"), "distances between nodes"
    if machine.hmat:
        yield at("latencies"), "latencies, bandwidths and memory-side caches"
    if machine.hotplug:
        yield at("hotplug"), "memory for later"
    if processors.dies > 1 or processors.clusters > 1:
        yield at("processor"), "dies and clusters"


def same_ids(system: System) -> Iterator[tuple[Instance, Instance]]:
    """Functions of different layouts that nobody can tell apart by their ids."""
    first: dict[Ids, Instance] = {}
    for one in system.devices:
        other = first.setdefault(ids(one), one)
        if other.function.digest != one.function.digest:
            yield one, other


def check_host(name: str, system: System, options: Options, report: Report) -> None:
    """Report VPCI1974 for what `name` decides about functions of the host, and for facts that it has of its own."""
    if system.devices:
        message = f"{name} chooses which function of the host each one is, by vendor and device"
        report.add("VPCI1974", system.origins["devices"], message)
    for one, other in same_ids(system):
        message = f"{name} cannot tell {one.name} from {other.name}: their ids are the same"
        report.add("VPCI1974", one.origin, message, help="two kinds of hosts, each with functions of one of them")
    if options.monitor or options.iommufd_fd is not None:
        message = f"{name} takes nothing of what was told of a monitor or of iommufd: it has its own"
        report.add("VPCI1974", system.origin, message)


def architecture(system: System, x86: str, arm: str) -> str:
    """The word for the guest's processors."""
    return arm if system.machine.architecture is Architecture.AARCH64 else x86
