"""Quirks: judged by the bytes of real devices, and by what they prevent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiling import HEAD, LAYOUTS, ROOT, compiled, diagnostics, places
from vpci_compile import api, capture, resources
from vpci_compile.catalog import quirks
from vpci_compile.catalog.quirks import Ids, QuirkKind
from vpci_compile.diagnostics import Failed, Source, render_text
from vpci_compile.loader import parse

TIGON3 = Ids(0x14E4, 0x1657, 0x020000, 1, (0x14E4, 0x1981))
ALL = [row for rows in quirks.read_all(resources.folder("schemas") / "quirks").values() for row in rows]
FOLDER = "quirks"
SHARED = ROOT.parent / "shared" / "captures"


def names(ids: Ids) -> list[str]:
    return [quirk.name for quirk in quirks.of(ids)]


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        (TIGON3, ["broadcom-tigon3", "broadcom-tigon3-mirror"]),
        (Ids(0x173B, 0x03EA, 0x020000), ["broadcom-tigon3", "broadcom-tigon3-mirror"]),  # Altima's
        (Ids(0x14E4, 0x1639, 0x020000), ["broadcom-nx2", "broadcom-nx2-mirror"]),
        (Ids(0x14E4, 0x163D, 0x020000), ["broadcom-nx2-10g", "broadcom-nx2-10g-mirror"]),
        (Ids(0x14E4, 0x163F, 0x020000), []),  # a virtual function
        (Ids(0x19A2, 0x0710, 0x020000), ["emulex-be"]),
        (Ids(0x8086, 0x0443, 0x0B4000), ["intel-qat-vf"]),
        (Ids(0x8086, 0x191E, 0x030000), ["intel-graphics"]),
        (Ids(0x8086, 0x191E, 0x020000), []),
        (Ids(0x8086, 0x191E), ["intel-graphics"]),  # its class is not known: it may be one
        (Ids(0x10DE, 0x1EB0, 0x030000), ["nvidia-mirror", "nvidia-mirror-1800"]),
        (Ids(0x10DE, 0x2330, 0x030200), []),  # QEMU traps the mirror of VGA functions alone
        (Ids(0x1002, 0x15D8, 0x030000, 0xCF, (0xEA50, 0xCE19)), ["amd-no-ats", "amd-mirror"]),
        (Ids(0x1002, 0x15D8, 0x030000, 0xCE, (0xEA50, 0xCE19)), ["amd-mirror"]),
        (Ids(0x1002, 0x15D8, 0x030000, 0xCF, (0xEA50, 0xCE18)), ["amd-mirror"]),
        (Ids(0x8086, 0x1452, 0x020000, 0x20), []),
        (Ids(0x8086, 0x1452, 0x020000, 0x1F), ["intel-e2000-no-ats"]),
    ],
)
def test_whose_quirk_it_is(ids: Ids, wanted: list[str]) -> None:
    assert names(ids) == wanted


def test_every_quirk_is_found_and_says_something() -> None:
    for row in ALL:
        device = row["devices"][0]
        number = device["ids"][0][0] if "ids" in device else 0x1234
        found = {quirk.name: quirk for quirk in quirks.of(Ids(device["vendor"], number))}
        quirk = found[row["name"]]
        assert len(quirk.said) > 20 and quirk.source and quirk.about
        assert all(0x40 <= one.start < one.end <= 0x1000 for one in quirk.ranges)
        assert bool(quirk.ranges) == (quirk.kind in (QuirkKind.REGISTERS, QuirkKind.UNLINKED))
    assert {row["kind"] for row in ALL} == {*QuirkKind} - {QuirkKind.NO_MSIX_RELOCATION}


# Registers that drivers know outside every capability, as their headers have them: who -> where, and of how many bytes.
KNOWN = {
    "be2net": (Ids(0x19A2, 0x0710, 0x020000), {0x58: 4, 0xA0: 4, 0xA4: 4, 0xA8: 4, 0xAC: 4, 0x94: 4, 0xFC: 4}),
    "be2iscsi": (Ids(0x19A2, 0x0702, 0x010000), {0x58: 4, 0xA0: 8, 0xA8: 8}),
    "Skyhawk": (Ids(0x10DF, 0x0720, 0x020000), {0x58: 4, 0x94: 4}),
    "tg3": (TIGON3, {0x68: 4, 0x6C: 4, 0x70: 4, 0x78: 4, 0x80: 4, 0x7C: 4, 0x84: 4, 0xFC: 4}),
    "bnx2": (Ids(0x14E4, 0x164C, 0x020000), {0x68: 4, 0x78: 4, 0x80: 4, 0x90: 4, 0x94: 4}),
    "bnx2x": (Ids(0x14E4, 0x168E, 0x020000), {0x78: 4, 0x80: 4}),
    "IGD": (Ids(0x8086, 0x191E, 0x030000), {0xFC: 4, 0x50: 2, 0x5C: 4, 0xE8: 2, 0xE4: 4}),
    "VMD": (Ids(0x8086, 0x467F, 0x010400), {0xE8: 24}),
    "QAT VF": (Ids(0x8086, 0x0443, 0x0B4000), {0x50: 0x3C}),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_registers_are_taken(name: str) -> None:
    ids, registers = KNOWN[name]
    taken = {at for quirk in quirks.of(ids) for row in quirk.taken(0x1000) for at in range(row.start, row.end)}
    assert {at + number for at, size in registers.items() for number in range(size)} <= taken


@pytest.mark.parametrize(
    ("ids", "size"), [((0x1014, 0x028C), 0xA0), ((0x19EE, 0x4000), 0x600), ((0x19EE, 0x6003), 0x600)]
)
def test_known_ends_of_what_may_be_read(ids: tuple[int, int], size: int) -> None:
    (quirk,) = quirks.of(Ids(*ids))
    assert [(row.start, row.end) for row in quirk.taken(0x1000)] == [(size, 0x1000)]


def test_every_file_begins_with_its_sources() -> None:
    for path in sorted((resources.folder("schemas") / FOLDER).glob("*.yaml")):
        assert re.match(r"# Sources?: ", path.read_text(encoding="utf-8")), path.name


# -- what they prevent ---------------------------------------------------------------------------------------------

DEVICE = HEAD.replace("vendor: 0x1234, device: 0x5678", "vendor: 0x14e4, device: 0x1657") + "physical: {}\n"


@settings(deadline=None)
@given(st.lists(st.integers(4, 24), min_size=1, max_size=6))
def test_nothing_is_placed_over_a_register(lengths: list[int]) -> None:
    rows = "".join(
        f"  - {{cap: {0x80 + number:#x}, length: {length}, source: synthesized}}\n"
        for number, length in enumerate(lengths)
    )
    text = f"capabilities:\n{rows}"
    found = diagnostics(text, DEVICE)
    if any(one.severity == "error" for one in found):
        assert {one.code for one in found if one.severity == "error"} == {"VPCI1305"}  # there was no room
        return
    quirk = quirks.of(TIGON3)[0]
    for structure in compiled(text, DEVICE).structures[1:]:
        assert all(structure.end <= row.start or row.end <= structure.offset for row in quirk.ranges)


def test_a_function_without_a_device_has_no_quirks() -> None:
    text = "capabilities:\n  - {cap: ssvid, at: 0x78, source: synthesized}\n"
    assert not diagnostics(text, DEVICE.replace("physical: {}\n", ""))


def test_the_device_behind_counts_not_what_the_guest_sees() -> None:
    head = HEAD + "physical: {vendor: 0x14e4, device: 0x1657}\n"
    said = [one.message.split(":")[0] for one in diagnostics("", head)]
    assert set(said) == {"quirk broadcom-tigon3", "quirk broadcom-tigon3-mirror"}


def test_nothing_is_placed_where_the_device_must_not_be_read() -> None:
    head = HEAD.replace("vendor: 0x1234, device: 0x5678", "vendor: 0x19ee, device: 0x4000") + "physical: {}\n"
    text = "capabilities:\n  - {cap: pcie, at: 0x40, source: synthesized, fields: {ee_prefix: 1}}\nextended:\n"
    text += "  - {cap: dsn, at: 0x100, source: copied, volatile: [lower, upper]}\n"
    function = compiled(f"{text}  - {{cap: pasid, source: synthesized}}\n", head)
    assert places(function)["pasid"] == 0x5F8  # the last eight bytes below 0x600


def test_every_command_names_the_quirk(tmp_path: Path) -> None:
    """check, import, predict and baseline: of a made-up Tigon3 with 256 bytes, each of its two."""
    data = bytearray(256)
    data[0:4], data[9:12] = bytes.fromhex("e4 14 57 16"), bytes.fromhex("00 00 02")
    for name in ("one", "two"):
        (tmp_path / f"{name}.bin").write_bytes(data)
    one, two = (str(tmp_path / f"{name}.bin") for name in ("one", "two"))
    stack = "linux-7.2/qemu-11.1"
    assert api.import_capture(one).text.splitlines()[1].startswith("# quirk broadcom-tigon3: ")
    said = [
        diagnostics("", DEVICE),
        api.import_capture(one).diagnostics,
        api.predict(one, stack, "conventional").diagnostics,
        api.baseline([one, two], stack, "conventional").diagnostics,
    ]
    assert [[found.code for found in rows].count("VPCI1330") for rows in said] == [2, 2, 2, 2]


CXL = """capabilities:
  - {cap: pcie, at: 0x40, source: synthesized, fields: {ee_prefix: 1}}
