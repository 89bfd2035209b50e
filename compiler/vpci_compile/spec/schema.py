"""The JSON Schema that editors use, generated from the language, with its documentation.

The text below each field of `device.py` is the field's description. It is read here from the source, and only here and
for the help of a diagnostic, because pydantic's own way would read it at every start of the program.
"""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from . import device


@cache
def descriptions() -> dict[tuple[str, str], str]:
    """(class, field) -> the text below the field."""
    tree = ast.parse(Path(device.__file__).read_text(encoding="utf-8"))
    found: dict[tuple[str, str], str] = {}
    for part in tree.body:
        if not isinstance(part, ast.ClassDef):
            continue
        for line, below in zip(part.body, part.body[1:], strict=False):
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(below, ast.Expr):
                value = below.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    found[part.name, line.target.id] = value.value
    return found


def description(model: type[BaseModel], field: str) -> str:
    """What a field of the language means, "" where nobody says."""
    return descriptions().get((model.__name__, field), "")


def device_schema() -> str:
    """The text of `schemas/device.schema.json` (JSON Schema 2020-12)."""
    schema = device.DeviceLayout.model_json_schema(by_alias=True)
    _describe(schema, device.DeviceLayout)
    for name, part in schema["$defs"].items():
        _describe(part, getattr(device, name))
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "vpci-compile device layout"}
    return json.dumps({**head, **{key: value for key, value in schema.items() if key != "title"}}, indent=2) + "\n"


def _describe(part: dict[str, Any], model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        entry = part["properties"][field.alias or name]
        entry.pop("title", None)
        part["properties"][field.alias or name] = {"description": description(model, name), **entry}
