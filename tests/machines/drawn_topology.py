"""Topologies by hypothesis, as YAML: expanders, ports that share a slot, switches below switches, BARs of all kinds."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import strategies as st

_FUNCTION = """vpci: 1
device: {name}
identity: {{vendor: 0x1234, device: 0x0001, class: 0x120000, multifunction: true}}
bars:
{bars}
capabilities:
  - {{cap: pcie, at: 0x60, source: copied, fields: {{flags: {{version: 2, type: endpoint}}}}}}
physical: {{}}
migration: {{migrates: false}}
"""
_BARS = {
    "small": ("{kind: mem32, size: 64K}",),
    "one": ("{kind: mem64, prefetchable: true, size: 1M}",),
    "plain": ("{kind: mem64, size: 1M}", "{kind: mem64, prefetchable: true, size: 4M}"),
    "two": ("{kind: mem64, prefetchable: true, size: 16M}", "{kind: mem64, prefetchable: true, size: 256M}"),
    "large": (
        "{kind: mem64, prefetchable: true, size: 32M}",
        "{kind: mem64, prefetchable: true, size: 8G}",
        "{kind: mem64, prefetchable: true, size: 2G}",
    ),
}
_MOST_SWITCHES = 3


def write_functions(folder: Path) -> None:
    """The layouts that drawn machines name."""
    for name, rows in _BARS.items():
        bars = "\n".join(f"  {2 * index}: {row[:-1]}, source: copied}}" for index, row in enumerate(rows))
        (folder / f"{name}.yaml").write_text(_FUNCTION.format(name=name, bars=bars), encoding="utf-8")


@st.composite
def topologies(draw: st.DrawFn, architecture: str) -> str:
    """JSON is YAML, too; the layouts of devices are files of `write_functions` beside it."""
    x86 = architecture == "x86-64"
    numbers = draw(st.lists(st.integers(2, 12), max_size=2, unique=True))
    buses = {f"b{number}": {"number": 20 * number} for number in numbers}
    ports: dict[str, dict[str, object]] = {}
    for index in range(draw(st.integers(1, 5))):
        port: dict[str, object] = {"bus": draw(st.sampled_from(["root", *buses])), "io": draw(st.booleans())}
        if draw(st.integers(0, 2)) == 0:  # a slot of its own with more functions than one
            port["slot"] = 20 + index
            ports[f"p{index}f1"] = {**port, "function": draw(st.integers(1, 7))}
        ports[f"p{index}"] = port
    switches: dict[str, dict[str, str]] = {}
    free = list(ports)
    for index in range(draw(st.integers(0, _MOST_SWITCHES))):
        over = free.pop(draw(st.integers(0, len(free) - 1)))
        switches[f"s{index}"] = {"port": over}
        for count in range(draw(st.integers(1, 3))):
            ports[f"d{index}{count}"] = {"bus": f"s{index}"}
            free.append(f"d{index}{count}")
    devices: dict[str, dict[str, object]] = {}
    for name in draw(st.permutations(free)):
        for function in range(draw(st.sampled_from([0, 1, 1, 2]))):
            kind = draw(st.sampled_from(sorted(_BARS)))
            devices[f"f{len(devices)}"] = {"layout": f"{kind}.yaml", "port": name, "function": function}
    made = {
        "vpci": 1, "machine": "drawn", "architecture": architecture, "cpus": 1, "nodes": [{"memory": 512 << 20}],
        "vmm": {"name": "qemu", "release": "11.1", "type": "q35" if x86 else "virt"},
        "buses": buses, "ports": dict(draw(st.permutations(list(ports.items())))), "switches": switches,
        "devices": devices,
    }  # fmt: skip
    return json.dumps(made, indent=1)
