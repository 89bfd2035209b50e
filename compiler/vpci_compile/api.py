"""What the commands do, as functions: the Python interface.

Every function raises `Failed` (with diagnostics) for what a user did wrong, and returns values; none prints.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from . import loader, pipeline
from .catalog import libraries
from .diagnostics import Diagnostic, Failed, Report, Source, failure, nearest, whole_file
from .ir import Function
from .pipeline import Compiled, CompiledMachine

if TYPE_CHECKING:  # imported by the functions that need them: `check` starts faster without
    from .capture.collect import Taken
    from .capture.free import Offer, Run, Space
    from .diff import Difference, Outcome
    from .emit import Options
    from .emit.library_text import Card, Entry
    from .fleet import FleetReport, Group, Member
    from .host import Baseline, Predicted, Realized
    from .host.machines import Probed
    from .host.policy import Accepted
    from .host.sides import Side
    from .ir.topology import System

LAYOUT_SUFFIXES = (".yaml", ".yml")
StrPath = str | os.PathLike[str]


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
        there = libraries.versions(os.fspath(path))
        if there:
            message = f"there is no such version of this layout: '{os.fspath(path)}'"
            raise failure("VPCI1121", whole_file(os.fspath(path)), message, help=f"versions of it: {', '.join(there)}")
        near = nearest(os.fspath(path), libraries.layouts())
        if near:
            message = f"there is no file and no shipped layout '{os.fspath(path)}'"
            raise failure("VPCI1001", whole_file(os.fspath(path)), message, help=f"did you mean '{near[0]}'?")
    return pipeline.compile_file(*(shipped or (Path(path), os.fspath(path))))


def _shipped(path: StrPath) -> tuple[Path, str] | None:
    """The shipped layout that `path` is the name of, unless there is such a file."""
    return None if loader.exists(Path(path)) else pipeline.find_layout(Path(path), os.fspath(path))


def is_machine(path: StrPath) -> bool:
    """Whether a layout describes a machine; of a file that cannot be read: no, its reader says why."""
    where, shown = _shipped(path) or (Path(path), os.fspath(path))
    if not loader.exists(where) or where.is_dir() or where.suffix not in LAYOUT_SUFFIXES:
        return False
    return pipeline.says_machine(loader.read_source(where, shown))


def load_machine(path: StrPath) -> CompiledMachine:
    """The machine of a machine layout. Raises as `check`."""
    where, shown = _shipped(path) or (Path(path), os.fspath(path))
    return pipeline.compile_machine(loader.read_source(where, shown), where)


def check_machine(path: StrPath, options: Options | None = None) -> CompiledMachine:
    """Compile a machine layout, ask its VMM whether it can make the machine, and write nothing."""
    from . import emit

    system, found = load_machine(path)
    report = Report()
    report.diagnostics.extend(found)
    emit.check_machine(system, options or emit.Options(), report)
    report.stop_on_errors()
    return CompiledMachine(system, tuple(report.sorted()))


class BuiltMachine(NamedTuple):
    """What a build of a machine gave: the machine, its files, those that changed, and the warnings."""

    system: System
    files: tuple[Path, ...]
    changed: tuple[Path, ...]
    diagnostics: tuple[Diagnostic, ...]


def build_machine(path: StrPath, folder: StrPath, options: Options | None = None) -> BuiltMachine:
    """Compile a machine layout and write all of its outputs into `folder`, or none of them. Raises as `build`."""
    from . import emit
    from .emit import writer

    system, found = load_machine(path)
    report = Report()
    report.diagnostics.extend(found)
    artifacts = emit.machine_artifacts(system, options or emit.Options(), report)
    changed = writer.write_all(Path(folder), artifacts)
    files = tuple(Path(folder) / artifact.name for artifact in artifacts)
    return BuiltMachine(system, files, tuple(changed), tuple(report.sorted()))


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
    realized, options = None, options or Options()
    if host is not None:
        realized, options = _realize(compiled, host, options)
        report.diagnostics.extend(realized.diagnostics)
    artifacts = emit.artifacts(replace(compiled, guest=guest), options, report)
    changed = writer.write_all(Path(folder), artifacts)
    files = tuple(Path(folder) / artifact.name for artifact in artifacts)
    return Built(compiled, files, tuple(changed), tuple(report.sorted()), realized)


def _realize(function: Function, wanted: HostOptions, options: Options) -> tuple[Realized, Options]:
    """How the host makes the function true; and the options of the build with the host's address and VMM."""
    from . import host

    device = host.read_device(Path(wanted.capture), wanted.slot, os.fspath(wanted.capture))
    realized = host.realize(function, device, wanted.stack, wanted.options)
    below = realized.prediction.stack
    options = options._replace(host_address=device.capture.slot or options.host_address)
    return realized, options._replace(qemu_version=below.release) if below.vmm == "qemu" else options


