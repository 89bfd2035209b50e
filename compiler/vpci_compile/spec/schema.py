"""The JSON Schema that editors use, generated from the language, with its documentation.

The text below each field of `device.py` is the field's description. It is read here from the source, and only here and
for the help of a diagnostic, because pydantic's own way would read it at every start of the program.

Editors check what a person writes, before `extends` and `parameters` are resolved: a document that extends another one
needs nothing, and `null` and `remove` take away what it inherits; `${name}` can stand for any value.
"""

from __future__ import annotations

import ast
import inspect
import json
from functools import cache
from typing import Any

from pydantic import BaseModel

from .. import catalog
from ..catalog import Chain
from . import device, machine

_MERGED = ("CapabilityEntry", "BytesEntry", "ReservedEntry")  # entries of lists that are merged one by one
_FIXED = ("vpci", "extends", "parameters", "with")  # no parameter stands here
_PARAMETER = {
    "description": "The value of a parameter.",
    "type": "string",
    "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}",
}
_REMOVE = {"description": "Takes away the inherited entry that this one names.", "const": True}


@cache
def descriptions() -> dict[tuple[str, str], str]:
    """(class, field) -> the text below the field."""
    texts = [inspect.getsource(module) for module in (device, machine)]
    found: dict[tuple[str, str], str] = {}
    for part in [part for text in texts for part in ast.parse(text).body]:
        if not isinstance(part, ast.ClassDef):
            continue
        for line, below in zip(part.body, part.body[1:], strict=False):
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(below, ast.Expr):
                value = below.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    found[part.name, line.target.id] = inspect.cleandoc(value.value)
    return found


def description(model: type[BaseModel], field: str) -> str:
    """What a field of the language means, "" where nobody says."""
    return descriptions().get((model.__name__, field), "")


def device_schema() -> str:
    """The text of `schemas/device.schema.json` (JSON Schema 2020-12)."""
    layout = device.DeviceLayout.model_json_schema(by_alias=True)
    models = {**layout.pop("$defs"), "DeviceLayout": layout}
    # For completion; another name is text as well, so that a capability is added by one file of the catalogue.
    models["CapabilityEntry"]["properties"]["cap"]["anyOf"].insert(0, {"enum": _capabilities()})
    for name, part in models.items():
        _describe(part, getattr(device, name))
    changes = {f"{name}Change": _part(part, change=True) for name, part in models.items() if name != "Base"}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vpci-compile device layout",
        "if": {"required": ["extends"]},
        "then": {"$ref": "#/$defs/DeviceLayoutChange"},
        "else": {"$ref": "#/$defs/DeviceLayout"},
        "$defs": {
            **{name: _part(part, change=False) for name, part in models.items()},
            **{name: {**part, "title": name} for name, part in changes.items()},
            "Parameter": _PARAMETER,
        },
    }
    return json.dumps(schema, indent=2) + "\n"


def machine_schema() -> str:
    """The text of `schemas/machine.schema.json` (JSON Schema 2020-12)."""
    layout = machine.MachineLayout.model_json_schema(by_alias=True)
    models = {**layout.pop("$defs"), "MachineLayout": layout}
    for name, part in models.items():
        _describe(part, getattr(machine, name))
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vpci-compile machine layout",
        "$ref": "#/$defs/MachineLayout",
        "$defs": models,
    }
    return json.dumps(schema, indent=2) + "\n"


def _capabilities() -> list[str]:
    return sorted({name for chain in (Chain.STANDARD, Chain.EXTENDED) for name in catalog.names(chain)})


def _describe(part: dict[str, Any], model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        entry = part["properties"][field.alias or name]
        entry.pop("title", None)
        if "patternProperties" in entry:  # names of parts: without this any other name is right, whatever it holds
            entry["additionalProperties"] = False
        part["properties"][field.alias or name] = {"description": description(model, name), **entry}


def _part(part: dict[str, Any], *, change: bool) -> dict[str, Any]:
    """A model as a person may write it; with `change`, in a document that extends another one."""
    properties = {
        name: entry if name in _FIXED else _value(entry, change=change) for name, entry in part["properties"].items()
    }
    if not change:
        return {**part, "properties": properties}
    if part["title"] in _MERGED:
        properties["remove"] = _REMOVE
    return {**{key: value for key, value in part.items() if key != "required"}, "properties": properties}


_ABOUT = ("description", "default")
_SCALARS = ("integer", "boolean", "string")


def _value(value: dict[str, Any], *, change: bool, in_list: bool = False) -> dict[str, Any]:
    """What can stand in the place of a value."""
    about = {key: value[key] for key in _ABOUT if key in value}
    rest = {key: inner for key, inner in value.items() if key not in _ABOUT}
    choices = [_inner(one, change=change) for one in rest.get("anyOf", [rest])]
    any_text = any(one.get("type") == "string" and not {"pattern", "enum", "const"} & one.keys() for one in choices)
    if not any_text and any(one.get("type") in _SCALARS for one in choices):
        choices.append({"$ref": "#/$defs/Parameter"})
    if change and not in_list and {"type": "null"} not in choices:
        choices.append({"type": "null"})
    return {**about, **(choices[0] if len(choices) == 1 else {"anyOf": choices})}


def _inner(value: dict[str, Any], *, change: bool) -> dict[str, Any]:
    if "$ref" in value:
        base = value["$ref"].endswith("/Base")
        return {"$ref": f"{value['$ref']}Change"} if change and not base else value
    return {
        key: _value(inner, change=change, in_list=key == "items") if key in ("items", "additionalProperties") else inner
        for key, inner in value.items()
    }
