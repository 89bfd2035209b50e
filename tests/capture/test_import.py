"""Import, then compile: every byte that a capture covers comes back, and the text says what a person wants to know."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpci_compile import pipeline
from vpci_compile.capture import BarFact, Capture, importer, layout_text, plan, read, read_all, write_layout
from vpci_compile.diagnostics import Diagnostic, Failed, Severity, Source
from vpci_compile.ir import BarKind, Function, Origin

from .judge import OWN, files


def compiled(text: str) -> Function:
    return pipeline.compile_source(Source("layout.yaml", text), Path("layout.yaml")).function


def imported(capture: Capture) -> tuple[str, tuple[Diagnostic, ...]]:
    return layout_text(capture, compiled)


def gives_back(text: str, capture: Capture) -> None:
    """Fail unless the layout compiles to every byte that the capture covers."""
    value = compiled(text).config.value
    assert len(value) >= len(capture.data)
    wrong = [hex(at) for at, octet in enumerate(capture.data) if value[at] != octet and capture.covers(at)]
    assert wrong == []


def own(name: str) -> Capture:
    return read(OWN / f"{name}.lspci")


def text_of(name: str) -> str:
    return imported(own(name))[0]


@cache
def everything() -> tuple[Capture, ...]:
    paths = [*files(), *sorted((OWN / "sysfs").iterdir())]
    return tuple(capture for path in paths for capture in read_all(path, path.name).captures)


# -- the promise ---------------------------------------------------------------------------------------------------


def test_every_capture_comes_back_byte_for_byte() -> None:
    raw: list[str] = []
    for capture in everything():
        text, diagnostics = imported(capture)
        gives_back(text, capture)
        assert max(map(len, text.splitlines())) <= 120, capture.label
        raw += [f"{capture.name}: {d.message}" for d in diagnostics if d.code == "VPCI1722"]
    assert raw == []  # names alone do it, for all hardware that we know


def test_the_last_resort_always_works() -> None:
    """Without a structure and without BARs: what is left when nothing else gives the bytes back."""
    for capture in everything()[::7]:
        choices = plan.Choices(flat=True, no_bars=True)
        for _ in range(3):
            made = plan.make(capture, choices)
            text = write_layout.text(made, ())
            if importer._settled(made, text, compiled):
                break
        gives_back(text, capture)


def chained(dice: random.Random, data: bytearray) -> None:
    """Link capabilities of random ids at random places: loops, overlaps and low bits included."""
    data[0x06] |= 0x10
    pointer = 0x14 if data[0x0E] & 0x7F == 2 else 0x34
    for _ in range(dice.randrange(1, 12)):
        offset = dice.randrange(0x40, 0x100, 4)
        data[pointer] = offset | dice.choice((0, 0, 0, 1, 2))
        data[offset] = dice.randrange(0x17)
        pointer = offset + 1
    offset = 0x100
    for _ in range(dice.randrange(20) if len(data) == 4096 else 0):
        following = dice.randrange(0x100, 0x1000, 4)
        header = dice.randrange(0x34) | dice.randrange(5) << 16 | (following | dice.choice((0, 0, 1))) << 20
        data[offset : offset + 4] = header.to_bytes(4, "little")
        offset = following


facts = st.builds(
    BarFact, st.integers(0, 6), st.sampled_from([16, 4096, 3, 256, 1 << 17, 1 << 40]), st.booleans(), st.booleans(),
    st.booleans(),
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([64, 65, 200, 256, 257, 1536, 4096]), st.lists(facts))
def test_any_bytes_come_back(dice: random.Random, size: int, bars: list[BarFact]) -> None:
    data = bytearray(dice.randbytes(size))
    if dice.random() < 0.7:
        data[0x0E] &= 0x83
    if dice.random() < 0.7 and size >= 256:
        chained(dice, data)
    capture = Capture("", "random", bytes(data), bars=tuple(bars))
    gives_back(imported(capture)[0], capture)


@settings(max_examples=120, deadline=None)
@given(st.randoms(use_true_random=False), st.data())
def test_a_changed_capture_comes_back(dice: random.Random, data: st.DataObject) -> None:
    capture = data.draw(st.sampled_from(everything()))
    octets = bytearray(capture.data)
    for _ in range(dice.choice((1, 4, 30, 200))):
        at = dice.randrange(min(len(octets), dice.choice((0x40, 0x100, 0x1000))))
        octets[at] = dice.choice((dice.randrange(256), octets[at] ^ 1 << dice.randrange(8), 0xFF, 0))
    if dice.random() < 0.2 and len(octets) >= 256:
        chained(dice, octets)
    changed = replace(capture, data=bytes(octets))
    gives_back(imported(changed)[0], changed)


@pytest.mark.parametrize("size", [64, 128, 256, 300, 3872])
def test_a_short_capture_says_what_it_has_not(size: int) -> None:
    capture = replace(own("e1000e"), data=own("e1000e").data[:size])
    text, _ = imported(capture)
    gives_back(text, capture)
    assert f"  - {{range: {size:#x}..0x{'ff' if size <= 128 else 'fff'}, why: not in the capture}}" in text


def test_a_gap_is_not_a_promise() -> None:
    whole = own("e1000e")
    data = whole.data[:0x200] + bytes(16) + whole.data[0x210:]
    capture = replace(whole, data=data, missing=((0x200, 0x210),))
    text, _ = imported(capture)
    gives_back(text, capture)
    assert "range: 0x200..0x20f, why: not in the capture" in text


@pytest.mark.parametrize(("size", "octet"), [(64, 0xFF), (256, 0xFF), (4096, 0xFF), (256, 0), (4096, 0)])
def test_a_function_that_did_not_answer(size: int, octet: int) -> None:
    capture = Capture("", "dead", bytes([octet]) * size)
    gives_back(imported(capture)[0], capture)


def test_a_chain_that_loops() -> None:
    data = bytearray(own("e1000e").data)
    data[0xE1] = 0xC8  # from the second structure back to the first
    capture = replace(own("e1000e"), data=bytes(data))
    text, _ = imported(capture)
    gives_back(text, capture)
    assert "next: 0xc8" in text
    assert "VPCI1307: " in text


def test_structures_one_over_the_other() -> None:
    data = bytearray(own("e1000e").data)
    data[0xE1] = 0xCC  # into the middle of power management at 0xc8
    data[0xCC:0xCF] = b"\x09\xa0\x04"
    capture = replace(own("e1000e"), data=bytes(data))
    text, diagnostics = imported(capture)
    gives_back(text, capture)
    assert "length: 0x4" in text
    assert "cut short by the next structure" in text
    assert "VPCI1723" in [d.code for d in diagnostics]


# -- what the text says --------------------------------------------------------------------------------------------


def test_an_endpoint_reads_well() -> None:
    text = text_of("e1000e")
    assert text.startswith("# Imported from e1000e.lspci, function 0000:01:00.0.\nvpci: 1\ndevice: 8086-10d3\n")
    for line in (
        'about: "Ethernet controller: Intel Corporation 82574L Gigabit Network Connection"',
        'identity: {vendor: 0x8086, device: 0x10d3, class: 0x020000, revision: 0x00, subsystem: "8086:0000"}',
        "  interrupt_pin: A",
        "  0: {kind: mem32, size: 128K, source: copied, address: 0xc0100000}",
        "  2: {kind: io, size: 0x20, source: copied, address: 0x6000}",
        "  rom: {kind: rom, size: 256K, source: copied, address: 0xc0180000}",
        "      flags: {version: 1, type: endpoint}",
        "      lnkcap: {speed: 2.5GT/s, width: 1, aspm: l0s}  # x1",
        "  capabilities: {0xc8: pm, 0xd0: msi, 0xe0: pcie, 0xa0: msix}",
    ):
        assert line in text.splitlines()
    assert "bar3+0x0, pba: bar3+0x2000" in text
    assert "raw:" not in text
    assert "accept:" not in text


def test_the_same_function_by_text_and_by_sysfs() -> None:
    lines = text_of("igb").splitlines()
    other = imported(read(OWN / "sysfs" / "igb"))[0].splitlines()
    assert [line for line in lines if not line.startswith(("#", "about"))] == [
        line for line in other if not line.startswith(("#", "about"))
    ]


def test_the_same_capture_gives_the_same_text() -> None:
    assert text_of("cxl-type3") == text_of("cxl-type3")


def test_the_compiled_function_is_copied_throughout() -> None:
    function = compiled(text_of("igb"))
    assert {one.source for one in function.structures if one.kind != "header"} == {Origin.COPIED}
    assert [(bar.index, bar.kind, bar.size) for bar in function.bars] == [
        (0, BarKind.MEM32, 0x20000), (1, BarKind.MEM32, 0x20000), (2, BarKind.IO, 32), (3, BarKind.MEM64, 0x4000),
    ]  # fmt: skip
    assert function.physical is not None
    assert len(function.physical.structures) == 7


def test_a_copied_structure_that_is_moved_is_caught() -> None:
    text = text_of("e1000e")
    assert "at: 0xa0, source: copied" in text
    moved = text.replace("at: 0xa0, source: copied", "at: 0xb0, source: copied")
    with pytest.raises(Failed) as caught:
        compiled(moved)
    assert "VPCI1311" in [d.code for d in caught.value.diagnostics]


@pytest.mark.parametrize("name", ["e1000e", "igb", "nvme-sriov", "virtio-net-modern", "megasas-gen2", "qemu-xhci"])
def test_an_import_can_be_told_to_migrate(name: str) -> None:
    """What hardware, host and unit change is already kept out of the contract."""
    text = text_of(name).replace("migrates: false", "migrates: true")
    assert compiled(text).migrates


def test_a_bridge() -> None:
    text = text_of("pcie-root-port")
    assert "header_type: 1}" in text
    assert "  secondary_bus: 1\n" in text
    assert "subsystem:" not in text


def test_an_integrated_endpoint_sits_on_the_root_bus() -> None:
    assert "guest: {place: root}" in text_of("nvme-integrated")
    assert "guest: {place: conventional}" in text_of("e1000")
    assert "guest:" not in text_of("e1000e")


def test_a_virtual_function() -> None:
    text, diagnostics = imported(replace(own("igb-vf"), ids=(0x8086, 0x10CA)))
    assert "VPCI1725" in [d.code for d in diagnostics]
    assert "shows a guest 8086:10ca and BARs 0: mem64 prefetchable 0x4000" in " ".join(
        line.lstrip("# ") for line in text.splitlines()[:4]
    )
    assert "vendor: 0xffff" in text
    assert "bars:" not in text


def test_only_the_header_was_read() -> None:
    text, _ = imported(own("noroot-e1000e"))
    assert "  cap_ptr: 0xc8\n" in text
    assert "VPCI1204" in text
    assert "  status: {cap_list: 1}\n" in text


def test_bytes_outside_all_structures() -> None:
    data = bytearray(own("e1000").data)
    data[0x52:0x54] = b"\x12\x34"
    data[0x80:0xB0] = bytes(range(1, 49))
    text, diagnostics = imported(replace(own("e1000"), data=bytes(data)))
    assert '  - {at: 0x50, source: copied, hex: "00 00 12 34"}\n' in text
    assert "    hex: |-\n      01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10\n" in text
    assert "  used: [0x50..0x53, 0x80..0xaf]\n" in text
    remark = "52 bytes belong to no known structure: 0x50..0x53, 0x80..0xaf"
    assert [d.message for d in diagnostics if d.code == "VPCI1720"] == [remark]
    assert f"# {remark}\n" in text


def test_a_capability_that_nobody_knows() -> None:
    data = bytearray(own("e1000e").data)
    data[0xC8] = 0x3F
    text, diagnostics = imported(replace(own("e1000e"), data=bytes(data)))
    assert "cap: 0x3f," in text
    assert [d.severity for d in diagnostics if d.code == "VPCI1721"] == [Severity.NOTE]


def test_a_bar_of_unknown_size() -> None:
    text, diagnostics = imported(replace(own("e1000e"), bars=()))
    assert "  0: {kind: mem32, source: copied, address: 0xc0100000}  # size unknown\n" in text
    assert "VPCI1724" in [d.code for d in diagnostics]


def test_a_size_that_no_bar_can_have() -> None:
    capture = replace(own("e1000e"), bars=(BarFact(0, 0x18000), BarFact(1, 1 << 30), BarFact(2, 1 << 16, io=True)))
    text, _ = imported(capture)
    gives_back(text, capture)
    assert "size: " not in text.split("bars:")[1].split("capabilities:")[0].replace("size unknown", "")


def test_bits_without_a_name() -> None:
    data = bytearray(own("e1000e").data)
    pcie = data.index(b"\x10", 0xE0)
    data[pcie + 7] |= 0x80  # bit 31 of Device Capabilities
    text, _ = imported(replace(own("e1000e"), data=bytes(data)))
    assert re.search(r"devcap: 0x8\w+ +# reserved bit 31; ", text)


@pytest.mark.parametrize(
    "words", ['a "b" \\ c: {d} #e', "\x00\x1b[31m\x85\u2028\ud800", "x" * 9000, "- ? ! & *", "\U0001f600 \u202e"]
)
def test_hostile_names_stay_words(words: str) -> None:
    capture = replace(own("e1000"), title=words, name=words, driver=words)
    text, _ = imported(capture)
    gives_back(text, capture)
    assert max(map(len, text.splitlines())) < 1000
