"""Whether a layout can be made true on a host, below a stack: the options that do it, or everything in the way."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from .. import diff, stack
from ..diagnostics import Diagnostic, Report, Span
from ..diff import Difference
from ..ir import ROM_INDEX, Bar, Function, Kind, Origin
from ..stack import Change, Pasid, Place, Prediction
from ..stack.linux.view import is_denied
from ..stack.qemu.facts import qemu
from . import hazards, needs
from .predict import Device, foretell, hidden_by, predicted_function

ID_OPTIONS = (
    ("x-pci-vendor-id", 0x00, 2),
    ("x-pci-device-id", 0x02, 2),
    ("x-pci-sub-vendor-id", 0x2C, 2),
    ("x-pci-sub-device-id", 0x2E, 2),
    ("x-pci-class-code", 0x09, 3),
)
"""The options by which QEMU shows an id of its own: where it stands in the header, and how many bytes it has."""
_MULTIFUNCTION = 0x80
_ATS, _PASID = 0x000F, 0x001B
_BAR = re.compile(r"(bar[0-5]|rom)(\.\w+)?")


class Realized(NamedTuple):
    """A layout made true on a host: the options of the VMM's device, and what is to be said of it."""

    options: Mapping[str, str]
    prediction: Prediction
    diagnostics: tuple[Diagnostic, ...]


def realize(function: Function, device: Device, name: str, options: Mapping[str, str]) -> Realized:
    """The options with which the stack `name` shows `function` of the captured `device`.

    `options` are given by the user, and stay.

    Raises:
        ValueError: no such stack or option.
        Failed: VPCI2101, VPCI2110..2113, with everything in the way.
    """
    report = Report()
    chosen, prediction = _chosen(function, device, name, options)
    needs.check(function, device.capture, prediction.stack, report)
    report.stop_on_errors()
    for one in prediction.refusals:
        message = f"{prediction.stack.name} does not show the device of the host: {one.message}"
        report.add("VPCI2101", _span(function, one.offset), message, note=one.note, help=one.help or ())
    report.stop_on_errors()
    for difference in diff.compare(function, shown_as(function, device, prediction)):
        _complain(function, device, prediction, difference, report)
    report.stop_on_errors()
    hazards.report(device, prediction, report)
    return Realized(chosen, prediction, tuple(report.sorted()))


def shown_for(function: Function, device: Device, name: str, options: Mapping[str, str]) -> Function:
    """What the stack `name` shows in place of `function`, under its contract; refusals and needs aside.

    Raises:
        ValueError: no such stack or option.
    """
    _, prediction = _chosen(function, device, name, options)
    return shown_as(function, device, prediction)


def shown_as(function: Function, device: Device, prediction: Prediction) -> Function:
    """The function that the prediction shows, under the contract of `function`: equal digests are a realization."""
    return _alike(function, predicted_function(device, prediction), prediction)


def _chosen(
    function: Function, device: Device, name: str, options: Mapping[str, str]
) -> tuple[dict[str, str], Prediction]:
    place = Place(function.guest.place)
    chosen = {**_options(function, device, name, place), **options}
    return chosen, _show(function, device, name, place, chosen)


def _options(function: Function, device: Device, name: str, place: Place) -> dict[str, str]:
    """What the VMM must be told, so far as it can be: from the layout, and from how the device looks without."""
    parsed = stack.parse(name)
    words: dict[str, str] = {}
    if function.physical is not None and parsed.kernel is not None:
        words["driver"] = function.physical.driver
        if is_denied(device.hardware, parsed.kernel, function.physical.driver):
            words["disable_denylist"] = "1"
    if parsed.vmm != "qemu":
        return words
    if function.config.value[0x0E] & _MULTIFUNCTION:
        words["multifunction"] = "on"
    if any(bar.index == ROM_INDEX for bar in device.function.bars) and all(
        bar.index != ROM_INDEX for bar in function.bars
    ):
        words["rombar"] = "off"
    for one in function.structures:
        if one.source is Origin.SYNTHESIZED and one.capability is not None and one.capability.name == "gpudirect":
            words["x-nv-gpudirect-clique"] = str(function.config.number("value", one.offset + 6, 2) >> 3 & 0xF)
        if one.kind is Kind.EXTENDED and one.id == _PASID and one.source is Origin.SYNTHESIZED:
            words["x-vpasid-cap-offset"] = f"{one.offset:#x}"
            words["viommu-pasid"] = "on"
        if one.kind is Kind.EXTENDED and one.id == _ATS and parsed.release >= (11, 1) and parsed.kernel is not None:
            words["ats"] = "off" if one.source is Origin.HIDDEN else "on"
    plain = foretell(device, name, place, {"driver": words["driver"]} if "driver" in words else {})
    for option, at, size in ID_OPTIONS:
        wanted = function.config.number("value", at, size)
        if wanted != plain.config.number("value", at, size):
            words[option] = f"{wanted:#x}"
    # What a release cannot be told is found by what it then shows.
    return {option: word for option, word in words.items() if qemu().since.get(option, (0, 0)) <= parsed.release}


