"""The tree that the loader builds: plain values that remember where they stood."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..diagnostics import Span

Scalar = None | bool | int | str
Value = Scalar | list["Node"] | dict[str, "Node"]


class Node:
    """A YAML node: `value` is a scalar, a list of nodes or a mapping from keys to nodes."""

    __slots__ = ("keys", "span", "value")

    def __init__(self, value: Value, span: Span, keys: dict[str, Span] | None = None) -> None:
        self.value = value
        self.span = span
        self.keys = keys or {}

    def plain(self) -> Any:
        """The same tree as Python scalars, lists and dicts, without places."""
        value = self.value
        if type(value) is dict:
            return {key: node.plain() for key, node in value.items()}
        if type(value) is list:
            return [node.plain() for node in value]
        return value

    def find(self, path: Iterable[str | int]) -> Node:
        """The node at `path`, or the deepest one on the way there."""
        node = self
        for step in path:
            value = node.value
            if isinstance(value, dict) and str(step) in value:
                node = value[str(step)]
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                node = value[step]
            else:
                break
        return node

    def span_of(self, *path: str | int) -> Span:
        """Where the value at `path` stands, or the deepest node on the way there."""
        return self.find(path).span

    def key_of(self, *path: str | int) -> Span:
        """Where the key of the entry at `path` stands; the value's place when it has no key."""
        parent = self.find(path[:-1])
        return parent.keys.get(str(path[-1]), self.span_of(*path))

    def items(self) -> Iterable[tuple[str, Node]]:
        """The entries of a mapping (none for other nodes)."""
        return self.value.items() if isinstance(self.value, dict) else ()

    def entries(self) -> list[Node]:
        """The entries of a sequence (none for other nodes)."""
        return self.value if isinstance(self.value, list) else []