def import_capture(path: StrPath, slot: str | None = None) -> Imported:
    """A layout for the function in a capture, of whatever form; `slot` picks one of many."""
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
    misspelt = not loader.exists(Path(path)) and bool(nearest(os.fspath(path), libraries.layouts()))
    if is_layout(path) or misspelt:
        return _compile(path)
    imported = import_capture(path, slot)
    # The lines are those of the layout that `import` writes, not of the capture.
    source = Source(f"import of {os.fspath(path)}", imported.text)
    compiled = pipeline.compile_source(source, Path(path))
    return Compiled(compiled.function, imported.diagnostics)


class Below(NamedTuple):
    """What stands between a function and its guest: a stack ("" for the newest known), the place, the options."""

    stack: str = ""
    place: str = "port"
    options: Mapping[str, str] = {}


def side(path: StrPath, slot: str | None = None, below: Below | None = None) -> Side:
    """A layout, a capture below a stack, or a JSON document of `build` or `predict`, as one side of a migration.

    Raises:
        ValueError: there is no such stack, place or option.
        Failed: it cannot be read, the stack does not show it, or it says too little.
    """
    from . import capture
    from .host import document, sides
    from .stack import Place

    below = below or Below()
    name = os.fspath(path) if slot is None else f"{os.fspath(path)} {slot}"
    stack, place = below.stack or sides.DEFAULT_STACK, Place(below.place)
    if is_layout(path):
        compiled = _compile(path)
        return sides.of_layout(compiled.function, name, stack, below.options)._replace(diagnostics=compiled.diagnostics)
    read = document.read(Path(path), os.fspath(path))
    if read is not None:
        return sides.of_document(read, name, below.stack or read.stack or stack, below.options)
    return sides.of_capture(capture.read(Path(path), slot, os.fspath(path)), name, stack, place, below.options)


def machine(path: StrPath) -> Probed | None:
    """The emulated machine in a file that `probe` wrote; None for every other file. Raises `Failed`."""
    from .host import machines

    return machines.read(Path(path), os.fspath(path))


def migration(source: Side | Probed, destination: Side | Probed, accepted: Sequence[Accepted] = ()) -> Outcome:
    """Whether a machine with `source` can be migrated to where it has `destination`, and back; with every reason.

    `accepted` are differences that an operator does not mind (host.policy).

    Raises:
        ValueError: one is a whole machine, the other a function.
    """
    from .host import machines
    from .host import migration as rules
    from .host.machines import Probed
    from .host.sides import Side

    if isinstance(source, Probed) and isinstance(destination, Probed):
        return machines.outcome(source, destination, accepted)
    if isinstance(source, Side) and isinstance(destination, Side):
        return rules.outcome(source, destination, accepted)
    raise ValueError("one side is a machine that 'probe' asked about, and the other a function")


