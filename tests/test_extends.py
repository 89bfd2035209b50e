"""`extends` and `parameters`: what is merged how, and that every value still knows the file it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiling import document, octets, places, structure
from vpci_compile import pipeline
from vpci_compile.diagnostics import Diagnostic, Failed
from vpci_compile.ir import Function

BASE = """\
vpci: 1
device: base
parameters: {vendor: 0x1234, size: 4K, vectors: 4, why: nobody knows, revision: null}
identity:
  vendor: ${vendor}
  device: 0x0001
  class: 0xff0000
bars:
  0: {kind: mem32, size: "${size}", source: copied}
  2: {kind: mem32, size: 1M, source: copied}
capabilities:
  - cap: pm
    at: 0x40
    source: copied
    fields:
      pmc: {version: 3, d1: 1}
      pmcsr.no_soft_reset: 1
  - {cap: vndr, at: 0x50, source: copied, fields: {length: 8}, raw: {0x03: "aa", 0x04: "bb"}}
  - {cap: vndr, at: 0x60, source: copied, fields: {length: 8}, name: second}
  - {cap: msix, at: 0x70, source: copied, fields: {table_size: "${vectors}", table: bar2+0, pba: bar2+0x800}}
bytes: [{at: 0xe0, hex: "01 02", source: copied}]
reserved: [{range: 0xe8..0xff, why: "reserved, ${why}"}]
migration: {migrates: false}
targets: []
"""
CHILD = "vpci: 1\ndevice: child\nextends: base.yaml\n"


def build(folder: Path, child: str, base: str = BASE.replace("revision: null", "revision: 0")) -> Function:
    (folder / "base.yaml").write_text(base)
    (folder / "child.yaml").write_text(child)
    return pipeline.compile_file(folder / "child.yaml", "child.yaml").function


def complaints(folder: Path, child: str, base: str = BASE.replace("revision: null", "revision: 0")) -> list[Diagnostic]:
    with pytest.raises(Failed) as caught:
        build(folder, child, base)
    return [d for d in caught.value.diagnostics if d.severity == "error"]


def test_everything_is_inherited(tmp_path: Path) -> None:
    function = build(tmp_path, CHILD)
    assert function.name == "child"
    assert octets(function, 0x00, 12) == "34 12 01 00 00 00 10 00 00 00 00 ff"
    assert places(function) == {
        "header": 0, "pm": 0x40, "vndr": 0x50, "second": 0x60, "msix": 0x70, "bytes@0xe0": 0xE0,
    }  # fmt: skip
    assert octets(function, 0x50, 8) == "09 60 08 aa bb 00 00 00"
    assert octets(function, 0x70, 12) == "11 00 03 00 02 00 00 00 02 08 00 00"
    assert function.reserved == ((0xE8, 0x100, "reserved, nobody knows"),)


def test_keys_are_laid_over_keys(tmp_path: Path) -> None:
    function = build(
        tmp_path,
        CHILD
        + """
identity: {device: 0x0002, revision: 7}
bars: {0: {size: 8K}, 2: {size: 64K}}
capabilities:
  - {cap: pm, fields: {pmc: {d1: 0, d2: 1}}}
""",
    )
    assert octets(function, 0x00, 12) == "34 12 02 00 00 00 10 00 07 00 00 ff"
    assert octets(function, 0x10, 4, "writable") == "00 e0 ff ff"
    # PMC: version 3 in bits 2..0 stays, D1 (bit 9) goes, D2 (bit 10) comes; PMCSR: No_Soft_Reset, bit 3, stays
    assert octets(function, 0x40, 8) == "01 50 03 04 08 00 00 00"


def test_null_takes_away(tmp_path: Path) -> None:
    function = build(
        tmp_path, CHILD + "bars: {0: null}\ncapabilities: [{cap: pm, fields: {pmcsr.no_soft_reset: null}}]\n"
    )
    assert [bar.index for bar in function.bars] == [2]
    assert octets(function, 0x44, 1) == "00"


def test_an_entry_is_removed(tmp_path: Path) -> None:
    function = build(tmp_path, CHILD + "capabilities: [{name: second, remove: true}, {cap: pm, remove: true}]\n")
    assert list(places(function)) == ["header", "bytes@0xe0", "vndr", "msix"]
    assert octets(function, 0x34, 1) == "50"
    assert octets(function, 0x50, 2) == "09 70"
    text = "bytes: [{at: 0xe0, remove: true}]\nreserved: [{range: 0xe8..0xff, remove: true}]\n"
    function = build(tmp_path, CHILD + text)
    assert "bytes@0xe0" not in places(function)
    assert function.reserved == ()
    assert [d.code for d in complaints(tmp_path, CHILD + "capabilities: [{cap: vpd, remove: true}]\n")] == ["VPCI1112"]


def test_entries_are_merged_by_name_then_by_cap(tmp_path: Path) -> None:
    function = build(
        tmp_path,
        CHILD
        + """
