"""Capabilities, bytes, reserved ranges, the physical device: each key of a layout and what it does, bytes by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiling import EXPRESS, HEAD, compiled, diagnostics, document, octets, places, refusal, structure
from vpci_compile.ir import Kind, Origin

# -- chains --------------------------------------------------------------------------------------------------------


def test_chain_is_the_order_of_the_list() -> None:
    function = compiled("""
capabilities:
  - {cap: pm, at: 0x80, source: synthesized}
  - {cap: vpd, at: 0x40, source: synthesized}
  - {cap: af, at: 0x60, source: synthesized}
""")
    assert octets(function, 0x34, 1) == "80"
    # PCIe 6.0 7.5.1.1.11: id, then the next pointer, 0 in the last
    assert [octets(function, at, 2) for at in (0x80, 0x40, 0x60)] == ["01 40", "03 60", "13 00"]


def test_extended_chain() -> None:
    function = compiled(
        EXPRESS
        + """
extended:
  - {cap: dsn, at: 0x100, source: synthesized, fields: {lower: 0x11223344, upper: 0x55667788}}
  - {cap: pasid, at: 0xff8, source: synthesized, fields: {max_width: 20, priv: 1}}
  - {cap: acs, at: 0x200, source: synthesized}
"""
    )
    # PCIe 6.0 7.6.3: id in bits 15..0, version in 19..16, next in 31..20
    assert octets(function, 0x100, 12) == "03 00 81 ff 44 33 22 11 88 77 66 55"
    assert octets(function, 0xFF8, 8) == "1b 00 01 20 04 14 00 00"
    assert octets(function, 0x200, 4) == "0d 00 01 00"


@pytest.mark.parametrize(("style", "live"), [("unlinked", "ff"), ("zeroed", "00")])
def test_a_hidden_structure_is_skipped(style: str, live: str) -> None:
    function = compiled(f"""
capabilities:
  - {{cap: pm, at: 0x40, source: copied}}
  - {{cap: vpd, at: 0x50, source: hidden, style: {style}, fields: {{addr: 0x1234}}}}
  - {{cap: msi, at: 0x60, source: copied}}
""")
    assert octets(function, 0x40, 2) == "01 60"
    # Linux unlinks and touches nothing else: the header and its next pointer stay readable on the device.
    shown = "03 60 34 12 00 00 00 00" if style == "unlinked" else "00 00 00 00 00 00 00 00"
    assert octets(function, 0x50, 8) == shown
    assert octets(function, 0x50, 1, "forwarded") == live
    assert octets(function, 0x50, 1, "emulated") != live


def test_a_hidden_structure_at_the_end_ends_the_chain_before_it() -> None:
    function = compiled("""
capabilities:
  - {cap: pm, at: 0x40, source: copied}
  - {cap: vpd, at: 0x50, source: hidden, style: unlinked}
""")
    assert octets(function, 0x40, 2) == "01 00"


def test_all_hidden_means_no_list() -> None:
    function = compiled("capabilities: [{cap: vpd, at: 0x50, source: hidden, style: unlinked}]\n")
    assert octets(function, 0x34, 1) == "00"
    assert octets(function, 0x06, 1) == "00"


def test_the_stub_of_a_hidden_head() -> None:
    text = """
extended:
  - {cap: ari, at: 0x100, source: hidden, style: unlinked}
  - {cap: sriov, at: 0x110, source: hidden, style: unlinked}
  - {cap: ats, at: 0x150, source: copied}
"""
    function = compiled(EXPRESS + text)
    # Linux vfio_ecap_init, QEMU vfio_add_ext_cap: id 0, version 0, next: the first that is kept
    assert octets(function, 0x100, 4) == "00 00 00 15"
    assert octets(function, 0x100, 8, "emulated") == "ff ff ff ff 00 00 00 00"
    assert octets(function, 0x110, 4) == "10 00 01 15"
    alone = compiled(EXPRESS + "\n".join(text.splitlines()[:3]) + "\n")
    assert octets(alone, 0x100, 4) == "00 00 00 00"  # nothing kept: no extended capabilities


def test_the_extended_chain_begins_at_0x100() -> None:
    assert refusal(EXPRESS + "extended: [{cap: dsn, at: 0x110, source: synthesized}]\n") == ["VPCI1306"]


def test_next_can_be_stated() -> None:
    text = """
