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
    machine, processors = system.machine, system.processors
    there = [
        ("devices", system.devices, "the places of functions in the guest"),
        ("buses", system.buses, "expander host bridges"),
        ("ports", system.ports, "root ports and their windows"),
        ("switches", system.switches, "switches"),
        ("generic_ports", machine.ports, "generic ports"),
        ("devices", machine.initiators, "NUMA nodes that functions bring"),
        ("distances", machine.distances, "distances between nodes"),
        ("latencies", machine.hmat, "latencies, bandwidths and memory-side caches"),
        ("hotplug", machine.hotplug, "memory for later"),
        ("processor", processors.dies > 1 or processors.clusters > 1, "dies and clusters"),
    ]
    yield from ((system.origins.get(key, system.origin), what) for key, found, what in there if found)


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
