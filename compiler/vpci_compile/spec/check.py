"""A tree against the language: every mistake becomes a diagnostic at its place, with the nearest known name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from ..diagnostics import Report
from ..loader import Node
from .device import DeviceLayout

Path = tuple[str | int, ...]


def device_layout(tree: Node, report: Report) -> DeviceLayout:
    """The typed document.

    Raises:
        Failed: VPCI1101 (unknown key), VPCI1102 (key missing), VPCI1103 (value of the wrong shape), all of them.
    """
    try:
        return DeviceLayout.model_validate(tree.plain())
    except ValidationError as error:
        for row in error.errors(include_url=False):
            _complain(tree, row, report)
        report.stop_on_errors()
        raise


def _complain(tree: Node, row: Any, report: Report) -> None:
    path = _real_path(tree, row["loc"])
    kind = row["type"]
    name = str(path[-1]) if path else "the document"
    if kind == "extra_forbidden":
        known = _known_keys(row["loc"])
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        report.add(
            "VPCI1101",
            tree.key_of(*path),
            f"unknown key '{name}'",
            help=f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}",
        )
    elif kind == "missing":
        report.add(
            "VPCI1102",
            tree.key_of(*path[:-1]) if len(path) > 1 else tree.span,
            f"'{name}' is missing" + (f" in '{path[-2]}'" if len(path) > 1 else ""),
            help=f"add '{name}': {_described(row['loc'])}",
        )
    else:
        report.add("VPCI1103", tree.span_of(*path), f"{_where(path)}: {_sentence(row)}")


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


def _model_at(loc: Sequence[str | int]) -> type[BaseModel]:
    """The model that a location lies in."""
    model: type[BaseModel] = DeviceLayout
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


def _known_keys(loc: Sequence[str | int]) -> list[str]:
    model = _model_at(loc[:-1])
    return [field.alias or name for name, field in model.model_fields.items()]


def _described(loc: Sequence[str | int]) -> str:
    from .schema import description  # reads the source: only when somebody needs help

    model = _model_at(loc[:-1])
    for name, field in model.model_fields.items():
        if loc[-1] in (name, field.alias):
            return description(model, name).rstrip(".")
    return ""


def _where(path: Path) -> str:
    return f"'{path[-1]}'" if path and isinstance(path[-1], str) else "this entry"


_KINDS = {"dict": "a mapping", "list": "a list", "string": "text", "int": "a number", "bool": "true or false"}


def _sentence(row: Any) -> str:
    kind, context = row["type"], row.get("ctx") or {}
    shown = _shown(row["input"])
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"{shown} is not one of {context['expected'].replace(' or ', ', ')}"
    if kind == "model_type":
        return f"{shown} is not a mapping of keys"
    if kind.endswith("_type"):
        wanted = _KINDS.get(kind.removesuffix("_type"))
        return f"{shown} is not {wanted}" if wanted else row["msg"]
    if kind == "string_pattern_mismatch":
        return f"{shown} has characters that are not allowed (lower case letters, digits, '.', '_', '-')"
    return f"{shown}: {row['msg'][:1].lower()}{row['msg'][1:]}"


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = {True: "true", False: "false", None: "nothing"}.get(value) if not isinstance(value, str) else None
    if value is None or isinstance(value, bool):
        return str(text)
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
