"""Values by name: how a layout writes the fields of a structure, and which bits they become, by hand."""

from __future__ import annotations

import pytest

from compiling import compiled, diagnostics, octets, refusal, structure


@pytest.mark.parametrize(
    "fields",
    [
        "{devcap.flr: 1, devcap.mps: 256B}",
        "{devcap: {flr: 1, mps: 256B}}",
        "{devcap: {flr: true, mps: 1}}",
        "{flr: 1}",
        "{devcap: 0x10000001}",
    ],
)
def test_ways_to_name_a_field(fields: str) -> None:
    text = f"capabilities: [{{cap: pcie, at: 0x40, source: copied, fields: {fields}}}]\n"
    if fields == "{flr: 1}":  # devcap and devctl both have one: a short name must be the only one
        assert refusal(text) == ["VPCI1107"]
        return
    assert octets(compiled(text), 0x44, 4) == "01 00 00 10"  # PCIe 6.0 7.5.3.3: bit 28; bits 2..0, 1: 256 bytes


def test_short_names_that_occur_once() -> None:
    function = compiled("""
capabilities:
  - {cap: pcie, at: 0x40, source: copied, fields: {flags.version: 2, type: legacy-endpoint, ee_prefix: 1}}
  - {cap: msix, at: 0x90, source: copied, fields: {table_size: 11, pba: bar0+0x800}}
""")
    assert octets(function, 0x42, 2) == "12 00"  # 7.5.3.2: Device/Port Type in bits 7..4, 0001b
    assert octets(function, 0x64, 4) == "00 00 20 00"  # 7.5.3.15: bit 21, End-End TLP Prefix Supported
    assert octets(function, 0x92, 2) == "0a 00"  # 7.7.2.2: Table Size is encoded as N-1


@pytest.mark.parametrize(
    ("fields", "table", "pba"),
    [
        ("{table: bar0+0x2000, pba: bar0+0x3000}", "00 20 00 00", "00 30 00 00"),
        ("{table: bar2+8, pba: bar5+0xfffffff8}", "0a 00 00 00", "fd ff ff ff"),
        ("{table: {bir: 4, offset: 0x2000}, pba: {offset: 0x10}}", "04 20 00 00", "10 00 00 00"),
        ("{table.offset: 0x2000, table.bir: 1, pba: 0x3003}", "01 20 00 00", "03 30 00 00"),
    ],
)
def test_a_bar_and_an_offset(fields: str, table: str, pba: str) -> None:
    function = compiled(f"capabilities: [{{cap: msix, at: 0x40, source: copied, fields: {fields}}}]\n")
    assert octets(function, 0x44, 4) == table  # 7.7.2.3: BIR in bits 2..0, the offset's bits 31..3 above
    assert octets(function, 0x48, 4) == pba


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ("{table_size: 0}", "VPCI1108"),  # at least one vector
        ("{table_size: 2049}", "VPCI1108"),
        ("{table: bar0+0x2004}", "VPCI1503"),
        ("{table: bar6+0x2000}", "VPCI1108"),
        ("{table: here}", "VPCI1108"),
        ("{tables: 1}", "VPCI1107"),
        ("{next: 0x40}", "VPCI1107"),
        ("{table.offset: 4}", "VPCI1503"),
    ],
)
def test_values_that_do_not_fit(fields: str, code: str) -> None:
    assert refusal(f"capabilities: [{{cap: msix, at: 0x40, source: copied, fields: {fields}}}]\n") == [code]


@pytest.mark.parametrize(
    "fields",
    [
        "{ctrl.addr64: 1, ctrl.maskbit: 1, address: 0xfee00000, address_hi: 5, data: 0x4021, mask: 2}",
        "{mask: 2, data: 0x4021, address_hi: 5, address: 0xfee00000, ctrl.maskbit: 1, ctrl.addr64: 1}",
        "{data: 0x4021, ctrl: {maskbit: 1, addr64: 1}, mask: 2, address.address: 0xfee00000, address_hi: 5}",
    ],
)
def test_the_order_of_fields_does_not_matter(fields: str) -> None:
    function = compiled(f"capabilities: [{{cap: msi, at: 0x40, source: synthesized, fields: {fields}}}]\n")
    # PCIe 6.0 7.7.1, figure 7-42: 64-bit with masks: address +4, upper +8, data +0ch, mask +10h
    assert octets(function, 0x40, 24) == "05 00 80 01 00 00 e0 fe 05 00 00 00 21 40 00 00 02 00 00 00 00 00 00 00"


def test_a_field_of_a_register_that_is_not_there() -> None:
    for fields in ("{address_hi: 5}", "{mask: 1}"):  # neither 64 bits wide nor able to mask
        text = f"capabilities: [{{cap: msi, at: 0x40, source: synthesized, fields: {fields}}}]\n"
        assert refusal(text) == ["VPCI1107"]


def test_the_condition_of_a_register_is_told() -> None:
    # A copied structure has no defaults: without its version it is one of version 0, which has no second half.
    text = "capabilities: [{cap: pcie, at: 0x40, source: copied, fields: {devcap2.ee_prefix: 1}}]\n"
    (found,) = diagnostics(text)
    assert found.message == "this pcie structure has no register 'devcap2'"
    assert found.notes == ("PCIe 6.0 7.5.3: it exists where flags.version >= 2",)


def test_runs_of_bytes_and_numbered_registers() -> None:
    function = compiled(
        """
capabilities:
  - {cap: pcie, at: 0x40, source: synthesized}
  - {cap: vndr, at: 0x80, source: synthesized, fields: {length: 8, data: "de ad be ef"}}
extended:
  - cap: rebar
    at: 0x100
    source: synthesized
    fields: {ctrl0: {nbars: 2, bar: 2, size: 5}, cap0: {sizes: 0x7}, cap1.sizes: 1, ctrl1: {bar: 4}}
"""
    )
    assert octets(function, 0x80, 8) == "09 00 08 de ad be ef 00"
    # PCIe 6.0 7.8.6: capability and control in turns; sizes from bit 4, NBAR in bits 7..5, size in 13..8
    assert octets(function, 0x100, 20) == "15 00 01 00 70 00 00 00 42 05 00 00 10 00 00 00 04 00 00 00"
    assert structure(function, "rebar").length == 20


def test_defaults_are_for_synthesized_structures_alone() -> None:
    text = "capabilities: [{cap: pm, at: 0x40, source: SOURCE}]\n"
    assert octets(compiled(text.replace("SOURCE", "synthesized")), 0x40, 8) == "01 00 03 00 00 00 00 00"
    assert octets(compiled(text.replace("SOURCE", "copied")), 0x40, 8) == "01 00 00 00 00 00 00 00"
