"""`diff` for programs: a JSON document, its schema, and the findings as diagnostics (for SARIF)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ...diagnostics import Diagnostic, Report, Span, printable, whole_file
from ...diff import Answer, Finding, Kind, Outcome
from ...loader.json_shape import Maybe, Number, Rows, Text, part, schema_text

VERSION = 1
CAN, CANNOT = "can-migrate", "cannot-migrate"
_MOST = 65_536
_TEXT = Text("text", r"[^\x00-\x1f]*")
_CODES = {
    Kind.REJECTED: "VPCI2310",
    Kind.VISIBLE: "VPCI2311",
    Kind.UNKNOWN: "VPCI2317",
    Kind.UNSTABLE: "VPCI2312",
    Kind.HARMLESS: "VPCI2313",
}
_IGNORED = "VPCI2314"


_KINDS = Text(f"one of {', '.join(Kind)}", "|".join(Kind))
_FINDING = part(
    "One difference.",
    class_=(_KINDS, "What it means for the guest; docs/diff.md."),
    path=(_TEXT, "structure.register.field, barN.size, or what else it is about."),
    title=(_TEXT, "The same for people."),
    offset=(Maybe(Number(0, 4095)), "The first byte; null where it is not about bytes."),
    source=(_TEXT, "The value on the source; empty where it has none."),
    destination=(_TEXT, "The value on the destination."),
    source_place=(Maybe(_TEXT), "file:line that decided it; null where there is none."),
    destination_place=(Maybe(_TEXT), "The same for the destination."),
    why=(_TEXT, "Why it is of this class, where that needs saying."),
    ignored=(_TEXT, "Who accepts it; empty where nobody does."),
)
_ANSWER = part(
    "One direction.",
    source=(_TEXT, "The source."),
    destination=(_TEXT, "The destination."),
    stack=(_TEXT, "The destination's stack, whose rule it is."),
    verdict=(Text("the verdict", f"{CAN}|{CANNOT}"), "Whether the migration goes through."),
    words=(Rows(_TEXT, 16), "What the destination prints when it refuses."),
    findings=(Rows(_FINDING, _MOST), "Every difference, rejected ones first."),
    notes=(Rows(_TEXT, 16), "What is to be said of the whole."),
)
FORMAT = part(
    "The answer to 'vpci-compile diff'.",
    vpci_diff=(Number(VERSION, VERSION), "Version of this format."),
    verdict=(Text("the verdict", f"{CAN}|{CANNOT}"), "That of the way there."),
    there=(_ANSWER, "From the source to the destination."),
    back=(_ANSWER, "From the destination to the source."),
)


def diff_schema() -> str:
    """The text of `schemas/diff.schema.json` (JSON Schema 2020-12)."""
    return schema_text("vpci-compile diff", FORMAT)


def render(outcome: Outcome) -> str:
    """The document."""
    document = {
        "vpci_diff": VERSION,
        "verdict": _verdict(outcome.there),
        "there": _answer(outcome.there),
        "back": _answer(outcome.back),
    }
    return json.dumps(_printable(document), indent=2) + "\n"


def _printable(value: Any) -> Any:
    """A document whose texts are in one line: names of files and what people wrote can hold anything."""
    if isinstance(value, dict):
        return {key: _printable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_printable(one) for one in value]
    return printable(value) if isinstance(value, str) else value


def _verdict(answer: Answer) -> str:
    return CAN if answer.accepted else CANNOT


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "source": answer.source,
        "destination": answer.destination,
        "stack": answer.vmm,
        "verdict": _verdict(answer),
        "words": [*answer.words],
        "findings": [_finding(one) for one in answer.findings],
        "notes": [*answer.notes],
    }


def _finding(one: Finding) -> dict[str, Any]:
    difference = one.difference
    return {
        "class": one.kind,
        "path": difference.path,
        "title": difference.title,
        "offset": difference.offset,
        "source": difference.left,
        "destination": difference.right,
        "source_place": _place(difference.left_span),
        "destination_place": _place(difference.right_span),
        "why": one.why,
        "ignored": one.ignored,
    }


def _place(span: Span | None) -> str | None:
    return f"{span.path}:{span.line}" if span is not None and span.width else None


def diagnostics(answer: Answer) -> list[Diagnostic]:
    """The findings of one direction: VPCI2310..2313 and VPCI2317; VPCI2314 for what somebody accepts."""
    report = Report()
    for one in answer.findings:
        difference = one.difference
        span = difference.right_span or difference.left_span or whole_file(answer.destination)
        labels = [(difference.left_span, "the source")] if difference.left_span is not None else []
        values = f"{difference.left or '(none)'} on the source, {difference.right or '(none)'} on the destination"
        report.add(
            _IGNORED if one.ignored else _CODES[one.kind],
            span,
            f"{difference.path}: {values}",
            labels=labels,
            note=[text for text in _notes(answer, one) if text],
        )
    return report.diagnostics


def _notes(answer: Answer, one: Finding) -> Iterable[str]:
    if one.ignored:
        return (f"{one.kind}; accepted by {one.ignored}",)
    return (one.why, *(answer.words if one.kind is Kind.REJECTED else ()))
