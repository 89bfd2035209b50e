"""What QEMU does not take is said before it is started; and QEMU does not take it, in the words that we quote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from compiling import compiled
from judges import need
from live import crafted
from live.crafted import H100, NIC
from vpci_compile import api, live
from vpci_compile.diagnostics import Failed
from vpci_compile.ir import Function
from vpci_compile.live import Place, qtest, verify

_BRIDGE = """\
vpci: 1
device: bridge
identity: {vendor: 1, device: 2, class: 0x060400, header_type: 1}
migration: {migrates: false}
targets: []
"""
_HANG = "no answer within"
_OVERLAP = "overlaps existing capability"
_PBA = "MSIX PBA outside of specified BAR"

# Name: the function, our word, QEMU's.
CASES: dict[str, tuple[str, dict[int, bytes], str, str]] = {
    "standard loop": (NIC, {0x9D: b"\x60"}, "the standard chain loops: back to 0x60", _HANG),
    "a pointer to itself": (NIC, {0x61: b"\x60"}, "the standard chain loops: back to 0x60", _HANG),
    "extended loop": (NIC, {0x100: b"\1\0\x81\x14", 0x148: b"\x0f\0\1\x10"}, "loops: back to 0x100", _HANG),
    "extended loop without a list": (
        NIC,
        {0x06: b"\0", 0x34: b"\0", 0x100: b"\1\0\1\x10"},
        "loops: back to 0x100",
        _HANG,
    ),
    "below the extended space": (NIC, {0x60: b"\x10\x9c", 0x100: b"\1\0\1\x06"}, "leads to 0x60, below", "Assertion"),
    "4 bytes apart": (NIC, {0x100: b"\1\0\x41\x10", 0x104: b"\3\0\1\0"}, "has 4 bytes up to the next one", "size >= 8"),
    "msi over the next": (H100, {0x49: b"\x50", 0x50: b"\x09\x60\x08\0"}, "needs 24 bytes", _OVERLAP),
    "msi-x over the next": (NIC, {0x9D: b"\xa4", 0xA4: b"\x08\0\0\0"}, "needs 12 bytes", _OVERLAP),
    "pm over the next": (H100, {0x41: b"\x44", 0x44: b"\x09\x48\x04\0"}, "needs 8 bytes", _OVERLAP),
    "unaligned, over the next": (
        NIC,
        {0x34: b"\xc0", 0xC0: b"\3\xa9", 0xA9: b"\2\0"},
        "0xc0 needs 64 bytes, and the one at 0xa9 is there",
        _OVERLAP,
    ),
    "at the very end": (NIC, {0x06: b"\0", 0x34: b"\0", 0x100: b"\1\0\xc1\xff"}, "has 4 bytes", "SPACE_SIZE - 8"),
    "too many vectors": (H100, {0x4A: b"\x8e"}, "2^7 vectors", "nr_vectors <= PCI_MSI_VECTORS_MAX"),
    "a port": (NIC, {0x62: b"\x42"}, "of type 0x4", "assignment of PCIe type 0x4 devices is not currently supported"),
    "a bridge": (NIC, {0x62: b"\x72"}, "of type 0x7", "assignment of PCIe type 0x7 devices is not currently supported"),
    "a collector": (NIC, {0x62: b"\xa2"}, "of type 0xa", "assignment of PCIe type 0xa devices is not currently"),
    "pba outside": (NIC, {0xA4: b"\0\0\x10\0"}, "PBA at 0x100000..0x100007 ends outside BAR 0", _PBA),
    "pba in no bar": (NIC, {0xA4: b"\4\x30\0\0"}, "PBA is in BAR 4, which has no size", _PBA),
    "table outside": (NIC, {0xA0: b"\xf8\xff\x0f\0"}, "table at 0xffff8..0x1000a7 ends outside", "don't fit in BARs"),
    "table and pba": (NIC, {0xA4: b"\0\x20\0\0"}, "table and PBA overlap", "table & pba overlap"),
}


def _function(name: str) -> Function:
    shipped, changes, *_ = CASES[name]
    return crafted.changed(api.load(shipped).function, changes)


def _said(function: Function, place: Place = Place.PORT) -> str:
    try:
        live.check(function, place)
    except Failed as failed:
        assert {one.code for one in failed.diagnostics} == {"VPCI2004"}
        return "\n".join(one.message for one in failed.diagnostics)
    return ""


@pytest.mark.parametrize("name", CASES)
def test_we_say_it_and_qemu_does_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function = _function(name)
    assert CASES[name][2] in _said(function)
    program = need("VPCI_QEMU", live.PROGRAM)
    if CASES[name][3] == _HANG:
        monkeypatch.setattr(qtest, "RUN_S", 1.0)
    with pytest.raises(qtest.QemuError) as caught:
        verify.verify(program, [function], Place.PORT)
    assert CASES[name][3] in str(caught.value)


@pytest.mark.parametrize(
    ("text", "head", "ours"),
    [
        ("", _BRIDGE, "its I/O limits are taken for an expansion ROM"),
        ("bars:\n  0: {kind: mem32, size: 4K, source: synthesized}\n", _BRIDGE, "taken for an expansion ROM"),
    ],
)
def test_bridges(text: str, head: str, ours: str) -> None:
    function = compiled(text, head)
    assert ours in _said(function)
    with pytest.raises(qtest.QemuError, match="hdr_type != PCI_HEADER_TYPE_BRIDGE"):
        verify.verify(need("VPCI_QEMU", live.PROGRAM), [function], Place.PORT)


def test_two_msix_capabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU takes them, and hangs as soon as a guest maps the BAR of the tables."""
    function = crafted.changed(api.load(NIC).function, {0x9D: b"\xb0", 0xB0: b"\x11\0\x05\xc0\x08\x40\0\0\x08\x50\0\0"})
    assert "two MSI-X capabilities, at 0x9c and 0xb0" in _said(function)
    program = need("VPCI_QEMU", live.PROGRAM)
    monkeypatch.setattr(qtest, "RUN_S", 3.0)
    with verify.served([function], Place.ROOT) as devices, qtest.Machine(program, devices) as machine:
        machine.open_ecam()
        machine.commands([qtest.write(0, 1, 0x10, 4, 0xE0000000), qtest.read(0, 1, 0, 4)])
        with pytest.raises(qtest.QemuError, match=_HANG):
            machine.commands([qtest.write(0, 1, 0x04, 2, 2), qtest.read(0, 1, 0, 4)])


