"""Diagnostics as values, and the collector that every stage writes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from .codes import REGISTRY
from .span import Span

MAX_ERRORS = 200  # nobody reads more, and a hostile file must not cost more
MAX_TEXT = 1000  # characters of a message
_MAX_WORD, _MAX_KNOWN = 64, 500


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
        self.errors = 0
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
        """Record one diagnostic. Its severity is the registry's, or `note` where the layout accepts this code.

        Raises:
            Failed: with VPCI1006 at its end, when there are too many errors.
        """
        entry = REGISTRY[code]
        notes, helps = _texts(note), _texts(help)
        severity = Severity(entry.severity)
        if code in self.accepted and entry.acceptable:
            severity = Severity.NOTE
            notes = (*notes, f"accepted by the layout: {self.accepted[code]}")
            helps = ()
        marks = tuple(Label(place, _short(words)) for place, words in labels)
        made = Diagnostic(code, severity, _short(message), span, _short(text), marks, notes, helps)
        self.diagnostics.append(made)
        if severity is Severity.ERROR:
            self.errors += 1
            if self.errors == MAX_ERRORS:
                self._too_many(span)

    def _too_many(self, span: Span) -> None:
        found = self.sorted()
        self.add("VPCI1006", span, f"{MAX_ERRORS} errors: what follows is not checked")
        raise Failed([*found, self.diagnostics[-1]])

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

    if len(word) > _MAX_WORD:
        return []
    words = {one.lower(): one for one in islice(known, _MAX_KNOWN)}
    word = word.lower()
    swapped = [one for one in words if len(one) == len(word) and sorted(one) == sorted(word)]
    return [words[one] for one in difflib.get_close_matches(word, swapped or words, n=1, cutoff=0.5)]


def _texts(given: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(_short(text) for text in ((given,) if isinstance(given, str) else given) if text)


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 4]} ..."


def failure(code: str, span: Span, message: str, **rest: object) -> Failed:
    """The exception for a complaint that leaves nothing to go on with (an unreadable file, for example)."""
    report = Report()
    report.add(code, span, message, **rest)  # type: ignore[arg-type]
    return Failed(report.diagnostics)
