"""Each key of a layout and what it does: the header, base address registers, the guest. All bytes written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiling import BRIDGE, HEAD, compiled, diagnostics, document, octets, refusal
from vpci_compile import api, ir
from vpci_compile.diagnostics import Report, Severity
from vpci_compile.emit import Options, artifacts

# -- identity ------------------------------------------------------------------------------------------------------


def _identity(text: str, more: str = "") -> ir.Function:
    return compiled(more, HEAD.replace("identity: {vendor: 0x1234, device: 0x5678, class: 0xff0000}", text))


def test_ids_and_class() -> None:
    function = _identity(
        'identity: {vendor: 0x15b3, device: 0x101e, class: 0x020001, revision: 5, subsystem: "1af4:0041"}'
    )
    # PCIe 6.0 7.5.1.1, figure 7-4: vendor, device, command, status, revision, class code (programming interface first)
    assert octets(function, 0x00, 16) == "b3 15 1e 10 00 00 00 00 05 01 00 02 00 00 00 00"
    assert octets(function, 0x2C, 4) == "f4 1a 41 00"  # 7.5.1.2.3: subsystem vendor, then subsystem


def test_what_identity_leaves_out_is_zero() -> None:
    function = compiled("")
    assert octets(function, 0x00, 16) == "34 12 78 56 00 00 00 00 00 00 00 ff 00 00 00 00"
    assert function.config.value[0x10:] == bytes(0xF0)  # no PCI Express capability: 256 bytes


@pytest.mark.parametrize(
    ("keys", "octet"),
    [("", 0x00), (", multifunction: true", 0x80)],  # PCIe 6.0 7.5.1.1.9: bit 7 is Multi-Function Device
)
def test_header_type_0(keys: str, octet: int) -> None:
    function = _identity(f"identity: {{vendor: 0x1234, device: 1, class: 0x020000{keys}}}")
    assert function.config.value[0x0E] == octet


def test_header_type_1() -> None:
    text = """
header: {primary_bus: 1, secondary_bus: 2, subordinate_bus: 5, io_base: {type: io32, address: 0x3000}, io_limit.type: 1,
         memory_base: {address: 0xfe000000}, pref_memory_base: {type: mem64}, pref_memory_limit: {type: mem64},
         pref_base_upper32: 0x12345678, bridge_control: {secondary_reset: 0}, interrupt_pin: A}
bars:
  0: {kind: mem64, size: 64K, source: synthesized}
  rom: {kind: rom, size: 2K, source: synthesized}
capabilities:
  - {cap: ssvid, source: synthesized, fields: {vendor: 0x1af4}}
"""
    function = compiled(text.replace("bridge_control: {secondary_reset: 0}, ", ""), BRIDGE)
    # PCIe 6.0 7.5.1.3, figure 7-14. I/O base: address bits 15..12 over a type nibble; memory base: bits 31..20.
    assert octets(function, 0x0C, 4) == "00 00 01 00"
    assert octets(function, 0x10, 8) == "04 00 00 00 00 00 00 00"
    assert octets(function, 0x10, 8, "writable") == "00 00 ff ff ff ff ff ff"
    assert octets(function, 0x18, 4) == "01 02 05 00"
    assert octets(function, 0x1C, 2) == "31 01"
    assert octets(function, 0x20, 2) == "00 fe"
    assert octets(function, 0x24, 4) == "01 00 01 00"
    assert octets(function, 0x28, 4) == "78 56 34 12"
    assert octets(function, 0x34, 1) == "40"
    assert octets(function, 0x38, 4, "writable") == "01 f8 ff ff"  # a bridge has its ROM register here
    assert octets(function, 0x3D, 1) == "01"
    assert octets(function, 0x2C, 4) == "00 00 00 00"  # no subsystem ids: they come in a capability


def test_a_bridge_has_two_base_address_registers_and_no_subsystem() -> None:
    assert refusal("bars:\n  2: {kind: mem32, size: 4K, source: synthesized}\n", BRIDGE) == ["VPCI1401"]
    bridge = BRIDGE.replace("header_type: 1", 'header_type: 1, subsystem: "1af4:0001"')
    assert refusal("", bridge) == ["VPCI1107"]


def test_class_and_header_type_must_agree() -> None:
    assert refusal("", HEAD.replace("0xff0000", "0x060400")) == ["VPCI1202"]


# -- size, name, version -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", 256),
        ("config_size: 4096\n", 4096),
        ("capabilities: [{cap: pcie, at: 0x40, source: synthesized}]\n", 4096),
        ("capabilities: [{cap: 0x10, at: 0x40, source: synthesized}]\n", 4096),  # the same by its number
        ("config_size: 256\ncapabilities: [{cap: pcie, at: 0x40, source: synthesized}]\n", 256),
    ],
)
def test_config_size(text: str, size: int) -> None:
    assert compiled(text).config.size == size


def test_an_extended_capability_needs_the_extended_space() -> None:
    text = "config_size: 256\ncapabilities: [{cap: pcie, at: 0x40, source: synthesized}]\n"
    assert refusal(text + "extended: [{cap: dsn, at: 0x100, source: synthesized}]\n") == ["VPCI1317"]


def test_name_version_and_about_reach_the_outputs() -> None:
    function = compiled("version: 7\nabout: what it is for\n")
    assert (function.name, function.version, function.about) == ("example", 7, "what it is for")
    assert document(function)["name"] == "example"
    assert document(function)["version"] == 7


# -- header --------------------------------------------------------------------------------------------------------


def test_registers_of_the_header() -> None:
    function = compiled("header: {command: {memory: 1, master: true}, interrupt_pin: B, min_gnt: 4, bist.capable: 1}\n")
    assert octets(function, 0x04, 2) == "06 00"  # bits 1 and 2
    assert octets(function, 0x0F, 1) == "80"
    assert octets(function, 0x3D, 2) == "02 04"


def test_pointer_and_list_bit_follow_from_the_chain() -> None:
    function = compiled("capabilities: [{cap: pm, at: 0x58, source: synthesized}]\n")
    assert octets(function, 0x34, 1) == "58"
    assert octets(function, 0x06, 1) == "10"  # PCIe 6.0 7.5.1.1.4: bit 4, Capabilities List
    none = compiled("")
    assert octets(none, 0x34, 1) == "00"
    assert octets(none, 0x06, 1) == "00"


def test_pointer_and_list_bit_can_be_stated() -> None:
    text = """