def test_a_size_that_is_no_power_of_two() -> None:
    """The compiler refuses it (VPCI1404): only a program can get so far."""
    function = compiled("bars:\n  0: {kind: mem32, size: 4K, source: synthesized}\n")
    function = replace(function, bars=(replace(function.bars[0], size=0x1800),))
    assert "no power of two" in _said(function)
    with pytest.raises(qtest.QemuError, match="Assertion"):
        verify.verify(need("VPCI_QEMU", live.PROGRAM), [function], Place.PORT)


def test_a_function_that_does_not_answer(tmp_path: Path) -> None:
    """All ones, as a capture of a dead device has it."""
    path = tmp_path / "dead.bin"
    path.write_bytes(b"\xff" * 256)
    assert "leads to 0xff, to the end of the space" in _said(api.load(path).function)


def test_it_depends_on_the_place() -> None:
    short = crafted.changed(api.load(NIC).function, CASES["4 bytes apart"][1])
    assert _said(short, Place.CONVENTIONAL) == ""
    assert _said(short, Place.ROOT) != ""


def test_it_says_where(tmp_path: Path) -> None:
    with pytest.raises(Failed) as caught:
        live.check(_function("pba in no bar"), Place.PORT)
    (one,) = caught.value.diagnostics
    assert "msix" in one.span.source.line(one.span.line)
    assert one.helps == ("give BAR 4 its size in the layout; the text of 'lspci -xxxx' does not have it",)
