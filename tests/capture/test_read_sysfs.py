"""Captures as folders: a function of /sys, or a copy of one."""

from __future__ import annotations

from pathlib import Path

from rights import open_folder, ordinary_user
from vpci_compile.capture import BarFact, read, read_all

from .judge import OWN
from .reading import E1000E, codes, fails, make_device


def test_a_device_folder() -> None:
    capture = read(OWN / "sysfs" / "e1000e")
    text = read(E1000E)
    assert capture.data == text.data
    assert capture.bars == text.bars
    assert capture.ids == (0x8086, 0x10D3)
    assert capture.name == "e1000e"
    assert read(OWN / "sysfs" / "igb").bars == read(OWN / "igb.lspci").bars
    assert read(OWN / "sysfs" / "igb").bars[3] == BarFact(3, 0x4000, wide=True)


def test_a_folder_of_device_folders() -> None:
    assert [len(c.data) for c in read_all(OWN / "sysfs").captures] == [4096, 4096]
    assert "error[VPCI1703]: the capture holds 2 functions that say no slot" in fails(OWN / "sysfs")


def test_what_a_device_folder_says_of_itself(tmp_path: Path) -> None:
    drivers = tmp_path / "drivers" / "vfio-pci"
    drivers.mkdir(parents=True)
    device = make_device(tmp_path / "devices", vendor="0x8086\n", device="0x10d3\n")
    (device / "driver").symlink_to(drivers)
    capture = read(device)
    assert (capture.slot, capture.driver, capture.bars) == ("0000:3d:00.0", "vfio-pci", ())
    make_device(tmp_path / "devices", "0000:3d:00.1", uevent="DRIVER=e1000e\nPCI_SLOT_NAME=0000:3d:00.1\n")
    assert read(tmp_path / "devices", "3d:00.1").driver == "e1000e"
    assert [c.slot for c in read_all(tmp_path / "devices").captures] == ["0000:3d:00.0", "0000:3d:00.1"]
    assert read(device / "config").slot == ""  # without 'resource' beside it, just a file
    (device / "resource").write_text("0x0 0x0 0x0\n" * 13)
    assert read(device / "config").slot == "0000:3d:00.0"


def test_a_link_to_a_device_folder_knows_its_slot(tmp_path: Path) -> None:
    device = make_device(tmp_path / "pci0000:00")
    link = tmp_path / "device"
    link.symlink_to(device)
    assert read(link).slot == "0000:3d:00.0"


def test_the_shadow_of_a_rom_is_no_bar(tmp_path: Path) -> None:
    lines = ["0x0 0x0 0x0"] * 6 + ["0x00000000000c0000 0x00000000000dffff 0x0000000000000212"]
    assert read(make_device(tmp_path, resource="\n".join(lines))).bars == ()


def test_attributes_that_make_no_sense(tmp_path: Path) -> None:
    capture = read(make_device(tmp_path, resource="rubbish\n", vendor="8086", uevent=b"\xff\xfe\x00", device="\n"))
    assert codes(capture) == ["VPCI1712"]
    assert capture.ids is None


def test_a_config_that_is_another_device(tmp_path: Path) -> None:
    capture = read(make_device(tmp_path, vendor="0x15b3\n", device="0x101e\n"))
    assert codes(capture) == ["VPCI1709"]
    assert capture.diagnostics[0].message == "bytes say 8086:10d3, the words beside them 15b3:101e"


def test_ids_of_a_virtual_function_come_from_sysfs(tmp_path: Path) -> None:
    config = read(OWN / "igb-vf.lspci").data
    capture = read(make_device(tmp_path, config=config, vendor="0x8086\n", device="0x10ca\n"))
    assert codes(capture) == []
    assert capture.ids == (0x8086, 0x10CA)


def test_a_config_that_may_not_be_read() -> None:
    with open_folder() as folder:
        device = make_device(folder)
        assert read(device).data
        (device / "config").chmod(0)
        with ordinary_user():
            assert "Permission denied" in fails(device)


def test_a_config_that_cannot_be_read(tmp_path: Path) -> None:
    device = tmp_path / "0000:3d:00.0"
    (device / "config").mkdir(parents=True)
    assert "error[VPCI1001]" in fails(device)
    make_device(tmp_path, "0000:3e:00.0")
    assert read(tmp_path, "3e:00.0").slot == "0000:3e:00.0"
    assert "error[VPCI1001]" in fails(tmp_path, "3d:00.0")
    assert [d.code for d in read_all(tmp_path).diagnostics] == ["VPCI1001"]


def test_a_folder_that_is_no_device(tmp_path: Path) -> None:
    assert "error[VPCI1701]" in fails(tmp_path)
