"""`free` never offers what a capture uses: judged by the bytes of every capture, read here without our reader."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command import Run
from compiling import ROOT
from vpci_compile import api, resources
from vpci_compile.capture.free import PASID_BYTES, State
from vpci_compile.catalog import quirks
from vpci_compile.diagnostics import Failed

QUIRKS = list(
    {
        row["name"]: row for rows in quirks.read_all(resources.folder("schemas") / "quirks").values() for row in rows
    }.values()
)
OWN = sorted((ROOT / "tests/captures").glob("*.lspci"))
SHARED = ROOT.parent / "shared" / "captures"
_ROW = re.compile(r"^([0-9a-f]{2,3}): ((?:[0-9a-f]{2} ){15}[0-9a-f]{2})\s*$", re.MULTILINE)


def functions(path: Path) -> dict[str, dict[int, int]]:
    """Slot -> offset -> byte, of lspci text."""
    found: dict[str, dict[int, int]] = {}
    for block in re.split(r"\n\n+", path.read_text(encoding="utf-8", errors="replace")):
        head = re.match(r"(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7](?= )", block)
        if head:
            rows = {int(at, 16): bytes.fromhex(octets) for at, octets in _ROW.findall(block)}
            found[head[0]] = {at + number: octet for at, row in rows.items() for number, octet in enumerate(row)}
    return found


def cases() -> Iterator[tuple[Path, str, dict[int, int]]]:
    for path in [*OWN, *(sorted(SHARED.glob("*.lspci")) if SHARED.is_dir() else [])]:
        for slot, octets in functions(path).items():
            if octets:
                yield path, slot, octets


CASES = list(cases())


def test_it_never_offers_a_byte_that_is_used() -> None:
    judged = 0
    for path, slot, octets in CASES:
        try:
            found = api.free([path], [slot])
        except Failed:
            continue  # the reader refuses it: other tests say why
        judged += 1
        runs = found.spaces[0].runs
        assert runs[0].start == 0 and all(one.end == after.start for one, after in pairwise(runs))
        for run in runs:
            if run.state is State.FREE:
                assert run.start >= 0x40 and all(octets.get(at) == 0 for at in range(run.start, run.end)), (path, run)
                assert run.start % 4 == 0 and run.end % 4 == 0
            else:
                assert run.why
        offer = found.pasid
        if offer.at is not None:
            assert offer.at % 4 == 0 and 0x100 < offer.at <= 0x1000 - PASID_BYTES
            assert not any(octets.get(at) for at in range(offer.at, offer.at + PASID_BYTES))
            assert 0x100 not in octets or any(octets[at] for at in range(0x100, 0x104))  # a list that it can join
    assert judged >= len(OWN)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(CASES), min_size=2, max_size=6, unique_by=lambda one: one[:2]))
def test_of_several_it_offers_what_is_free_on_all(cases: list[tuple[Path, str, dict[int, int]]]) -> None:
    try:
        found = api.free([path for path, _, _ in cases], [slot for _, slot, _ in cases])
    except Failed:
        return  # the reader refuses one: other tests say why
    free = [
        {at for run in api.free([path], [slot]).spaces[0].runs if run.state is State.FREE for at in range(*run[:2])}
        for path, slot, _ in cases
    ]
    together = {at for run in found.together if run.state is State.FREE for at in range(run.start, run.end)}
    assert together == set.intersection(*free)
    assert not [at for at in together for _, _, octets in cases if octets.get(at)]
    if found.pasid.at is not None:
        place = set(range(found.pasid.at, found.pasid.at + PASID_BYTES))
        assert found.pasid.state is not State.FREE or place <= together
        assert not [at for at in place for _, _, octets in cases if octets.get(at)]


# -- made-up functions ---------------------------------------------------------------------------------------------


def made(folder: Path, name: str = "one", size: int = 4096, **octets: str) -> Path:
    """A PCI Express endpoint with AER at 0x100, and bytes at offsets (at_f00="01")."""
    data = bytearray(size)
    data[0:16] = bytes.fromhex("34 12 78 56 06 00 10 00 00 00 00 ff 00 00 00 00")
    data[0x34] = 0x40
    data[0x40:0x44] = bytes.fromhex("10 00 02 00")
    if size > 0x100:
        data[0x100:0x104] = bytes.fromhex("01 00 02 00")
    for key, text in octets.items():
        at = int(key.removeprefix("at_"), 16)
        data[at : at + len(bytes.fromhex(text))] = bytes.fromhex(text)
    path = folder / f"{name}.bin"
    path.write_bytes(data)
    return path


def test_the_place_of_qemu_comes_first(tmp_path: Path) -> None:
    assert api.free([made(tmp_path)]).pasid == (0xFF8, State.FREE, "")


def test_another_place_says_why(tmp_path: Path) -> None:
    offer = api.free([made(tmp_path, at_ffc="01"), made(tmp_path, "two", at_ff0="01")]).pasid
    assert offer.at == 0xFF4 and offer.state is State.FREE
    assert offer.instead.endswith("one.bin") and "does not read as 0" in offer.instead


def test_an_unknown_capability_may_be_long(tmp_path: Path) -> None:
    """id 0x7f at 0x200, after AER; nobody knows where it ends."""
    path = made(tmp_path, at_100="01 00 02 20", at_200="7f 00 01 00")
    found = api.free([path])
    assert found.pasid.at == 0x1F8 and found.pasid.state is State.FREE  # the last ones before it
    assert "nobody knows how long" in found.pasid.instead
    states = {run.start: run.state for run in found.together}
    assert states[0x204] is State.UNPROVEN and states[0x148] is State.FREE


def test_a_list_that_breaks_off_proves_nothing(tmp_path: Path) -> None:
    found = api.free([made(tmp_path, at_100="01 00 02 10")])  # its pointer leads back to it
    assert not any(run.state is State.FREE and run.start >= 0x100 for run in found.together)


def test_what_was_not_read_is_not_proven(tmp_path: Path) -> None:
    found = api.free([made(tmp_path, size=256)])
    assert found.pasid.at == 0xFF8 and found.pasid.state is State.UNPROVEN
    assert found.together[-1] == (0x100, 0x1000, State.UNPROVEN, "not in the capture")


def test_there_may_be_no_place(tmp_path: Path) -> None:
    full = made(tmp_path, **{f"at_{at:x}": "01" for at in range(0x148, 0x1000, 8)})
    assert api.free([full]).pasid.at is None
    empty = made(tmp_path, "two", at_100="00 00 00 00")
    assert "no extended list" in api.free([empty]).pasid.instead


def test_firmware_that_moves_capabilities_is_said(tmp_path: Path) -> None:
    found = api.free([made(tmp_path, at_0="b3 15 1e 10")])
    assert "quirk mlx5-vf" in found.diagnostics[0].message
    assert not any(run.state is State.FREE for run in found.together)
    assert found.pasid.at == 0xFF8 and found.pasid.state is State.UNPROVEN


def test_a_quirk_is_named(tmp_path: Path) -> None:
    found = api.free([made(tmp_path, at_0="e4 14 57 16", at_6c="00 00 18 76")])
    named = {run.start: run.why for run in found.together if run.state is State.QUIRK}
    assert named[0x90] == "local control (quirk broadcom-tigon3)"
    assert all(run.state is not State.FREE or not run.start <= 0x90 < run.end for run in found.together)


@pytest.mark.parametrize("row", QUIRKS, ids=lambda row: row["name"])
def test_no_byte_that_a_quirk_names_is_free(row: dict[str, Any], tmp_path: Path) -> None:
    """A made-up function with the ids of its devices, the first of each row; all of it reads as 0 but the header."""
    for index, device in enumerate(row["devices"]):
        number = device["ids"][0][0] if "ids" in device else 0x1234
        code = device.get("class", 0x0200) << device.get("shift", 8) & 0xFFFFFF
        ids = (device["vendor"] | number << 16).to_bytes(4, "little").hex(" ")
        path = made(tmp_path, f"device{index}", at_0=ids, at_9=code.to_bytes(3, "little").hex(" "), at_34="00")
        states = {at: run for run in api.free([path]).spaces[0].runs for at in range(run.start, run.end)}
        for first, end, what in row.get("ranges", ()):
            assert all(states[at].state is State.QUIRK for at in range(first, end)), what
            assert row["name"] in states[first].why
        if row["kind"] == "config-size":
            assert not [at for at in range(row["size"], 0x1000) if states[at].state is State.FREE]


def test_a_register_of_two_bytes_takes_its_dword(tmp_path: Path) -> None:
    """Intel's display bus clock is 0xcc..0xcd; a structure at 0xce would be written with it."""
    path = made(tmp_path, at_0="86 80 1e 19", at_9="00 00 03")
    states = {run.start: run for run in api.free([path]).together}
    assert (states[0xCC].end, states[0xCC].state) == (0xD0, State.QUIRK)


# -- the command ---------------------------------------------------------------------------------------------------


def test_the_command(tmp_path: Path, run: Run) -> None:
    one, two = str(made(tmp_path)), str(made(tmp_path, "two", at_f00="01"))
    status, text, _ = run("free", one, two)
    assert status == 0
    assert "a PASID structure (8 bytes): at 0xff8\n" in text and "0xf04..0xfff" in text
    document = json.loads(run("free", one, two, "--format", "json").out)
    assert [row["name"] for row in document["captures"]] == [one, two]
    assert document["pasid"] == {"at": 0xFF8, "state": "free", "why": ""}
    assert document["together"][0] == {"range": [0, 0x3F], "state": "used", "why": f"header on {one}"}
    assert run("free", str(made(tmp_path, "three", at_100="00 00 00 00"))).status == 1
    assert run("free", one, "--slot", "a", "--slot", "b").status == 2
    assert run("free", one, "--format", "sarif").status == 2