header: {cap_ptr: 0x5b, status.cap_list: 1}
capabilities: [{cap: pm, at: 0x58, source: synthesized}]
"""
    assert octets(compiled(text), 0x34, 1) == "5b"  # 7.5.1.1.11: the low two bits are to be ignored
    assert refusal(text.replace("0x5b", "0x60")) == ["VPCI1308"]
    assert refusal(text.replace("cap_list: 1", "cap_list: 0")) == ["VPCI1204"]


# -- base address registers ----------------------------------------------------------------------------------------

# PCI 3.0 6.2.5.1: memory: bit 0 is 0, bits 2..1 the type (2: 64 bits), bit 3 prefetchable; I/O: bit 0 is 1. Address
# bits below the size read as 0 and take no write. 6.2.5.2: a ROM has its enable in bit 0, address bits from 11 on.
BARS = [
    ("0: {kind: mem32, size: 16, source: synthesized}", 0x10, "00 00 00 00", "f0 ff ff ff", 16),
    ("0: {kind: mem32, size: 16K, source: synthesized}", 0x10, "00 00 00 00", "00 c0 ff ff", 16 << 10),
    ("0: {kind: mem32, size: 0x4000, source: copied}", 0x10, "00 00 00 00", "00 c0 ff ff", 16 << 10),
    ("1: {kind: mem32, prefetchable: true, size: 1M, source: copied}", 0x14, "08 00 00 00", "00 00 f0 ff", 1 << 20),
    ("5: {kind: mem32, size: 2G, source: copied}", 0x24, "00 00 00 00", "00 00 00 80", 1 << 31),
    (
        "2: {kind: mem64, size: 32K, source: copied}",
        *(0x18, "04 00 00 00 00 00 00 00", "00 80 ff ff ff ff ff ff", 32 << 10),
    ),
    (
        "4: {kind: mem64, prefetchable: true, size: 128G, source: synthesized}",
        *(0x20, "0c 00 00 00 00 00 00 00", "00 00 00 00 e0 ff ff ff", 128 << 30),
    ),
    (
        "0: {kind: mem64, prefetchable: true, size: 8388608T, source: synthesized}",
        *(0x10, "0c 00 00 00 00 00 00 00", "00 00 00 00 00 00 00 80", 1 << 63),
    ),
    ("3: {kind: io, size: 4, source: copied}", 0x1C, "01 00 00 00", "fc ff ff ff", 4),
    ("0: {kind: io, size: 32, source: synthesized}", 0x10, "01 00 00 00", "e0 ff ff ff", 32),
    ("rom: {kind: rom, size: 2K, source: copied}", 0x30, "00 00 00 00", "01 f8 ff ff", 2 << 10),
    ("rom: {kind: rom, size: 16M, source: copied}", 0x30, "00 00 00 00", "01 00 00 ff", 16 << 20),
]


@pytest.mark.parametrize(("text", "at", "value", "writable", "size"), BARS)
def test_base_address_register(text: str, at: int, value: str, writable: str, size: int) -> None:
    function = compiled(f"bars:\n  {text}\n")
    width = len(bytes.fromhex(value))
    assert octets(function, at, width) == value
    assert octets(function, at, width, "writable") == writable
    # A migration compares what no guest can write: type bits and address bits below the size.
    assert int(octets(function, at, width, "compared").replace(" ", ""), 16) == ~int(writable.replace(" ", ""), 16) & (
        (1 << 8 * width) - 1
    )
    assert octets(function, at, width, "emulated") == "ff " * (width - 1) + "ff"
    assert _sized(function, at, width) == size


def _sized(function: ir.Function, at: int, width: int) -> int:
    """The size that a guest finds: PCI 3.0 6.2.5.1, the implementation note 'Sizing a 32-bit Base Address Register'."""
    state = bytearray(function.config.value)
    answer = 0
    for part in range(0, width, 4):
        ir.write(function.config, state, at + part, 4, 0xFFFFFFFF, lambda *_: None)
        answer |= ir.read(function.config, state, at + part, 4, lambda *_: 0) << 8 * part
    encoding = 0x7FF if at == 0x30 else 0x3 if answer & 1 else 0xF
    return (~(answer & ~encoding) & ((1 << 8 * width) - 1)) + 1


def test_a_slot_without_a_bar_is_zero_and_stays_zero() -> None:
    function = compiled("bars:\n  0: {kind: mem32, size: 4K, source: synthesized}\n")
    assert octets(function, 0x14, 20) == octets(function, 0x14, 20, "writable") == ("00 " * 20).strip()
    assert octets(function, 0x14, 20, "compared") == ("ff " * 20).strip()


def test_captured_address() -> None:
    text = "bars:\n  0: {kind: mem32, size: 16K, address: 0xfebc0000, source: copied}\n  2: {kind: mem64, size: 1M, "
    function = compiled(f"{text}address: 0x4000000000, source: copied}}\n")
    assert octets(function, 0x10, 4) == "00 00 bc fe"
    assert octets(function, 0x18, 8) == "04 00 00 00 40 00 00 00"
    assert octets(function, 0x18, 8, "compared") == "ff ff 0f 00 00 00 00 00"  # the address is the guest's


def test_a_bar_in_the_upper_half_of_another() -> None:
    text = "bars:\n  0: {kind: mem64, size: 4K, source: copied}\n  1: {kind: io, size: 4, source: copied}\n"
    assert refusal(text) == ["VPCI1403"]
    assert refusal("bars:\n  5: {kind: mem64, size: 4K, source: copied}\n") == ["VPCI1402"]


def test_a_bar_must_answer_the_sizing_write() -> None:
    text = "bars:\n  0: {kind: mem32, size: 4K, source: synthesized, sizing: false}\n"
    assert refusal(text) == ["VPCI1406"]
    assert octets(compiled(text.replace("false", "true")), 0x10, 4, "writable") == "00 f0 ff ff"


def test_bar_of_unknown_size() -> None:
    function = compiled("bars:\n  0: {kind: mem32, source: copied}\n")
    assert function.bars[0].size is None
    assert document(function)["bars"][0]["size"] is None


def test_real_memory_behind_a_bar() -> None:
    text = """
