"""DVSECs that mark space: written by a layout, read back by import, honoured by placement and by `free`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiling import EXPRESS, compiled, diagnostics, places, refusal
from vpci_compile import api
from vpci_compile.capture.free import State

LIBRARY = """title: marks of the vendor 1234
marks:
  - {dvsec: "1234:0001", shape: gap}
  - {dvsec: "1234:0002", shape: table}
"""
GAP = "{cap: free-space, at: 0x300, source: synthesized, fields: {vendor: 0x1234, id: 0x0001, length: 0xd00}}"
TABLE = (
    "{cap: space-table, at: 0x180, source: synthesized, fields: {vendor: 0x1234, id: 0x0002, length: 0x14,"
    " range0: {first: 0x400, last: 0x4ff}, range1: {first: 0x800, last: 0x80f}}}"
)
DSN = "  - {cap: dsn, at: 0x100, source: synthesized, volatile: [lower, upper]}\n"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "library/quirks").mkdir(parents=True)
    (tmp_path / "library/quirks/marks.yaml").write_text(LIBRARY, encoding="utf-8")
    monkeypatch.setenv("VPCI_LIBRARY", str(tmp_path / "library"))
    return tmp_path


def device(folder: Path, *entries: str, used: str = "") -> Path:
    """A capture of a function with such structures; `used` are offsets of bytes that are not 0."""
    rows = "".join(f"  - {entry}\n" for entry in entries)
    data = bytearray(compiled(f"{EXPRESS}extended:\n{DSN}{rows}").config.value)
    for at in used.split():
        data[int(at, 16)] = 1
    path = folder / "device.bin"
    path.write_bytes(data)
    return path


def on(capture: Path, structures: str) -> str:
    """A layout of a function on that device, of which a guest finds the serial number and `structures`."""
    express = EXPRESS.replace("source: synthesized, fields: {ee_prefix: 1}", "source: copied")
    dsn = DSN.replace("synthesized", "copied")
    return f"{express}extended:\n{dsn}{structures}physical: {{capture: {capture}}}\n"


PASID = "  - {cap: pasid, source: synthesized}\n"


def test_import_reads_them_back(library: Path) -> None:
    text = api.import_capture(device(library, GAP, TABLE)).text
    assert "cap: free-space" in text and "cap: space-table" in text
    assert "range0: {first: 1024, last: 1279}" in text or "range0" in text
    function = api.load(device(library, GAP, TABLE)).function
    assert {one.name: one.length for one in function.structures}["free-space"] == 0xD00


def test_without_the_library_they_are_any_dvsec(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VPCI_LIBRARY")
    assert "free-space" not in api.import_capture(device(library, GAP)).text


def test_a_gap_that_the_device_marks_can_be_filled(library: Path) -> None:
    """The DVSEC itself is not shown: no pointer leads to it, and its length means nothing to the guest."""
    text = on(device(library, GAP), PASID)
    assert places(compiled(text))["pasid"] == 0xFF8
    assert "VPCI1312" not in [one.code for one in diagnostics(text)]


@pytest.mark.parametrize("at", ["0x300", "0x308"])
def test_its_head_cannot(library: Path, at: str) -> None:
    assert refusal(on(device(library, GAP), PASID.replace("source", f"at: {at}, source"))) == ["VPCI1312"]


def test_without_the_library_nothing_of_it_can(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = on(device(library, GAP), PASID)
    monkeypatch.delenv("VPCI_LIBRARY")
    assert places(compiled(text))["pasid"] == 0x2F8  # the last bytes before the DVSEC


def test_a_table_says_where_and_nowhere_else(library: Path) -> None:
    assert places(compiled(on(device(library, TABLE), PASID)))["pasid"] == 0x808
    three = PASID + PASID.replace("pasid", "ats") + PASID.replace("pasid", "pri")
    assert set(places(compiled(on(device(library, TABLE), three))).values()) >= {0x808, 0x800, 0x4F0}


def test_what_is_marked_as_used_is_kept_away_from(library: Path) -> None:
    used = TABLE.replace("length: 0x14", "length: 0x14, used: 1").replace("0x800, last: 0x80f", "0xf00, last: 0xfff")
    capture = device(library, used)
    assert places(compiled(on(capture, PASID)))["pasid"] == 0xEF8
    assert refusal(on(capture, PASID.replace("source", "at: 0xff8, source"))) == ["VPCI1312"]


def test_a_table_of_the_layout_itself_is_kept() -> None:
    used = TABLE.replace("length: 0x14", "length: 0x14, used: 1").replace("0x800, last: 0x80f", "0xff0, last: 0xfff")
    found = compiled(f"{EXPRESS}extended:\n{DSN}  - {used}\n  - {{cap: ats, source: synthesized}}\n")
    assert places(found)["ats"] == 0xFE8


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0x60, 0x3F0), st.integers(1, 32)), min_size=1, max_size=6), st.booleans())
def test_placement_honours_every_table(library: Path, rows: list[tuple[int, int]], used: bool) -> None:
    ranges = [(4 * at, min(4 * at + 4 * size, 0x1000)) for at, size in rows]
    fields = ", ".join(f"range{n}: {{first: {low:#x}, last: {end - 1:#x}}}" for n, (low, end) in enumerate(ranges))
    table = (
        "{cap: space-table, at: 0x110, source: synthesized,"
        f" fields: {{vendor: 0x1234, id: 2, used: {int(used)}, length: {12 + 4 * len(ranges)}, {fields}}}}}"
    )
    text = on(device(library, table), PASID)
    marked = {at for low, end in ranges for at in range(low, end)}
    found = diagnostics(text)
    if any(one.code == "VPCI1305" for one in found):
        assert not used and not any(set(range(at, at + 8)) <= marked for at in range(0x100, 0xFFC, 4))
        return
    at = places(compiled(text))["pasid"]
    assert (set(range(at, at + 8)) <= marked) if not used else not set(range(at, at + 8)) & marked


def test_free_believes_them(library: Path) -> None:
    found = api.free([device(library, GAP)])
    assert found.pasid == (0xFF8, State.FREE, "")
    states = {run.start: run.state for run in found.together}
    assert states[0x300] is State.USED and states[0x30C] is State.FREE
    used = api.free([device(library, GAP.replace("length: 0xd00", "length: 0xd00, used: 1"))])
    assert used.pasid.at == 0x2F8 and "free-space" in used.pasid.instead


def test_free_believes_no_mark_over_bytes_that_are_not_0(library: Path) -> None:
    found = api.free([device(library, GAP, used="f00")])
    assert not any(run.state is State.FREE and run.start >= 0x300 for run in found.together)


@pytest.mark.parametrize(
    ("old", "new"), [("shape: gap", "shape: hole"), ('"1234:0001"', "0x1234"), ("shape: table", "form: table")]
)
def test_a_mistake_in_the_library_is_said(library: Path, old: str, new: str) -> None:
    path = library / "library/quirks/marks.yaml"
    assert old in LIBRARY
    capture = device(library, GAP)
    moved = library / "other"
    (moved / "quirks").mkdir(parents=True)
    (moved / "quirks/marks.yaml").write_text(LIBRARY.replace(old, new), encoding="utf-8")
    path.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VPCI_LIBRARY", str(moved))
        assert refusal(on(capture, PASID)) and set(refusal(on(capture, PASID))) == {"VPCI1333"}
