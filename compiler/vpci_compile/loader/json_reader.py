"""JSON text to a tree of nodes with positions; what `capture` writes is read by it.

The standard library's reader says where a text is broken, but not where a value stood that is of the wrong kind. As in
YAML here, a key given twice is an error. Numbers are whole: a capture has no others.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]

from ..diagnostics import Failed, Report, Source, Span, failure
from .node import Node, Value

MAX_DEPTH = 32
MAX_NODES = 500_000

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,39})(?![0-9.eE])")
_WORD = re.compile(r"true|false|null")
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}
_LINES = re.compile(r"\r\n|[\n\r]")


def parse_json(source: Source) -> Node:
    """Read one JSON document.

    Raises:
        Failed: VPCI1715 (not JSON), VPCI1003 (duplicate key), VPCI1710 (too many values, or too deep).
    """
    return _Reader(source).document()


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source, self.text = source, source.text
        self.report = Report()
        self.at = 0
        self._count = self._depth = 0
        self._starts = [0, *(match.end() for match in _LINES.finditer(self.text))]

    def document(self) -> Node:
        if not self._peek():
            raise self._broken("the file is empty")
        node = self._value()
        if self._peek():
            raise self._broken("more text after the end of the document")
        self.report.stop_on_errors()
        return node

    def _peek(self) -> str:
        """The next character that is no space, "" at the end; `at` stands before it."""
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()
        return self.text[self.at : self.at + 1]

    def _span(self, at: int, width: int = 1) -> Span:
        line = bisect_right(self._starts, at)
        return Span(self.source, line, at - self._starts[line - 1] + 1, width)

    def _broken(self, what: str, at: int | None = None) -> Failed:
        span = self._span(min(self.at if at is None else at, max(len(self.text) - 1, 0)))
        return failure("VPCI1715", span, what, help="was the file cut off, or edited? Capture the function again")

    def _value(self) -> Node:
        char, at = self._peek(), self.at
        self._count += 1
        if self._count > MAX_NODES:
            raise failure("VPCI1710", self._span(at), f"more than {MAX_NODES:,} values")
        if char in ("{", "["):
            if self._depth == MAX_DEPTH:
                raise failure("VPCI1710", self._span(at), f"nested more than {MAX_DEPTH} deep")
            self._depth += 1
            self.at += 1
            node = self._mapping(at) if char == "{" else self._list(at)
            self._depth -= 1
            return node
        if char == '"':
            text = self._string()
            return Node(text, self._span(at, max(self.at - at, 1)))
        for form in (_NUMBER, _WORD):
            match = form.match(self.text, at)
            if match is not None:
                self.at = match.end()
                word = match.group()
                return Node(_WORDS[word] if form is _WORD else int(word), self._span(at, len(word)))
        if char and char in "-0123456789":
            raise self._broken("a number that is not whole, or too long")
        raise self._broken("a value is expected here" if char else "the text ends where a value is expected")

    def _string(self) -> str:
        try:
            text, self.at = scanstring(self.text, self.at + 1, True)
        except JSONDecodeError as error:
            words = error.msg.removesuffix(" at").removesuffix(" starting")
            raise self._broken(words[:1].lower() + words[1:], error.pos) from None
        return str(text)

    def _more(self, close: str, first: bool) -> bool:
        """Whether another entry follows; the comma before it, or the bracket after the last one, is taken."""
        char = self._peek()
        if char == close:
            self.at += 1
            return False
        if first:
            return True
        if char != ",":
            raise self._broken(
                f"',' or '{close}' is expected here" if char else f"the text ends where '{close}' is due"
            )
        self.at += 1
        if self._peek() == close:
            raise self._broken(f"nothing stands between ',' and '{close}'")
        return True

    def _list(self, at: int) -> Node:
        entries: list[Node] = []
        while self._more("]", not entries):
            entries.append(self._value())
        return Node(entries, self._span(at))

    def _mapping(self, at: int) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, Span] = {}
        while self._more("}", not keys):
            char, start = self._peek(), self.at
            if char != '"':
                raise self._broken(
                    "a key in double quotes is expected here" if char else "the text ends where a key is due"
                )
            key = self._string()
            span = self._span(start, max(self.at - start, 1))
            if self._peek() != ":":
                raise self._broken("':' is expected after a key")
            self.at += 1
            value = self._value()
            if key in keys:
                self.report.add(
                    "VPCI1003",
                    span,
                    f"key '{key}' is given twice",
                    labels=[(keys[key], "first given here")],
                    help="keep one of the two",
                )
                continue
            entries[key], keys[key] = value, span
        return Node(entries, self._span(at), keys)