bars:
  0: {kind: mem32, size: 4K, source: copied}
  2:
    kind: mem64
    size: 128G
    source: synthesized
    backing: {length: 94.5G, caching: write-back, beyond: error}
    enable: ignore-except-first-after-reset
  4: {kind: mem64, prefetchable: true, size: 1M, source: synthesized, backing: {length: 768K}, enable: ignore}
"""
    plain, large, small = document(compiled(text))["bars"]
    assert plain == {
        "index": 0, "kind": "mem32", "prefetchable": False, "size": 4096, "length": 4096, "source": "copied",
        "caching": "uncached", "beyond": "ones", "enable": "enforce",
    }  # fmt: skip
    # 94.5 GiB = 189 * 512 MiB = 189 * 0x20000000
    assert large == {
        "index": 2, "kind": "mem64", "prefetchable": False, "size": 0x2000000000, "length": 0x17A0000000,
        "source": "synthesized", "caching": "write-back", "beyond": "error",
        "enable": "ignore-except-first-after-reset",
    }  # fmt: skip
    assert (small["length"], small["caching"], small["beyond"], small["enable"]) == (
        0xC0000,
        "uncached",
        "ones",
        "ignore",
    )


def test_other_ways_to_map_and_to_end() -> None:
    text = "bars:\n  0: {kind: mem64, size: 1M, source: synthesized, backing: {length: 4K, "
    (bar,) = document(compiled(text + "caching: write-combine, beyond: zeros}}\n"))["bars"]
    assert (bar["caching"], bar["beyond"]) == ("write-combine", "zeros")


def test_more_memory_than_the_bar_decodes() -> None:
    assert refusal("bars:\n  0: {kind: mem64, size: 1M, source: synthesized, backing: {length: 2M}}\n") == ["VPCI1407"]


def test_a_region_instead_of_a_bar() -> None:
    text = """
