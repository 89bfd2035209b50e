"""One side of a migration: a layout, a capture below a stack, or a JSON document of either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .. import stack
from ..capture import Capture
from ..diagnostics import Diagnostic, Report, Severity, Span, whole_file
from ..ir import Function
from ..stack import Check, Place, Prediction, Stack
from ..stack.qemu.layout import layout_check
from .document import Document
from .found import found
from .shown import predictions

_NOWHERE = whole_file("")
_UNREAD = ("VPCI1705", "VPCI1706", "VPCI1707", "VPCI1708", "VPCI1726")
"""Warnings of a capture after which nobody can say what a guest sees."""

_OF_THE_MACHINE = ("machine", "viommu", "viommu-pasid")
"""Options that are not about the function but about what stands around it."""


class Side(NamedTuple):
    """A function as a guest sees it, and what its VMM does with one that comes in.

    `function` is what the guest of the source has; `arriving` what a guest finds here after it came from elsewhere.
    `check` is None where the VMM compares nothing. `known` has the bits whose values are facts: a layout leaves its
    volatile fields open, a capture what was taken out of it.
    """

    name: str
    function: Function
    stack: Stack
    check: Check | None
    known: bytes
    arriving: Function
    capture: Capture | None = None
    options: Mapping[str, str] = {}
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def is_layout(self) -> bool:
        """Whether a person wrote it: it says where the guest has it, and what stands behind its BARs."""
        return self.capture is None

    @property
    def unread(self) -> list[str]:
        """The options that change nothing of it: a layout or a document is what it says."""
        return [] if self.capture is not None else [key for key in self.options if key not in _OF_THE_MACHINE]

    def place(self, offset: int, span: Span | None) -> Span | None:
        """Where the byte at `offset` stands: in the capture, else where the layout says it."""
        return span if self.capture is None else self.capture.place(offset)


def of_layout(function: Function, name: str, below: str, options: Mapping[str, str]) -> Side:
    """The side of a layout, shown by the VMM of the stack `below`.

    Raises:
        ValueError: no such stack.
    """
    parsed = stack.parse(below)
    config = function.config
    known = bytes(compared | emulated for compared, emulated in zip(config.compared, config.emulated, strict=True))
    check = None
    if parsed.vmm == stack.QEMU:
        check = layout_check(function, parsed.release, skip_vsc=stack.skips_vsc(parsed, options))
    return Side(name, function, parsed, check, known, function, options=options)


def of_document(read: Document, name: str, below: str, options: Mapping[str, str]) -> Side:
    """The side of a JSON document: a layout's function, or a prediction.

    Raises:
        ValueError: no such stack, or not the one of the prediction.
    """
    if not read.stack:
        return of_layout(read.function, name, below, options)
    function, parsed = read.function, stack.parse(below)
    if parsed != stack.parse(read.stack):
        raise ValueError(f"{name} was predicted below {read.stack}: below {below} it is another function")
    known = b"\xff" * function.config.size
    return Side(name, function, parsed, read.check, known, function, options=options)


def of_capture(read: Capture, name: str, below: str, place: Place, options: Mapping[str, str]) -> Side:
    """The side of a captured function below a stack.

    Raises:
        ValueError: no such stack or option.
        Failed: VPCI2101 (the stack does not show it), VPCI2315 (too little of it was captured).
    """
    report = Report()
    for one in read.diagnostics:
        if one.code in _UNREAD:
            message = f"too little was captured to say what a migration does: {one.message}"
            report.add("VPCI2315", one.span, message, help=one.helps)
        elif one.severity is not Severity.NOTE:
            report.diagnostics.append(one)
    report.stop_on_errors()
    prediction, function, arriving = _shown(read, below, place, tuple(options.items()))
    for refusal in prediction.refusals:
        message = f"{prediction.stack.name} does not show this function: {refusal.message}"
        report.add("VPCI2101", read.place(refusal.offset), message, note=refusal.note, help=refusal.help or ())
    report.stop_on_errors()
    known = bytearray(b"\xff" * prediction.config.size)
    for first, end in read.missing:
        known[first:end] = bytes(max(0, min(end, len(known)) - first))
    return Side(
        name, function, prediction.stack, prediction.check, bytes(known), arriving, read, options,
        tuple(report.sorted()),
    )  # fmt: skip


def _shown(
    read: Capture, below: str, place: Place, options: tuple[tuple[str, str], ...]
) -> tuple[Prediction, Function, Function]:
    """The prediction, the guest's function, and the function that a guest finds after a migration to here."""
    prediction = predictions(below, place.value, options).of(read)

    def function(shown: Prediction) -> Function:
        return found("", shown.config, shown.bars, place.value, lambda offset: _NOWHERE, read.data)

    now = function(prediction)
    if prediction.refusals or not stack.forgets(prediction.stack):
        return prediction, now, now
    restored = tuple({**dict(options), "restored": "on"}.items())
    return prediction, now, function(predictions(below, place.value, restored).of(read))
