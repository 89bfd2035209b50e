"""READ FIRST: the story in one screen.

    text --loader--> tree with positions --spec--> typed layout --passes--> function --emit--> files

Each stage collects its complaints; the next one starts only if there are no errors.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from . import loader, passes, spec
from .catalog import libraries
from .diagnostics import Diagnostic, Report, Severity, Source, failure, nearest, whole_file
from .ir import Function, Kind
from .loader import Node
from .passes import device

if TYPE_CHECKING:  # a machine's: functions start faster without
    from .ir.topology import System


class Compiled(NamedTuple):
    """A function, and the warnings and notes on the way to it."""

    function: Function
    diagnostics: tuple[Diagnostic, ...]


def compile_file(path: Path, shown: str | None = None, values: Node | None = None) -> Compiled:
    """Compile the layout at `path`; diagnostics call it `shown`. `values` are for its parameters.

    Raises:
        Failed: with every complaint of the first stage that had errors.
    """
    return compile_source(loader.read_source(path, shown), path, values)


def compile_source(source: Source, path: Path, values: Node | None = None) -> Compiled:
    """Compile a layout's text; `path` is where it stands, for `extends` and captures. Raises as `compile_file`."""
    report = Report()
    layout, tree = typed_layout(source, path, report, values)
    captured, walked = _capture(layout, tree, path, report)
    physical = device.physical(layout, tree, report, captured, walked)
    function = passes.compile_function(layout, tree, report, captured, physical)
    return Compiled(function, tuple(report.sorted()))


class CompiledMachine(NamedTuple):
    """A machine, and the warnings and notes on the way to it."""

    system: System
    diagnostics: tuple[Diagnostic, ...]


def says_machine(source: Source) -> bool:
    """Whether a document describes a machine, and not a function: by its keys at the first column."""
    keys = re.findall(r"^([a-z]+)\s*:", source.text, re.MULTILINE)
    return "machine" in keys and "device" not in keys


def compile_machine(source: Source, path: Path) -> CompiledMachine:
    """Compile a machine layout's text; `path` is where it stands, for the layouts of its devices.

    Raises:
        Failed: with every complaint of the first stage that had errors; those of a device's layout are its own.
    """
    from .acpi import qemu, qemu_cpus
    from .ir.machine import Architecture
    from .passes import numa
    from .passes.machine import compile_machine as passes_of_a_machine

    tree, report = loader.parse(source), Report()
    layout = spec.machine_layout(tree, report)
    functions: dict[str, Function] = {}
    known: dict[tuple[str, str], Function] = {}
    for name, entry in layout.devices.items():
        own = (entry.layout, repr(sorted(entry.with_.items())))
        if own not in known:
            found = find_layout(path, entry.layout)
            if found is None:
                span = tree.span_of("devices", name, "layout")
                message = f"there is no layout '{entry.layout}'"
                near = nearest(entry.layout, libraries.layouts())
                report.add("VPCI1960", span, message, help=[f"did you mean '{one}'?" for one in near])
                continue
            values = tree.find(["devices", name, "with"]) if entry.with_ else None
            compiled = compile_file(*found, values)
            # What is noted of a layout matters to whoever writes it.
            report.diagnostics.extend(one for one in compiled.diagnostics if one.severity is not Severity.NOTE)
            known[own] = compiled.function
        functions[name] = known[own]
    report.stop_on_errors()
    processors = numa.processors(layout, tree, report)
    ids = qemu_cpus.ids(Architecture(layout.architecture), qemu_cpus.Topology(**processors._asdict()))
    system = passes_of_a_machine(layout, tree, report, functions, processors, ids)
    if layout.vmm.initiator_ids == "ascending":
        system = replace(system, machine=qemu.ascending(system.machine))
    return CompiledMachine(system, tuple(report.sorted()))


def typed_layout(
    source: Source, path: Path, report: Report, values: Node | None = None
) -> tuple[spec.DeviceLayout, Node]:
    """The layout's text as a typed document with its bases below it, and the tree that it came from.

    Raises:
        Failed: VPCI1007, it is a machine; else with every complaint of the first stage that had errors.
    """
    if says_machine(source):
        way_out = "build, check, show, explain, diff and report take machines"
        raise failure(
            "VPCI1007", whole_file(source.path), "this is the layout of a machine, not of a function", help=way_out
        )
    tree = spec.resolve(loader.parse(source), path, find_layout, report, values)
    return spec.device_layout(tree, report), tree


def find_layout(path: Path, name: str) -> tuple[Path, str] | None:
    """The file that the layout at `path` calls `name`: a path from there, or a layout of a library (nvidia/gh200@1).

    With it comes the path that diagnostics show: relative below the working folder.
    """
    beside = path.parent / name
    found = beside if loader.exists(beside) and beside.is_file() else libraries.find(name)
    if found is None:
        return None
    below = os.path.relpath(found)
    return found, str(found) if below.startswith(os.pardir) else below


def _capture(
    layout: spec.DeviceLayout, tree: Node, path: Path, report: Report
) -> tuple[bytes, list[tuple[Kind, int, int, int]]]:
    """The bytes of the device that the layout names, and the structures in them."""
    entry = layout.physical
    if entry is None or entry.capture is None:
        return b"", []
    from . import capture  # most layouts name none

    span = tree.span_of("physical", "capture")
    # A base names its capture from where the base stands.
    named_in = path if span.source is tree.span.source else Path(span.path)
    where = named_in.parent / entry.capture
    if not loader.exists(where):
        message = f"cannot read '{entry.capture}': no such file"
        raise failure("VPCI1001", span, message, help="the path counts from this file")
    read = capture.read(where, entry.slot, entry.capture)
    for diagnostic in read.diagnostics:
        report.diagnostics.append(diagnostic)
    return read.data, capture.structures(read.data)
