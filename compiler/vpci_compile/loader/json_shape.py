"""Shapes of a JSON document's values: one declaration from which the check and the JSON Schema are both made."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..diagnostics import Report, nearest
from .node import Node

_SHOWN = 40  # characters
Path = str  # "functions[2].vfio.regions", for people


class Shape(Protocol):
    """What can stand at a place."""

    def check(self, node: Node, path: Path, report: Report) -> None:
        """Report VPCI1716 for everything that does not fit."""

    def schema(self) -> dict[str, Any]:
        """The same, as JSON Schema."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text of a form; `what` names the form for people, with an example."""

    what: str
    pattern: str

    def check(self, node: Node, path: Path, report: Report) -> None:
        """Report what does not fit."""
        if not isinstance(node.value, str) or not re.fullmatch(self.pattern, node.value, re.ASCII):
            _wrong(node, path, self.what, report)

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number between two others, both included."""

    least: int
    most: int

    def check(self, node: Node, path: Path, report: Report) -> None:
        """Report what does not fit."""
        value = node.value
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value <= self.most:
            _wrong(node, path, f"a number from {self.least} to {self.most}", report)

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Truth:
    """true or false."""

    def check(self, node: Node, path: Path, report: Report) -> None:
        """Report what does not fit."""
        if not isinstance(node.value, bool):
            _wrong(node, path, "true or false", report)

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text, a whole number, true or false: what is only compared."""

    def check(self, node: Node, path: Path, report: Report) -> None:
        """Report what does not fit."""
        if not isinstance(node.value, str | int):
            _wrong(node, path, "text, a number, true or false", report)

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": ["string", "integer", "boolean"]}


@dataclass(frozen=True, slots=True)
class Maybe:
    """A shape, or null: there is none, or nobody asked."""

    inner: Shape

    def check(self, node: Node, path: Path, report: Report) -> None:
        """Report what does not fit."""
        if node.value is not None:
            self.inner.check(node, path, report)

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"anyOf": [self.inner.schema(), {"type": "null"}]}


@dataclass(frozen=True, slots=True)
class Rows:
    """A list of entries of one shape."""

    inner: Shape
    most: int

    def check(self, node: Node, path: Path, report: Report) -> None:
        """Report what does not fit."""
        if not isinstance(node.value, list):
            _wrong(node, path, "a list", report)
        elif len(node.value) > self.most:
            message = f"{path}: {len(node.value)} entries, at most {self.most} are allowed"
            report.add("VPCI1716", node.span, message)
        else:
            for number, entry in enumerate(node.value):
                self.inner.check(entry, f"{path}[{number}]", report)

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": "array", "items": self.inner.schema(), "maxItems": self.most}


@dataclass(frozen=True, slots=True)
class Names:
    """A mapping from any names of one form to values of one shape."""

    name: Text
    inner: Shape
    most: int

    def check(self, node: Node, path: Path, report: Report) -> None:
        """Report what does not fit."""
        if not isinstance(node.value, dict) or len(node.value) > self.most:
            _wrong(node, path, f"a mapping of at most {self.most} keys", report)
            return
        for name, entry in node.value.items():
            if not re.fullmatch(self.name.pattern, name, re.ASCII):
                report.add("VPCI1716", node.keys[name], f"{path}: '{_cut(name)}' is not {self.name.what}")
            self.inner.check(entry, f"{path}.{_cut(name)}", report)

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {
            "type": "object",
            "propertyNames": {"pattern": f"^(?:{self.name.pattern})$"},
            "additionalProperties": self.inner.schema(),
            "maxProperties": self.most,
        }


@dataclass(frozen=True, slots=True)
class Part:
    """A mapping with these keys, all of them and no others but `optional` ones: key to (shape, what it means)."""

    about: str
    keys: Mapping[str, tuple[Shape, str]]
    optional: Mapping[str, tuple[Shape, str]] = field(default_factory=dict)

    def check(self, node: Node, path: Path, report: Report) -> None:
        """Report what does not fit."""
        if not isinstance(node.value, dict):
            _wrong(node, path, "a mapping of keys", report)
            return
        meant: set[str] = set()
        known = {**self.keys, **self.optional}
        missing = [key for key in self.keys if key not in node.value]
        for key in node.value:
            if key not in known:
                near = nearest(key, missing)
                meant.update(near)
                way_out = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"
                report.add("VPCI1716", node.keys[key], f"{_in(path)}unknown key '{_cut(key)}'", help=way_out)
        for key in missing:
            if key not in meant:
                report.add("VPCI1716", node.span, f"{_in(path)}'{key}' is missing", help=f"{key}: {self.keys[key][1]}")
        for key, (shape, _) in known.items():
            if key in node.value:
                shape.check(node.value[key], f"{path}.{key}" if path else key, report)

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {
            "description": self.about,
            "type": "object",
            "properties": {
                key: {"description": about, **shape.schema()}
                for key, (shape, about) in {**self.keys, **self.optional}.items()
            },
            "required": [*self.keys],
            "additionalProperties": False,
        }


def part(about: str, **keys: tuple[Shape, str]) -> Part:
    """A `Part` whose keys are names; a name that Python has for itself is written with `_` behind it."""
    return Part(about, {key.removesuffix("_"): value for key, value in keys.items()})


def schema_text(title: str, whole: Part) -> str:
    """A whole document's JSON Schema (2020-12), as it stands in `schemas/`."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return json.dumps({**head, **whole.schema()}, indent=2) + "\n"


def _wrong(node: Node, path: Path, wanted: str, report: Report) -> None:
    value = node.value
    if isinstance(value, dict | list):
        found = "a mapping" if isinstance(value, dict) else "a list"
    elif isinstance(value, str):
        found = f"'{_cut(value)}'"
    elif value is None or isinstance(value, bool):
        found = {None: "null", True: "true", False: "false"}[value]
    else:
        found = _cut(str(value))
    report.add("VPCI1716", node.span, f"{_in(path)}{found} where {wanted} is expected")


def _in(path: Path) -> str:
    return f"{path}: " if path else ""


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
