"""Machines by hypothesis, and the arguments that make a real QEMU one of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import NamedTuple

from hypothesis import strategies as st

from vpci_compile.acpi import qemu_cpus
from vpci_compile.acpi.qemu_cpus import Topology
from vpci_compile.ir.machine import (
    Architecture,
    Cache,
    Cpu,
    Hierarchy,
    Initiator,
    Locality,
    Machine,
    Measure,
    Node,
    Port,
    Vmm,
)

MIB, GIB = 1 << 20, 1 << 30
RELEASE = (11, 1)
_EDGES = [8192, 0xA0000, 0x100000, 0x180000, 128 * MIB, GIB, 0x8000_0000, 0xB000_0000, 0xC000_0000, 0xE000_0000]
_FIRST_SLOT, _SLOTS = 4, 20
_CXL_BUS = 0x60
_HIERARCHIES = ("memory", "first-level", "second-level", "third-level")
_MEASURES = tuple(measure.name.lower().replace("_", "-") for measure in Measure)
_ASSOCIATIVITY = ("none", "direct", "complex")
_POLICY = ("none", "write-back", "write-through")


class Case(NamedTuple):
    """A machine, and what else its arguments say."""

    machine: Machine
    topology: Topology
    given_cpus: bool  # each processor's node is named
    others: tuple[str, ...]  # ids of objects that are no initiators and no ports
    backends: tuple[str, ...]


_OWN = re.compile(r"(m|ram-|mem\.node|gi)[0-9]+")  # ids that the strategy gives by itself
_names = st.from_regex(r"[a-z][a-zA-Z0-9._-]{0,9}", fullmatch=True).filter(lambda name: not _OWN.fullmatch(name))


@st.composite
def topologies(draw: st.DrawFn, x86: bool, many: bool) -> Topology:
    small = st.integers(1, 3)
    if many and draw(st.integers(0, 9)) == 0:
        return Topology(sockets=2, cores=144)
    if x86:
        return Topology(draw(small), draw(small), 1, draw(small), draw(small), draw(st.integers(1, 2)))
    return Topology(sockets=draw(small), clusters=draw(small), cores=draw(small), threads=1)


@st.composite
def nodes_of(draw: st.DrawFn, count: int) -> list[Node]:
    sizes = st.sampled_from(_EDGES) | st.integers(1, 700).map(lambda one: one * 4 * MIB)
    memory = draw(st.lists(st.just(0) | sizes, min_size=count, max_size=count))
    if sum(memory) < 128 * MIB:
        memory[draw(st.integers(0, count - 1))] += 128 * MIB
    return [Node(size) for size in memory]


def _latencies(draw: st.DrawFn, pairs: list[tuple[int, int]], scale: int) -> dict[tuple[int, int], int]:
    return {pair: draw(st.integers(0, 6000)) * scale for pair in pairs}


@st.composite
def localities(draw: st.DrawFn, initiators: tuple[int, ...], count: int) -> list[Locality]:
    made = []
    wanted = st.tuples(st.sampled_from(Hierarchy), st.sampled_from(Measure))
    for hierarchy, measure in draw(st.lists(wanted, max_size=4, unique=True)):
        all_pairs = [(a, b) for a in initiators for b in range(count)]
        pairs = draw(st.lists(st.sampled_from(all_pairs), min_size=1, max_size=12, unique=True))
        scale = draw(st.sampled_from([1, 10, 1000] if measure.is_latency else [MIB, 4 * MIB, GIB]))
        made.append(Locality(hierarchy, measure, _latencies(draw, pairs, scale)))
    return made


def _caches(draw: st.DrawFn, known: list[Locality]) -> list[Cache]:
    """Caches of nodes whose latency and bandwidth are told."""
    told = [{b for (_, b), value in one.values.items() if value} for one in known if one.measure.is_latency]
    wide = [{b for (_, b), value in one.values.items() if value} for one in known if not one.measure.is_latency]
    both = set().union(*told) & set().union(*wide)
    made = []
    for node in sorted(both):
        for level in range(1, draw(st.integers(0, 3)) + 1):
            kinds = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
            made.append(Cache(node, level * 4096, level, *kinds, draw(st.sampled_from([0, 8, 64, 0xFFFF]))))
    return made


def _default_nodes(topology: qemu_cpus.Topology, nodes: int) -> list[int]:
    """The node of each processor where no node names any: QEMU deals the sockets out in turn (hw/core/machine.c)."""
    count = prod(topology)
    return [index // (count // topology.sockets) % nodes for index in range(count)]


@st.composite
def cases(draw: st.DrawFn, kind: str) -> Case:
    """A machine of one of QEMU's types."""
    x86 = kind != "virt"
    architecture = Architecture.X86_64 if x86 else Architecture.AARCH64
    count = draw(st.integers(1, 6) | st.integers(7, 40))
    topology = draw(topologies(x86, many=kind == "q35"))
    ids = qemu_cpus.ids(architecture, topology)
    hmat = draw(st.booleans())
    given_cpus = hmat or draw(st.booleans())  # without, QEMU refuses processors as initiators
    where = [draw(st.integers(0, count - 1)) if given_cpus else node for node in _default_nodes(topology, count)]
    nodes = draw(nodes_of(count))
    names = draw(st.lists(_names, min_size=40, max_size=60, unique=True))
    fancy = draw(st.booleans())
    gi_ids = names[:32] if fancy else [f"gi{number}" for number in range(32)]
    slots = st.integers(_FIRST_SLOT, _FIRST_SLOT + _SLOTS - 1)
    places = draw(st.lists(st.tuples(st.integers(0, count - 1), slots), max_size=32))
    initiators = tuple(Initiator(node, 0, 0, slot, 0, gi_ids[at]) for at, (node, slot) in enumerate(places))
    ports = ()
    if kind != "pc" and draw(st.integers(0, 3)) == 0:
        where_ports = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=3))
        ports = tuple(Port(node, _CXL_BUS, names[-1 - at]) for at, node in enumerate(where_ports))
    others = tuple(names[33 : 33 + draw(st.integers(0, 3))])
    early = draw(st.permutations([*(one.id for one in initiators), *(one.id for one in ports), *others]))
    with_memory = [number for number, node in enumerate(nodes) if node.memory]
    prefix = draw(st.sampled_from(["m", "ram-", "mem.node"]))
    backends = tuple(f"{prefix}{number}" for number in with_memory)
    known = tuple(Cpu(id_, node) for id_, node in zip(ids, where, strict=True))
    distances = {}
    if draw(st.booleans()):
        value = st.integers(10, 255)
        both = draw(st.booleans())
        distances = {(a, b): draw(value) for a in range(count) for b in range(count) if a != b and (both or a < b)}
    with_cpus = sorted({cpu.node for cpu in known})
    if hmat:
        alone = [node for node in range(count) if node not in with_cpus]
        for node in alone:
            nodes[node] = nodes[node]._replace(initiator=draw(st.none() | st.sampled_from(with_cpus)))
    hotplug = draw(st.sampled_from([0, 0, GIB, 3 * GIB + 2 * MIB]))
    large = x86 and not ports and draw(st.integers(0, 5)) == 0  # CXL's windows count, too
    if large:
        where_large = draw(st.integers(0, count - 1))
        nodes[where_large] = nodes[where_large]._replace(memory=draw(st.integers(940, 1040)) * GIB)
        with_memory = [number for number, node in enumerate(nodes) if node.memory]
        backends = tuple(f"{prefix}{number}" for number in with_memory)
    machine = Machine(
        architecture, Vmm("qemu", RELEASE, kind), known, tuple(nodes), initiators, ports, distances,
        hmat, (), (), hotplug, draw(st.integers(0, 3)) if hotplug else 0, (*early, *backends),
    )  # fmt: skip
    if x86:
        hole64 = draw(st.sampled_from([None, GIB, 64 * GIB])) if large else None
        low = draw(st.sampled_from([None, None, GIB, 2 * GIB, 0x9000_0000, 3 * GIB]))
        machine = replace(machine, amd=draw(st.booleans()), pci_hole64=hole64, max_below_4g=low)
    if hmat:
        told = draw(localities(machine.initiator_nodes, count))
        machine = replace(machine, localities=tuple(told), caches=tuple(_caches(draw, told)))
    return Case(machine, topology, given_cpus, others, backends)


