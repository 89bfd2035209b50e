"""What a guest finds of each input of a baseline, and the bits of it that all inputs must agree in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from .. import capture
from ..diagnostics import Report
from ..ir import ROM_INDEX, Bar, BarKind, Function, Kind
from ..stack import Place, Prediction, Stack, captured
from ..stack.qemu.facts import qemu
from . import needs
from .baseline_inputs import Host, Unusable
from .predict import described
from .realize import ID_OPTIONS

_ATS = 0x000F
_ROM_AT = 0x30
Range = tuple[int, int]  # first byte, byte after the last
Key = tuple[int, int, int, tuple[tuple[object, ...], ...]]
"""Bytes of the space, bits that must be equal, what they hold, and the kinds of the BARs."""


class Setting(NamedTuple):
    """What a baseline is asked for: the stack, the place, options of the user, and whether it must migrate.

    `unknown` are ranges that an input does not say: nobody can promise them.
    """

    stack: Stack
    place: Place
    options: Mapping[str, str]
    migratable: bool
    unknown: tuple[Range, ...] = ()

    @property
    def id_options(self) -> list[tuple[str, int, int]]:
        """The options by which this VMM shows an id of its own: name, offset, bytes."""
        if self.stack.vmm != "qemu":
            return []
        since = qemu().since
        return [row for row in ID_OPTIONS if since.get(row[0], (0, 0)) <= self.stack.release]

    @property
    def hides_ats(self) -> bool:
        """Whether the VMM can be told to unlink ATS."""
        since = qemu().since["ats"]
        qemu_above = self.stack.vmm == "qemu" and self.stack.kernel is not None and self.stack.release >= since
        return qemu_above and "ats" not in self.options


class View(NamedTuple):
    """What a guest finds of a host under `options`; views with equal `key` can be one function.

    A BAR of unknown size, and what options can set (ids, the ROM), are not in the key.
    """

    host: Host
    options: Mapping[str, str]
    prediction: Prediction
    function: Function
    key: Key

    @property
    def mask(self) -> int:
        """The bits that all must agree in."""
        return self.key[1]

    @property
    def value(self) -> bytes:
        """The configuration space that the guest reads."""
        return self.prediction.config.value


class Looker:
    """Looks at hosts. A layout is made for the first of those that differ in nothing but what hardware changes."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._made: dict[object, list[Function]] = {}

    def look(self, host: Host, options: Mapping[str, str]) -> View | Unusable:
        """What a guest finds of `host` with these `options`, which the user's are among."""
        setting, read = self.setting, host.capture
        prediction = captured.foretell(read, host.bars, setting.stack.name, setting.place, options)
        report = Report()
        for one in prediction.refusals:
            message = f"{setting.stack.name} does not show this function: {one.message}"
            report.add("VPCI2101", read.place(one.offset), message, note=one.note, help=one.help or ())
        _sizes(host, prediction, setting, report)
        if report.failed:
            return Unusable(host.path, tuple(report.sorted()))
        function = self._described(host, prediction)
        needs.check(replace(function, migrates=setting.migratable), read, setting.stack, report)
        if report.failed:
            return Unusable(host.path, tuple(report.sorted()))
        return View(host, options, prediction, function, _key(function, prediction, setting))

    def _described(self, host: Host, prediction: Prediction) -> Function:
        """The function that a layout of the prediction describes; one that was made before, where that says it."""
        value = prediction.config.value
        kinds = tuple((bar.index, bar.kind, bar.prefetchable, bar.size) for bar in prediction.bars)
        known = self._made.setdefault((tuple(capture.structures(value)), kinds), [])
        own = int.from_bytes(value, "little")
        for one in known:
            compared, held = (int.from_bytes(octets, "little") for octets in (one.config.compared, one.config.value))
            made = replace(one, config=replace(one.config, value=value))
            if not (own ^ held) & compared & ~_REGISTERS and _fields(made) == _fields(one):
                return made
        known.append(described(host.capture, prediction, self.setting.unknown))
        return known[-1]


def _fields(function: Function) -> list[tuple[str, int]]:
    """Which fields there are: some are there or not by what others hold."""
    return [(at.path, at.bit) for one in function.structures for at in function.fields(one)]


_REGISTERS = ((1 << 8 * 0x18) - 1) << 8 * 0x10 | 0xFFFFFFFF << 8 * 0x30
"""The registers of the BARs and the ROM: kind and size say more of them."""


def _sizes(host: Host, prediction: Prediction, setting: Setting, report: Report) -> None:
    for bar in prediction.bars if setting.migratable else ():
        if bar.size is None and bar.index != ROM_INDEX:
            report.add(
                "VPCI2222",
                host.capture.place(bar.offset),
                f"the capture does not say the size of BAR {bar.index}, and a migration needs it to be equal",
                note="QEMU compares no BAR size when a migration comes in: a guest would lose its mappings",
                help="capture with sizes: vpci-compile capture, or lspci -vv -xxxx",
            )


def has_ats(view: View) -> bool:
    """Whether the guest finds ATS."""
    return any(one.kind is Kind.EXTENDED and one.id == _ATS for one in view.function.structures)


def fixed_bars(prediction: Prediction) -> list[Bar]:
    """The BARs that must be equal: the ROM only where nothing can take it away."""
    return [bar for bar in prediction.bars if bar.index != ROM_INDEX or not rom_can_go(prediction)]


def rom_can_go(prediction: Prediction) -> bool:
    """Whether the expansion ROM can be left out: by QEMU's rombar=off, or because the guest finds none anyway."""
    config = prediction.config
    return prediction.stack.vmm == "qemu" or not (
        config.number("value", _ROM_AT, 4) | config.number("writable", _ROM_AT, 4)
    )


def bits(ranges: Iterable[Range]) -> int:
    """The bits of byte ranges, as one number."""
    found = 0
    for first, end in ranges:
        found |= ((1 << 8 * (end - first)) - 1) << 8 * first
    return found


def mask(function: Function, prediction: Prediction, setting: Setting) -> int:
    """The bits that all must agree in: the contract, and for a migration what the VMM compares besides."""
    wanted = int.from_bytes(function.config.compared, "little")
    if setting.migratable:
        wanted |= int.from_bytes(prediction.config.compared, "little")
    return wanted & ~bits((*_told(prediction, setting), *setting.unknown))


def _told(prediction: Prediction, setting: Setting) -> Iterator[Range]:
    """Bytes that are equal because an option says so, or that a BAR's kind and size say better."""
    for _, at, size in setting.id_options:
        yield at, at + size
    for bar in prediction.bars:
        yield bar.offset, bar.offset + (8 if bar.kind is BarKind.MEM64 else 4)
    if rom_can_go(prediction):
        yield _ROM_AT, _ROM_AT + 4


def _key(function: Function, prediction: Prediction, setting: Setting) -> Key:
    wanted = mask(function, prediction, setting)
    held = int.from_bytes(function.config.value, "little")
    kinds = tuple((bar.index, bar.kind, bar.prefetchable) for bar in fixed_bars(prediction))
    return function.config.size, wanted, held & wanted, kinds
