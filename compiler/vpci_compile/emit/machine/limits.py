"""What VMMs other than QEMU cannot make, in words that they share."""

from __future__ import annotations

import re

from ...diagnostics import Report
from ...ir import Origin
from ...ir.topology import Instance, System
from ..artifact import Options
from ..qemu.facts import clique, is_gpudirect
from . import host_facts

_HOST = re.compile(r"[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[01][0-9a-fA-F]\.[0-7]")
MIB = 1 << 20


def check(system: System, options: Options, report: Report) -> None:
    """Report VPCI1966 for what none of them has, VPCI1824 for a host address that is none."""
    machine = system.machine
    name = machine.vmm.name
    there = [
        ("buses", system.buses, "expander host bridges"),
        ("ports", system.ports, "root ports of the layout's choice"),
        ("viommu", system.viommu, "the vIOMMU of the layout"),
        ("generic_ports", machine.ports, "generic ports"),
        ("hotplug", machine.hotplug, "memory for later, as far as this project knows"),
        ("processor", system.processors.clusters > 1 or system.vendor, "clusters or a vendor of processors"),
    ]
    for key, found, what in there:
        if found:
            report.add("VPCI1966", system.origins.get(key, system.origin), f"{name} cannot make {what}")
    if any(node.memory % MIB for node in machine.nodes):
        report.add("VPCI1966", system.origins["nodes"], f"{name} has memory in MiB")
    for one in system.devices:
        if not _HOST.fullmatch(host_facts.address(one, options)):
            message = f"host address {host_facts.address(one, options)!r} is not a PCI address"
            report.add("VPCI1824", one.origin, message, help="domain:bus:device.function in hex, 0000:01:00.0")


def path(one: Instance, options: Options) -> str:
    """The same as a path of sysfs."""
    return f"/sys/bus/pci/devices/{host_facts.address(one, options)}"


def clique_of(one: Instance) -> int | None:
    """The GPUDirect clique that the layout asks for; None without one."""
    rows = [s for s in one.function.structures if s.source is Origin.SYNTHESIZED and is_gpudirect(one.function, s)]
    return clique(one.function, rows[0]) if rows else None


def refuse_cliques(system: System, report: Report) -> None:
    """Report VPCI1966 for a clique where the VMM makes none."""
    for one in system.devices:
        if clique_of(one) is not None:
            message = f"{one.name}: {system.machine.vmm.name} makes no GPUDirect clique"
            report.add("VPCI1966", one.origin, message)


def judged(system: System, report: Report) -> None:
    """Report VPCI1972: of each function's configuration space only QEMU's view is checked when it is built."""
    name = system.machine.vmm.name
    if system.devices:
        message = f"what {name} shows of the functions' configuration spaces is {name}'s choice, and not checked here"
        report.add("VPCI1972", system.origins["devices"], message, help=f"vpci-compile predict, with a stack of {name}")
