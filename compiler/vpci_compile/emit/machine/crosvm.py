"""A machine for crosvm: flags, and the ACPI tables that it makes none of and takes as files.

Source: crosvm's source at f1e797a68 (2026-08), src/crosvm/cmdline.rs and config.rs (--cpus, --mem, --vfio, --socket,
--acpi-table), x86_64/src/lib.rs (where its RAM is); nothing was run.
"""

from __future__ import annotations

import shlex

from ...diagnostics import Report
from ...ir.machine import Architecture
from ...ir.topology import System
from ..artifact import Artifact, Options
from . import limits, tables


def check(system: System, options: Options, report: Report) -> None:
    """Report VPCI1966 for what it cannot make, VPCI1972 for what it decides by itself."""
    limits.check(system, options, report)
    limits.refuse_cliques(system, report)
    machine = system.machine
    if tables.is_numa(machine) and machine.architecture is not Architecture.X86_64:
        message = "crosvm makes no NUMA nodes, and where its RAM is on aarch64 is not known"
        report.add("VPCI1966", system.origins["nodes"], message)
    if max(system.processors._replace(cores=1)) > 1:
        report.add("VPCI1966", system.origins["processor"], "crosvm has processors of one socket, without threads")
    for one in system.devices:
        if one.function.guest.segment:
            report.add("VPCI1966", one.origin, f"{one.name}: crosvm has segment 0 only")
    if not report.failed:
        tables.check(system, report)
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
    own = [f' --acpi-table "$here/{system.name}.{one.header.signature.lower()}.aml"' for one in tables.tables(system)]
    script = (
        "#!/bin/sh\n# Starts the machine; what is given to this script follows: disks, a console, a kernel.\n"
        + ('here=$(dirname "$0")  # where its tables are, too\n' if own else "")
        + f'exec crosvm run {shlex.join(argv)}{"".join(own)} "$@"\n'
    )
    return [Artifact(f"{system.name}.crosvm.sh", script.encode())]
