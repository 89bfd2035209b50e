"""The tables as ACPI 6.6 orders and fills them: read by an independent reader, and fine for our own lint."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings

from acpi.machines import Case, cases
from vpci_compile.acpi import qemu, specified
from vpci_compile.acpi.lint import DEFAULT_GUEST, Loaded, Wishes, lint
from vpci_compile.acpi.structures import encode
from vpci_compile.diagnostics import Report, whole_file
from vpci_compile.ir.machine import Architecture, Cpu, Hierarchy, Locality, Machine, Measure, Node, Vmm


def entries(octets: bytes) -> list[bytes]:
    found, at = [], 48
    while at < len(octets):
        found.append(octets[at : at + octets[at + 1]])
        at += octets[at + 1]
    return found


@settings(deadline=None, max_examples=25)
@given(cases("q35"))
def test_ordered_by_type_and_domain(case: Case) -> None:
    machine = replace(case.machine, hmat=False, localities=(), caches=())
    octets = encode(specified.tables(machine)[0])
    found = entries(octets)
    assert octets[8] == 3 and sum(octets) % 256 == 0
    assert all(int.from_bytes(one[28:32], "little") & 1 for one in found if one[0] == 1)  # no empty memory
    initiators = [struct.unpack_from("<I", one, 4)[0] for one in found if one[0] == 5]
    assert initiators == sorted(one.node for one in machine.initiators)
    theirs = entries(encode(qemu.tables(machine)[0]))
    assert sorted(one for one in found if one[0] != 1) == sorted(one for one in theirs if one[0] != 1)


@settings(deadline=None, max_examples=25)
@given(cases("virt"))
def test_lint_finds_no_fault(case: Case) -> None:
    machine = replace(case.machine, localities=(), caches=())
    if not machine.distances or min(machine.distances.values()) <= 10:
        machine = replace(machine, distances={})
    tables = [Loaded(table, whole_file("x")) for table in specified.tables(machine)]
    report = Report()
    lint(tables, DEFAULT_GUEST._replace(architecture=Architecture.AARCH64), Wishes(), report)
    assert {one.code for one in report.diagnostics} <= {"VPCI1921", "VPCI1922", "VPCI1932"}


def _machine(values: dict[tuple[int, int], int], measure: Measure = Measure.ACCESS_LATENCY) -> Machine:
    nodes = (Node(1 << 28), Node(1 << 28))
    told = (Locality(Hierarchy.MEMORY, measure, values),)
    return Machine(Architecture.X86_64, Vmm("qemu", (11, 1), "q35"), (Cpu(0, 0),), nodes, localities=told)


def test_latencies_are_exact() -> None:
    hmat = encode(specified.tables(_machine({(0, 0): 5, (0, 1): 12}))[2])
    locality = hmat[40 + 40 + 40 :]
    unit = struct.unpack_from("<Q", locality, 24)[0]
    entries = struct.unpack_from("<2H", locality, 32 + 4 * 3)
    assert [unit * entry for entry in entries] == [5000, 12000]  # ps


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({(0, 0): 5, (0, 1): 0}, "access latency from node 0 to 1"),
        ({(0, 0): 5, (1, 1): 5}, "access latency from node 0 to 1"),
        ({(0, 0): 1, (0, 1): 100_000}, "no unit"),
    ],
)
def test_what_cannot_be_said_is_refused(values: dict[tuple[int, int], int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        specified.tables(_machine(values))


def test_a_bandwidth_of_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="whole number of MiB"):
        specified.tables(_machine({(0, 0): 1000}, Measure.READ_BANDWIDTH))
