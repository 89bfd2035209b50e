"""The probe file: a machine that a QEMU was asked about, as text, and back. `probe_format` says what stands where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...capture import hex_rows, json_text
from ...diagnostics import Report, Source
from ...loader import Node
from ...loader.json_form import Form
from ..incoming import Check
from .machine import Bar, Emulated, Equal, Machine, Saved
from .probe_format import FORMAT, MASKS, VERSION, VERSION_KEY


def is_probe(text: str) -> bool:
    """Whether a text looks like a probe file, and not like a capture file or another document."""
    return f'"{VERSION_KEY}"' in text[:1000]


# -- writing -------------------------------------------------------------------------------------------------------


def text(machine: Machine) -> str:
    """The document."""
    document = {
        VERSION_KEY: VERSION,
        "qemu": machine.qemu,
        "machine": machine.type,
        "blocked": machine.blocked,
        "ram_version": machine.ram_version,
        "blocks": [{"name": name, "size": size} for name, size in machine.blocks],
        "sections": [_section(one) for one in machine.sections],
        "functions": [_function(one) for one in machine.functions],
    }
    return json_text.render(document, rows=(*MASKS, "guest"))


def _section(one: Saved) -> dict[str, Any]:
    return {
        "name": one.name,
        "instance": one.instance,
        "version": one.version,
        "number": one.number,
        "size": one.size,
        "holder": one.holder,
        "equals": [equal._asdict() for equal in one.equals],
        "queues": [*one.queues],
    }


def _function(one: Emulated) -> dict[str, Any]:
    rows = None if one.check is None else {name: hex_rows.write(getattr(one.check, name)) for name in MASKS}
    return {
        "id": one.id,
        "driver": one.driver,
        "path": one.path,
        "section": one.section,
        "check": rows,
        "guest": hex_rows.write(one.guest) if one.guest else None,
        "bars": [bar._asdict() for bar in one.bars],
        "properties": dict(one.properties),
    }


# -- reading -------------------------------------------------------------------------------------------------------


def read(source: Source) -> Machine:
    """The machine of a probe file.

    Raises:
        Failed: VPCI1701 (another JSON document), VPCI1715 (not JSON), VPCI1716 (of the wrong shape), VPCI1717 (of
            another version), VPCI1003 (key given twice), VPCI1704 (damaged row).
    """
    tree, report = Form("probe", VERSION_KEY, VERSION, FORMAT).read(source)
    plain = tree.plain()
    functions = tuple(_read_function(node, report) for node in tree.find(["functions"]).entries())
    report.stop_on_errors()
    return Machine(
        qemu=plain["qemu"],
        type=plain["machine"],
        blocked=plain["blocked"],
        ram_version=plain["ram_version"],
        blocks=tuple((row["name"], row["size"]) for row in plain["blocks"]),
        sections=tuple(_read_section(row) for row in plain["sections"]),
        functions=functions,
    )


def _read_section(row: Mapping[str, Any]) -> Saved:
    rest = {key: value for key, value in row.items() if key not in ("equals", "queues")}
    return Saved(**rest, equals=tuple(Equal(**equal) for equal in row["equals"]), queues=tuple(row["queues"]))


def _read_function(node: Node, report: Report) -> Emulated:
    plain = {key: entry.plain() for key, entry in node.items() if key not in ("check", "guest")}
    check = node.find(["check"])
    return Emulated(
        id=plain["id"],
        driver=plain["driver"],
        path=plain["path"],
        section=plain["section"],
        check=None if check.value is None else _read_check(check, report),
        guest=bytes(hex_rows.read(node.find(["guest"]), report).data),
        bars=tuple(Bar(**bar) for bar in plain["bars"]),
        properties=plain["properties"],
    )


def _read_check(node: Node, report: Report) -> Check:
    found = [bytes(hex_rows.read(node.find([name]), report).data) for name in MASKS]
    if len({len(one) for one in found}) > 1:
        sizes = ", ".join(f"{name} {len(one)}" for name, one in zip(MASKS, found, strict=True))
        report.add("VPCI1716", node.span, f"the space and its masks differ in length: {sizes} bytes")
    return Check(*found)
