"""What the commands do, as functions: the Python interface.

Every function raises `Failed` (with diagnostics) for what a user did wrong, and returns values; none prints.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from . import loader, pipeline, resources
from .diagnostics import Diagnostic, Report, Source, failure, nearest, whole_file
from .ir import Function
from .pipeline import Compiled

if TYPE_CHECKING:  # imported by the functions that need them: `check` starts faster without
    from .diff import Difference
    from .emit import Options

LAYOUT_SUFFIXES = (".yaml", ".yml")
StrPath = str | os.PathLike[str]


class Built(NamedTuple):
    """What a build gave: the function, the files of it (all), those that changed, and the warnings."""

    function: Function
    files: tuple[Path, ...]
    changed: tuple[Path, ...]
    diagnostics: tuple[Diagnostic, ...]


class Imported(NamedTuple):
    """The layout that describes a capture, and what could not be accounted for."""

    text: str
    diagnostics: tuple[Diagnostic, ...]


def check(path: StrPath, options: Options | None = None) -> Compiled:
    """Compile a layout, ask its targets whether they can show it, and write nothing.

    `path` may be the name of a shipped layout, such as nvidia/gh200.
    """
    from . import emit

    function, found = _compile(path)
    report = Report()
    report.diagnostics.extend(found)
    emit.check(function, options or emit.Options(), report)
    report.stop_on_errors()
    return Compiled(function, tuple(report.sorted()))


def _compile(path: StrPath) -> Compiled:
    shipped = _shipped(path)
    if shipped is None and not loader.exists(Path(path)):
        near = nearest(os.fspath(path), resources.layouts())
        if near:
            message = f"there is no file and no shipped layout '{os.fspath(path)}'"
            raise failure("VPCI1001", whole_file(os.fspath(path)), message, help=f"did you mean '{near[0]}'?")
    return pipeline.compile_file(*(shipped or (Path(path), os.fspath(path))))


def _shipped(path: StrPath) -> tuple[Path, str] | None:
    """The shipped layout that `path` is the name of, unless there is such a file."""
    return None if loader.exists(Path(path)) else pipeline.find_layout(Path(path), os.fspath(path))


def build(
    path: StrPath,
    folder: StrPath,
    options: Options | None = None,
    *,
    guest_address: tuple[int, int, int, int] | None = None,
    first_node: int | None = None,
) -> Built:
    """Compile a layout and write all of its outputs into `folder`, or none of them.

    `guest_address` (segment, bus, device, function) and `first_node` (a proximity domain) replace the layout's own.
    """
    from . import emit
    from .emit import Options, writer

    compiled, found = _compile(path)
    guest = compiled.guest
    if guest_address is not None:
        segment, bus, device, function = guest_address
        guest = guest._replace(segment=segment, bus=bus, device=device, function=function)
    if first_node is not None:
        guest = guest._replace(first_node=first_node)
    report = Report()
    report.diagnostics.extend(found)
    artifacts = emit.artifacts(replace(compiled, guest=guest), options or Options(), report)
    changed = writer.write_all(Path(folder), artifacts)
    files = tuple(Path(folder) / artifact.name for artifact in artifacts)
    return Built(compiled, files, tuple(changed), tuple(report.sorted()))


def import_capture(path: StrPath, slot: str | None = None) -> Imported:
    """A layout for the function in a capture (lspci text, a sysfs folder, raw bytes); `slot` picks one of many."""
    from . import capture

    read = capture.read(Path(path), slot, os.fspath(path))
    text, diagnostics = capture.layout_text(read, _compile_text)
    return Imported(text, (*read.diagnostics, *diagnostics))


def _compile_text(text: str) -> Function:
    return pipeline.compile_source(Source("<import>", text), Path("import.yaml")).function


def is_layout(path: StrPath) -> bool:
    """Whether `load` takes `path` for a layout: a .yaml file, or the name of a shipped one."""
    folder = loader.exists(Path(path)) and Path(path).is_dir()
    return (Path(path).suffix in LAYOUT_SUFFIXES and not folder) or _shipped(path) is not None


def load(path: StrPath, slot: str | None = None) -> Compiled:
    """The function of a layout (.yaml) or, by way of `import_capture`, of a capture."""
    if is_layout(path):
        return _compile(path)
    imported = import_capture(path, slot)
    # The lines are those of the layout that `import` writes, not of the capture.
    source = Source(f"import of {os.fspath(path)}", imported.text)
    compiled = pipeline.compile_source(source, Path(path))
    return Compiled(compiled.function, imported.diagnostics)


def diff(left: StrPath, right: StrPath, slots: tuple[str | None, str | None] = (None, None)) -> list[Difference]:
    """The differences between the contracts of two layouts or captures; empty when the contracts are equal."""
    return compare(load(left, slots[0]).function, load(right, slots[1]).function)


def compare(left: Function, right: Function) -> list[Difference]:
    """The differences between the contracts of two functions; empty when the contracts are equal."""
    from . import diff as differ

    return differ.compare(left, right)
