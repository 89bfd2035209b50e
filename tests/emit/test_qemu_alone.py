"""What no layout can say, because the passes refuse it: the rules of QEMU do not rely on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from emit.qemu_layouts import (
    GPU,
    NIC,
    PASID,
    Layout,
    changed,
    compiled,
    complaints,
    extended,
    hidden,
)
from vpci_compile.ir import BarKind, Kind, Origin


def _with_bytes(layout: Layout, at: int, octets: bytes) -> Any:
    function = compiled(layout)
    value = function.config.value
    return replace(function, config=replace(function.config, value=value[:at] + octets + value[at + len(octets) :]))


@pytest.mark.parametrize("at", [0xFFC, 0xFF6])
def test_pasid_offset(at: int) -> None:
    function = compiled(extended(PASID))
    moved = tuple(replace(s, offset=at) if s.name == "pasid" else s for s in function.structures)
    found = complaints(replace(function, structures=moved))
    assert f"QEMU cannot place PASID at {at:#x}" in [d.message for d in found]


def test_pasid_length() -> None:
    function = compiled(extended(PASID))
    longer = tuple(replace(s, length=12) if s.name == "pasid" else s for s in function.structures)
    assert [d.code for d in complaints(replace(function, structures=longer))] == ["VPCI1812"]


def test_clique_must_be_the_last() -> None:
    found = complaints(_with_bytes(GPU, 0xD5, b"\x40"))
    assert [d.code for d in found] == ["VPCI1813"]
    assert "leads on to 0x40" in found[0].message


@pytest.mark.parametrize(("at", "octets"), [(0x00, b"\xb3\x15"), (0x0B, b"\x02")])
def test_clique_wants_an_nvidia_display(at: int, octets: bytes) -> None:
    assert [d.code for d in complaints(_with_bytes(GPU, at, octets))] == ["VPCI1813"]


def test_clique_without_a_place() -> None:
    function = compiled(GPU)
    taken = replace(next(s for s in function.structures if s.name == "msix"), offset=0xD4, id=0x01)
    (found,) = complaints(replace(function, structures=(*function.structures, taken)))
    assert (found.code, found.message) == ("VPCI1813", "QEMU finds no place for the GPUDirect capability")


def test_vendor_ffff() -> None:
    found = complaints(_with_bytes(changed(NIC, physical={"vendor": 0x15B3}), 0x00, b"\xff\xff"))
    assert [d.code for d in found] == ["VPCI1821"]
    assert found[0].notes == ("QEMU refuses vendor id 0xffff",)


def test_bridges_are_refused() -> None:
    found = complaints(_with_bytes(NIC, 0x0E, b"\x01"))
    assert [d.code for d in found] == ["VPCI1822"]


def test_express_type_that_qemu_refuses() -> None:
    found = complaints(_with_bytes(NIC, 0x62, b"\x42"))
    assert "type 4: QEMU refuses" in found[0].message


def test_nodes_without_a_number() -> None:
    function = compiled(GPU)
    found = complaints(replace(function, guest=function.guest._replace(first_node=None)))
    assert [d.code for d in found] == ["VPCI1826"]


def test_synthesized_rom() -> None:
    function = compiled(changed(NIC, bars={"rom": {"kind": "rom", "size": "64K", "source": "copied"}}))
    made = tuple(replace(b, source=Origin.SYNTHESIZED) if b.kind is BarKind.ROM else b for b in function.bars)
    (found,) = complaints(replace(function, bars=made))
    assert found.code == "VPCI1819"
    assert "the expansion ROM" in found.message


def test_without_a_standard_capability_qemu_hides_nothing() -> None:
    function = compiled(extended(hidden("sriov", 0x200)))
    bare = tuple(s for s in function.structures if s.kind is not Kind.STANDARD)
    found = complaints(replace(function, structures=bare))
    assert [(d.code, d.notes) for d in found] == [
        ("VPCI1814", ("QEMU leaves the extended chain alone where the device has no standard capability",))
    ]


def test_without_an_express_capability_linux_hides_nothing() -> None:
    function = compiled(extended(hidden("l1ss", 0x200)))
    bare = tuple(s for s in function.structures if s.name != "pcie")
    (found,) = complaints(replace(function, structures=bare))
    assert found.code == "VPCI1814"
    assert "parses the extended chain only" in found.notes[0]
