"""The tables of every machine that is shipped, given to a Linux that boots: its nodes are those that we print.

With little RAM and few processors: a node that has some keeps some. What matters stays: domains, initiators, distances.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from acpi.linux import boot
from acpi.tables import ROOT
from machines.test_shipped import SHIPPED
from vpci_compile import api
from vpci_compile.acpi import qemu, specified
from vpci_compile.acpi.node_map import DEFAULT_NODES, Guest, distances, node_map
from vpci_compile.acpi.structures import Table, encode
from vpci_compile.ir.machine import Architecture, Cpu, Machine
from vpci_compile.live.board import Q35, VIRT

pytestmark = pytest.mark.stack
_RAM = 256 << 20
_MACHINES = [path for path in SHIPPED if "name: qemu" in path.read_text(encoding="utf-8")]
_BOARDS = {Architecture.X86_64: Q35, Architecture.AARCH64: VIRT}
_TYPES = {Architecture.X86_64: "q35", Architecture.AARCH64: "virt"}


def small(layout: Path, architecture: Architecture) -> Machine:
    """The machine for a guest of a few hundred MiB, on either architecture."""
    machine = api.load_machine(layout).system.machine
    nodes = tuple(node._replace(memory=_RAM if node.memory else 0) for node in machine.nodes)
    with_cpus = sorted({cpu.node for cpu in machine.cpus})
    return replace(
        machine,
        architecture=architecture,
        vmm=machine.vmm._replace(machine=_TYPES[architecture]),
        nodes=nodes,
        cpus=tuple(Cpu(index, node) for index, node in enumerate(with_cpus)),
        hotplug=0,
        slots=0,
    )


def started(machine: Machine, made: list[Table]) -> None:
    """A guest of these tables has the nodes that they come to."""
    tables = {table.header.signature: table for table in made}
    memory = ("-m", f"{machine.memory >> 20}M")
    linux = boot(_BOARDS[machine.architecture], [encode(one) for one in made], cpus=len(machine.cpus), more=memory)
    nodes = node_map(tables["SRAT"], Guest(machine.architecture, DEFAULT_NODES[machine.architecture]))
    if nodes.fault:  # more nodes than a kernel of Debian's has
        assert any(nodes.fault in line for line in linux.log), linux.log
        assert not linux.initiators and linux.online == {0}
        return
    online = [node for node in nodes.nodes if node.online]
    assert linux.online == {node.number for node in online}
    assert linux.initiators == {node.number for node in nodes.nodes if node.initiator}
    assert linux.with_memory == {node.number for node in online if node.memory}
    assert linux.cpus == {node.number: list(node.cpus) for node in online}
    known = distances(nodes, tables.get("SLIT"))
    assert linux.distances == [[known[a.number][b.number] for b in online] for a in online]
    assert not [line for line in linux.log if "acpi/hmat: Ignoring" in line or "SLIT table looks invalid" in line]


@pytest.mark.parametrize("layout", _MACHINES, ids=[path.stem for path in _MACHINES])
def test_its_nodes_are_those_we_print(layout: Path) -> None:
    """In both dialects, where they differ in more than the order of what makes no node."""
    own = api.load_machine(layout).system.machine.architecture
    machine = small(layout, own)
    started(machine, specified.tables(machine))
    if machine.initiators:
        started(machine, qemu.tables(machine))


@pytest.mark.parametrize("name", ["gb200-four", "gb300-four"])
def test_as_many_nodes_where_the_kernel_has_them(name: str) -> None:
    """Debian's kernel for x86-64 has 1024 nodes: all 34 come up there, as they would on such a kernel for aarch64."""
    machine = small(ROOT / "layouts" / "machines" / f"{name}.yaml", Architecture.X86_64)
    assert len(machine.nodes) == 34
    started(machine, specified.tables(machine))
