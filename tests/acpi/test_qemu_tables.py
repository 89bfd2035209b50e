"""Our SRAT, SLIT and HMAT are QEMU's own, byte for byte."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from acpi.machines import Case, arguments, cases
from emit import qtest
from judges import need
from vpci_compile.acpi import qemu
from vpci_compile.acpi.decode import decode
from vpci_compile.acpi.structures import CHECKSUM_AT, encode

KINDS = ("q35", "pc", "virt")


def without_checksum(octets: bytes) -> bytes:
    """QEMU leaves the checksum to firmware."""
    return octets[:CHECKSUM_AT] + b"\0" + octets[CHECKSUM_AT + 1 :]


def theirs(case: Case) -> list[bytes]:
    """The three tables of a QEMU that never runs."""
    kind = case.machine.vmm.machine
    if kind == "virt":
        program = need("VPCI_QEMU_AARCH64", "qemu-system-aarch64")
    else:
        program = need("VPCI_QEMU", "qemu-system-x86_64")
    with qtest.machine(program, kind, arguments(case)) as machine:
        return [table for name in (b"SRAT", b"SLIT", b"HMAT") for table in machine.acpi_tables(name)]


def agree(case: Case) -> None:
    ours = [without_checksum(encode(table)) for table in qemu.tables(case.machine)]
    assert [one.hex() for one in ours] == [one.hex() for one in theirs(case)]


def quick(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_any_machine(kind: str) -> None:
    @seed(1)
    @quick(14)
    @given(cases(kind))
    def judged(case: Case) -> None:
        agree(case)

    judged()


@pytest.mark.stack
@pytest.mark.parametrize("kind", KINDS)
def test_many_machines(kind: str) -> None:
    @settings(quick(300), print_blob=True)
    @given(cases(kind))
    def judged(case: Case) -> None:
        agree(case)

    judged()


@seed(2)
@quick(8)
@given(cases("q35"))
def test_ids_dealt_out_give_ascending_order(case: Case) -> None:
    """The same objects in the same order, their nodes exchanged: QEMU shows the initiators as the machine has them."""
    wanted = tuple(sorted(case.machine.initiators, key=lambda one: (one.node, one.device)))
    machine = replace(case.machine, initiators=wanted)
    dealt = case._replace(machine=qemu.ascending(machine))
    srat = decode(theirs(dealt)[0])
    shown = [(one["domain"], one["pci"] >> 27) for one in srat.of("generic-initiator")]
    assert shown == [(one.node, one.device) for one in wanted]