extended:
  - cap: dvsec
    at: 0x100
    source: synthesized
    fields: {hdr1: {vendor: 0x1e98, length: 0x3c}, hdr2.id: 0, cxl_cap: {io: 1}}
"""


@pytest.mark.parametrize(("cache", "ats", "expected"), [(1, False, 1), (1, True, 0), (0, False, 0)])
def test_a_coherent_cache_needs_ats(cache: int, ats: bool, expected: int) -> None:
    """pci_cxl_ats_required: Cache_Capable, bit 0 at 0x0a of the DVSEC."""
    text = CXL.replace("{io: 1}", f"{{io: 1, cache: {cache}}}")
    text += "  - {cap: ats, at: 0x200, source: synthesized}\n" if ats else ""
    assert [one.code for one in diagnostics(text)].count("VPCI1334") == expected
    assert compiled(text).config.value[0x10A] & 1 == cache


# -- a library of the user's ---------------------------------------------------------------------------------------

OWN = """title: Acme
quirks:
  - name: acme-window
    kind: registers
    devices: [{vendor: 0x1234, ids: [0x5678]}]
    ranges: [{range: 0x40..0x5f, what: a window}]
    about: a write reaches the chip
    source: its manual
"""


def library(folder: Path, text: str) -> Path:
    (folder / FOLDER).mkdir()
    (folder / FOLDER / "acme.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_file_of_the_user_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPCI_LIBRARY", str(library(tmp_path, OWN)))
    text = "physical: {}\ncapabilities:\n  - {cap: ssvid, source: synthesized}\n"
    assert places(compiled(text))["ssvid"] == 0x60
    assert names(Ids(0x1234, 0x5678)) == ["acme-window"]
    assert names(TIGON3) == ["broadcom-tigon3", "broadcom-tigon3-mirror"]


def test_what_a_user_adds_is_not_in_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = OWN.replace("registers", "config-size").replace(
        "ranges: [{range: 0x40..0x5f, what: a window}]", "size: 0x80"
    )
    monkeypatch.setenv("VPCI_LIBRARY", str(library(tmp_path, text)))
    assert names(Ids(0x1234, 0x5678)) == ["acme-window"]
    assert not quirks.of_linux(Ids(0x1234, 0x5678), QuirkKind.CONFIG_SIZE)
    assert quirks.of_linux(Ids(0x19EE, 0x4000), QuirkKind.CONFIG_SIZE)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("kind: registers", "kind: register", "kind: one of registers"),
        ("ranges: [", "range: [", "unknown key 'range'"),
        ("0x40..0x5f", "0x5f..0x40", "range: a number, or a range"),
        ("0x40..0x5f", "0x40..0x1000", "range: a range below 0x1000"),
        ("vendor: 0x1234", "vendor: 0x12345", "vendor: a number up to 0xffff"),
        ("    source: its manual\n", "", "'source' is missing"),
        ("ids: [0x5678]", "ids: []", "ids: a list"),
        ("ids: [0x5678]", "id: 0x5678", "unknown key 'id'"),
        ("title: Acme", "- Acme", "a mapping is expected here"),
        ("about: a write reaches the chip", "about: {a: b}", "about: text"),
        ("ids: [0x5678]", "subsystems: [1]", "subsystems: a vendor and an id"),
    ],
)
def test_a_mistake_has_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, says: str) -> None:
    assert old in OWN
    text = OWN.replace(old, new)
    monkeypatch.setenv("VPCI_LIBRARY", str(library(tmp_path, text if old != "title: Acme" else "- Acme\n")))
    with pytest.raises(Failed) as caught:
        api.check(LAYOUTS / "nvidia/gh200.yaml")
    assert {one.code for one in caught.value.diagnostics} == {"VPCI1333"}
    assert says in render_text(caught.value.diagnostics)
    assert all(one.span.path.endswith("acme.yaml") for one in caught.value.diagnostics)


@settings(deadline=None)
@given(st.data())
def test_no_file_breaks_the_reader(data: st.DataObject) -> None:
    """Whatever stands where something else should: a diagnostic, never an exception of ours."""
    from vpci_compile.catalog import quirk_shape
    from vpci_compile.diagnostics import Report

    words = ["1", "0x1ffff", "[]", "{}", "[1, {}]", "null", "true", '"x"', "{range: 1}", "-1", "[[1]]"]
    lines = OWN.splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    key, colon, _ = lines[number].partition(": ")
    lines[number] = f"{key}{colon or ': '}{data.draw(st.sampled_from(words))}"
    report = Report()
    try:
        tree = parse(Source("own.yaml", "\n".join(lines) + "\n"))
    except Failed:
        return
    rows = list(quirk_shape.quirks(tree, report))
    assert rows or report.diagnostics


# -- real devices --------------------------------------------------------------------------------------------------

WINDOW, ADDRESS = 0x80, 0x78


@pytest.mark.skipif(not (SHARED / "INDEX.tsv").exists(), reason="no captures beside the checkout")
def test_real_devices_have_the_registers() -> None:
    """The window of a Tigon3 shows the register at its address; register 0 is the ids of the function."""
    found = [one for path in SHARED.glob("14e4-1657-*") for one in capture.read_all(path, str(path)).captures]
    assert found
    for one in found:
        assert [quirk.name for quirk in capture.quirks_of(one)] == names(TIGON3)
        assert not any(one.data[ADDRESS : ADDRESS + 4])
        assert one.data[WINDOW : WINDOW + 4] == one.data[0:4]
