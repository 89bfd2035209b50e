"""YAML text to a tree of nodes, by our own scalar rules.

`yaml.safe_load` reads `00:02.0` as 2.0, `3:00.0` as 180.0 and `010` as 8, and lets a duplicate key win in silence; a
PCI address must not meet it. Here a plain scalar is `true`, `false`, `null`, a decimal number without a leading zero,
a 0x or 0b number, or else text. The tree is built from libyaml's events, so depth and size are bounded before memory
is spent.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from ..diagnostics import Report, Source, Span, failure
from .node import Node, Scalar

MAX_CHARACTERS = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 50_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9_]{0,39})|0x[0-9a-fA-F_]{1,64}|0b[01_]{1,128}")
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None, "~": None, "": None}


def scalar(text: str) -> Scalar:
    """The value of a plain scalar, by the rules above."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "-0123456789" and _NUMBER.fullmatch(text):
        digits = text.replace("_", "")
        if digits[:2] in ("0x", "0b"):
            return int(digits, 0) if len(digits) > 2 else text
        return int(digits)
    return text


_LAYOUT = "layouts/minimal.yaml is the smallest layout; 'vpci-compile import' writes one from a capture"


def parse(source: Source, begin: str = _LAYOUT) -> Node:
    """Read one YAML document; `begin` is how to begin one, for who gives an empty file.

    Raises:
        Failed: VPCI1002 (not YAML), VPCI1003 (duplicate key), VPCI1004 (anchors, tags, several documents, keys that
            are not scalars), VPCI1005 (too large or too deep). All duplicate keys are reported together.
    """
    if len(source.text) > MAX_CHARACTERS:
        raise failure(
            "VPCI1005",
            Span(source, 1, 1, 0),
            f"document has {len(source.text):,} characters, the limit is {MAX_CHARACTERS:,}",
            help="a layout describes one function; move the rest to another file",
        )
    report = Report()
    builder = _Builder(source, report)
    try:
        for event in yaml.parse(source.text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        from . import yaml_errors  # most texts have none

        raise yaml_errors.not_yaml(source, error) from None
    report.stop_on_errors()
    if builder.root is None:
        raise failure(
            "VPCI1002",
            Span(source, 1, 1, 0),
            "the document is empty",
            help=begin,
        )
    return builder.root


class _Builder:
    """Builds the tree from events with a stack of its own, so that deep input cannot exhaust Python's."""

    def __init__(self, source: Source, report: Report) -> None:
        self.source = source
        self.report = report
        self.root: Node | None = None
        self._stack: list[Node] = []
        self._pending: list[tuple[str, Span] | None] = []  # the key that waits for its value, one a level
        self._count = 0

    def take(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._scalar(event)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._open(event, {} if kind is yaml.MappingStartEvent else [])
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._stack.pop()
            self._pending.pop()
        elif kind is yaml.AliasEvent:
            raise self._refuse(event, f"alias '*{event.anchor}'", "repeat the text, or share it with 'extends'")
        elif kind is yaml.DocumentStartEvent and self.root is not None:
            raise self._refuse(event, "a second document ('---')", "put each layout into a file of its own")

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        width = end.column - start.column if end.line == start.line else 1
        return Span(self.source, start.line + 1, start.column + 1, max(width, 1))

    def _refuse(self, event: Any, what: str, way_out: str) -> Exception:
        return failure("VPCI1004", self._span(event), f"{what} is not used in layouts", help=way_out)

    def _check(self, event: Any) -> None:
        if event.anchor:
            raise self._refuse(event, f"anchor '&{event.anchor}'", "repeat the text, or share it with 'extends'")
        if event.tag and event.tag != "!":
            raise self._refuse(event, "a tag", "leave it out: the language knows the type of each value")
        self._count += 1
        if self._count > MAX_NODES:
            raise failure("VPCI1005", self._span(event), f"document has more than {MAX_NODES:,} values")

    def _open(self, event: Any, value: list[Node] | dict[str, Node]) -> None:
        self._check(event)
        if len(self._stack) >= MAX_DEPTH:
            raise failure("VPCI1005", self._span(event), f"nested more than {MAX_DEPTH} deep")
        mark = event.start_mark
        node = Node(value, Span(self.source, mark.line + 1, mark.column + 1))
        self._place(node, event)
        self._stack.append(node)
        self._pending.append(None)

    def _scalar(self, event: Any) -> None:
        self._check(event)
        span = self._span(event)
        parent = self._stack[-1] if self._stack else None
        if parent is not None and isinstance(parent.value, dict) and self._pending[-1] is None:
            key = event.value
            if key in parent.value:
                self.report.add(
                    "VPCI1003",
                    span,
                    f"key '{key}' is given twice",
                    labels=[(parent.keys[key], "first given here")],
                    help="keep one of the two",
                )
            self._pending[-1] = (key, span)
            return
        value = scalar(event.value) if event.implicit[0] else event.value
        self._place(Node(value, span), event)

    def _place(self, node: Node, event: Any) -> None:
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        if isinstance(parent.value, list):
            parent.value.append(node)
            return
        assert isinstance(parent.value, dict)
        pending = self._pending[-1]
        if pending is None:
            raise self._refuse(event, "a list or mapping as a key", "write the key as plain text")
        key, span = pending
        if key not in parent.value:
            parent.keys[key] = span
            parent.value[key] = node
        self._pending[-1] = None
