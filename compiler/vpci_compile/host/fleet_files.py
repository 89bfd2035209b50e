"""The functions of a fleet, file by file: what cannot be read is kept as a diagnostic, and the rest goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from .. import capture
from ..capture import Capture, Captures
from ..capture.lspci_text import decode
from ..diagnostics import Diagnostic, Failed, Report, Severity, Source, Span, failure, whole_file
from ..fleet import Member, Warned
from ..fleet.finding import find
from ..loader import open_to_read, unreadable
from . import document
from .document import Document

_LINE = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{.*\}\s*\Z", re.DOTALL)
_BRACE = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")
_HEADER_BYTES = 64
Read = Capture | Document


@dataclass(slots=True)
class Reader:
    """Reads a fleet. `problems` are what could not be read, `warnings` by code; both fill while it reads."""

    paths: Iterable[str]
    progress: Callable[[int, str], None] | None = None
    files: int = 0
    problems: list[Diagnostic] = field(default_factory=list)
    warnings: dict[str, Warned] = field(default_factory=dict)

    def functions(self) -> Iterator[tuple[Member, Read]]:
        """The functions in the order of the paths."""
        for path in self.paths:
            for found in find(path):
                if isinstance(found, Failed):
                    self._note(found.diagnostics)
                    continue
                self.files += 1
                if self.progress is not None:
                    self.progress(self.files, found)
                try:
                    yield from self._file(found)
                except Failed as failed:
                    self._note(failed.diagnostics)

    def _file(self, path: str) -> Iterator[tuple[Member, Read]]:
        if path.endswith("/config") or Path(path).is_dir():
            yield from self._captured(path, capture.read_all(Path(path), path))
            return
        try:
            with open_to_read(Path(path)) as stream:
                first = stream.readline(capture.MAX_FILE + 1)
                if _LINE.match(first):
                    yield from self._lines(path, first, stream)
                    return
                data = first + stream.read(capture.MAX_FILE + 1 - len(first))
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from None
        if len(data) > capture.MAX_FILE:
            message = f"file is larger than {capture.MAX_FILE >> 20} MiB"
            raise failure("VPCI1710", whole_file(path), message, help="one capture a line may be as long as it likes")
        yield from self._document(path, data)

    def _lines(self, path: str, first: bytes, stream: IO[bytes]) -> Iterator[tuple[Member, Read]]:
        """JSON lines: a document on each."""
        number, line = 1, first
        while line:
            if line.strip():
                shown = path if number == 1 and not stream.peek(1) else f"{path}:{number}"  # type: ignore[attr-defined]
                try:
                    yield from self._document(shown, line)
                except Failed as failed:
                    self._note(failed.diagnostics)
            number += 1
            line = stream.readline(capture.MAX_FILE + 1)

    def _document(self, shown: str, data: bytes) -> Iterator[tuple[Member, Read]]:
        made = document.parse(Source(shown, decode(data))) if _BRACE.match(data) else None
        if made is not None:
            yield Member(shown, ""), made
        else:
            yield from self._captured(shown, capture.read_all_bytes(data, shown))

    def _captured(self, shown: str, found: Captures) -> Iterator[tuple[Member, Read]]:
        self._note(found.diagnostics)
        for one in found.captures:
            if len(one.data) <= _HEADER_BYTES:
                report = Report()
                message = f"{one.label}: only {len(one.data)} bytes were captured, and a contract has more"
                way_out = "capture it as root: vpci-compile capture --all, or lspci -vv -xxxx"
                report.add("VPCI2202", one.origin, message, help=way_out)
                self._note(report.diagnostics)
            else:
                yield Member(shown, one.slot), one

    def _note(self, diagnostics: Iterable[Diagnostic]) -> None:
        for one in diagnostics:
            slim = replace(one, span=_slim(one.span), labels=()) if one.span.source.text else one
            if one.severity is Severity.ERROR:
                self.problems.append(slim)
            elif one.severity is Severity.WARNING and one.code != "VPCI1706":  # of 64 bytes: VPCI2202 says so
                self.warnings.setdefault(one.code, Warned(slim)).count += 1


def _slim(span: Span) -> Span:
    """The same place without the text, of which a fleet has too much to keep."""
    return Span(Source(span.path, ""), span.line, span.col, 0)
