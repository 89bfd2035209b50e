"""The tables beside the repository, of real QEMUs, read by a real Linux: ours are the same, and so are its nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from acpi.linux import seen
from acpi.tables import ROOT
from vpci_compile.acpi import qemu
from vpci_compile.acpi.decode import decode
from vpci_compile.acpi.node_map import DEFAULT_NODES, Guest, distances, node_map
from vpci_compile.acpi.structures import encode
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
    Vmm,
)

_FOLDER = ROOT.parent / "shared" / "acpi-tables"
_MIB = 1 << 20
_HALF = Node(256 * _MIB)
_ARM = (Architecture.AARCH64, Vmm("qemu", (11, 1), "virt"))
_X86 = (Architecture.X86_64, Vmm("qemu", (11, 1), "q35"))
_ONE, _TWO = (Cpu(0, 0),), (Cpu(0, 0), Cpu(1, 1))
_EIGHT = tuple(Initiator(number + 1, 0, 1, 0, 0, f"gi{number}") for number in range(8))
_ATTACHED = Node(256 * _MIB, initiator=0)

MACHINES = {  # by the folder with their tables
    "arm-base-2mem": Machine(*_ARM, _TWO, (_HALF, _HALF)),
    "arm-gi8": Machine(*_ARM, _ONE, (_HALF, *[Node()] * 8), _EIGHT, objects=(*(one.id for one in _EIGHT), "m0")),
    "x86-base-2mem": Machine(*_X86, _TWO, (_HALF, _HALF)),
    "x86-gi1": Machine(*_X86, _ONE, (_HALF, Node()), _EIGHT[:1], objects=("gi0", "m0")),
    "x86-hmat": Machine(
        *_X86,
        (Cpu(0, 0), Cpu(1, 0)),
        (_ATTACHED, _ATTACHED),
        distances={(0, 1): 20},
        hmat=True,
        localities=(
            Locality(Hierarchy.MEMORY, Measure.ACCESS_LATENCY, {(0, 0): 5, (0, 1): 10}),
            Locality(Hierarchy.MEMORY, Measure.ACCESS_BANDWIDTH, {(0, 0): 200 * _MIB, (0, 1): 100 * _MIB}),
        ),
        caches=(Cache(0, 10 << 10, 1, 1, 1, 8),),
    ),
    "x86-memless": Machine(*_X86, _ONE, (_HALF, Node())),
    "x86-slit": Machine(*_X86, _TWO, (_HALF, _HALF), distances={(0, 1): 31}),
}


def folder(name: str) -> Path:
    if not (_FOLDER / name).is_dir():
        pytest.skip(f"no {name} beside the repository")
    return _FOLDER / name


@pytest.mark.parametrize("name", MACHINES)
def test_our_tables_are_qemus(name: str) -> None:
    made = qemu.tables(MACHINES[name])
    kept = {path.stem: path.read_bytes() for path in folder(name).glob("*.aml")}
    assert {table.header.signature: encode(table).hex() for table in made} == {
        signature: octets.hex() for signature, octets in kept.items()
    }


@pytest.mark.parametrize("name", MACHINES)
def test_our_node_map_is_linuxs(name: str) -> None:
    tables = {path.stem: decode(path.read_bytes()) for path in folder(name).glob("*.aml")}
    linux = seen((folder(name) / "linux-nodes.txt").read_text())
    architecture = MACHINES[name].architecture
    nodes = node_map(tables["SRAT"], Guest(architecture, DEFAULT_NODES[architecture]))
    assert not nodes.fault
    assert {node.number for node in nodes.nodes if node.online} == linux.online
    assert {node.number for node in nodes.nodes if node.initiator} == linux.initiators
    assert {node.number: list(node.cpus) for node in nodes.nodes if node.online} == linux.cpus
    assert distances(nodes, tables.get("SLIT")) == linux.distances


def test_no_folder_is_left_out() -> None:
    if not _FOLDER.is_dir():
        pytest.skip("no acpi-tables beside the repository")
    assert {path.name for path in _FOLDER.iterdir()} == set(MACHINES)
