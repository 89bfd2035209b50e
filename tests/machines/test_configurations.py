"""Configurations of a machine, each judged by who reads it: libvirt's schemas, QEMU, or a parser of the format."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lxml import etree

from acpi.test_qemu_tables import without_checksum
from emit import qtest
from judges import lacking, need
from machines import crafted, libvirt
from machines.test_shipped import OF_QEMU
from vpci_compile import api
from vpci_compile.acpi.structures import encode
from vpci_compile.diagnostics import Failed
from vpci_compile.emit import Options
from vpci_compile.emit.machine import libvirt as machine_libvirt
from vpci_compile.emit.machine import qemu as machine_qemu
from vpci_compile.emit.machine import readconfig as machine_readconfig
from vpci_compile.emit.machine import tables as machine_tables
from vpci_compile.ir.topology import System

_QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"


def compiled(folder: Path, text: str) -> System:
    path = folder / "machine.yaml"
    path.write_text(text, encoding="utf-8")
    return api.check_machine(path).system


def domain_schema() -> etree.RelaxNG:
    """libvirt's own; the test does not go on without it."""
    places = [libvirt.TREE / "usr/share/libvirt/schemas", Path("/usr/share/libvirt/schemas")]
    if named := os.environ.get("VPCI_LIBVIRT_SCHEMAS"):
        places.insert(0, Path(named))
    for place in places:
        if (place / "domain.rng").is_file() and b'"ssidsize"' in (place / "domaincommon.rng").read_bytes():
            break
    else:
        lacking("no schemas of libvirt 12.7 or newer here (set VPCI_LIBVIRT_SCHEMAS, or run tools/fetch-libvirt.sh)")
    return etree.RelaxNG(etree.parse(place / "domain.rng"))


def machines(folder: Path) -> list[System]:
    made = [compiled(folder, text.format(about="a machine")) for text in (crafted.X86, crafted.ARM)]
    return made + [api.check_machine(path).system for path in OF_QEMU]


def test_libvirt_takes_its_schema(tmp_path: Path) -> None:
    schema = domain_schema()
    judged = 0
    for system in machines(tmp_path):
        files = {one.name.split(".libvirt.")[1]: one.data for one in machine_libvirt.emit(system, Options())}
        if not files:
            continue
        root = etree.fromstring(files["xml"])
        schema.assertValid(root)
        root.replace(root.find("devices"), etree.fromstring(files["devices.xml"]))
        schema.assertValid(root)
        judged += 1
    assert judged >= 3


def test_a_domain_says_what_it_needs(tmp_path: Path) -> None:
    arm = compiled(tmp_path, crafted.ARM.format(about="x"))
    files = {one.name: one.data for one in machine_libvirt.emit(arm, Options(host_devices={"gpu": "0019:06:00.0"}))}
    assert json.loads(files["arm.libvirt.json"])["libvirt"] == "12.7.0"
    root = ElementTree.fromstring(files["arm.libvirt.xml"])
    source = root.find("devices/hostdev/source/address")
    assert source is not None and source.attrib == {
        "domain": "0x0019",
        "bus": "0x06",
        "slot": "0x00",
        "function": "0x0",
    }
    objects = [json.loads(str(one.get("value"))) for one in root.iter(f"{_QEMU}arg") if one.get("value") != "-object"]
    assert sorted(one["node"] for one in objects) == list(range(1, 9))
    assert {one["pci-dev"] for one in objects} == {"ua-gpu"}
    told = {one.get("name"): one.get("value") for one in root.iter(f"{_QEMU}property")}
    assert told["pref64-reserve"] == str(1 << 40)
    hole = root.find("devices/controller/pcihole64")
    assert hole is not None and hole.text == str(2 << 30)  # KiB: windows of the smaller BARs stand beside that of 1 TiB


@pytest.mark.parametrize(
    "change",
    [
        ("number: 64, node: 1", "number: 64, node: 1, cxl: true"),
        ("memory: 256M, initiator: 1", "memory: 256M, initiator: 0"),
    ],
)
def test_what_libvirt_cannot_say(tmp_path: Path, change: tuple[str, str]) -> None:
    path = tmp_path / "machine.yaml"
    path.write_text(crafted.X86.format(about="x").replace(*change), encoding="utf-8")
    built = api.build_machine(path, tmp_path / "out")
    assert [one.code for one in built.diagnostics] == ["VPCI1970"]
    assert not list((tmp_path / "out").glob("*libvirt*"))


def test_processors_in_two_runs_do_not_fit_an_ini(tmp_path: Path) -> None:
    path = tmp_path / "machine.yaml"
    path.write_text(crafted.X86.format(about="x").replace('"0-2"', '"0-1,5"').replace('"3-5"', "2-4"))
    built = api.build_machine(path, tmp_path / "out")
    assert [one.code for one in built.diagnostics] == ["VPCI1970"]
    assert not list((tmp_path / "out").glob("*.ini"))


def test_qemu_reads_the_ini(tmp_path: Path) -> None:
    """The machine that QEMU makes of it has our tables, and so has that of the command line."""
    program = need("VPCI_QEMU", "qemu-system-x86_64")
    system = compiled(tmp_path, crafted.X86.format(about="x"))
    (file,) = machine_readconfig.emit(system, Options())
    path = tmp_path / file.name
    path.write_bytes(file.data)
    ours = [without_checksum(encode(table)).hex() for table in machine_tables.tables(system)]
    argv, _ = machine_qemu.arguments(system, Options())
    for arguments in (["-readconfig", str(path)], argv[1:]):
        with qtest.machine(program, "q35", arguments) as machine:
            theirs = [table.hex() for name in (b"SRAT", b"SLIT", b"HMAT") for table in machine.acpi_tables(name)]
        assert theirs == ours


@pytest.mark.parametrize("address", ["0000:01:00.0,x=y", "$(id)", "0000:01:00.0'/>", '0000:01:00.0"\n', "a b"])
def test_a_hostile_host_device_is_refused(tmp_path: Path, address: str) -> None:
    path = tmp_path / "machine.yaml"
    path.write_text(crafted.ARM.format(about="x"), encoding="utf-8")
    with pytest.raises(Failed):
        api.build_machine(path, tmp_path / "out", Options(host_devices={"gpu": address}))
    assert not (tmp_path / "out").exists()