bars:
  4:
    kind: mem64
    size: 128G
    source: synthesized
    backing: {length: 0x17a0000000, caching: write-back}
    enable: ignore
    region: {type: 0x800010de, subtype: 3}
"""
    made = document(compiled(text))
    assert made["bars"] == []
    assert made["regions"] == [
        {"instead_of": 4, "type": 0x800010DE, "subtype": 3, "size": 0x17A0000000, "caching": "write-back",
         "enable": "ignore"}
    ]  # fmt: skip
    # The guest has no register there: it reads 0 and takes no write.
    assert octets(compiled(text), 0x20, 8) == octets(compiled(text), 0x20, 8, "writable") == "00 00 00 00 00 00 00 00"
    assert refusal(text.replace("    backing: {length: 0x17a0000000, caching: write-back}\n", "")) == ["VPCI1409"]


# -- guest, initiators, targets, accept ----------------------------------------------------------------------------


def test_place_in_the_guest() -> None:
    assert document(compiled(""))["guest"] == {
        "place": "port", "segment": 0, "bus": 1, "device": 0, "function": 0, "initiators": 0, "first_node": None,
    }  # fmt: skip
    assert compiled("guest: {place: conventional}\n").guest.place == "conventional"
    function = compiled('guest: {place: root, address: "0002:00:05.1", first_node: 3}\ninitiators: 2\n')
    assert document(function)["guest"] == {
        "place": "root", "segment": 2, "bus": 0, "device": 5, "function": 1, "initiators": 2, "first_node": 3,
    }  # fmt: skip


def test_initiators_become_rows_of_a_table() -> None:
    function = compiled('guest: {address: "0a:03.1", first_node: 3}\ninitiators: 2\n')
    made = {artifact.name: artifact.data for artifact in artifacts(function, Options(), Report())}
    table = made["example.srat.aml"]
    # ACPI 6.6 5.2.16.6: type 5, 32 bytes, handle type 1 (PCI), proximity domain; handle: segment, bus, devfn
    first = "05 20 00 01 03 00 00 00 00 00 0a 19 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00"
    assert table[48:] == bytes.fromhex(first + first.replace("03 00 00 00 00 00 0a", "04 00 00 00 00 00 0a"))


def test_targets_choose_the_outputs() -> None:
    text = "bars:\n  0: {kind: mem32, size: 4K, source: copied}\n"
    plain = artifacts(compiled(text), Options(), Report())
    names = ["example.bin", "example.json", "example.lspci", "example.h", "example_selftest.c"]
    assert [artifact.name for artifact in plain] == names
    express = "capabilities: [{cap: pcie, at: 0x40, source: copied, fields: {flags.version: 2}}]\n"
    head = HEAD.replace("targets: []", "targets: [qemu]")
    shown = artifacts(compiled(text + express, head), Options(), Report())
    assert [artifact.name for artifact in shown] == [*names, "example.qemu.json", "example.qemu.sh"]
    assert compiled("", head.replace("targets: [qemu]\n", "")).targets == ("qemu",)


def test_a_complaint_that_is_accepted_becomes_a_note() -> None:
    text = "capabilities: [{cap: pcie, at: 0x42, source: copied, fields: {flags.version: 2}}]\n"
    assert refusal(text) == ["VPCI1301"]
    (note,) = diagnostics(text + "accept: {VPCI1301: the part is so}\n")
    assert (note.code, note.severity) == ("VPCI1301", Severity.NOTE)
    assert "accepted by the layout: the part is so" in note.notes


@pytest.mark.parametrize("code", ["VPCI9999", "VPCI1305"])
def test_what_cannot_be_accepted(code: str) -> None:
    assert refusal(f"accept: {{{code}: because}}\n") == ["VPCI1111"]


def test_a_function_can_be_built_for_another_place(tmp_path: Path) -> None:
    (tmp_path / "l.yaml").write_text(HEAD + 'guest: {address: "01:00.0"}\ninitiators: 1\n')
    built = api.build(tmp_path / "l.yaml", tmp_path / "out", guest_address=(0, 9, 2, 1), first_node=5)
    assert (tmp_path / "out" / "example.srat.aml").read_bytes()[48:60].hex(" ") == "05 20 00 01 05 00 00 00 00 00 09 11"
    assert built.function.digest == api.check(tmp_path / "l.yaml").function.digest