def migration_of_machines(source: StrPath, destination: StrPath, accepted: Sequence[Accepted] = ()) -> Outcome:
    """Whether a machine of one layout can be migrated to where one of another was built, and back."""
    from .host import systems

    return systems.outcome(load_machine(source).system, load_machine(destination).system, accepted)


def compare(left: Function, right: Function) -> list[Difference]:
    """The differences between the contracts of two functions; empty when the contracts are equal."""
    from . import diff as differ

    return differ.compare(left, right)


def capture_host(
    slots: Sequence[str] | None, *, vfio: bool = False, redact: bool = False, sysfs: StrPath = "/sys"
) -> Taken:
    """A capture file of the functions at `slots` of this host, of all for None. `load` and the others read it.

    With `vfio` the functions that are bound to a vfio driver are opened, too, which resets them. `redact` takes out
    what tells one unit from another. Warnings in the result name what could not be read.
    """
    from .capture import collect, vfio_probe

    kernel = vfio_probe.Linux() if vfio else None
    return collect.take(slots, vfio=kernel, redacted=redact, sysfs=Path(sysfs))


class Layouts(NamedTuple):
    """The layouts that were asked for, and what is wrong with those that cannot be read."""

    entries: tuple[Entry, ...]
    diagnostics: tuple[Diagnostic, ...]


def layouts(vendor: int | None = None, device: int | None = None, *, every: bool = False) -> Layouts:
    """The layouts of all libraries, the user's and the program's, by name.

    With a vendor or a device id, those that show it to the guest or stand on such a device. Older versions, and bases,
    which are there to be extended only, are left out unless `every`.
    """
    report, entries = Report(), []
    for name, path in libraries.layouts().items():
        if not every and ("@" in name or libraries.is_base(name)):
            continue
        try:
            entry = _entry(name, path)
        except Failed as failed:
            report.diagnostics.extend(failed.diagnostics)
            continue
        if any(vendor in (None, own[0]) and device in (None, own[1]) for own in entry.ids):
            entries.append(entry)
    return Layouts(tuple(entries), tuple(report.sorted()))


def _entry(name: str, path: Path) -> Entry:
    from .emit.library_text import Entry

    layout, _ = pipeline.typed_layout(loader.read_source(path), path, Report())
    seen, own = layout.identity, layout.physical
    ids = [(seen.vendor, seen.device)]
    if own is not None:
        ids.append((own.vendor or seen.vendor, own.device or seen.device))
    base = libraries.is_base(name)
    return Entry(name, layout.version, tuple(dict.fromkeys(ids)), layout.about, str(path), base)


def layout_card(name: str) -> Card:
    """What a layout of a library is, where it comes from, and what it promises."""
    from .emit.library_text import Card

    function = _compile(name).function
    path = libraries.find(name)
    if path is None:
        message = f"no library has a layout '{name}'"
        raise failure("VPCI1001", whole_file(name), message, help="'vpci-compile layouts list' names them")
    return Card(
        _entry(name, path),
        tuple(libraries.versions(name)),
        libraries.remarks(path),
        function.digest,
        function.targets,
        function.migrates,
    )


class Free(NamedTuple):
    """What of the captured spaces is free: each by itself, all together, and the place for a PASID structure."""

    spaces: tuple[Space, ...]
    together: tuple[Run, ...]
    pasid: Offer
    diagnostics: tuple[Diagnostic, ...]


def free(paths: Sequence[StrPath], slots: Sequence[str] = ()) -> Free:
    """Which bytes of the captured functions are free; `slots` names the function of each capture, or is empty."""
    from . import capture
    from .capture import free as freely
    from .passes import quirks

    report, spaces = Report(), []
    for path, slot in zip(paths, slots or (None,) * len(paths), strict=True):
        read = capture.read(Path(path), slot, os.fspath(path))
        report.diagnostics.extend(read.diagnostics)
        quirks.applied(capture.quirks_of(read), read.origin, report)
        one = freely.space(read)
        spaces.append(replace(one, label=f"{os.fspath(path)}{f' {read.slot}' if slot else ''}"))
    return Free(tuple(spaces), tuple(freely.together(spaces)), freely.pasid(spaces), tuple(report.sorted()))