capabilities:
  - {cap: vndr, raw: {0x04: "cc"}}
  - {name: second, raw: {0x03: "dd"}}
  - {cap: vpd, at: 0x80, source: copied}
bytes: [{at: 0xe0, hex: "03"}, {at: 0xe4, hex: "04", source: copied}]
reserved: [{range: 0xe8..0xff, why: known now}]
""",
    )
    assert octets(function, 0x50, 8) == "09 60 08 aa cc 00 00 00"
    assert octets(function, 0x60, 8) == "09 70 08 dd 00 00 00 00"
    assert octets(function, 0x70, 2) == "11 80"  # what is new comes last
    assert octets(function, 0xE0, 5) == "03 00 00 00 04"
    assert function.reserved == ((0xE8, 0x100, "known now"),)


@pytest.mark.parametrize(
    ("below", "above", "octet"),
    [
        ("pmc.d1: 1", "pmc: {d1: 0}", "00"),
        ("pmc: {d1: 1}", "pmc.d1: 0", "00"),
        ("pmc: {d1: 1}", "pmc: 0x0400", "04"),
        ("pmc: 0x0200", "pmc.d2: 1", "06"),
        ("pmc.d1: 1", "pmc: 0x0400", "04"),
        ("pmc.d1: 1", "d1: 0", "00"),
    ],
)
def test_the_layout_wins_however_it_names_a_field(tmp_path: Path, below: str, above: str, octet: str) -> None:
    base = BASE.replace("pmc: {version: 3, d1: 1}", below).replace("revision: null", "revision: 0")
    function = build(tmp_path, CHILD + f"capabilities: [{{cap: pm, fields: {{{above}}}}}]\n", base)
    assert octets(function, 0x43, 1) == octet
    origin = next(f.origin for f in function.fields(structure(function, "pm")) if f.field.name == "d1")
    assert origin.path == ("child.yaml" if "d2" not in above else str(tmp_path / "base.yaml"))


def test_a_list_of_plain_values_is_replaced(tmp_path: Path) -> None:
    base = BASE.replace(
        "source: copied, fields: {length: 8}, name", "source: copied, fields: {length: 8}, volatile: [data], name"
    )
    function = build(tmp_path, CHILD, base.replace("revision: null", "revision: 0"))
    assert octets(function, 0x62, 2, "compared") == "ff 00"
    text = "capabilities: [{name: second, volatile: [length]}]\n"
    function = build(tmp_path, CHILD + text, base.replace("revision: null", "revision: 0"))
    assert octets(function, 0x62, 2, "compared") == "00 ff"


def test_two_levels(tmp_path: Path) -> None:
    (tmp_path / "middle").mkdir()
    (tmp_path / "middle" / "middle.yaml").write_text(
        "vpci: 1\ndevice: middle\nextends: {layout: ../base.yaml, with: {vectors: 8}}\nidentity: {device: 0x0002}\n"
        "capabilities: [{name: second, remove: true}]\n"
    )
    child = (
        "vpci: 1\ndevice: child\nextends: middle/middle.yaml\nidentity: {revision: 9}\nparameters: {vendor: 0x4321}\n"
    )
    function = build(tmp_path, child)
    assert octets(function, 0x00, 12) == "21 43 02 00 00 00 10 00 09 00 00 ff"
    assert octets(function, 0x70, 4) == "11 00 07 00"
    lines = {one.field.name: (one.origin.path, one.origin.line) for one in function.fields(function.structures[0])}
    assert lines["revision"] == ("child.yaml", 4)
    assert Path(lines["device"][0]).name == "middle.yaml"
    assert lines["device"][1] == 4
    assert (Path(lines["class"][0]).name, lines["class"][1]) == ("base.yaml", 7)


def test_parameters(tmp_path: Path) -> None:
    text = "vpci: 1\ndevice: child\nextends: {layout: base.yaml, with: {size: 16K, vectors: 9, why: seen}}\n"
    function = build(tmp_path, text)
    assert octets(function, 0x10, 4, "writable") == "00 c0 ff ff"
    assert octets(function, 0x72, 2) == "08 00"
    assert function.reserved[0][2] == "reserved, seen"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: {layout: base.yaml, with: {vector: 9}}", "the base has no parameter 'vector'"),
        ("extends: base.yaml\nidentity: {revision: '${rev}'}", "there is no parameter 'rev'"),
        ("extends: base.yaml\nidentity: {revision: '${revision}'}", "parameter 'revision' has no value"),
    ],
)
def test_parameters_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    (found,) = complaints(tmp_path, f"vpci: 1\ndevice: child\n{text}\n", BASE)
    assert (found.code, found.message) == ("VPCI1105", message)


def test_bases_that_are_wrong(tmp_path: Path) -> None:
    assert [d.code for d in complaints(tmp_path, CHILD.replace("base.", "bass."))] == ["VPCI1104"]
    assert [d.code for d in complaints(tmp_path, CHILD, CHILD.replace("base.yaml", "child.yaml"))] == ["VPCI1104"]


def test_a_shipped_layout_by_its_name(tmp_path: Path) -> None:
    text = "vpci: 1\ndevice: child\nextends: nvidia/gh200\nbars: {4: {backing: {length: 64G}, size: 64G}}\n"
    bars = document(build(tmp_path, text))["bars"]
    assert [(bar["index"], bar["length"]) for bar in bars] == [(0, 1 << 24), (2, 0x5D800000), (4, 64 << 30)]


def test_a_value_knows_its_file_and_line(tmp_path: Path) -> None:
    function = build(tmp_path, CHILD + "capabilities:\n  - cap: pm\n    fields:\n      pmc.d2: 1\n")
    origins = {one.path: one.origin for one in function.fields(structure(function, "pm"))}
    base = str(tmp_path / "base.yaml")
    where = {path: (Path(span.path).name, span.line, span.col) for path, span in origins.items()}
    assert where["pm.pmc.d2"] == ("child.yaml", 7, 15)
    assert where["pm.pmc.d1"] == ("base.yaml", 16, 29)
    assert where["pm.pmcsr.no_soft_reset"] == ("base.yaml", 17, 28)
    assert origins["pm.pmc.d1"].path in (base, "base.yaml")
    rows = {row["offset"]: row for row in document(function)["provenance"]}
    sources = {field["name"]: field["source"] for field in rows[0x42]["fields"]}
    assert sources["pmc.version"] == "base.yaml:16"
    assert sources["pmc.d2"] == "child.yaml:7"
    assert rows[0x10]["source"] == "base.yaml:9"


def test_a_complaint_about_the_base_points_into_the_base(tmp_path: Path) -> None:
    base = BASE.replace("revision: null", "revision: 0").replace("at: 0x50", "at: 0x51")
    (found,) = complaints(tmp_path, CHILD, base)
    assert found.code == "VPCI1301"
    assert (Path(found.span.path).name, found.span.line, found.span.col) == ("base.yaml", 18, 21)
    base = BASE.replace("revision: null", "revision: 0").replace(
        "source: copied, fields: {length: 8}, name", "source: copied, sauce: 1, name"
    )
    (found,) = complaints(tmp_path, CHILD, base)
    assert (found.code, Path(found.span.path).name, found.span.line) == ("VPCI1101", "base.yaml", 19)


def test_a_complaint_about_a_merged_entry_points_at_what_is_wrong(tmp_path: Path) -> None:
    (found,) = complaints(tmp_path, CHILD + "capabilities:\n  - {cap: pm, fields: {pmc.d9: 1}}\n")
    assert (found.span.path, found.span.line) == ("child.yaml", 5)
    (found,) = complaints(tmp_path, CHILD + "capabilities:\n  - {cap: msix, at: 0x64}\n")
    assert (found.code, found.span.path, found.span.line) == ("VPCI1304", "child.yaml", 5)