def _show(function: Function, device: Device, name: str, place: Place, words: Mapping[str, str]) -> Prediction:
    """The prediction; where the host does not say what PASID it has, as if it had what the layout asks for."""
    own = next((s for s in function.structures if (s.kind, s.id) == (Kind.EXTENDED, _PASID)), None)
    host = device.capture.host
    assumed = None
    if own is not None and own.source is Origin.SYNTHESIZED and (host is None or host.iommu is None):
        register = function.config.number("value", own.offset + 4, 2)
        assumed = Pasid(register >> 8 & 0x1F, bool(register & 0x2), bool(register & 0x4))
    return foretell(device, name, place, words, assumed)


def _alike(function: Function, shown: Function, prediction: Prediction) -> Function:
    """The function that is shown, with the layout's promises in place of what no capture can tell."""
    size = min(function.config.size, shown.config.size)
    compared = function.config.compared[:size].ljust(shown.config.size, b"\0")
    return replace(
        shown,
        config=replace(shown.config, compared=compared),
        bars=tuple(_bars(function, prediction.bars)),
        regions=function.regions,
    )


def _bars(function: Function, shown: Iterable[Bar]) -> Iterator[Bar]:
    """The BARs that are shown: kind and size are facts, what stands behind them is the layout's word."""
    own = {bar.index: bar for bar in function.bars}
    found = {bar.index: bar for bar in shown}
    for index, bar in found.items():
        mine = own.get(index)
        if mine is None:
            if index != ROM_INDEX:
                yield bar
        else:
            size = bar.size if bar.size is not None else mine.size
            yield replace(mine, kind=bar.kind, prefetchable=bar.prefetchable, size=size)
    # A ROM is of no interest to a layout that does not show it; a BAR that a driver makes is checked by its rules.
    for index, bar in own.items():
        if index not in found and bar.source is Origin.SYNTHESIZED:
            yield bar


def _complain(
    function: Function, device: Device, prediction: Prediction, difference: Difference, report: Report
) -> None:
    span = difference.left_span or function.origin
    at = difference.offset
    below = prediction.stack.name
    changes = [one for one in prediction.changes if at is not None and one.offset <= at < one.offset + one.length]
    note = [f"{one.text} [{one.source}]" for one in changes]
    if _BAR.fullmatch(difference.path):
        theirs = difference.right or "there is none"
        report.add(
            "VPCI2112",
            span,
            f"{difference.title}: in the layout {difference.left or 'there is none'}, on the host {theirs}",
            note=note,
            help="describe the BAR as the host has it, or take another host",
        )
        return
    if not difference.left or not difference.right or difference.left.startswith("at 0x"):
        place = next((s.offset for s in device.function.structures if s.name == difference.path), None)
        hiding = hidden_by(prediction, place) if place is not None and not difference.right else None
        if hiding is not None:
            note = [f"{hiding.text} [{hiding.source}]"]
        report.add(
            "VPCI2111",
            span,
            f"{difference.path}: the layout has it {difference.left or 'nowhere'}, "
            f"a guest of {below} finds it {difference.right or 'nowhere'}",
            note=note,
            help=_structure_help(difference, place is not None),
        )
        return
    if difference.path == "config_size":
        own, whole = len(device.capture.data), function.config.size
        report.add(
            "VPCI2110",
            span,
            f"the layout has {whole} bytes, a guest of {below} finds {prediction.config.size}",
            note=note,
            help=f"the capture has {own} bytes: capture the function as root" if own < whole else "take another place",
        )
        return
    where = "" if at is None else f" at {at:#x}"
    report.add(
        "VPCI2110",
        span,
        f"{difference.path}{where}: the layout says {difference.left}, a guest of {below} reads {difference.right}",
        note=note,
        help=_value_help(device, changes),
    )


def _structure_help(difference: Difference, there: bool) -> str:
    if not difference.left:
        return "add it to the layout with source: copied, or source: hidden where an option hides it"
    if not difference.right and there:
        return "the stack hides it: source: hidden, style: unlinked; 'vpci-compile baseline' writes it so"
    if not difference.right:
        return "the device has no such structure: take another host, or leave it out"
    return "a copied structure stands where the device has it: let 'at' say so"


def _value_help(device: Device, changes: list[Change]) -> str:
    if changes:
        return "describe what the guest finds, or choose another place, option or release"
    whose = device.capture.label
    return f"write the value of {whose} into the layout, list the field under 'volatile', or take another host"


def _span(function: Function, offset: int) -> Span:
    owner = function.owner(offset)
    return owner.origin if owner is not None and owner.kind is not Kind.HEADER else function.origin
