"""Machine layouts by hypothesis, as YAML."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

from hypothesis import strategies as st

_DEVICE = """vpci: 1
device: {name}
identity: {{vendor: 0x1234, device: 0x0001, class: 0x120000, multifunction: true}}
bars:
  0: {{kind: mem64, prefetchable: true, size: {size}, source: copied}}
capabilities:
  - {{cap: pcie, at: 0x60, source: copied, fields: {{flags: {{version: 2, type: {type}}}}}}}
physical: {{}}
migration: {{migrates: false}}
initiators: {initiators}
guest: {{place: {place}}}
"""
_INITIATORS = (0, 1, 8)
_SMALL = 12  # nodes whose distances are drawn one by one
_MIB, _GIB = 1 << 20, 1 << 30
_TYPE_RELEASES = {"q35": ("5.2", "7.0", "7.1", "9.0", "11.1"), "virt": ("5.2", "8.2", "9.1", "11.1")}


def write_devices(folder: Path) -> None:
    """The layouts that drawn machines name."""
    for place, kind in (("port", "endpoint"), ("root", "rciep")):
        for count, size in zip(_INITIATORS, ("1M", "2G", "128G"), strict=True):
            text = _DEVICE.format(name=f"{place}-{count}", size=size, type=kind, initiators=count, place=place)
            (folder / f"{place}-{count}.yaml").write_text(text, encoding="utf-8")


@st.composite
def layouts(draw: st.DrawFn, architecture: str) -> str:
    """JSON is YAML, too; the layouts of devices are files of `write_devices` beside it."""
    x86 = architecture == "x86-64"
    small = st.integers(1, 3)
    parts = {name: draw(small) for name in ("sockets", "dies" if x86 else "clusters", "cores", "threads")}
    cpus = prod(parts.values())
    processor: dict[str, object] = {**parts}
    if x86:
        processor["vendor"] = draw(st.sampled_from(["intel", "amd"]))
    count = draw(st.integers(1, 4))
    memory = [draw(st.sampled_from([0, 128 * _MIB, _GIB, 3 * _GIB + _MIB])) for _ in range(count)]
    if not any(memory):
        memory[draw(st.integers(0, count - 1))] = 512 * _MIB
    if draw(st.integers(0, 4)) == 0:  # near 1 TiB, where RAM makes way for AMD's processors
        memory[draw(st.integers(0, count - 1))] = draw(st.integers(900, 1040)) * _GIB
    nodes: list[dict[str, object]] = [{"memory": size} for size in memory]
    if draw(st.booleans()):
        homes = [draw(st.integers(0, count - 1)) for _ in range(cpus)]
        for number in set(homes):
            nodes[number]["cpus"] = ",".join(str(cpu) for cpu in range(cpus) if homes[cpu] == number)
    else:
        homes = [0] * cpus
    vmm = {"name": "qemu", "release": "11.1", "type": "q35" if x86 else "virt"}
    if draw(st.booleans()):
        vmm["type_release"] = draw(st.sampled_from(_TYPE_RELEASES[vmm["type"]]))
    made: dict[str, object] = {
        "vpci": 1, "machine": "drawn", "architecture": architecture, "cpus": cpus, "processor": processor, "vmm": vmm,
        "guest_nodes": 256,
    }  # fmt: skip
    if draw(st.booleans()):
        made["hotplug"] = {"size": draw(st.sampled_from([_GIB, 3 * _GIB])), "slots": draw(small)}
    names = [f"b{index}" for index in range(draw(st.integers(0, 3)))]
    numbers = draw(st.lists(st.integers(2, 22), min_size=len(names), max_size=len(names), unique=True))
    hosts = [name for name in names if draw(st.integers(0, 3)) == 0]  # CXL host bridges
    made["buses"] = {
        name: {"number": number * 10, "cxl": name in hosts, **draw(_some_node(count))}
        for name, number in zip(names, numbers, strict=True)
    }
    if hosts:
        host = st.fixed_dictionaries({"bus": st.sampled_from(hosts), "node": st.integers(0, count - 1)})
        made["generic_ports"] = draw(st.lists(host, max_size=4))
    buses = ["root", *names]
    ports: dict[str, dict[str, object]] = {}
    for index in range(draw(st.integers(0, 6))):
        port: dict[str, object] = {"bus": draw(st.sampled_from(buses))}
        if draw(st.integers(0, 2)) == 0:  # a slot of its own with more functions than one
            port["slot"] = 20 + index
            ports[f"p{index}f1"] = {**port, "function": draw(st.integers(1, 7))}
        ports[f"p{index}"] = port
    made["ports"] = dict(draw(st.permutations(list(ports.items()))))
    devices: dict[str, dict[str, object]] = {}
    brought = 0
    for name in made["ports"]:  # type: ignore[attr-defined]
        for function in range(draw(st.sampled_from([0, 1, 1, 2]))):
            kind = draw(st.sampled_from(_INITIATORS))
            brought += kind
            devices[f"d{len(devices)}"] = {"layout": f"port-{kind}.yaml", "port": name, "function": function}
    for _ in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from(_INITIATORS[:2]))
        brought += kind
        devices[f"d{len(devices)}"] = {"layout": f"root-{kind}.yaml", "bus": "root"}
    made["devices"] = devices
    if brought and draw(st.booleans()):  # those of the first device before a gap, which stays empty
        first = next(name for name, one in devices.items() if one["layout"] not in ("port-0.yaml", "root-0.yaml"))
        devices[first]["first_node"] = count + 1
        brought = _count(count, devices) - count
    total = count + brought
    distance = st.integers(11, 255)
    if draw(st.booleans()):
        pair = st.fixed_dictionaries(
            {
                "from": st.integers(0, total - 1),
                "to": st.integers(0, total - 1),
                "value": distance,
                "both": st.booleans(),
            }
        )
        pairs = [one for one in draw(st.lists(pair, max_size=5)) if one["from"] != one["to"]]
        made["distances"] = {"remote": draw(distance), "initiators": draw(distance), "pairs": pairs}
        if total < _SMALL and draw(st.booleans()):
            rows = [[10 if a == b else draw(distance) for b in range(total)] for a in range(total)]
            made["distances"] = {"matrix": rows}
    if draw(st.booleans()):
        own = {"from": homes[0], "to": draw(st.integers(0, count - 1))}
        made["latencies"] = [
            {"measure": "access-latency", **own, "value": draw(st.integers(1, 60_000))},
            {"measure": "access-bandwidth", **own, "value": draw(st.integers(1, 60_000)) * _MIB},
        ]
        if draw(st.booleans()):
            made["caches"] = [
                {"node": own["to"], "size": 4096, "associativity": "direct", "policy": "write-back", "line": 64}
            ]
    made["nodes"] = nodes
    return json.dumps(made, indent=1)


def _count(listed: int, devices: dict[str, dict[str, object]]) -> int:
    following = listed
    for one in devices.values():
        first = one.get("first_node", following)
        assert isinstance(first, int)
        following = max(following, first + int(str(one["layout"]).split("-")[1].split(".")[0]))
    return following


def _some_node(count: int) -> st.SearchStrategy[dict[str, int]]:
    return st.just({}) | st.fixed_dictionaries({"node": st.integers(0, count - 1)})
