"""Two emulated machines of QEMU as the two sides of a migration: the verdict on all that they save, and each reason.

`probe` asks a QEMU for a machine (stack.emulated); `verdict` there has the rule, and says it in QEMU's words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from .. import loader
from ..diagnostics import whole_file
from ..diff import Answer, Difference, Finding, Outcome
from ..diff import Kind as Means
from ..ir import ROM_INDEX, Bar, BarKind, Beyond, Caching, ConfigSpace, Enable, Function, Origin
from ..stack import QEMU, Place, Stack
from ..stack.emulated import probe_file
from ..stack.emulated.machine import Emulated, Machine
from ..stack.emulated.verdict import unstable, verdict
from . import policy
from .found import found
from .migration import byte_findings
from .policy import Accepted
from .sides import Side

SUFFIX = ".json"
_NOWHERE = whole_file("")
_LUCK = "a guest, or the device, decides what is there, and QEMU compares it"
_GONE = "the destination has no such function, and its state no place to go"
_NEW = "nothing comes in for it: the guest finds a device more"
_STATELESS = "nothing of it is saved, and nothing compared"


class Probed(NamedTuple):
    """A machine, and the file that a person knows it by."""

    name: str
    machine: Machine


def read(path: Path, shown: str) -> Probed | None:
    """The machine in the probe file `path`; None where it is another kind of file.

    Raises:
        Failed: VPCI1701, VPCI1704, VPCI1715..1717 (see probe_file.read).
    """
    if path.suffix != SUFFIX or path.is_dir():
        return None
    source = loader.read_source(path, shown)
    return Probed(shown, probe_file.read(source)) if probe_file.is_probe(source.text) else None


def outcome(source: Probed, destination: Probed, accepted: Sequence[Accepted] = ()) -> Outcome:
    """Both directions; `accepted` are the differences that an operator does not mind."""
    return Outcome(_answer(source, destination, accepted), _answer(destination, source, accepted))


def _answer(source: Probed, destination: Probed, accepted: Sequence[Accepted]) -> Answer:
    told = verdict(source.machine, destination.machine)
    rows = [*_functions(source.machine, destination.machine)]
    if told.accepted is not True and not any(one.kind is Means.REJECTED for one in rows):
        what = told.section or "machine"
        rows.append(_finding(Means.REJECTED, what, "State of the machine", "", "", " ".join(told.lines)))
    order = [*Means]
    rows.sort(key=lambda one: order.index(one.kind))
    differences = policy.marked(rows, accepted)
    refused = any(one.kind is Means.REJECTED and not one.ignored for one in differences)
    return Answer(
        source.name,
        destination.name,
        f"{QEMU}-{destination.machine.qemu} {destination.machine.type}",
        told.lines if refused else (),
        differences,
        (),
        lambda: policy.marked(_by_luck(source.machine, destination.machine), accepted),
    )


def _finding(kind: Means, path: str, title: str, left: str, right: str, why: str, offset: int | None = None) -> Finding:
    return Finding(kind, Difference(path, title, offset, left, right, None, None), why)


def _functions(source: Machine, destination: Machine) -> Iterator[Finding]:
    """What differs between the functions at the same place, and those that only one side has."""
    ours = {one.path: one for one in source.functions}
    theirs = {one.path: one for one in destination.functions}
    several = len({*ours, *theirs}) > 1
    for path in dict.fromkeys((*ours, *theirs)):
        here, there = ours.get(path), theirs.get(path)
        if here is not None and there is not None:
            yield from _pair(here, there, f"{path} " if several else "")
        elif here is not None:
            kind = Means.REJECTED if here.section else Means.VISIBLE
            yield _finding(kind, path, here.driver, here.id, "", _GONE if here.section else _STATELESS)
        elif there is not None:
            yield _finding(Means.VISIBLE, path, there.driver, "", there.id, _NEW)


def _pair(here: Emulated, there: Emulated, prefix: str) -> Iterator[Finding]:
    if here.check is None or there.check is None:
        if here.driver != there.driver:
            yield _finding(Means.VISIBLE, f"{prefix}driver", "Device", here.driver, there.driver, _STATELESS)
        return
    for one in byte_findings(_side(here), _side(there)):
        difference = replace(one.difference, path=f"{prefix}{one.difference.path}")
        yield one._replace(difference=difference)


def _by_luck(source: Machine, destination: Machine) -> Iterator[Finding]:
    """Bits that the destination compares and that are not constant on the source."""
    functions = {one.path: one for one in destination.functions}
    several = len(functions) > 1
    for one in unstable(source, destination):
        function = _side(functions[one.path]).function
        mask = one.bits << 8 * one.offset
        paths = [at.path for at in function.fields_at(one.offset) if mask & _bits(at.bit, at.width)]
        path = paths[0] if paths else f"bytes@{one.offset:#x}"
        bits = f"bits {one.bits:#04x}"
        name = f"{one.path} {path}" if several else path
        yield _finding(Means.UNSTABLE, name, "Compared, and not constant", bits, bits, _LUCK, one.offset)


def _bits(bit: int, width: int) -> int:
    return ((1 << width) - 1) << bit


def _side(one: Emulated) -> Side:
    """A function as a side of its own: QEMU answers every bit of it."""
    check = one.check
    assert check is not None
    size = len(check.config)
    ones, zeros = b"\xff" * size, bytes(size)
    config = ConfigSpace(check.config, ones, check.wmask, check.w1cmask, zeros, check.compared)
    function = _function(one, config)
    return Side(one.path, function, Stack(None, QEMU, (0, 0)), check, ones, function)


def _function(one: Emulated, config: ConfigSpace) -> Function:
    bars = tuple(
        Bar(
            bar.number, _kind(bar.number, bar.kind), "prefetch" in bar.kind, bar.size, bar.size, Origin.SYNTHESIZED,
            Caching.UNCACHED, Beyond.ONES, Enable.ENFORCE, _NOWHERE,
        )
        for bar in one.bars
    )  # fmt: skip
    return found(one.driver, config, bars, Place.PORT.value, lambda offset: _NOWHERE, config.value)


def _kind(number: int, word: str) -> BarKind:
    if number == ROM_INDEX:
        return BarKind.ROM
    return BarKind.IO if word.startswith("io") else BarKind.MEM64 if "64" in word else BarKind.MEM32
