"""A machine for cloud-hypervisor: its command line, and the body of `PUT /api/v1/vm.create`.

Sources: cloud-hypervisor's source at ae44c2971 (2026-08); of the body vmm/src/api/openapi/cloud-hypervisor.yaml at
00f68228, of the command line vmm/src/config.rs (`topology` is threads, cores, dies, packages). Nothing was run. It
makes its own ACPI tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...diagnostics import Report
from ...ir.topology import Instance, System
from ..artifact import Artifact, Options
from ..qemu import script_lines
from . import apertures, limits
from .qemu import runs

_PLACES = (52, 0)  # pci_device_id
_MOST_CLIQUES = 15  # NVIDIA's field has four bits; the VMM takes more, and spoils its neighbours
_INITIATORS = (54, 0)  # up to v53 the handle in SRAT names another function (#8766)


def check(system: System, options: Options, report: Report) -> None:
    """Report VPCI1966 for what it cannot make, VPCI1972 for what it decides by itself."""
    limits.check(system, options, report)
    machine, own = system.machine, system.machine.vmm.release
    if machine.hmat:
        span = system.origins.get("latencies", system.origin)
        report.add("VPCI1966", span, "cloud-hypervisor makes no HMAT")
    if machine.initiators and own < _INITIATORS:
        message = "cloud-hypervisor up to 53 names the wrong function as generic initiator: that needs 54.0 or newer"
        report.add("VPCI1966", system.origins["devices"], message)
    for one in system.devices:
        if one.function.guest.function:
            message = f"{one.name}: cloud-hypervisor has function 0 of a slot alone"
            report.add("VPCI1966", one.origin, message)
        if own < _PLACES:
            message = f"{one.name}: cloud-hypervisor has no option for a guest address before 52.0"
            report.add("VPCI1966", one.origin, message)
        if (clique := limits.clique_of(one)) is not None and clique > _MOST_CLIQUES:
            report.add("VPCI1966", one.origin, f"{one.name}: cliques go up to {_MOST_CLIQUES}")
    if not apertures.plan(system).fits:
        message = "the BARs of its functions have no room in the windows of cloud-hypervisor's PCI segments"
        help_ = "segment: another one, for some of the devices"
        report.add("VPCI1966", system.origins["devices"], message, help=help_)
    limits.judged(system, report)


def body(system: System, options: Options) -> dict[str, Any]:
    """The body of vm.create, but for the payload and disks."""
    machine, parts = system.machine, system.processors
    topology = {
        "threads_per_core": parts.threads, "cores_per_die": parts.cores, "dies_per_package": parts.dies,
        "packages": parts.sockets,
    }  # fmt: skip
    count = len(machine.cpus)
    devices = [
        {
            "path": limits.path(one, options),
            **_place(one),
            **({} if limits.clique_of(one) is None else {"x_nv_gpudirect_clique": limits.clique_of(one)}),
        }
        for one in system.devices
        if one.name not in options.sockets
    ]
    served = [
        {"socket": options.sockets[one.name], **_place(one)} for one in system.devices if one.name in options.sockets
    ]
    near = {one.function.guest.segment: one.near for one in system.devices if one.near is not None}
    brought = {node: one.name for one in system.devices for node in one.nodes}
    pages = {"hugepages": True, "hugepage_size": options.huge_pages} if options.huge_pages else {}
    backing = {**pages, **({"shared": True} if served else {})}
    zones = [{"id": f"ram{n}", "size": node.memory, **backing} for n, node in enumerate(machine.nodes) if node.memory]
    numa: list[dict[str, Any]] = []
    for number, node in enumerate(machine.nodes):
        row: dict[str, Any] = {"guest_numa_id": number}
        if number in brought:
            row["device_id"] = brought[number]
        cpus = [cpu for first, last in runs(machine, number) for cpu in range(first, last + 1)]
        row |= {"cpus": cpus} if cpus else {}
        row |= {"memory_zones": [f"ram{number}"]} if node.memory else {}
        far = [{"destination": b, "distance": v} for (a, b), v in sorted(machine.distances.items()) if a == number != b]
        segments = sorted(segment for segment, own in near.items() if own == number)
        row |= {"pci_segments": segments} if segments else {}
        row |= {"distances": far} if far else {}
        numa.append(row)
    windows = apertures.plan(system)
    told: dict[str, Any] = {
        "cpus": {"boot_vcpus": count, "max_vcpus": count, "topology": topology},
        "memory": {"size": 0, "zones": zones},
        "platform": {"num_pci_segments": len(windows.high)},
        "numa": numa,
        "devices": devices,
    }
    if served:
        told["user_devices"] = served
    if windows.bits != apertures.DEFAULT_BITS:
        told["cpus"]["max_phys_bits"] = windows.bits
    if any(one.weight > 1 for one in (*windows.low, *windows.high)):
        told["pci_segments"] = [
            {"pci_segment": low.segment, "mmio32_aperture_weight": low.weight, "mmio64_aperture_weight": high.weight}
            for low, high in zip(windows.low, windows.high, strict=True)
        ]
    return told


def emit(system: System, options: Options) -> list[Artifact]:
    """NAME.cloud-hypervisor.vm-create.json, and NAME.cloud-hypervisor.sh."""
    told = body(system, options)
    parts = told["cpus"]["topology"].values()
    cpus = f"boot={told['cpus']['boot_vcpus']},topology={':'.join(map(str, parts))}"
    if "max_phys_bits" in told["cpus"]:
        cpus += f",max_phys_bits={told['cpus']['max_phys_bits']}"
    argv = ["--cpus", cpus, "--memory", "size=0"]
    argv += ["--memory-zone", *(_row(zone) for zone in told["memory"]["zones"])]
    argv += ["--platform", f"num_pci_segments={told['platform']['num_pci_segments']}"]
    if "pci_segments" in told:
        argv += ["--pci-segment", *map(_row, told["pci_segments"])]
    argv.append("--numa")
    for row in told["numa"]:
        far = row.get("distances")
        text = _row({name: value for name, value in row.items() if name != "distances"})
        argv.append(
            text + (f",distances=[{','.join('{destination}@{distance}'.format(**d) for d in far)}]" if far else "")
        )
    if told["devices"]:
        argv += ["--device", *map(_row, told["devices"])]
    if "user_devices" in told:
        argv += ["--user-device", *map(_row, told["user_devices"])]
    if options.monitor:
        argv += ["--api-socket", f"path={options.monitor}"]
    script = (
        "#!/bin/sh\n"
        "# Starts the machine; what is given to this script follows: a kernel or firmware, disks, a console.\n"
        f'exec cloud-hypervisor {script_lines(argv)} \\\n    "$@"\n'
    )
    stem = f"{system.name}.cloud-hypervisor"
    return [
        Artifact(f"{stem}.vm-create.json", (json.dumps(told, indent=2) + "\n").encode()),
        Artifact(f"{stem}.sh", script.encode()),
    ]


def _place(one: Instance) -> dict[str, Any]:
    guest = one.function.guest
    return {"id": one.name, "pci_segment": guest.segment, "pci_device_id": guest.device}


def _row(told: Mapping[str, object]) -> str:
    """One value of an option."""
    return ",".join(f"{key}={_value(value)}" for key, value in told.items())


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)
