"""Layouts of machines, and the emulated machines that a QEMU makes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .. import loader, pipeline
from ..diagnostics import Diagnostic, Report
from ..pipeline import CompiledMachine
from .named import LAYOUT_SUFFIXES, StrPath, find

if TYPE_CHECKING:
    from ..emit import Options
    from ..host.machines import Probed
    from ..ir.topology import System


class BuiltMachine(NamedTuple):
    """What a build of a machine gave: the machine, its files, those that changed, and the warnings."""

    system: System
    files: tuple[Path, ...]
    changed: tuple[Path, ...]
    diagnostics: tuple[Diagnostic, ...]


def is_machine(path: StrPath) -> bool:
    """Whether a layout describes a machine; of a file that cannot be read: no, its reader says why."""
    where, shown = find(path)
    if not loader.exists(where) or where.is_dir() or where.suffix not in LAYOUT_SUFFIXES:
        return False
    return pipeline.says_machine(loader.read_source(where, shown))


def load_machine(path: StrPath) -> CompiledMachine:
    """The machine of a machine layout. Raises as `check`."""
    where, shown = find(path)
    return pipeline.compile_machine(loader.read_source(where, shown), where)


def check_machine(path: StrPath, options: Options | None = None) -> CompiledMachine:
    """Compile a machine layout, ask its VMM whether it can make the machine, and write nothing."""
    from .. import emit

    system, found = load_machine(path)
    report = Report()
    report.diagnostics.extend(found)
    emit.check_machine(system, options or emit.Options(), report)
    report.stop_on_errors()
    return CompiledMachine(system, tuple(report.sorted()))


def build_machine(path: StrPath, folder: StrPath, options: Options | None = None) -> BuiltMachine:
    """Compile a machine layout and write all of its outputs into `folder`, or none of them. Raises as `build`.

    Raises:
        ValueError: `options` name a device that the machine does not have.
    """
    from .. import emit
    from ..emit import writer

    system, found = load_machine(path)
    options = options or emit.Options()
    known = [one.name for one in system.devices]
    if unknown := {*options.host_devices, *options.sockets} - {*known}:
        raise ValueError(f"the machine has no device '{min(unknown)}'; its devices: {', '.join(known) or 'none'}")
    report = Report()
    report.diagnostics.extend(found)
    artifacts = emit.machine_artifacts(system, options, report)
    changed = writer.write_all(Path(folder), artifacts, (path,))
    files = tuple(Path(folder) / artifact.name for artifact in artifacts)
    return BuiltMachine(system, files, tuple(changed), tuple(report.sorted()))


def probe(
    qemu: StrPath | None, machine: str, devices: Sequence[str], arguments: Sequence[str], ids: Sequence[str]
) -> str:
    """Ask a QEMU what it takes in a migration of an emulated machine: the text of a probe file.

    `devices` are its `-device` options, `arguments` others; `ids` name the functions to ask about, all devices if none.

    Raises:
        Failed: VPCI2001 (no QEMU), VPCI2002 (too old), VPCI2008 (it does not make this machine), VPCI2009 (no such id).
    """
    from ..live import probing

    return probing.probe_text(None if qemu is None else Path(qemu), machine, devices, arguments, ids)


def machine(path: StrPath) -> Probed | None:
    """The emulated machine in a file that `probe` wrote; None for every other file. Raises `Failed`."""
    from ..host import machines

    return machines.read(Path(path), os.fspath(path))
