"""The machines whose tables are kept beside the checkout, as layouts: the same bytes, HMAT included."""

from __future__ import annotations

from pathlib import Path

import pytest

from acpi.test_captured import folder
from machines.drawn import write_devices
from machines.running import emulated, ours, theirs
from vpci_compile import api
from vpci_compile.acpi.decode import decode
from vpci_compile.acpi.structures import encode
from vpci_compile.emit.machine import tables as machine_tables

_TWO = "cpus: 2\nnodes: [{cpus: 0, memory: 256M}, {cpus: 1, memory: 256M}]\n"
_ONE = "cpus: 1\nnodes: [{cpus: 0, memory: 256M}]\n"
_BEHIND = "ports: {rp0: {}}\ndevices: {dev0: {layout: port-%d.yaml, port: rp0}}\n"
LAYOUTS = {
    "arm-base-2mem": ("aarch64", _TWO),
    "arm-gi8": ("aarch64", _ONE + _BEHIND % 8),
    "x86-base-2mem": ("x86-64", _TWO),
    "x86-gi1": ("x86-64", _ONE + _BEHIND % 1),
    "x86-memless": ("x86-64", "cpus: 1\nnodes: [{cpus: 0, memory: 256M}, {}]\n"),
    "x86-slit": ("x86-64", _TWO + "distances: {pairs: [{from: 0, to: 1, value: 31}]}\n"),
    "x86-hmat": (
        "x86-64",
        """cpus: 2
nodes: [{cpus: 0-1, memory: 256M}, {memory: 256M, initiator: 0}]
distances: {remote: 20}
latencies:
  - {measure: access-latency, from: 0, to: 0, value: 5}
  - {measure: access-bandwidth, from: 0, to: 0, value: 200M}
  - {measure: access-latency, from: 0, to: 1, value: 10}
  - {measure: access-bandwidth, from: 0, to: 1, value: 100M}
caches: [{node: 0, size: 10K, level: 1, associativity: direct, policy: write-back, line: 8}]
""",
    ),
}


def write(name: str, beside: Path) -> Path:
    write_devices(beside)
    architecture, text = LAYOUTS[name]
    kind = "q35" if architecture == "x86-64" else "virt"
    head = (
        f'vpci: 1\nmachine: {name}\narchitecture: {architecture}\nvmm: {{name: qemu, release: "11.1", type: {kind}}}\n'
    )
    path = beside / f"{name}.yaml"
    path.write_text(head + text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", LAYOUTS)
def test_qemu_makes_the_same(name: str, tmp_path: Path) -> None:
    system = api.check_machine(write(name, tmp_path)).system
    assert ours(system) == theirs(system, emulated)


@pytest.mark.parametrize("name", LAYOUTS)
def test_kept_tables(name: str, tmp_path: Path) -> None:
    """Of eight initiators the order hangs on the objects' ids, which were others: the same entries in any order."""
    kept = {path.stem: path.read_bytes() for path in folder(name).glob("*.aml")}
    made = {
        table.header.signature: table for table in machine_tables.tables(api.load_machine(write(name, tmp_path)).system)
    }
    if name == "arm-gi8":
        theirs_decoded = decode(kept["SRAT"])
        assert sorted(map(str, made["SRAT"].structures)) == sorted(map(str, theirs_decoded.structures))
        assert made["SRAT"].header == theirs_decoded.header._replace(creator_id=made["SRAT"].header.creator_id)
        return
    assert {signature: encode(table).hex() for signature, table in made.items()} == {
        signature: octets.hex() for signature, octets in kept.items()
    }
