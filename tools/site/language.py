"""The reference of the language, from the JSON Schemas; and of the capabilities, from the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vpci_compile import catalog
from vpci_compile.catalog import Capability, Chain

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
_MOST_NAMES = 12  # of an enumeration; the others are on a page of their own
_CHANGE = "Change"  # the form that a definition has in a layout that extends another: the same keys, none demanded
_CHAINS = {Chain.HEADER: "Headers", Chain.STANDARD: "Standard capabilities", Chain.EXTENDED: "Extended capabilities"}

Shape = dict[str, Any]


def pages() -> Iterator[tuple[str, str]]:
    """The languages of layouts and of machines; a list of the capabilities, and a page for each."""
    yield "reference/layout.md", _language("device", "The language of layouts", "DeviceLayout")
    yield "reference/machine.md", _language("machine", "The language of machines", "MachineLayout")
    lines = ["# Capabilities\n", "What layouts call them. Each is one file of `schemas/pci/`.\n"]
    for chain, heading in _CHAINS.items():
        lines += [f"## {heading}\n", "| name | id | title | clause |", "|---|---|---|---|"]
        for name in catalog.names(chain):
            one = catalog.by_name(chain, name)
            lines.append(
                f"| [{name}](capabilities/{chain}-{name}.md) | `{one.id:#06x}` | {_cell(one.title)} | {one.clause} |"
            )
            yield f"reference/capabilities/{chain}-{name}.md", _capability(one)
        lines.append("")
    yield "reference/capabilities.md", "\n".join(lines)


# -- layouts and machines --------------------------------------------------------------------------------------------


def _language(schema: str, title: str, first: str) -> str:
    shapes: dict[str, Shape] = json.loads((SCHEMAS / f"{schema}.schema.json").read_text(encoding="utf-8"))["$defs"]
    others = sorted(name for name in shapes if name != first and not name.endswith(_CHANGE))
    lines = [
        f"# {title}\n",
        f"Made from [schemas/{schema}.schema.json](../schemas/{schema}.schema.json), by which editors",
    ]
    lines.append("complete and check. A needed key must be there, unless the layout `extends` one that has it.\n")
    for name in (first, *others):
        lines += _definition(name, shapes[name], shapes.get(f"{name}{_CHANGE}", {}))
    return "\n".join(lines)


def _definition(name: str, shape: Shape, change: Shape) -> Iterator[str]:
    """One mapping; `change` is its form where a layout extends another, which can have keys of its own."""
    yield f"## {name}\n"
    yield f"{shape.get('description', '')}\n"
    if "properties" not in shape:
        yield f"{_kind(shape)}\n"
        return
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    needed = shape.get("required", ())
    for key, one in shape["properties"].items():
        given = "" if key in needed or one.get("default") is None else f"`{json.dumps(one['default'])}`"
        must = "**needed**" if key in needed else given
        yield f"| `{key}` | {_kind(one)} | {must} | {_cell(one.get('description', ''))} |"
    for key, one in change.get("properties", {}).items():
        if key not in shape["properties"]:
            about = _cell(one.get("description", ""))
            yield f"| `{key}` | {_kind(one)} | | {about} Only where the layout `extends` another. |"
    yield ""


def _kind(shape: Shape) -> str:
    """What a value may be, in words."""
    if "$ref" in shape:
        name = shape["$ref"].rsplit("/", 1)[-1].removesuffix(_CHANGE)
        return f"[{name}](#{name.lower()})"
    if "const" in shape:
        return f"`{json.dumps(shape['const'])}`"
    if "enum" in shape:
        names = [f"`{one}`" for one in shape["enum"]]
        return ", ".join(names) if len(names) <= _MOST_NAMES else "one of the [capabilities](capabilities.md)"
    choices = [one for one in shape.get("anyOf", ()) if not _said_once(one)]
    if choices:
        return " or ".join(dict.fromkeys(_kind(one) for one in choices))
    if shape.get("type") == "array":
        return f"list of {_kind(shape.get('items', {}))}"
    if shape.get("type") == "object":
        inner = shape.get("additionalProperties")
        return f"mapping to {_kind(inner)}" if isinstance(inner, dict) else "mapping"
    words = {"integer": "number", "string": "text", "boolean": "true or false", "number": "number"}
    return words.get(shape.get("type", ""), "any") + _limits(shape)


def _said_once(shape: Shape) -> bool:
    """Whether it can stand in most places, a parameter or null: saying it each time would not help."""
    return shape.get("$ref", "").endswith("/Parameter") or shape.get("type") == "null"


def _limits(shape: Shape) -> str:
    low, high = shape.get("minimum"), shape.get("maximum")
    if high is None or high >= (1 << 64) - 1:
        return "" if not low else f" from {low}"
    return f" {low or 0}..{high:#x}" if high > 99 else f" {low or 0}..{high}"


# -- capabilities ----------------------------------------------------------------------------------------------------


def _capability(one: Capability) -> str:
    lines = [f"# {one.name}\n", f"{one.title}, id `{one.id:#06x}`, {one.clause}.\n"]
    for register in one.registers:
        many = " (repeated: add its number)" if register.repeat else ""
        lines += [f"## {one.name}.{register.name}\n", f"{register.title}{many}\n"]
        if register.blob:
            lines.append("Bytes.\n")
            continue
        lines += ["| field | bits | access | title | values |", "|---|---|---|---|---|"]
        for field in register.fields:
            bits = f"{field.low + field.width - 1}..{field.low}" if field.width > 1 else f"{field.low}"
            values = ", ".join(f"`{named.name}`" for named in field.values)
            lines.append(f"| `{field.name}` | {bits} | {field.access} | {_cell(field.title)} | {values} |")
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text within a table."""
    return " ".join(text.replace("|", "\\|").split())
