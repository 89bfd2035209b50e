"""The layout that several hosts share: what a guest finds on each of them, and what had to be pinned or dropped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from .. import capture, catalog, pipeline
from ..capture import BarFact, Shared
from ..catalog import Chain
from ..diagnostics import Source
from ..ir import ROM_INDEX, Function, Kind
from . import baseline_text
from .baseline_groups import size_of
from .baseline_text import Dropped, Finding, Open, Pinned, Unsaid
from .baseline_views import Range, Setting, View, bits
from .predict import compile_text, hidden_by, seen_capture

_DIFFERS = "the hosts differ here outside of every structure"
_NOT_SAID = "an input does not say these bytes"
_ROM = (0x30, 0x34)
_VFIO_PCI = "vfio-pci"
_Held = TypeVar("_Held")


class Common(NamedTuple):
    """A set of views as one function: `text` is the layout, `function` what it compiles to."""

    text: str
    function: Function
    findings: list[Finding]


def common(views: Sequence[View], setting: Setting, outside: Sequence[str]) -> Common:
    """The layout of views that can be one function; its comment also says which hosts are left out."""
    first = min(views, key=lambda view: (view.mask.bit_count(), view.value, view.host.number))
    pinned = list(_pinned(views, setting))
    hidden = _hidden(views, first.function)
    gone = [(at, at + length) for _, _, at, length, _ in hidden]
    findings: list[Finding] = [
        *pinned,
        *sorted(_dropped(views, setting)),
        *_open(views, first, [*gone, *setting.unknown]),
        *_unsaid(views, setting),
    ]
    loose = _loose(views, first.function, [*gone, *setting.unknown])
    reserved = sorted((*((*one, _NOT_SAID) for one in setting.unknown), *((*one, _DIFFERS) for one in loose)))
    unread = sorted({*gone, *((at, end) for at, end, _ in reserved)})
    seen = seen_capture(first.host.capture, first.prediction)
    data = bytearray(seen.data)
    for at, end in unread:
        data[at:end] = bytes(end - at)
    for option, at, size in setting.id_options:
        one = next((one for one in pinned if one.option == option), None)
        if one is not None:
            data[at : at + size] = one.value.to_bytes(size, "little")
    keep_rom = _keeps_rom(views, setting)
    bars = list(_bars(views, keep_rom=keep_rom))
    if not keep_rom:
        data[_ROM[0] : _ROM[1]] = bytes(_ROM[1] - _ROM[0])
    names = {view.host.number: view.host.name for view in views}
    shared = Shared(
        head=tuple(baseline_text.comment(setting.stack, names, outside, findings)),
        place=setting.place.value,
        migrates=setting.migratable,
        driver=_driver(views, setting),
        hidden=tuple(hidden),
        synthesized=_synthesized(first),
        reserved=tuple(reserved),
    )
    read = replace(
        seen,
        data=bytes(data),
        missing=tuple(unread),
        bars=tuple(bars),
        title=min((view.host.capture.title for view in views if view.host.capture.title), default=""),
    )
    text, _ = capture.layout_text(read, compile_text, shared)
    return Common(text, pipeline.compile_source(Source("baseline", text), Path("baseline.yaml")).function, findings)


def _driver(views: Sequence[View], setting: Setting) -> str:
    """The VFIO driver that all must be bound to, where it is not plain vfio-pci."""
    if setting.stack.kernel is None:
        return ""
    bound = {view.host.capture.driver.replace("_", "-") for view in views}
    variants = {driver for driver in bound if driver.endswith("vfio-pci")}
    name = setting.options.get("driver") or (min(variants) if len(variants) == 1 else "")
    return "" if name in ("", _VFIO_PCI) else name


def _synthesized(view: View) -> frozenset[tuple[int, int]]:
    made = {at for at, _, _ in view.prediction.made}
    return frozenset((one.offset, one.id) for one in view.function.structures if one.offset in made)


# -- BARs and ids --------------------------------------------------------------------------------------------------


def _keeps_rom(views: Sequence[View], setting: Setting) -> bool:
    """Whether all have the same expansion ROM; for a migration its size must be known."""
    sizes = {size_of(view, ROM_INDEX) for view in views} - {None}
    everywhere = all(any(bar.index == ROM_INDEX for bar in view.prediction.bars) for view in views)
    return everywhere and (len(sizes) == 1 or not (sizes or setting.migratable))


def _bars(views: Sequence[View], *, keep_rom: bool) -> Iterator[BarFact]:
    """The BARs that all have, with the sizes that any of them knows."""
    first = views[0]
    for bar in first.prediction.bars:
        sizes = {size_of(view, bar.index) for view in views} - {None}
        if bar.index == ROM_INDEX and not keep_rom:
            continue
        size = next(iter(sizes), None)
        if size is not None:
            io, wide = bar.kind.value == "io", bar.kind.value == "mem64"
            yield BarFact(bar.index, size, io, bar.prefetchable, wide)


def _pinned(views: Sequence[View], setting: Setting) -> Iterator[Pinned]:
    """Each id that hosts differ in, with the value of the most common identity; of equals the lowest."""
    rows = [
        tuple(int.from_bytes(view.value[at : at + size], "little") for _, at, size in setting.id_options)
        for view in views
    ]
    counts = Counter(rows)
    chosen = min(counts, key=lambda row: (-counts[row], row))
    for index, (option, _, _) in enumerate(setting.id_options):
        if len({row[index] for row in rows}) > 1:
            pairs = ((row[index], view.host.number) for row, view in zip(rows, views, strict=True))
            yield Pinned(option, chosen[index], _grouped(pairs))


def _grouped(pairs: Iterable[tuple[_Held, int]]) -> dict[_Held, tuple[int, ...]]:
    found: dict[_Held, list[int]] = {}
    for key, number in pairs:
        found.setdefault(key, []).append(number)
    return {key: tuple(numbers) for key, numbers in found.items()}


# -- structures ----------------------------------------------------------------------------------------------------


def _lost(view: View) -> Iterator[tuple[Kind, int, int, int]]:
    """The device's own structures that the guest does not find."""
    found = {(one.kind, one.offset, one.id) for one in view.function.structures}
    for kind, number, at, length in capture.structures(view.host.capture.data):
        if number and (kind, at, number) not in found and at < view.prediction.config.size:
            yield kind, number, at, length


