"""Whether QEMU takes the state of another emulated machine, and what it prints when not: to the letter.

Source: migration/savevm.c, migration/ram.c, migration/vmstate.c, hw/pci/pci.c, hw/virtio/virtio.c; the rules of single
devices are in schemas/stacks/qemu-devices.yaml. All of it was executed on QEMU 11.1.3: `tests/migration`.

The machines are as QEMU makes them, before a guest ran. What a guest can change is in nobody's file: see `unstable`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..incoming import Check, refused, words
from .devices import rules
from .machine import Emulated, Machine, Saved

_FAILED = "load of migration failed: Invalid argument: "
_VIRTIO = "virtio"


class Verdict(NamedTuple):
    """What the destination says: `lines` is what QEMU prints (without its own name in front), nothing if it accepts.

    `section` is the one at which it stopped: a device's name in the stream, or "configuration", "ram" or "". `accepted`
    is None where nobody can say, and `lines` say why.
    """

    accepted: bool | None
    lines: tuple[str, ...] = ()
    section: str = ""


class Unstable(NamedTuple):
    """Bits that the destination compares and that are not constant on the source: they decide when a guest runs."""

    path: str
    offset: int
    bits: int


def verdict(source: Machine, destination: Machine) -> Verdict:
    """What `destination` makes of a migration that comes from `source`; it stops at the first thing that it refuses."""
    if source.blocked:
        return Verdict(False, (source.blocked,))
    if destination.blocked:
        return Verdict(None, (f"the destination cannot be asked: {destination.blocked}",))
    for found in _refusals(source, destination):
        return found
    return Verdict(True)


def unstable(source: Machine, destination: Machine) -> Iterator[Unstable]:
    """What a guest, or the device, can have changed on the source so that the destination no longer takes it.

    A larger BAR is the common case: whether its address fits the smaller one, or the other way round, is luck.
    """
    for here, there in _pairs(source, destination):
        if here.check is not None and there.check is not None:
            rows = zip(here.check.compared, there.check.compared, strict=False)
            for offset, (ours, theirs) in enumerate(rows):
                if theirs & ~ours:
                    yield Unstable(there.path, offset, theirs & ~ours)


def _pairs(source: Machine, destination: Machine) -> Iterator[tuple[Emulated, Emulated]]:
    """The functions that save a section of the same name."""
    theirs = {one.section: one for one in destination.functions if one.section}
    return ((one, theirs[one.section]) for one in source.functions if one.section in theirs)


def _refusals(source: Machine, destination: Machine) -> Iterator[Verdict]:
    """In the order of the stream. What follows the first is not what QEMU would say: it has stopped."""
    if source.type != destination.type:
        text = (
            "post load hook failed for: configuration, version_id: 1, minimum_version: 0: "
            f"Machine type received is '{source.type}' and local is '{destination.type}'"
        )
        yield Verdict(False, (f"{_FAILED}{text}",), "configuration")
    yield from _ram(source, destination)
    theirs = {(one.name, one.instance): one for one in destination.sections}
    functions = {here.section: (here, there) for here, there in _pairs(source, destination)}
    for section in source.sections:
        there = theirs.get((section.name, section.instance))
        if there is None:
            yield Verdict(False, (f"{_FAILED}{_unknown(section)}",), section.name)
            continue
        pair = functions.get(section.name)
        for lines in _section(section, there, pair):
            yield Verdict(False, lines, section.name)
        if pair is not None and _size(pair[0]) != _size(pair[1]):
            sizes = f"{_size(pair[0])} and {_size(pair[1])}"
            text = f"{section.name}: configuration spaces of {sizes} bytes: what QEMU takes for the rest is not known"
            yield Verdict(None, (text,), section.name)


def _ram(source: Machine, destination: Machine) -> Iterator[Verdict]:
    sizes = dict(destination.blocks)
    last = (
        f"{_FAILED}error while loading state for instance 0x0 of device 'ram': "
        f"Failed to load vmstate version_id: {source.ram_version}, ret: -22"
    )
    for name, size in source.blocks:
        if name not in sizes:
            yield Verdict(False, (f'Unknown ramblock "{name}", cannot accept migration', last), "ram")
        elif sizes[name] != size:
            first = f"Size mismatch: {name}: {size:#x} != {sizes[name]:#x}: Invalid argument"
            yield Verdict(False, (first, last), "ram")


def _unknown(section: Saved) -> str:
    return (
        f"Unknown section or instance '{section.name}' {section.instance}. "
        "Make sure that your current VM setup matches your saved VM setup, including any hotplugged devices"
    )


def _section(here: Saved, there: Saved, pair: tuple[Emulated, Emulated] | None) -> Iterator[tuple[str, ...]]:
    """What is printed of a section that both sides have, in the order in which its fields are read."""
    loading = f"{_FAILED}error while loading state for instance {here.instance:#x} of device '{here.name}': "
    if pair is not None:
        yield from _config(here, *pair, loading)
        if _size(pair[0]) != _size(pair[1]):
            return
    yield from _queues(here, there, loading)
    if pair is not None:
        yield from _properties(*pair, loading, after=False)
    for ours, theirs in zip(here.equals, there.equals, strict=False):
        if ours.value != theirs.value:
            yield (f"{loading}{theirs.value:x} != {ours.value:x}",)
    if here.size != there.size and here.holder != _VIRTIO:
        yield (
            f"Missing section footer for {here.name}",
            f"{_FAILED}Section footer error, section_id: {here.number}",
        )
    if pair is not None:
        yield from _properties(*pair, loading, after=True)


def _config(section: Saved, ours: Emulated, theirs: Emulated, loading: str) -> Iterator[tuple[str, ...]]:
    if ours.check is None or theirs.check is None:
        return
    size = min(_size(ours), _size(theirs))
    common = Check(*(octets[:size] for octets in theirs.check))
    first = next(refused(common, ours.check.config[:size]), None)
    if first is not None:
        bad = words(theirs.check, ours.check.config, first)
        element = "Failed to load element of type pci config for config"
        if section.holder == _VIRTIO:
            yield bad, element, f"{loading}Failed to load element of type virtio for virtio"
        else:
            yield bad, f"{loading}{element}"


def _size(one: Emulated) -> int:
    return 0 if one.check is None else len(one.check.config)


def _properties(ours: Emulated, theirs: Emulated, loading: str, *, after: bool) -> Iterator[tuple[str, ...]]:
    """The rules of single devices."""
    for rule in rules():
        if rule.after is after and theirs.driver in rule.drivers:
            lines = rule.lines(ours.properties, theirs.properties)
            if lines:
                yield *lines[:-1], f"{loading}{lines[-1]}"


def _queues(here: Saved, there: Saved, loading: str) -> Iterator[tuple[str, ...]]:
    """A virtqueue must not be longer than the destination's."""
    for number, entries in enumerate(here.queues):
        most = there.queues[number] if number < len(there.queues) else 0
        if entries > most:
            yield (
                f"VQ {number} vring.num {entries} exceeds allocated max {most}",
                f"{loading}Failed to load element of type virtio for virtio",
            )