def arguments(case: Case) -> list[str]:
    """What makes a QEMU that machine; `-machine` is the caller's."""
    return list(_arguments(case))


def _arguments(case: Case) -> Iterator[str]:
    machine, topology = case.machine, case.topology
    if machine.hmat:
        yield from ("-machine", "hmat=on")
    if machine.ports:
        yield from ("-machine", "cxl=on")
    if machine.architecture is Architecture.X86_64:
        yield from ("-cpu", f"{'EPYC' if machine.amd else 'Skylake-Server'},phys-bits=52")
    if machine.max_below_4g is not None:
        yield from ("-machine", f"max-ram-below-4g={machine.max_below_4g}")
    if machine.pci_hole64 is not None:
        host = "q35-pcihost" if machine.vmm.machine == "q35" else "i440FX-pcihost"
        yield from ("-global", f"{host}.pci-hole64-size={machine.pci_hole64}")
    more = f",slots={machine.slots}" if machine.slots else ""
    more += f",maxmem={machine.memory + machine.hotplug}B" if machine.hotplug else ""
    yield from ("-m", f"{machine.memory}B{more}")
    parts = topology._asdict()
    del parts["modules" if machine.architecture is Architecture.AARCH64 else "clusters"]
    if machine.architecture is Architecture.AARCH64:
        del parts["dies"]
    words = ",".join(f"{name}={number}" for name, number in parts.items())
    yield from ("-smp", f"1,maxcpus={len(machine.cpus)},{words}")
    known = {one.id: one for one in (*machine.initiators, *machine.ports)}
    for name in machine.objects:
        yield from ("-object", _object(name, known.get(name), machine, case))
    names = iter(case.backends)
    for number, node in enumerate(machine.nodes):
        text = f"node,nodeid={number}"
        if case.given_cpus:
            text += "".join(f",cpus={index}" for index, cpu in enumerate(machine.cpus) if cpu.node == number)
        text += f",memdev={next(names)}" if node.memory else ""
        text += f",initiator={node.initiator}" if node.initiator is not None else ""
        yield from ("-numa", text)
    for (a, b), value in machine.distances.items():
        yield from ("-numa", f"dist,src={a},dst={b},val={value}")
    for one in machine.localities:
        for (a, b), value in one.values.items():
            what = f"latency={value}" if one.measure.is_latency else f"bandwidth={value}"
            kind = f"hierarchy={_HIERARCHIES[one.hierarchy]},data-type={_MEASURES[one.measure]}"
            yield from ("-numa", f"hmat-lb,initiator={a},target={b},{kind},{what}")
    for cache in machine.caches:
        kind = f"associativity={_ASSOCIATIVITY[cache.associativity]},policy={_POLICY[cache.policy]}"
        where = f"node-id={cache.node},size={cache.size},level={cache.level}"
        yield from ("-numa", f"hmat-cache,{where},{kind},line={cache.line}")
    root = "pci.0" if machine.vmm.machine == "pc" else "pcie.0"
    for slot in sorted({one.device for one in machine.initiators}):
        yield from ("-device", f"pci-testdev,id=dev{slot},bus={root},addr={slot:#x}")
    if machine.ports:
        yield from ("-device", f"pxb-cxl,id=cxl0,bus={root},bus_nr={_CXL_BUS}")


def _object(name: str, one: Initiator | Port | None, machine: Machine, case: Case) -> str:
    if isinstance(one, Initiator):
        what = {"qom-type": "acpi-generic-initiator", "pci-dev": f"dev{one.device}", "node": one.node}
    elif isinstance(one, Port):
        what = {"qom-type": "acpi-generic-port", "pci-bus": "cxl0", "node": one.node}
    elif name in case.others:
        what = {"qom-type": "rng-builtin"}
    else:
        node = [node for node in machine.nodes if node.memory][case.backends.index(name)]
        what = {"qom-type": "memory-backend-ram", "size": node.memory, "reserve": False}
    return json.dumps({**what, "id": name})