PREDICTION_SUFFIXES = (".json", ".bin", ".lspci")


def probe(
    qemu: StrPath | None, machine: str, devices: Sequence[str], arguments: Sequence[str], ids: Sequence[str]
) -> str:
    """Ask a QEMU what it takes in a migration of an emulated machine: the text of a probe file.

    `devices` are its `-device` options, `arguments` others; `ids` name the functions to ask about, all devices if none.

    Raises:
        Failed: VPCI2001 (no QEMU), VPCI2002 (too old), VPCI2008 (it does not make this machine), VPCI2009 (no such id).
    """
    from .live import probing

    return probing.probe_text(None if qemu is None else Path(qemu), machine, devices, arguments, ids)


def predict(
    path: StrPath,
    stack: str,
    place: str = "port",
    options: Mapping[str, str] | None = None,
    slot: str | None = None,
) -> Predicted:
    """What a guest finds of the captured function `path` below `stack` ("linux-7.2/qemu-11.1"), at `place`.

    Raises:
        ValueError: there is no such stack, place or option.
        Failed: VPCI2101, the stack does not show the function; or the capture cannot be read.
    """
    from . import host
    from .stack import Place

    device = host.read_device(Path(path), slot, os.fspath(path))
    return host.predict(device, stack, Place(place), options or {})


def baseline(
    paths: Sequence[StrPath],
    stack: str,
    place: str = "port",
    options: Mapping[str, str] | None = None,
    *,
    migratable: bool = False,
    slot: str | None = None,
    folder: StrPath = "",
) -> Baseline:
    """The layout that the captured functions `paths` can all present below `stack`, at `place`.

    `options` hold for all of them. Where layouts are among `paths` the baseline is one of these, or extends it, from
    `folder`. With `migratable` what blocks a migration between hosts is left out, too. Inputs that cannot be used, and
    hosts that cannot be the same function as the others, are in the result.

    Raises:
        ValueError: there is no such stack, place or option.
        Failed: a layout does not say what a migration needs.
    """
    from . import host
    from .stack import Place

    names = [os.fspath(path) for path in paths]
    return host.baseline(
        names, stack, Place(place), options, migratable=migratable, slot=slot, folder=os.fspath(folder)
    )


def write_prediction(predicted: Predicted, path: StrPath) -> None:
    """Write the predicted space; the suffix of `path` says as what (see PREDICTION_SUFFIXES)."""
    from .emit import Artifact, image, lspci_text, writer
    from .emit.artifact import Options

    target = Path(path)
    made = [*image.emit(predicted.function, Options()), *lspci_text.emit(predicted.function, Options())]
    data = next(artifact.data for artifact in made if Path(artifact.name).suffix == target.suffix)
    if target.suffix == ".json":
        data = image.with_prediction(data, predicted.prediction)
    writer.write_all(target.parent, [Artifact(target.name, data)])


DEFAULT_STACK = "linux-7.2/qemu-11.1"


def fleet(
    paths: Iterable[StrPath],
    stack: str = DEFAULT_STACK,
    place: str = "port",
    options: Mapping[str, str] | None = None,
    *,
    each: Callable[[Member, Group], None] | None = None,
    progress: Callable[[int, str], None] | None = None,
) -> FleetReport:
    """Group the functions of many hosts by model and by contract below a stack, and say which stand apart.

    `paths` are files, folders or patterns. What cannot be read is in the report, and the rest is answered. `each` is
    called with each function and its group, `progress` with the number of the file that is read, and its name.

    Raises:
        ValueError: there is no such stack, place or option.
    """
    from . import host
    from .fleet import below

    names = [os.fspath(path) for path in paths]
    return host.survey(names, below(stack, place, options or {}), each=each, progress=progress)
