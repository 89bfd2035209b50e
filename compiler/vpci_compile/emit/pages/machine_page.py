"""`report` of a machine: its topology, windows, functions, nodes and distances, and its ACPI tables in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...acpi import table_text
from ...ir import BarKind, Function
from ...ir.topology import System
from ..machine import nodes as node_rows
from ..machine.tables import tables
from ..printed import bar_words
from ..sizes import size
from . import machine_svg, svg_map
from .report import page


def render(system: System, *, shown: str) -> str:
    """The page about one machine, which came from `shown`."""
    nodes = node_rows.of(system)
    shades = machine_svg.opacities(nodes)
    return page(
        "report/machine.html.j2",
        title=system.name,
        about=system.about.strip(),
        shown=shown,
        facts=machine_svg.facts(system),
        version=str(system.version),
        window=size(system.window),
        hole=size(system.pci_hole) if system.pci_hole else "",
        count=len(system.machine.nodes),
        map=machine_svg.render(system, prefix="map", alone=False, nodes_too=False),
        ports=[
            {
                "name": port.name,
                "place": f"{port.primary:02x}:{port.slot:02x}.{port.function}",
                "bus": port.bus,
                "behind": f"{port.secondary:02x}"
                + (f"..{port.subordinate:02x}" if port.subordinate > port.secondary else ""),
                "window": size(port.window) if port.window else "-",
                "bars": "; ".join(
                    f"{one.name}: {_bars(one.function)}" for one in system.devices if one.port == port.name
                ),
            }
            for port in system.ports
        ],
        devices=[
            {
                "name": one.name,
                "layout": one.layout,
                "id": _anchor(one.function),
                "place": _place(one.function),
                "port": one.port or one.bus,
                "nodes": ", ".join(map(str, one.nodes)) or "-",
                "contract": one.function.digest,
            }
            for one in system.devices
        ],
        nodes=nodes,
        distances=nodes.distances if 1 < len(nodes.numbers) <= machine_svg.MOST_NODES else (),
        shades=shades,
        latencies=_latencies(system),
        tables=[
            {"name": one.header.signature, "revision": one.header.revision, "text": table_text.text(one)}
            for one in tables(system)
        ],
        functions=_functions(system),
    )


def _place(function: Function) -> str:
    guest = function.guest
    return f"{guest.segment:04x}:{guest.bus:02x}:{guest.device:02x}.{guest.function}"


def _anchor(function: Function) -> str:
    return f"f-{function.digest[:12]}"


def _bars(function: Function) -> str:
    """The BARs that the window of a port holds."""
    rows = [bar for bar in function.bars if bar.kind is BarKind.MEM64 and bar.prefetchable]
    return ", ".join(size(bar.size) if bar.size else "not stated" for bar in rows) or "none"


def _latencies(system: System) -> list[Mapping[str, str]]:
    return [
        {
            "measure": one.measure.name.lower().replace("_", " "),
            "from": str(initiator),
            "to": str(target),
            "value": f"{value} ns" if one.measure.is_latency else f"{size(value)}B/s",
        }
        for one in system.machine.localities
        for (initiator, target), value in one.values.items()
    ]


def _functions(system: System) -> list[Mapping[str, Any]]:
    """Each function once, with the names of all its instances."""
    found: dict[str, dict[str, Any]] = {}
    for one in system.devices:
        key = _anchor(one.function)
        row = found.setdefault(
            key,
            {
                "id": key,
                "name": one.function.name,
                "layout": one.layout,
                "about": one.function.about.strip(),
                "who": [],
                "map": svg_map.render(one.function, prefix=key, alone=False),
                "bars": bar_words.every(one.function),
            },
        )
        row["who"].append(one.name)
    return [*found.values()]
