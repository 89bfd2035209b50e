"""Tables of ACPI 6.6 in a guest's initrd: a Linux that finds QEMU's as well takes ours, and has the nodes we print."""

from __future__ import annotations

from pathlib import Path

import pytest

from acpi.linux import boot
from machines.drawn import write_devices
from machines.running import emulated, stand_in
from vpci_compile import api
from vpci_compile.acpi.node_map import distances
from vpci_compile.acpi.structures import encode
from vpci_compile.emit import Options
from vpci_compile.emit.machine import qemu as machine_qemu
from vpci_compile.emit.machine.image import guest_nodes
from vpci_compile.emit.machine.tables import tables
from vpci_compile.ir.topology import System
from vpci_compile.live.board import Q35, VIRT, Board

# The ids of eight initiators come out of QEMU's hash table in another order than theirs.
_LAYOUT = """vpci: 1
machine: replaced
architecture: {architecture}
vmm: {{name: qemu, release: "11.1", type: {type}}}
tables: {tables}
cpus: 2
nodes:
  - {{memory: 256M, cpus: 1}}
  - {{memory: 256M, cpus: 0}}
ports: {{rp: {{}}}}
devices: {{acc: {{layout: port-8.yaml, port: rp}}}}
distances: {{remote: 33, initiators: 77, pairs: [{{from: 0, to: 1, value: 44}}, {{from: 2, to: 9, value: 55}}]}}
"""
_BOARDS = {Q35: "x86-64", VIRT: "aarch64"}
_OWN = ("-machine", "-cpu", "-m", "-smp")


def machine(folder: Path, board: Board, dialect: str) -> System:
    write_devices(folder)
    path = folder / "replaced.yaml"
    path.write_text(_LAYOUT.format(architecture=_BOARDS[board], type=board.machine, tables=dialect))
    return api.check_machine(path).system


@pytest.mark.stack
@pytest.mark.parametrize("board", _BOARDS, ids=[board.machine for board in _BOARDS])
def test_linux_takes_them_in_place_of_qemus(board: Board, tmp_path: Path) -> None:
    system = machine(tmp_path, board, "acpi-6.6")
    made = {one.format.signature: one for one in tables(system)}
    argv = stand_in(machine_qemu.arguments(system, Options())[0][1:], emulated)
    more = [part for pair in zip(argv[::2], argv[1::2], strict=True) if pair[0] not in _OWN for part in pair]
    linux = boot(board, [encode(one) for one in made.values()], cpus=2, more=more)
    replaced = [line for line in linux.log if "Table Upgrade: override" in line]
    assert {signature for signature in made if any(f"[{signature}" in line for line in replaced)} == set(made)
    nodes = guest_nodes(system)
    assert [node.domain for node in nodes.nodes] != [
        node.domain for node in guest_nodes(machine(tmp_path, board, "vmm")).nodes
    ]
    assert linux.online == {node.number for node in nodes.nodes}
    assert linux.initiators == {node.number for node in nodes.nodes if node.initiator}
    assert linux.cpus == {node.number: list(node.cpus) for node in nodes.nodes}
    known = distances(nodes, made["SLIT"])
    assert linux.distances == [[known[a.number][b.number] for b in nodes.nodes] for a in nodes.nodes]


def test_the_archive_goes_before_an_initrd(tmp_path: Path) -> None:
    system = machine(tmp_path, Q35, "acpi-6.6")
    api.build_machine(tmp_path / "replaced.yaml", tmp_path)
    archive = (tmp_path / "replaced.acpi.cpio").read_bytes()
    for table in tables(system):
        at = archive.index(f"kernel/firmware/acpi/{table.format.signature}.aml".encode())
        assert encode(table) in archive[at : at + 4096]
