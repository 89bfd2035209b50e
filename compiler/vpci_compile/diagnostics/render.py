"""Diagnostics for people (text with carets) and for machines (JSON, SARIF 2.1.0)."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .codes import REGISTRY
from .report import Diagnostic, Severity
from .span import Span

_STYLES = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.NOTE: "1;36"}
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def render_text(diagnostics: Iterable[Diagnostic], *, colour: bool = False) -> str:
    """The block of each diagnostic, a blank line between two; "" for none."""
    return "\n".join(_block(d, colour) for d in diagnostics)


def _block(diagnostic: Diagnostic, colour: bool) -> str:
    def paint(text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if colour else text

    style = _STYLES[diagnostic.severity]
    head = paint(f"{diagnostic.severity}[{diagnostic.code}]", style)
    lines = [f"{printable(str(diagnostic.span))}: {head}: {printable(diagnostic.message)}"]
    # Marks in another file, or in a text that we do not hold, are named in words below.
    marks = [(diagnostic.span, "^", diagnostic.text)]
    elsewhere: list[str] = []
    for label in diagnostic.labels:
        if label.span.source is diagnostic.span.source:
            marks.append((label.span, "-", label.text))
        else:
            elsewhere.append(printable(f"{label.span}: {label.text}"))
    marks = [mark for mark in marks if mark[0].width and mark[0].source.line(mark[0].line).strip()]
    gutter = max((len(str(mark[0].line)) for mark in marks), default=1)
    bar = " " * (gutter + 1) + "|"
    if marks:
        lines.append(bar)
        shown = ""
        for span, sign, text in sorted(marks, key=lambda mark: (mark[0].line, mark[0].col)):
            source, under = _mark(span, paint(sign, style) if colour else sign, text, gutter)
            lines.extend([under] if source == shown else [source, under])  # two marks in a line: the line once
            shown = source
        if diagnostic.notes or diagnostic.helps or elsewhere:
            lines.append(bar)
    lead = " " * (gutter + 1) + "= "
    lines.extend(f"{lead}see: {place}" for place in elsewhere)
    lines.extend(f"{lead}note: {printable(note)}" for note in diagnostic.notes)
    lines.extend(f"{lead}help: {printable(text)}" for text in diagnostic.helps)
    return "\n".join(lines) + "\n"


_WIDEST = 160


def _mark(span: Span, sign: str, text: str, gutter: int) -> tuple[str, str]:
    source = span.source.line(span.line)
    start = span.col - 1
    if len(source) > _WIDEST:  # a very long line: show the part around the mark
        cut = max(0, min(start - 20, len(source) - _WIDEST))
        source, start = source[cut : cut + _WIDEST], start - cut
    source = printable(source)
    width = max(1, min(span.width, len(source) - start))
    under = f"{' ' * gutter} | {' ' * start}{sign * width}"
    return f"{span.line:>{gutter}} | {source}".rstrip(), f"{under} {printable(text)}".rstrip()


def printable(text: str) -> str:
    """`text` in one line, with a dot for what a terminal would obey and for what is no character."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in "\t\n\r" else "." for c in text)


def _place(span: Span) -> dict[str, object]:
    return {"path": span.path, "line": span.line, "column": span.col, "width": span.width}


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """A JSON array with one object for each diagnostic."""
    rows = [
        {
            "code": d.code,
            "severity": str(d.severity),
            "message": d.message,
            **_place(d.span),
            "text": d.text,
            "labels": [{**_place(label.span), "text": label.text} for label in d.labels],
            "notes": list(d.notes),
            "helps": list(d.helps),
        }
        for d in diagnostics
    ]
    return json.dumps(rows, indent=2) + "\n"


def _region(span: Span) -> dict[str, object]:
    from urllib.parse import quote  # only SARIF wants URIs

    return {
        "artifactLocation": {"uri": quote(span.path, errors="surrogateescape")},
        "region": {"startLine": span.line, "startColumn": span.col, "endColumn": span.col + max(1, span.width)},
    }


def render_sarif(diagnostics: Iterable[Diagnostic]) -> str:
    """A SARIF 2.1.0 log (OASIS), as code hosts show it on a change."""
    rows = list(diagnostics)
    rules = [
        {"id": code, "shortDescription": {"text": REGISTRY[code].title}} for code in sorted({d.code for d in rows})
    ]
    results = [
        {
            "ruleId": d.code,
            "level": _LEVELS[d.severity],
            "message": {"text": " ".join([d.message, *(f"Help: {text}." for text in d.helps)])},
            "locations": [{"physicalLocation": _region(d.span)}],
            "relatedLocations": [
                {"physicalLocation": _region(label.span), "message": {"text": label.text}} for label in d.labels
            ],
        }
        for d in rows
    ]
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "vpci-compile", "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }
    return json.dumps(log, indent=2) + "\n"
