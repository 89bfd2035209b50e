"""A machine for Firecracker's developer preview of VFIO: experimental, as its branch is.

Sources: Firecracker's branch feature/vfio at 8c8fc631a (2026-08); src/firecracker/swagger/firecracker.yaml
(MachineConfiguration). Nothing was run.
"""

from __future__ import annotations

import json

from ...diagnostics import Report
from ...ir.topology import System
from ..artifact import Artifact, Options
from . import host_facts, limits

_MOST_CPUS = 32
_HUGE_PAGE = 2 << 20


def check(system: System, options: Options, report: Report) -> None:
    """Report VPCI1966 for what it cannot make, VPCI1972 for what it decides by itself."""
    limits.check(system, options, report)
    limits.refuse_cliques(system, report)
    machine = system.machine
    if len(machine.nodes) > 1 or machine.hmat or machine.initiators:
        report.add("VPCI1966", system.origins["nodes"], "firecracker has no NUMA: it takes no SRAT, SLIT or HMAT")
    if max(system.processors._replace(cores=1)) > 1:
        message = "firecracker has processors of one socket, of threads the host's own number (smt)"
        report.add("VPCI1966", system.origins["processor"], message)
    if len(machine.cpus) > _MOST_CPUS:
        report.add("VPCI1966", system.origins["cpus"], f"firecracker has {_MOST_CPUS} processors at most")
    if options.huge_pages not in (0, _HUGE_PAGE):
        report.add("VPCI1976", system.origin, "firecracker has huge pages of 2 MiB alone")
    limits.judged(system, report)
    for one in system.devices:
        report.add("VPCI1972", one.origin, f"{one.name}: firecracker has no option for a guest address")


def emit(system: System, options: Options) -> list[Artifact]:
    """NAME.firecracker.experimental.json, for `--enable-pci --config-file`, to be completed with a boot source."""
    machine = system.machine
    pages = {"huge_pages": "2M"} if options.huge_pages else {}
    told = {
        "machine-config": {"vcpu_count": len(machine.cpus), "mem_size_mib": machine.memory // limits.MIB, **pages},
        "vfio": [{"id": one.name, "sbdf": host_facts.address(one, options)} for one in system.devices],
    }
    return [Artifact(f"{system.name}.firecracker.experimental.json", (json.dumps(told, indent=2) + "\n").encode())]