capabilities:
  - {cap: pm, at: 0x40, source: synthesized, next: 0x63}
  - {cap: vpd, at: 0x60, source: synthesized}
"""
    assert octets(compiled(text), 0x40, 2) == "01 63"  # the low two bits are reserved, and ignored
    assert refusal(text.replace("0x63", "0x70")) == ["VPCI1308"]
    assert refusal(text.replace("synthesized}", "synthesized, next: 0x40}")) == ["VPCI1307"]


def test_next_of_an_extended_structure() -> None:
    text = "extended:\n  - {cap: dsn, at: 0x100, source: synthesized, next: 0x203}\n"
    function = compiled(EXPRESS + text + "  - {cap: pasid, at: 0x200, source: synthesized, fields: {max_width: 1}}\n")
    assert octets(function, 0x100, 4) == "03 00 31 20"


# -- ids, versions, lengths ----------------------------------------------------------------------------------------


def test_a_number_of_the_catalogue_is_as_good_as_its_name() -> None:
    text = "capabilities: [{cap: CAP, at: 0x40, source: synthesized, fields: {no_soft_reset: 1}}]\n"
    by_name, by_number = (compiled(text.replace("CAP", cap)) for cap in ("pm", "0x01"))
    assert by_name.digest == by_number.digest
    assert structure(by_number, "pm").length == 8


def test_an_unknown_id() -> None:
    function = compiled("""
capabilities:
  - {cap: 0x55, at: 0x40, source: synthesized, raw: {0x02: "aa bb", 0x05: "cc"}}
  - {cap: 0x56, at: 0x50, source: copied, length: 12}
  - {cap: 0x57, at: 0x60, source: synthesized}
""")
    assert octets(function, 0x40, 8) == "55 50 aa bb 00 cc 00 00"
    assert {s.name: s.length for s in function.structures} == {"header": 64, "cap55": 6, "cap56": 12, "cap57": 4}
    assert octets(function, 0x50, 12, "emulated") == "ff ff 00 00 00 00 00 00 00 00 00 00"


def test_an_unknown_extended_id() -> None:
    text = 'extended: [{cap: 0x7777, at: 0x100, source: synthesized, version: 3, raw: {0x04: "aa bb cc dd"}}]\n'
    assert octets(compiled(EXPRESS + text), 0x100, 8) == "77 77 03 00 aa bb cc dd"


@pytest.mark.parametrize(
    ("keys", "header", "length"),
    [
        ("", "01 00 02 00", 0x48),  # PCIe 6.0 7.8.4: version 2 has the TLP Prefix Log, 38h..47h
        (", version: 1", "01 00 01 00", 0x2C),  # no prefix log, and no root registers
        (", version: 3", "01 00 03 00", 0x60),  # Flit Mode: a header log of 14 dwords
        (", length: 0x2c", "01 00 02 00", 0x2C),
    ],
)
def test_version_and_length(keys: str, header: str, length: int) -> None:
    function = compiled(EXPRESS + f"extended: [{{cap: aer, at: 0x100, source: synthesized{keys}}}]\n")
    assert octets(function, 0x100, 4) == header
    assert structure(function, "aer").length == length


def test_length_counts_from_the_fields() -> None:
    function = compiled("""
capabilities:
  - {cap: msi, source: synthesized}
  - {cap: msix, source: synthesized, fields: {pba: bar0+0x800}}
  - {cap: pcie, source: synthesized, fields: {flags.version: 1}}
  - {cap: vndr, source: synthesized, fields: {length: 9}}
