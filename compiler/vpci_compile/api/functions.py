"""Layouts of functions: compiled, written out, compared. A capture is one, too, by the layout that `import` writes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .. import pipeline
from ..diagnostics import Diagnostic, Report, Source
from ..ir import Function
from ..pipeline import Compiled
from .captures import import_capture
from .named import StrPath, compile_layout, is_layout, no_such_version

if TYPE_CHECKING:  # imported by the functions that need them: `check` starts faster without
    from ..diff import Difference
    from ..emit import Options
    from ..host import Realized


class Built(NamedTuple):
    """What a build gave: the function, the files of it (all), those that changed, and the warnings.

    `realized` says how a host makes it true, where one was named.
    """

    function: Function
    files: tuple[Path, ...]
    changed: tuple[Path, ...]
    diagnostics: tuple[Diagnostic, ...]
    realized: Realized | None = None


class HostOptions(NamedTuple):
    """A host to build for: its capture, which function of it, the stack, and options of the VMM's device."""

    capture: StrPath
    stack: str
    slot: str | None = None
    options: Mapping[str, str] = {}


def check(path: StrPath, options: Options | None = None) -> Compiled:
    """Compile a layout, ask its targets whether they can show it, and write nothing.

    `path` may be the name of a shipped layout, such as nvidia/gh200.
    """
    from .. import emit

    function, found = compile_layout(path)
    report = Report()
    report.diagnostics.extend(found)
    emit.check(function, options or emit.Options(), report)
    report.stop_on_errors()
    return Compiled(function, tuple(report.sorted()))


def build(
    path: StrPath,
    folder: StrPath,
    options: Options | None = None,
    *,
    guest_address: tuple[int, int, int, int] | None = None,
    first_node: int | None = None,
    host: HostOptions | None = None,
) -> Built:
    """Compile a layout and write all of its outputs into `folder`, or none of them.

    `guest_address` (segment, bus, device, function) and `first_node` (a proximity domain) replace the layout's own.
    With `host` nothing is written unless the layout can be made true there; its address goes into the outputs.

    Raises:
        ValueError: there is no such stack or option of a `host`.
        Failed: with every error.
    """
    from .. import emit
    from ..emit import Options, writer

    compiled, found = compile_layout(path)
    guest = compiled.guest
    if guest_address is not None:
        segment, bus, device, function = guest_address
        guest = guest._replace(segment=segment, bus=bus, device=device, function=function)
    if first_node is not None:
        guest = guest._replace(first_node=first_node)
    report = Report()
    report.diagnostics.extend(found)
    realized, options = None, options or Options()
    if host is not None:
        realized, options = _realize(compiled, host, options)
        report.diagnostics.extend(realized.diagnostics)
    artifacts = emit.artifacts(replace(compiled, guest=guest), options, report)
    changed = writer.write_all(Path(folder), artifacts, (path, *(() if host is None else (host.capture,))))
    files = tuple(Path(folder) / artifact.name for artifact in artifacts)
    return Built(compiled, files, tuple(changed), tuple(report.sorted()), realized)


def _realize(function: Function, wanted: HostOptions, options: Options) -> tuple[Realized, Options]:
    """How the host makes the function true; and the options of the build with the host's address and VMM."""
    from .. import host

    device = host.read_device(Path(wanted.capture), wanted.slot, os.fspath(wanted.capture))
    realized = host.realize(function, device, wanted.stack, wanted.options)
    below = realized.prediction.stack
    options = options._replace(host_address=device.capture.slot or options.host_address)
    return realized, options._replace(qemu_version=below.release) if below.vmm == "qemu" else options


def load(path: StrPath, slot: str | None = None) -> Compiled:
    """The function of a layout (.yaml) or, by way of `import_capture`, of a capture."""
    if is_layout(path) or no_such_version(path):
        return compile_layout(path)
    imported = import_capture(path, slot)
    # The lines are those of the layout that `import` writes, not of the capture.
    source = Source(f"import of {os.fspath(path)}", imported.text)
    compiled = pipeline.compile_source(source, Path(path))
    return Compiled(compiled.function, imported.diagnostics)


def compare(left: Function, right: Function) -> list[Difference]:
    """The differences between the contracts of two functions; empty when the contracts are equal."""
    from .. import diff as differ

    return differ.compare(left, right)
