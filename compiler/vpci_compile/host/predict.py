"""A captured function below a stack, as a compiled function: `show`, `explain` and `diff` read it like any other."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from .. import capture, pipeline
from ..capture import BarFact, Capture
from ..diagnostics import Diagnostic, Report, Severity, Source
from ..ir import Bar, BarKind, Function
from ..pipeline import Compiled
from ..stack import Change, Hardware, Pasid, Place, Prediction, captured
from . import hazards

QUIRK = "VPCI1330"


class Device(NamedTuple):
    """A function as it was captured: its capture, the layout of it, and what a stack finds of it."""

    capture: Capture
    compiled: Compiled
    hardware: Hardware

    @property
    def function(self) -> Function:
        """The captured function, compiled from the layout that `import` writes for it."""
        return self.compiled.function


class Predicted(NamedTuple):
    """The function that the guest finds, the captured one, how it came to be, and what is to be said of it."""

    function: Function
    device: Function
    prediction: Prediction
    diagnostics: tuple[Diagnostic, ...]


def read_device(path: Path, slot: str | None, shown: str) -> Device:
    """The function at `slot` of the capture `path`, which diagnostics call `shown`.

    Raises:
        Failed: it cannot be read (see capture.read).
    """
    return device_of(capture.read(path, slot, shown), shown)


def device_of(read: Capture, shown: str) -> Device:
    """The function of a capture that was read."""
    text, diagnostics = capture.layout_text(read, compile_text)
    # The lines are those of the layout that `import` writes, not of the capture.
    compiled = pipeline.compile_source(Source(f"import of {shown}", text), Path("import.yaml"))
    return Device(
        read,
        Compiled(compiled.function, (*read.diagnostics, *diagnostics)),
        Hardware(read.data, capture.bars(read), read.virtual, read.ids),
    )


def compile_text(text: str) -> Function:
    """The function of a layout that stands in no file.

    Raises:
        Failed: with every complaint.
    """
    return pipeline.compile_source(Source("<import>", text), Path("import.yaml")).function


def predict(device: Device, name: str, place: Place, options: Mapping[str, str]) -> Predicted:
    """What a guest finds of `device` at `place` below the stack `name`; see stack.predict for the options.

    Raises:
        ValueError: no such stack or option.
        Failed: VPCI2101, the stack does not show the function.
    """
    prediction = foretell(device, name, place, options)
    report = Report()
    # What the importer notes of single bytes matters to whoever writes a layout, not here.
    said = device.compiled.diagnostics
    report.diagnostics.extend(one for one in said if one.severity is not Severity.NOTE or one.code == QUIRK)
    for one in prediction.refusals:
        span = device.capture.place(one.offset)
        message = f"{prediction.stack.name} does not show this function: {one.message}"
        report.add("VPCI2101", span, message, note=one.note, help=one.help or ())
    report.stop_on_errors()
    if "viommu-pasid" in options and (device.capture.host is None or device.capture.host.iommu is None):
        message = "the capture does not say which PASID the host's IOMMU offers: none is predicted"
        way_out = "capture the host with 'vpci-compile capture --vfio'"
        report.add("VPCI2114", device.capture.origin, message, help=way_out)
    hazards.report(device, prediction, report)
    return Predicted(predicted_function(device, prediction), device.function, prediction, tuple(report.sorted()))


def foretell(
    device: Device, name: str, place: Place, options: Mapping[str, str], pasid: Pasid | None = None
) -> Prediction:
    """The prediction alone, refusals included; the capture's own facts of driver and IOMMU are used.

    `pasid` stands in for what the host reports of PASID, where its capture does not say.

    Raises:
        ValueError: no such stack or option.
    """
    return captured.foretell(device.capture, device.hardware.bars, name, place, options, pasid)


def predicted_function(device: Device, prediction: Prediction) -> Function:
    """The space of the prediction, with the structures that are found in it."""
    function = described(device.capture, prediction)
    origins = {bar.index: bar.origin for bar in (*device.function.bars, *function.bars)}
    return replace(
        function,
        name=device.function.name,
        config=prediction.config,
        bars=tuple(replace(bar, origin=origins.get(bar.index, bar.origin)) for bar in prediction.bars),
        guest=function.guest._replace(place=prediction.place.value),
        physical=device.function.physical,
    )


def hidden_by(prediction: Prediction, at: int) -> Change | None:
    """What takes away the device's structure at `at`: the change that says so, or the one that reaches it."""
    said = (one for one in prediction.changes if re.search(rf"\bat {at:#x}\b", one.text))
    reaching = (one for one in prediction.changes if one.offset <= at < one.offset + one.length)
    return next(said, None) or next(reaching, None)


def described(read: Capture, prediction: Prediction, unknown: tuple[tuple[int, int], ...] = ()) -> Function:
    """The function that a layout of the predicted bytes describes: its contract is the layout's, not the VMM's.

    Bytes in `unknown`, ranges (first, byte after the last), are nobody's promise.
    """
    text, _ = capture.layout_text(replace(seen_capture(read, prediction), missing=unknown), compile_text)
    shown = f"prediction for {os.path.basename(read.name)}"  # noqa: PTH119 - a name for people
    return pipeline.compile_source(Source(shown, text), Path("prediction.yaml")).function


def seen_capture(read: Capture, prediction: Prediction) -> Capture:
    """What a capture of the function in the guest would hold.

    A BAR of unknown size keeps the host's address: without any, nobody could tell that it is there.
    """
    data = bytearray(prediction.config.value)
    for bar in prediction.bars:
        if not bar.size and not any(data[bar.offset : bar.offset + 4]):
            data[bar.offset : bar.offset + 4] = read.data[bar.offset : bar.offset + 4]
    return replace(
        read,
        name=f"{read.name} below {prediction.stack.name}",
        data=bytes(data),
        missing=(),
        redacted=(),
        bars=tuple(_facts(prediction.bars)),
        ids=None,
        dump=(),
    )


def _facts(bars: Iterable[Bar]) -> list[BarFact]:
    return [
        BarFact(bar.index, bar.size, bar.kind is BarKind.IO, bar.prefetchable, bar.kind is BarKind.MEM64)
        for bar in bars
        if bar.size
    ]