""")
    # PCIe 6.0 7.7.1: 10 bytes with neither 64-bit address nor mask; 7.7.2: 12; 7.5.3: 14h for a version 1 endpoint
    assert [s.length for s in function.structures[1:]] == [10, 12, 0x14, 9]


@pytest.mark.parametrize(
    ("fields", "length"),
    [("{}", 10), ("{ctrl.addr64: 1}", 14), ("{ctrl.maskbit: 1}", 20), ("{ctrl: {addr64: 1, maskbit: 1}}", 24)],
)
def test_lengths_of_msi(fields: str, length: int) -> None:
    text = f"capabilities: [{{cap: msi, at: 0x40, source: synthesized, fields: {fields}}}]\n"
    assert structure(compiled(text), "msi").length == length


def test_a_structure_cut_short() -> None:
    function = compiled("""
capabilities:
  - {cap: pcie, at: 0x40, source: copied, length: 0x34, fields: {flags.version: 2}}
  - {cap: pm, at: 0x74, source: synthesized}
""")
    assert structure(function, "pcie").end == 0x74
    assert octets(function, 0x74, 1) == "01"


def test_names_of_structures() -> None:
    function = compiled("""
capabilities:
  - {cap: vndr, at: 0x40, source: synthesized}
  - {cap: vndr, at: 0x50, source: synthesized, name: doorbell}
  - {cap: vndr, at: 0x60, source: synthesized}
""")
    assert places(function) == {"header": 0, "vndr": 0x40, "doorbell": 0x50, "vndr2": 0x60}


def test_a_vendors_own_form_beside_the_plain_one() -> None:
    head = HEAD.replace("0x1234", "0x10de").replace("0xff0000", "0x030200")
    text = """
capabilities:
  - {cap: vndr, at: 0x40, source: copied, fields: {length: 8}}
  - {cap: gpudirect, at: 0xc8, source: synthesized, fields: {clique: 15}}
"""
    function = compiled(text, head)
    assert octets(function, 0xC8, 8) == "09 00 08 50 32 50 78 00"  # clique in bits 6..3
    assert places(function) == {"header": 0, "vndr": 0x40, "gpudirect": 0xC8}
    assert refusal(
        text.replace("vndr", "gpudirect").replace("{length: 8}", "{clique: 1}").replace("0x40", "0xd4"), head
    )
    again = text + "  - {cap: vndr, at: 0x60, source: copied, fields: {length: 8}}\n"
    assert refusal(again, head) == ["VPCI1511"]  # its next pointer is 0 by definition


def test_a_device_stands_behind_a_function_that_hides_something() -> None:
    hidden = compiled("capabilities: [{cap: vpd, at: 0x40, source: hidden, style: unlinked}]\n")
    assert octets(hidden, 0x06, 1, "emulated") == "10"  # of the status register bit 4 alone is the VMM's
    assert octets(compiled(""), 0x06, 1, "emulated") == "ff"


# -- raw, bytes, reserved ------------------------------------------------------------------------------------------


def test_raw_bytes_beside_fields() -> None:
    text = """
capabilities:
  - cap: pm
    at: 0x40
    source: synthesized
    fields: {pmc: {version: 3, d1: 1}}
    raw:
      0x03: "ca"
      6: "01 02"
"""
    function = compiled(text)
    assert octets(function, 0x40, 8) == "01 00 03 ca 00 00 01 02"
    lines = {one.path: one.origin.line for one in function.fields(structure(function, "pm"))}
    assert (lines["pm.pmc.version"], lines["pm.pmc.d2"], lines["pm.data"]) == (11, 13, 14)
    # The same bit by name and in raw bytes: they must agree, whoever changes one of them later.
    (found,) = (d for d in diagnostics(text.replace('"ca"', '"c8"')) if d.severity == "error")
    assert (found.code, found.span.line) == ("VPCI1110", 13)
    assert found.message == "'pmc.d1' is set by name, and these raw bytes change it from 0x1 to 0x0"


@pytest.mark.parametrize("raw", ['{0x00: "01"}', '{0x07: "01 02"}', '{0x08: "01"}', '{here: "01"}'])
def test_raw_bytes_outside_the_body(raw: str) -> None:
    assert refusal(f"capabilities: [{{cap: pm, at: 0x40, source: copied, raw: {raw}}}]\n") == ["VPCI1109"]


def test_raw_bytes_can_hold_the_length() -> None:
    function = compiled('capabilities: [{cap: vndr, at: 0x40, source: copied, raw: {0x02: "06 aa bb cc"}}]\n')
    assert structure(function, "vndr").length == 6


def test_bytes_outside_capabilities() -> None:
    function = compiled("""