def _hidden(views: Sequence[View], function: Function) -> list[tuple[Kind, int, int, int, str]]:
    """What is lost on any host and known by name, where nothing that is shown stands; of two in one place the first."""
    taken = [(one.offset, one.end) for one in function.structures if one.kind is not Kind.BYTES]
    found: list[tuple[Kind, int, int, int, str]] = []
    for kind, number, at, length in sorted({row for view in views for row in _lost(view)}, key=lambda row: row[2:]):
        free = all(end <= at or at + length <= first for first, end in taken)
        if free and catalog.by_id(Chain(kind.value), number) is not None:
            taken.append((at, at + length))
            found.append((kind, number, at, length, _style(views, at, at + length)))
    return found


def _style(views: Sequence[View], at: int, end: int) -> str:
    """zeroed, where the VMM answers zeros for all of it on every host."""
    configs = [view.prediction.config for view in views]
    silent = all(
        not any(config.value[at + 4 : end]) and config.emulated[at + 4 : end] == b"\xff" * (end - at - 4)
        for config in configs
    )
    return "zeroed" if silent and end - at > 4 else "unlinked"


def _dropped(views: Sequence[View], setting: Setting) -> Iterator[Dropped]:
    rows: dict[tuple[Kind, int], dict[str, list[int]]] = {}
    why: dict[tuple[Kind, int], str] = {}
    for view in views:
        for kind, number, at, _ in _lost(view):
            rows.setdefault((kind, number), {}).setdefault(f"{at:#x}", []).append(view.host.number)
            why.setdefault((kind, number), _why(view, at))
    for (kind, number), places in rows.items():
        having = {host for hosts in places.values() for host in hosts}
        absent = tuple(view.host.number for view in views if view.host.number not in having)
        yield Dropped(_name(kind, number), _tuples(places), absent, why[kind, number])
    roms: dict[str, list[int]] = {}
    for view in views:
        rom = next((bar for bar in view.prediction.bars if bar.index == ROM_INDEX), None)
        if rom is not None:
            roms.setdefault("size unknown" if rom.size is None else f"{rom.size:#x} bytes", []).append(view.host.number)
    having = {host for hosts in roms.values() for host in hosts}
    absent = tuple(view.host.number for view in views if view.host.number not in having)
    if roms and not _keeps_rom(views, setting):
        how = "rombar=off" if setting.stack.vmm == "qemu" else f"{setting.stack.name} shows none"
        yield Dropped("rom", _tuples(roms), absent, how)


