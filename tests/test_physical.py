"""The device behind a function: its ids, its capture, and what a copied structure may not say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from compiling import HEAD, ROOT, compiled, octets, refusal
from vpci_compile import api
from vpci_compile.diagnostics import Failed

CAPTURES = ROOT / "tests" / "captures"
E1000E = f"physical: {{capture: {CAPTURES / 'e1000e.lspci'}}}\n"
PLACE = '{place: conventional, address: "00:04.0"}'
# QEMU's e1000e: 8086:10d3, class 020000, revision 00; PM at 0xc8, MSI-X at 0xa0 with 5 vectors.


def imported(tmp_path: Path, name: str) -> tuple[Path, str]:
    path = tmp_path / "nic.yaml"
    return path, api.import_capture(CAPTURES / name).text


def test_an_import_says_what_the_device_is(tmp_path: Path) -> None:
    path, text = imported(tmp_path, "e1000e.lspci")
    path.write_text(text)
    physical = api.check(path).function.physical
    assert physical is not None
    assert physical.ids == {
        "vendor": 0x8086, "device": 0x10D3, "class": 0x020000, "revision": 0x00,
        "subsystem_vendor": 0x8086, "subsystem": 0x0000,
    }  # fmt: skip


def test_changed_ids_of_an_import_become_overrides_or_errors(tmp_path: Path) -> None:
    path, text = imported(tmp_path, "edu.lspci")
    changed = text.replace("device: 0x11e8, class: 0x00ff00", "device: 0x9999, class: 0x020001", 1)
    assert changed != text
    changed = changed.replace("targets: []", "targets: [qemu]").replace("{place: conventional}", PLACE)
    path.write_text(changed)
    api.build(path, tmp_path)
    device = json.loads((tmp_path / "1234-11e8.qemu.json").read_text())["device"]
    assert (device["x-pci-device-id"], device["x-pci-class-code"]) == (0x9999, 0x020001)
    path.write_text(changed.replace("revision: 0x10", "revision: 0x11", 1))
    with pytest.raises(Failed) as caught:
        api.check(path)
    assert [d.code for d in caught.value.diagnostics if d.severity == "error"] == ["VPCI1821"]


def test_ids_come_from_the_capture_and_give_way_to_stated_ones() -> None:
    physical = compiled(E1000E).physical
    assert physical is not None
    assert (physical.ids["vendor"], physical.ids["device"], physical.ids["class"]) == (0x8086, 0x10D3, 0x020000)
    stated = compiled(E1000E.replace("{", "{device: 0x1, ", 1)).physical
    assert stated is not None and stated.ids["device"] == 0x1


def test_a_virtual_function_says_nothing_of_its_ids() -> None:
    physical = compiled(f"physical: {{capture: {CAPTURES / 'igb-vf.lspci'}}}\n").physical
    assert physical is not None and physical.ids == {}


def test_a_copied_value_that_the_device_has_not_is_refused() -> None:
    text = E1000E + "capabilities:\n  - {cap: msix, at: 0xa0, source: copied, fields: {table_size: 6}}\n"
    assert "VPCI1316" in refusal(text)
    same = text.replace("table_size: 6", "table_size: 5")
    assert octets(compiled(same), 0xA2, 2) == "04 00"


def test_values_that_a_host_programs_may_differ() -> None:
    # MSI-X enable is RW: what the capture has is that host's
    text = E1000E + "capabilities:\n  - {cap: msix, at: 0xa0, source: copied, fields: {ctrl.enable: 1}}\n"
    assert octets(compiled(text), 0xA2, 2) == "04 80"


def test_a_capture_counts_from_the_file_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path / "base"
    base.mkdir()
    shutil.copy(CAPTURES / "e1000e.lspci", base / "device.lspci")
    (base / "base.yaml").write_text(HEAD + "physical: {capture: device.lspci}\n")
    child = tmp_path / "child.yaml"
    child.write_text("vpci: 1\ndevice: child\nextends: base/base.yaml\n")
    monkeypatch.chdir(tmp_path)
    for path in ("child.yaml", child):
        physical = api.check(path).function.physical
        assert physical is not None and physical.ids["device"] == 0x10D3


def test_a_structure_over_the_devices_own_is_refused_even_of_its_kind() -> None:
    express = "capabilities: [{cap: pcie, at: 0x40, source: synthesized, fields: {ee_prefix: 1}}]\n"
    text = express + (
        "extended:\n  - {cap: dsn, at: 0x100, source: synthesized}\n"
        "  - {cap: pasid, at: 0x200, source: synthesized, fields: {max_width: 20}}\n"
        "physical: {extended: {0x200: pasid}}\n"
    )
    assert refusal(text) == ["VPCI1312"]


def test_a_synthesized_bar_needs_a_size() -> None:
    assert refusal("bars: {2: {kind: mem64, source: synthesized}}\n") == ["VPCI1406"]


def test_length_reaches_the_length_register() -> None:
    # PCIe 6.0 7.9.4: the length byte of a vendor-specific capability counts the whole structure
    function = compiled("capabilities: [{cap: vndr, at: 0x40, length: 0x10, source: synthesized}]\n")
    assert octets(function, 0x40, 4) == "09 00 10 00"
    stated = compiled("capabilities: [{cap: vndr, at: 0x40, length: 0x10, source: synthesized, fields: {length: 8}}]\n")
    assert octets(stated, 0x42, 1) == "08"
