"""Diagnostics as values, and the collector that every stage writes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from .codes import REGISTRY
from .span import Span


class Severity(StrEnum):
    """How bad it is: an `error` stops the pipeline after its stage."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Label(NamedTuple):
    """A second place that a diagnostic points at."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One complaint: `message` says what, with value and limit; `note` the law, `help` the way out."""

    code: str
    severity: Severity
    message: str
    span: Span
    text: str = ""
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()


class Failed(Exception):  # noqa: N818 - an answer, not a fault of the program
    """A stage ended with errors; `diagnostics` holds everything collected so far."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("; ".join(f"{d.span}: {d.code}: {d.message}" for d in self.diagnostics))


class Report:
    """Collects diagnostics; `stop_on_errors` ends a stage."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.accepted: Mapping[str, str] = {}

    def add(
        self,
        code: str,
        span: Span,
        message: str,
        *,
        text: str = "",
        labels: Iterable[tuple[Span, str]] = (),
        note: str | Iterable[str] = (),
        help: str | Iterable[str] = (),  # noqa: A002 - the word a reader sees
    ) -> None:
        """Record one diagnostic. Its severity is the registry's, or `note` where the layout accepts this code."""
        entry = REGISTRY[code]
        notes = (note,) if isinstance(note, str) else tuple(note)
        helps = (help,) if isinstance(help, str) else tuple(help)
        severity = Severity(entry.severity)
        if code in self.accepted and entry.acceptable:
            severity = Severity.NOTE
            notes = (*notes, f"accepted by the layout: {self.accepted[code]}")
            helps = ()
        made = Diagnostic(code, severity, message, span, text, tuple(Label(*label) for label in labels), notes, helps)
        self.diagnostics.append(made)

    @property
    def failed(self) -> bool:
        """Whether any error was recorded."""
        return any(d.severity is Severity.ERROR for d in self.diagnostics)

    def stop_on_errors(self) -> None:
        """End the stage.

        Raises:
            Failed: with everything collected, if any of it is an error.
        """
        if self.failed:
            raise Failed(self.sorted())

    def sorted(self) -> list[Diagnostic]:
        """All diagnostics in reading order, each once."""
        unique = dict.fromkeys(self.diagnostics)
        return sorted(unique, key=lambda d: (d.span.path, d.span.line, d.span.col, d.code, d.message))


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known word that somebody most likely meant, as a list of one, or none."""
    import difflib  # only when somebody mistyped

    return difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)


def failure(code: str, span: Span, message: str, **rest: object) -> Failed:
    """The exception for a complaint that leaves nothing to go on with (an unreadable file, for example)."""
    report = Report()
    report.add(code, span, message, **rest)  # type: ignore[arg-type]
    return Failed(report.diagnostics)
