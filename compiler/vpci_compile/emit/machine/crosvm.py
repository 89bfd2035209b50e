"""A machine for crosvm: flags. It takes ACPI tables as files, and a SRAT needs to know where its RAM is, which this
project does not: a machine of more than one node is refused.

Source: crosvm's source at f1e797a68 (2026-08); nothing was run.
"""

from __future__ import annotations

import shlex

from ...diagnostics import Report
from ...ir.topology import System
from ..artifact import Artifact, Options
from . import limits


def check(system: System, options: Options, report: Report) -> None:
    """Report VPCI1966 for what it cannot make, VPCI1972 for what it decides by itself."""
    limits.check(system, options, report)
    limits.refuse_cliques(system, report)
    machine = system.machine
    if len(machine.nodes) > 1 or machine.hmat or machine.initiators:
        report.add("VPCI1966", system.origins["nodes"], "crosvm makes no NUMA nodes, and where its RAM is is not known")
    if max(system.processors._replace(cores=1)) > 1:
        report.add("VPCI1966", system.origins["processor"], "crosvm has processors of one socket, without threads")
    for one in system.devices:
        if one.function.guest.segment:
            report.add("VPCI1966", one.origin, f"{one.name}: crosvm has segment 0 only")
    limits.judged(system, report)


def emit(system: System, options: Options) -> list[Artifact]:
    """NAME.crosvm.sh."""
    machine = system.machine
    argv = ["--cpus", str(len(machine.cpus)), "--mem", str(machine.memory // limits.MIB)]
    if options.monitor:
        argv += ["--socket", options.monitor]
    for one in system.devices:
        guest = one.function.guest
        place = f"{guest.bus:02x}:{guest.device:02x}.{guest.function}"
        argv += ["--vfio", f"{limits.path(one, options)},guest-address={place},iommu=off"]
    script = (
        "#!/bin/sh\n# Starts the machine; what is given to this script follows: disks, a console, a kernel.\n"
        f'exec crosvm run {shlex.join(argv)} "$@"\n'
    )
    return [Artifact(f"{system.name}.crosvm.sh", script.encode())]
