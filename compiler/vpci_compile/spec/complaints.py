"""What pydantic found wrong, as diagnostics at their places, each mistake once and with the nearest known name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from pydantic import BaseModel

from ..diagnostics import Report, nearest
from ..loader import Node
from .readers import shown
from .schema import description

Path = tuple[str | int, ...]
_NO_PATTERN = "string_pattern_mismatch"


class Complaints:
    """What pydantic found, by place: a value that fits no member of a union comes once for each, and is one mistake."""

    def __init__(self, tree: Node, root: type[BaseModel], rows: Iterable[Any], report: Report) -> None:
        self.tree, self.root, self.report = tree, root, report
        self.unknown: list[tuple[Path, Any]] = []
        self.missing: list[tuple[Path, Any]] = []
        self.values: dict[Path, list[Any]] = {}
        for row in rows:
            path = _real_path(tree, row["loc"])
            is_key = row["loc"][-1:] == ("[key]",)
            if is_key and row["type"] == _NO_PATTERN:
                message, help_text = _pattern(str(path[-1]), row)
                report.add("VPCI1103", tree.key_of(*path), message, help=help_text)
            elif row["type"] == "extra_forbidden" or is_key:
                self.unknown.append((path, row))
            elif row["type"] == "missing":
                self.missing.append((path, row))
            else:
                self.values.setdefault(path, []).append(row)

    def write(self) -> None:
        """Report everything."""
        meant: set[Path] = set()  # keys that a misspelt one stands for: they are not missing, too
        for path, row in self.unknown:
            near = self._unknown(path, row)
            meant.update((*path[:-1], name) for name in near)
        inherits = any(path[:1] == ("extends",) for path in [*self.values, *(path for path, _ in self.missing)])
        for path, row in self.missing:
            if path not in meant and not (inherits and len(path) == 1):  # the base may have it
                self._missing(path, row)
        places = [*self.values, *(path for path, _ in [*self.unknown, *self.missing])]
        around = {path[:length] for path in places for length in range(len(path))}
        for path, rows in self.values.items():
            if path in around and all(row["type"].endswith("_type") for row in rows):
                continue  # one member of the union fits but for what is inside
            message, help_text = _sentence(rows)
            if not path:
                help_text = "a layout begins with 'vpci: 1', a mapping of keys"
            self.report.add("VPCI1103", self.tree.span_of(*path), f"{_where(path)}: {message}", help=help_text or ())

    def _unknown(self, path: Path, row: Any) -> list[str]:
        parent = self.tree.find(path[:-1])
        known = [name for name in _known_keys(self.root, row) if name not in parent.keys]
        key = str(path[-1])
        stem, colon, rest = key.partition(":")
        near = [name for name in (stem, _MEANT.get(key), key.lower().removeprefix("bar")) if name in known]
        near = near[:1] or nearest(key, known)
        way_out = f"did you mean '{near[0]}'?" if near else f"keys that can be added here: {', '.join(known)}"
        if colon and rest and near == [stem]:
            way_out = f"put a space after ':', as in '{stem}: {rest}'"
        self.report.add("VPCI1101", self.tree.key_of(*path), f"unknown key '{key}'{_in(path)}", help=way_out)
        return near

    def _missing(self, path: Path, row: Any) -> None:
        described = _described(self.root, row["loc"])
        if described[1:2].islower():
            described = described[0].lower() + described[1:]
        self.report.add(
            "VPCI1102",
            self.tree.key_of(*path[:-1]) if len(path) > 1 else self.tree.span,
            f"'{path[-1]}' is missing{_in(path)}",
            help=f"add '{path[-1]}': {described}" if described else f"add '{path[-1]}'",
        )


_MEANT = {"offset": "at", "address": "at", "id": "cap", "capability": "cap", "type": "kind"}  # what people write


def _in(path: Path) -> str:
    """Where the key at the end of `path` stands, for messages."""
    if len(path) < 2:
        return ""
    if isinstance(path[-2], int):
        return f" in an entry of '{path[-3]}'"
    return f" in '{'.'.join(str(step) for step in path[:-1])}'"


def _real_path(tree: Node, loc: Sequence[str | int]) -> Path:
    """The location without the names of types that pydantic adds for unions."""
    path: list[str | int] = []
    node = tree
    for position, step in enumerate(loc):
        value = node.value
        if isinstance(value, dict) and str(step) in value:
            node = value[str(step)]
        elif isinstance(value, list) and isinstance(step, int):
            node = value[step]
        elif position < len(loc) - 1 or not isinstance(value, dict) or not _is_key(str(step)):
            continue
        path.append(step)
    return tuple(path)


def _is_key(step: str) -> bool:
    return step.isidentifier() and step not in ("int", "bool", "str", "dict") and not step[0].isupper()


def _model_at(model: type[BaseModel], loc: Sequence[str | int]) -> type[BaseModel]:
    """The model that a location below another model lies in."""
    for step in loc:
        for name, field in model.model_fields.items():
            if step in (name, field.alias):
                inner = _models(field.annotation)
                if inner:
                    model = inner[0]
    return model


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models(inner)]


def _known_keys(root: type[BaseModel], row: Any) -> list[str]:
    if row["loc"][-1] == "[key]":
        return _choices(row)
    model = _model_at(root, row["loc"][:-1])
    return [field.alias or name for name, field in model.model_fields.items()]


def _choices(row: Any) -> list[str]:
    return [part.strip("'") for part in row["ctx"]["expected"].replace(" or ", ", ").split(", ")]


def _described(root: type[BaseModel], loc: Sequence[str | int]) -> str:
    model = _model_at(root, loc[:-1])
    for name, field in model.model_fields.items():
        if loc[-1] in (name, field.alias):
            return description(model, name).rstrip(".")
    return ""


def _where(path: Path) -> str:
    if not path:
        return "the document"
    return f"'{path[-1]}'" if isinstance(path[-1], str) else f"an entry of '{path[-2]}'"


_KINDS = {
    "dict": "a mapping", "model": "a mapping", "list": "a list", "string": "text", "int": "a number",
    "bool": "true or false",
}  # fmt: skip
_NO_NUMBER = "is not a number"  # the end of what scalars.py says: as good as pydantic's own int_type


def _sentence(rows: list[Any]) -> tuple[str, str]:
    """What is wrong with one value, and the way out ("" for none)."""
    row = rows[0]
    kind, context, value = row["type"], row.get("ctx") or {}, row["input"]
    wanted = dict.fromkeys(filter(None, map(_wanted, rows)))
    if len(wanted) == len({_wanted(row) for row in rows}):
        return f"{shown(value)} where {_either(list(wanted))} is expected", _form(value, wanted)
    for row in rows:
        if row["type"] == "value_error" and _wanted(row) is None:
            return str(row["ctx"]["error"]), ""
    if kind == "literal_error":
        return _choice(value, _choices(row))
    if kind == _NO_PATTERN:
        return _pattern(value, row)
    if kind == "string_too_long":
        return f"text of {len(value)} characters, at most {context['max_length']} are allowed", ""
    if kind == "too_long":
        return f"{context['actual_length']} entries, at most {context['max_length']} are allowed", ""
    if kind == "greater_than_equal":
        return f"{shown(value)} is less than {context['ge']}", ""
    if kind == "less_than_equal":
        return f"{shown(value)} is more than {context['le']}", ""
    return f"{shown(value)}: {row['msg'][:1].lower()}{row['msg'][1:]}", ""


def _pattern(value: str, row: Any) -> tuple[str, str]:
    """What is wrong with a text of the few patterns that there are: names, and releases of programs."""
    pattern = row["ctx"]["pattern"]
    if pattern.startswith("^[0-9]"):
        return f"{shown(value)} is no release", 'two numbers, in quotes: "11.1"'
    longest = 1 + int(pattern.rpartition(",")[2].rstrip("}$"))
    if len(value) > longest:
        return f"{shown(value)} has {len(value)} characters, at most {longest} are allowed", ""
    first = "a letter or a digit" if pattern.startswith("^[a-z0-9]") else "a letter"
    return (
        f"{shown(value)} is no name",
        f"a name has lower case letters, digits, '.', '_' and '-', and begins with {first}",
    )


def _form(value: Any, wanted: Collection[str]) -> str:
    """How a value of another kind is written, "" where that is plain."""
    if value is None:
        return "leave the key out" if {_KINDS["list"], _KINDS["dict"]} & {*wanted} else ""
    if isinstance(value, str):
        if _KINDS["int"] in wanted and re.fullmatch(r"(?=.*[0-9])[0-9a-fA-F]{1,16}", value):
            return f"a hexadecimal number begins with 0x: 0x{value}"
        if _KINDS["bool"] in wanted and value.lower() in _TRUTH:
            return f"write {_TRUTH[value.lower()]}"
    if _KINDS["list"] in wanted:
        return "each entry of a list begins with '-', or stands in [brackets]"
    if _KINDS["dict"] in wanted and len(wanted) == 1:
        return "a mapping has lines 'key: value', or stands in {braces}"
    return ""


_TRUTH = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}


def _wanted(row: Any) -> str | None:
    """The kind of value that one member of a union takes, or None where it says more than that."""
    kind = row["type"]
    if kind == "value_error":
        return _KINDS["int"] if str(row["ctx"]["error"]).endswith(_NO_NUMBER) else None
    return _KINDS.get(kind.removesuffix("_type")) if kind.endswith("_type") else None


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _choice(value: Any, choices: list[str]) -> tuple[str, str]:
    near = nearest(str(value), choices)
    if len(choices) == 1:
        return f"{shown(value)} where only {choices[0]} is known", ""
    return f"{shown(value)} is not one of {', '.join(choices)}", f"did you mean '{near[0]}'?" if near else ""