bytes:
  - {at: 0xe0, hex: "12 34:56", source: copied, why: seen}
  - {at: 0x35, hex: "ab", source: synthesized}
""")
    assert octets(function, 0xE0, 4) == "12 34 56 00"
    assert octets(function, 0x35, 1) == "ab"
    assert octets(function, 0xE0, 4, "emulated") == "00 00 00 ff"
    assert octets(function, 0xE0, 4, "forwarded") == "ff ff ff 00"
    loose = [s for s in function.structures if s.kind is Kind.BYTES]
    assert [(s.offset, s.length, s.source) for s in loose] == [
        (0xE0, 3, Origin.COPIED),
        (0x35, 1, Origin.SYNTHESIZED),
    ]
    assert refusal('bytes: [{at: 0x3c, hex: "01", source: copied}]\n') == ["VPCI1304"]


def test_reserved_ranges() -> None:
    text = "reserved: [{range: 0x40..0x4b, why: feared}]\ncapabilities: [{cap: pm, source: synthesized}]\n"
    assert places(compiled(text))["pm"] == 0x4C
    assert compiled(text).reserved == ((0x40, 0x4C, "feared"),)
    assert refusal(text.replace("pm, ", "pm, at: 0x48, ")) == ["VPCI1313"]


# -- the device behind the function --------------------------------------------------------------------------------


def test_what_the_layout_says_of_the_device() -> None:
    function = compiled("""
physical:
  driver: nvgrace-gpu-vfio-pci
  vendor: 0x1af4
  device: 0x1041
  class: 0x020000
  revision: 1
  subsystem: "1af4:0041"
  capabilities: {0x60: pcie, 0xa0: 0x11}
  extended: {0x100: pasid}
  used: [0xe0..0xe3]
""")
    device = function.physical
    assert device is not None
    assert device.driver == "nvgrace-gpu-vfio-pci"
    assert device.ids == {
        "vendor": 0x1AF4, "device": 0x1041, "class": 0x020000, "revision": 1, "subsystem_vendor": 0x1AF4,
        "subsystem": 0x41,
    }  # fmt: skip
    assert [s[:3] for s in device.structures] == [
        (Kind.STANDARD, 0x10, 0x60),
        (Kind.STANDARD, 0x11, 0xA0),
        (Kind.EXTENDED, 0x1B, 0x100),
    ]
    assert device.used == ((0xE0, 0xE4),)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("capabilities: [{cap: pm, at: 0x44, source: copied}]\n", "VPCI1311"),
        ("capabilities: [{cap: vpd, at: 0x50, source: copied}]\n", "VPCI1314"),
        ("capabilities: [{cap: vpd, at: 0x44, source: synthesized}]\n", "VPCI1312"),
        ("capabilities: [{cap: vpd, at: 0xe0, source: synthesized}]\n", "VPCI1312"),
    ],
)
def test_what_the_device_forbids(text: str, code: str) -> None:
    device = "physical: {capabilities: {0x40: pm}, used: [0xe0..0xe3]}\n"
    assert refusal(device + text) == [code]


def test_a_capture_gives_copied_structures_their_bytes(tmp_path: Path) -> None:
    octets_there = bytearray(256)
    octets_there[0x00:0x10] = bytes.fromhex("34 12 78 56 00 00 10 00 00 00 00 ff 00 00 00 00")
    octets_there[0x34] = 0x40
    octets_there[0x40:0x48] = bytes.fromhex("01 50 c3 c9 08 01 00 00")
    octets_there[0x50:0x58] = bytes.fromhex("03 00 ff 80 11 22 33 44")
    (tmp_path / "captures").mkdir()
    (tmp_path / "captures" / "nic.bin").write_bytes(octets_there)
    text = """
