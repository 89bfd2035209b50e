"""From a function to files: one emitter a target, each a pure function of the function and the options."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from ..diagnostics import Report
from ..ir import Function
from .artifact import Artifact, Options

if TYPE_CHECKING:
    from ..ir.topology import System


def check(function: Function, options: Options, report: Report) -> None:
    """Report what the targets that the layout names cannot express."""
    if "qemu" in function.targets:
        from . import qemu

        qemu.check(function, options, report)


def artifacts(function: Function, options: Options, report: Report) -> list[Artifact]:
    """Every file that the function gives, named after it.

    Each target first says what it cannot express.

    Raises:
        Failed: with those complaints; then nothing is to be written.
    """
    # Imported here: `show` and `diff` need none of them.
    from . import c_header, image, lspci_text, qemu, srat

    emitters = [image.emit, lspci_text.emit, c_header.emit, srat.emit]
    check(function, options, report)
    if "qemu" in function.targets:
        emitters.append(qemu.emit)
    report.stop_on_errors()
    return [artifact for emit in emitters for artifact in emit(function, options)]


def check_machine(system: System, options: Options, report: Report) -> Options:
    """Report VPCI1824 for an address of the host that two functions have, and what the machine's VMM cannot make.

    Gives back the options with all facts of the host.
    """
    from .machine import host_facts

    host_facts.check(system, options, report)
    options = host_facts.completed(system, options)
    holders: dict[str, str] = {}
    for one in system.devices:
        address = options.host_devices.get(one.name, "").lower()
        if address and (other := holders.setdefault(address, one.name)) != one.name:
            report.add("VPCI1824", one.origin, f"{one.name} and {other} have the same address on the host: {address}")
    if system.machine.vmm.name == "qemu":
        from .machine import libvirt, qemu, readconfig, tables, verdicts

        tables.check(system, report)
        qemu.check(system, options, report)
        if not report.failed:
            verdicts.check(system, report)
        if not report.failed:
            libvirt.check(system, options, report)
            readconfig.check(system, options, report)
    else:
        _other_vmm(system.machine.vmm.name).check(system, options, report)
    for name in options.orchestrators:
        if system.machine.vmm.name == "qemu":
            _other_vmm(name).check(system, options, report)
        else:
            report.add("VPCI1975", system.origin, f"{name} runs machines of QEMU's alone")
    return options


def _other_vmm(name: str) -> ModuleType:
    """The emitter for a VMM that is not QEMU, or for an orchestrator: it has `check` and `emit`."""
    return import_module(f".machine.{name.replace('-', '_')}", __name__)


def machine_artifacts(system: System, options: Options, report: Report) -> list[Artifact]:
    """Every file that the machine gives, named after it. Raises as `artifacts`."""
    from .machine import header, host_facts, image, libvirt, qemu, readconfig, tables

    emitters = [image.emit, tables.emit, header.emit]
    options = check_machine(system, options, report)
    system = host_facts.made(system, options)
    if system.machine.vmm.name == "qemu":
        emitters += [qemu.emit, libvirt.emit, readconfig.emit]
    else:
        emitters.append(_other_vmm(system.machine.vmm.name).emit)
    emitters += [_other_vmm(name).emit for name in options.orchestrators]
    report.stop_on_errors()
    return [artifact for emit in emitters for artifact in emit(system, options)]


__all__ = ["Artifact", "Options", "artifacts", "check", "check_machine", "machine_artifacts"]
