"""Machines by hypothesis, their tables given to a real Linux: its nodes are those of our node map."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from acpi.linux import RAM, boot
from vpci_compile.acpi import qemu, specified
from vpci_compile.acpi.node_map import DEFAULT_NODES, Guest, distances, node_map
from vpci_compile.acpi.structures import encode
from vpci_compile.ir.machine import (
    Architecture,
    Cpu,
    Hierarchy,
    Initiator,
    Locality,
    Machine,
    Measure,
    Node,
    Vmm,
)
from vpci_compile.live.board import Q35, VIRT, Board

pytestmark = pytest.mark.stack
_BLOCK = 64 << 20
_BLOCKS = RAM // _BLOCK
_KINDS = {Q35: (Architecture.X86_64, "q35"), VIRT: (Architecture.AARCH64, "virt")}


@st.composite
def machines(draw: st.DrawFn, board: Board) -> Machine:
    """A machine with the RAM of the guest: nodes in any order, with RAM, processors, initiators, or nothing at all."""
    architecture, kind = _KINDS[board]
    count = draw(st.integers(2, 12))
    blocks = draw(st.lists(st.integers(0, count - 1), min_size=_BLOCKS, max_size=_BLOCKS))
    nodes = tuple(Node(blocks.count(number) * _BLOCK) for number in range(count))
    cpus = tuple(Cpu(index, draw(st.integers(0, count - 1))) for index in range(draw(st.integers(1, 3))))
    places = draw(st.lists(st.integers(0, count - 1), max_size=10))
    initiators = tuple(Initiator(node, 0, 1, 0, 0, f"gi{at}") for at, node in enumerate(places))
    pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
    given = {pair: draw(st.integers(11, 255)) for pair in pairs} if draw(st.booleans()) else {}
    hotplug = draw(st.sampled_from([0, 1 << 30]))
    machine = Machine(
        architecture, Vmm("qemu", (11, 1), kind), cpus, nodes, initiators, (), given, hotplug=hotplug,
        objects=tuple(one.id for one in initiators),
    )  # fmt: skip
    if draw(st.booleans()):
        with_ram = [number for number, node in enumerate(nodes) if node.memory]
        near = {b: draw(st.integers(1, 500)) for b in with_ram}  # from wherever: Linux shows the nearest initiator's
        values = {(a, b): near[b] for a in machine.initiator_nodes for b in with_ram}
        machine = replace(machine, localities=(Locality(Hierarchy.MEMORY, Measure.ACCESS_LATENCY, values),))
    return machine


@pytest.mark.parametrize("dialect", [specified, qemu], ids=["acpi-6.6", "qemu"])
@pytest.mark.parametrize("board", _KINDS, ids=[board.machine for board in _KINDS])
def test_the_guests_nodes_are_those_we_print(board: Board, dialect: object) -> None:
    @settings(
        max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), print_blob=True
    )
    @given(machines(board))
    def judged(machine: Machine) -> None:
        made = dialect.tables(machine)  # type: ignore[attr-defined]
        tables = {table.header.signature: table for table in made}
        linux = boot(board, [encode(table) for table in made], cpus=len(machine.cpus))
        nodes = node_map(tables["SRAT"], Guest(machine.architecture, DEFAULT_NODES[machine.architecture]))
        online = [node for node in nodes.nodes if node.online]
        assert not nodes.fault
        assert linux.possible == {node.number for node in nodes.nodes}
        assert linux.online == {node.number for node in online}
        assert linux.initiators == {node.number for node in nodes.nodes if node.initiator}
        assert linux.with_memory == {
            node.number for node in nodes.nodes if any(one.size and not one.hotplug for one in node.memory)
        }
        assert linux.cpus == {node.number: list(node.cpus) for node in online}
        known = distances(nodes, tables.get("SLIT"))
        assert linux.distances == [[known[a.number][b.number] for b in online] for a in online]
        for node in online:
            ram = sum(one.size for one in node.memory if not one.hotplug) >> 10
            assert (
                0 <= ram - linux.memory[node.number] <= (80 << 10)
            )  # the kernel keeps its own and its page structures
        for (_, target), value in machine.localities[0].values.items() if "HMAT" in tables else ():
            number = nodes.of(target)
            assert linux.performance[f"node{number}/access0/initiators/read_latency"] == value

    judged()