def _tuples(rows: Mapping[str, list[int]]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(numbers) for key, numbers in sorted(rows.items())}


def _why(view: View, at: int) -> str:
    change = hidden_by(view.prediction, at)
    return f"{change.text} [{change.source}]" if change is not None else "no pointer of the device leads to it"


def _name(kind: Kind, number: int) -> str:
    known = catalog.by_id(Chain(kind.value), number)
    return known.name if known is not None else f"{kind} capability {number:#x}"


# -- what differs --------------------------------------------------------------------------------------------------


def _differing(views: Sequence[View], value: bytes) -> int:
    base, found = int.from_bytes(value, "little"), 0
    for view in views:
        found |= int.from_bytes(view.value, "little") ^ base
    return found


def _loose(views: Sequence[View], function: Function, taken: Iterable[Range]) -> Iterator[Range]:
    """Runs of bytes that differ, outside of every structure and of the ranges in `taken`."""
    owned = bits([(one.offset, one.end) for one in function.structures if one.kind is not Kind.BYTES])
    left = _differing(views, function.config.value) & ~owned & ~bits(taken)
    yield from _runs(left, function.config.size)


def _runs(mask: int, size: int) -> Iterator[Range]:
    octets = mask.to_bytes(size, "little")
    for run in re.finditer(rb"[^\0]+", octets):
        yield run.start(), run.end()


def _open(views: Sequence[View], first: View, gone: Iterable[Range]) -> Iterator[Open]:
    """Fields of structures that differ (they are outside the contract), then bytes of no field; not what is `gone`."""
    function = first.function
    differing = _differing(views, first.value) & ~bits(gone)
    below = first.prediction.config.compared
    for one in function.structures:
        if one.kind is Kind.HEADER or not differing & bits([(one.offset, one.end)]):
            continue
        for at in function.fields(one):
            field = ((1 << at.width) - 1) << at.bit
            if differing & field:
                differing &= ~field
                yield _row(views, at.path, at.offset, at.bit, at.width, below)
    header = function.structures[0]
    rest = differing & ~bits([(header.offset, header.end)])
    for begin, end in _runs(rest, function.config.size):
        owner = function.owner(begin)
        name = f"{owner.name}+{begin - owner.offset:#x}" if owner else f"bytes@{begin:#x}"
        yield _row(views, name, begin, 8 * begin, 8 * (end - begin), below)


def _unsaid(views: Sequence[View], setting: Setting) -> Iterator[Unsaid]:
    for first, end in setting.unknown:
        hosts = tuple(view.host.number for view in views if (first, end) in view.host.capture.redacted)
        compared = any(any(view.prediction.config.compared[first:end]) for view in views)
        if hosts:
            yield Unsaid(first, end, hosts, compared)


def _row(views: Sequence[View], path: str, offset: int, bit: int, width: int, compared: bytes) -> Open:
    def held(octets: bytes) -> int:
        return int.from_bytes(octets[bit // 8 : (bit + width + 7) // 8], "little") >> bit % 8 & ((1 << width) - 1)

    values = _grouped((f"{held(view.value):#x}", view.host.number) for view in views)
    return Open(path, offset, values, bool(held(compared)))