physical: {capture: captures/nic.bin}
capabilities:
  - {cap: pm, at: 0x40, source: copied, fields: {pme_enable: 0}}
  - {cap: vndr, source: synthesized}
"""
    function = compiled(text + "  - {cap: vpd, at: 0x50, source: hidden, style: unlinked}\n", folder=tmp_path)
    # The capture's bytes, but for what the layout says and for the pointers of its own chain.
    assert octets(function, 0x40, 8) == "01 48 c3 c9 08 00 00 00"
    assert places(function)["vndr"] == 0x48  # the first bytes that the device does not use
    assert [s.offset for s in function.structures if s.name == "vpd"] == [0x50]
    assert refusal(text.replace("captures/nic", "nic"), folder=tmp_path) == ["VPCI1001"]


def test_one_function_of_a_capture_with_several() -> None:
    text = """
physical:
  capture: ../tests/captures/q35-all.lspci
  slot: "00:1f.2"
capabilities: [{cap: msi, at: 0x80, source: copied}, {cap: sata, at: 0xa8, source: copied}]
"""
    # The AHCI controller of QEMU's q35: 64-bit MSI at 0x80, SATA at 0xa8, as lspci shows them
    function = compiled(text)
    assert octets(function, 0x80, 4) == "05 a8 80 00"
    assert octets(function, 0xA8, 8) == "12 00 10 00 48 00 00 00"
    assert "VPCI1703" in refusal(text.replace('  slot: "00:1f.2"\n', ""))


# -- migration -----------------------------------------------------------------------------------------------------


def test_volatile_leaves_the_contract() -> None:
    text = """
capabilities:
  - {cap: pcie, at: 0x40, source: copied, fields: {flags.version: 2}, volatile: [lnksta, devctl.mps, devsta.ced]}
"""
    function = compiled(text)
    assert octets(function, 0x52, 2, "compared") == "00 00"
    assert octets(function, 0x48, 2, "compared") == "1f ff"  # PCIe 6.0 7.5.3.4: Max_Payload_Size is bits 7..5
    assert octets(function, 0x4A, 2, "compared") == "fe ff"
    assert refusal(text.replace("lnksta", "lnkstat")) == ["VPCI1107"]
    hidden = text.replace("copied", "hidden, style: unlinked")
    assert refusal(hidden.replace("lnksta", "lnkstat")) == ["VPCI1107"]


def test_ignore_leaves_the_contract() -> None:
    head = HEAD.replace(
        "migration: {migrates: false}", "migration: {migrates: false, ignore: [header.subsystem, pm, vpd.addr.address]}"
    )
    text = """
capabilities:
  - {cap: pm, at: 0x40, source: copied}
  - {cap: vpd, at: 0x50, source: copied}
"""
    function = compiled(text, head)
    assert octets(function, 0x2C, 4, "compared") == "ff ff 00 00"
    assert octets(function, 0x40, 8, "compared") == "ff ff 00 00 00 00 00 00"  # that it is there stays in the contract
    assert octets(function, 0x52, 2, "compared") == "00 80"
    assert refusal(text, head.replace("pm,", "msi,")) == ["VPCI1607"]


def test_a_layout_that_migrates_pins_and_settles() -> None:
    head = HEAD.replace("false", "true")
    assert refusal("capabilities: [{cap: pm, source: synthesized}]\n", head) == ["VPCI1601"]
    text = "capabilities: [{cap: pcie, at: 0x40, source: copied, fields: {flags.version: 2}}]\n"
    assert set(refusal(text, head)) == {"VPCI1602", "VPCI1605"}
    assert document(compiled(text))["structures"][1]["name"] == "pcie"
    assert not [d for d in diagnostics(text) if d.code.startswith("VPCI16")]
