"""A machine of QEMU's for OpenStack Nova: its part of nova.conf, and a script that makes the flavor.

Sources, of nova 34.0.0: nova/conf/pci.py ([pci] device_spec and alias), nova/pci/request.py (the schema of an alias),
nova/api/validation/extra_specs/hw.py and pci_passthrough.py, nova/objects/image_meta.py. Its own code judges both files
(tests/machines/test_nova.py); no flavor was made.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator

from ...diagnostics import Report, Span
from ...ir import ROM_INDEX, Kind
from ...ir.topology import Instance, System
from ..artifact import Artifact, Options
from . import host_facts, orchestrators, qemu
from .limits import MIB

_SRIOV = 0x10
_WIDEST_DOMAIN = 4  # digits


def check(system: System, options: Options, report: Report) -> None:
    """Report VPCI1974 for what Nova decides by itself, VPCI1975 for functions that it shows otherwise."""
    for span, what in _unsaid(system):
        report.add("VPCI1974", span, f"Nova has no words for {what}, and decides by itself")
    orchestrators.check_host("Nova", system, options, report)
    for one in system.devices:
        told = orchestrators.properties(one, system, options)
        if told:
            message = f"{one.name}: Nova cannot say {', '.join(told)} of a function, which is another one without"
            report.add("VPCI1975", one.origin, message)
        if one.name in options.sockets:
            report.add("VPCI1975", one.origin, f"{one.name}: Nova has no vfio-user")
        if len(host_facts.address(one, options).partition(":")[0]) > _WIDEST_DOMAIN:
            report.add("VPCI1975", one.origin, f"{one.name}: Nova has host addresses of domains up to ffff")
    if system.viommu is not None or any(bus.viommu for bus in system.buses):
        span = system.origins.get("viommu", system.origin)
        report.add("VPCI1975", span, "Nova has a vIOMMU for a whole machine, without the options that the layout has")


def _unsaid(system: System) -> Iterator[tuple[Span, str]]:
    yield from orchestrators.parts(system)
    if not _plain_nodes(system):
        yield system.origins["nodes"], "nodes without processors or memory of their own"
    if system.vendor:
        yield system.origins.get("processor", system.origin), "who made the processors"
    for one in system.devices:
        if not any(bar.index == ROM_INDEX for bar in one.function.bars):
            yield one.origin, f"hiding an expansion ROM, if the function of {one.name} has one"


def _own_nodes(system: System) -> list[int]:
    """The nodes that no function brings."""
    brought = {node for one in system.devices for node in one.nodes}
    return [number for number in range(len(system.machine.nodes)) if number not in brought]


def _plain_nodes(system: System) -> bool:
    """Whether each of them has processors and memory: Nova has no other ones."""
    used = {cpu.node for cpu in system.machine.cpus}
    return all(system.machine.nodes[number].memory and number in used for number in _own_nodes(system))


def emit(system: System, options: Options) -> list[Artifact]:
    """NAME.nova.conf, for hosts with these functions, and NAME.nova-flavor.sh, for the client."""
    rows = ["# Of nova-compute on a host with these functions.", "[pci]"]
    rows += [f"device_spec = {json.dumps(_spec(one, options))}" for one in system.devices]
    rows += ["", "# Of nova-api as well."]
    aliases = {_alias(one): one for one in system.devices}
    rows += [f"alias = {json.dumps(_asked(name, one))}" for name, one in aliases.items()]
    script = ["#!/bin/sh", "# $1 is the image: its machine type and its firmware are properties of images.", "set -e"]
    script.append(_lines(["openstack", "flavor", "create", system.name], _flavor(system, options.huge_pages)))
    image = [("--property", f"hw_machine_type={qemu.machine_type(system)}")]
    if orchestrators.architecture(system, "", "efi"):
        image.append(("--property", "hw_firmware_type=uefi"))
    script.append(_lines(["openstack", "image", "set"], image, last='"$1"'))
    return [
        Artifact(f"{system.name}.nova.conf", ("\n".join(rows) + "\n").encode()),
        Artifact(f"{system.name}.nova-flavor.sh", ("\n".join(script) + "\n").encode()),
    ]


def _lines(command: list[str], options: list[tuple[str, str]], last: str = "") -> str:
    """A command, an option a line."""
    parts = [shlex.join(command), *(shlex.join(pair) for pair in options), *([last] if last else [])]
    return " \\\n    ".join(parts)


def _alias(one: Instance) -> str:
    return one.function.name


def _asked(name: str, one: Instance) -> dict[str, str]:
    """An alias: what a flavor asks for by its name."""
    vendor, device = orchestrators.ids(one)
    row = {"name": name, "vendor_id": f"{vendor:04x}", "product_id": f"{device:04x}"}
    structures = one.function.physical.structures if one.function.physical else ()
    if any((kind, number) == (Kind.EXTENDED, _SRIOV) for kind, number, *_ in structures):
        row["device_type"] = "type-PF"
    if one.function.migrates:
        row["live_migratable"] = "yes"
    return row


def _spec(one: Instance, options: Options) -> dict[str, str]:
    """A function of the host that Nova may give away; the host has bound its driver."""
    vendor, device = orchestrators.ids(one)
    return {
        "address": host_facts.address(one, options),
        "vendor_id": f"{vendor:04x}",
        "product_id": f"{device:04x}",
        "managed": "no",
        "live_migratable": "yes" if one.function.migrates else "no",
    }


def _flavor(system: System, huge_pages: int) -> list[tuple[str, str]]:
    machine, parts = system.machine, system.processors
    wanted = Counter(_alias(one) for one in system.devices)
    specs = {
        "hw:cpu_sockets": parts.sockets,
        "hw:cpu_cores": parts.dies * parts.clusters * parts.cores,
        "hw:cpu_threads": parts.threads,
    } | ({"pci_passthrough:alias": ",".join(f"{name}:{count}" for name, count in wanted.items())} if wanted else {})
    if huge_pages:
        specs["hw:mem_page_size"] = huge_pages >> 10  # KiB, where nothing else is said
    own = _own_nodes(system)
    if len(own) > 1 and _plain_nodes(system):
        specs["hw:numa_nodes"] = len(own)
        for index, number in enumerate(own):
            cpus = ",".join(f"{a}-{b}" if a != b else str(a) for a, b in qemu.runs(machine, number))
            specs |= {f"hw:numa_cpus.{index}": cpus, f"hw:numa_mem.{index}": machine.nodes[number].memory // MIB}
    sizes = [("--vcpus", str(len(machine.cpus))), ("--ram", str(machine.memory // MIB)), ("--disk", "0")]
    return [*sizes, *(("--property", f"{key}={value}") for key, value in specs.items())]
