"""Where something stands in a text that a person wrote."""

from __future__ import annotations

from typing import NamedTuple


class Source:
    """A text and the path a person knows it by."""

    __slots__ = ("_lines", "path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self._lines: list[str] | None = None

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its end; "" beyond the last line."""
        if self._lines is None:
            self._lines = self.text.splitlines()
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""


class Span(NamedTuple):
    """A stretch of one line: `line` and `col` from 1, `width` in characters, 0 when there is no text to point at."""

    source: Source
    line: int
    col: int
    width: int = 1

    @property
    def path(self) -> str:
        """The path of the text."""
        return self.source.path

    def __str__(self) -> str:
        return f"{self.source.path}:{self.line}:{self.col}"


def whole_file(path: str) -> Span:
    """A span for a complaint about a file as such, when there is no text to point into."""
    return Span(Source(path, ""), 1, 1, 0)
