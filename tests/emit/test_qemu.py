"""The QEMU arguments: what they hold, in which words, and that no name can break out of them."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import factory
from emit.qemu_layouts import EXPRESS, GPU, NIC, PASID, changed, compiled, complaints, document
from vpci_compile.emit import qemu
from vpci_compile.emit.artifact import Options
from vpci_compile.ir import Function

_WITH_PASID = changed(NIC, extended=[*NIC["extended"], PASID])
_ROM = {"rom": {"kind": "rom", "size": "64K", "source": "copied"}}
_CONVENTIONAL = {"place": "conventional", "address": "00:04.0"}


def _device(layout: Any, options: Options | None = None) -> dict[str, Any]:
    made: dict[str, Any] = document(compiled(layout), options)["device"]
    return made


def _pairs(argv: Sequence[str]) -> list[tuple[str, Any]]:
    """(flag, value) of an argument array, JSON read."""
    rows = zip(argv[::2], argv[1::2], strict=True)
    return [(flag, json.loads(value) if value.startswith("{") else value) for flag, value in rows]


def test_the_whole_document_of_a_plain_function() -> None:
    made = document(compiled(NIC))
    port = {"driver": "pcie-root-port", "id": "rp01", "bus": "pcie.0", "chassis": 1, "pref64-reserve": 1 << 20}
    device = {
        "driver": "vfio-pci",
        "id": "nic-vf",
        "host": "0000:01:00.0",
        "bus": "rp01",
        "addr": "00.0",
        "rombar": 0,
        "ats": "on",
    }
    assert made == {
        "qemu": "11.1",
        "function": "nic-vf",
        "argv": made["argv"],
        "above": port,
        "device": device,
        "objects": [],
        "numa": [],
        "requires": [
            "QEMU 11.1 or newer",
            "the host binds 0000:01:00.0 to vfio-pci",
            "firmware numbers the bus behind rp01 as 01",
            "bytes outside every structure read as zero on the device: Linux and QEMU pass reads and writes of them "
            "on, where the layout says that nobody is there",
            "the host's kernel does not report ATS as unsupported (IOMMU_GET_HW_INFO)",
        ],
        "shell": shlex.join(made["argv"]),
    }
    assert _pairs(made["argv"]) == [("-device", port), ("-device", device)]


def test_pasid() -> None:
    made = document(compiled(_WITH_PASID), Options(qemu_version=(11, 0)))
    assert _pairs(made["argv"])[0] == ("-object", {"qom-type": "iommufd", "id": "iommufd0"})
    assert made["device"]["iommufd"] == "iommufd0"
    assert made["device"]["x-vpasid-cap-offset"] == 0xFF8
    assert made["requires"][0] == "QEMU 11.0 or newer"
    said = " ".join(made["requires"])
    assert "20 bits, execute no, privileged yes" in said
    assert "ssidsize=20" in said


def test_gpu() -> None:
    made = document(compiled(GPU), Options(host_address="0019:06:00.0"))
    device = made["device"]
    assert (device["x-nv-gpudirect-clique"], device["ats"], device["rombar"]) == (5, "off", 0)
    assert made["above"]["pref64-reserve"] == 129 << 30
    assert made["numa"] == [f"node,nodeid={node}" for node in range(1, 9)]
    assert made["objects"] == [
        {"qom-type": "acpi-generic-initiator", "id": f"gpu-gi{index}", "pci-dev": "gpu", "node": 1 + index}
        for index in range(8)
    ]
    said = " ".join(made["requires"])
    assert "the host binds 0019:06:00.0 to nvgrace-gpu-vfio-pci" in said
    assert "129G of 64-bit MMIO window, aligned to 128G" in said


@pytest.mark.parametrize(
    ("layout", "version", "expected"),
    [
        (NIC, (11, 1), "on"),
        (NIC, (11, 0), None),
        (changed(NIC, extended=NIC["extended"][:1]), (11, 1), None),
        (GPU, (11, 1), "off"),
    ],
)
def test_ats(layout: Any, version: tuple[int, int], expected: str | None) -> None:
    assert _device(layout, Options(qemu_version=version)).get("ats") == expected


def test_multifunction_is_bit_7_of_the_header() -> None:
    assert "multifunction" not in _device(NIC)
    assert _device(changed(NIC, identity={"multifunction": True}))["multifunction"] is True


def test_function_1_finds_the_port_that_function_0_brings() -> None:
    made = document(compiled(changed(NIC, guest={"address": "01:00.1"})))
    assert (made["above"], made["device"]["bus"], made["device"]["addr"]) == (None, "rp01", "00.1")
    assert any("function 0" in text for text in made["requires"])


def test_rom() -> None:
    assert _device(changed(NIC, bars=_ROM))["rombar"] == 1


def test_overrides_are_of_ids_that_differ_alone() -> None:
    physical = {"vendor": 0x15B3, "device": 0x1017, "class": 0x010802, "subsystem": "15b3:0007"}
    device = _device(changed(NIC, physical=physical))
    assert {name: value for name, value in device.items() if name.startswith("x-pci")} == {
        "x-pci-device-id": 0x101E,
        "x-pci-class-code": 0x020000,
    }
    assert not any(name.startswith("x-pci") for name in _device(NIC))


def test_root_bus() -> None:
    fields = {**EXPRESS, "flags": {"version": 2, "type": "rciep"}}
    capabilities = [{**NIC["capabilities"][0], "fields": fields}, NIC["capabilities"][1]]
    guest = {"place": "root", "address": "00:1f.7"}
    made = document(compiled(changed(NIC, capabilities=capabilities, guest=guest)))
    assert (made["above"], made["device"]["bus"], made["device"]["addr"]) == (None, "pcie.0", "1f.7")


def test_conventional() -> None:
    made = document(compiled(changed(NIC, guest=_CONVENTIONAL, extended=None, config_size=256)))
    assert (made["above"], made["device"]["bus"]) == (None, "pci.0")
    assert "a machine that is conventional all the way: -machine pc" in made["requires"]
    below = {"place": "conventional", "address": "02:04.0"}
    made = document(compiled(changed(NIC, guest=below, extended=None, config_size=256)))
    assert made["above"] == {"driver": "pcie-pci-bridge", "id": "br02", "bus": "pcie.0"}
    assert made["device"]["bus"] == "br02"


def test_a_window_of_unknown_size_is_said() -> None:
    made = document(compiled(changed(NIC, bars={"0": {"size": None}})))
    assert "pref64-reserve" not in made["above"]
    assert any("BAR 0, whose size the layout does not state" in text for text in made["requires"])


def test_a_wide_domain_goes_by_path() -> None:
    options = Options(host_address="10000:e1:00.0")
    assert complaints(compiled(NIC), options) == []
    device = _device(NIC, options)
    assert device["sysfsdev"] == "/sys/bus/pci/devices/10000:e1:00.0"
    assert "host" not in device


def test_releases() -> None:
    hidden = {"cap": "rebar", "at": 0x200, "source": "hidden", "style": "unlinked"}
    layout = changed(NIC, extended=[*NIC["extended"], hidden])
    made = document(compiled(layout), Options(qemu_version=(8, 0)))
    assert made["requires"][0] == "QEMU 6.2 or newer, older than 8.1"
    clique = changed(GPU, initiators=0, extended=None)
    assert document(compiled(clique), Options(qemu_version=(9, 0)))["requires"][0] == "QEMU 8.1 or newer"
    nodes = changed(GPU, extended=None)
    assert document(compiled(nodes), Options(qemu_version=(9, 1)))["requires"][0] == "QEMU 9.2 or newer"


def test_a_function_that_migrates_needs_a_qemu_that_does() -> None:
    """Before 8.1 QEMU migrated no VFIO device by itself (enable-migration came then, and is 'auto')."""
    layout = changed(
        NIC, physical={"driver": "mlx5-vfio-pci"}, migration={"migrates": True}, extended=[], capabilities=[]
    )
    assert document(compiled(layout))["requires"][0] == "QEMU 8.1 or newer"
    assert [one.code for one in complaints(compiled(layout), Options(qemu_version=(8, 0)))] == ["VPCI1811"]
    assert complaints(compiled(layout), Options(qemu_version=(8, 1))) == []


@pytest.mark.parametrize(
    ("ids", "driver", "expected"),
    [
        ((0x8086, 0x0B25), "vfio-pci", True),  # DSA, since Linux 6.1
        ((0x8086, 0x0443), "vfio-pci", True),
        ((0x8086, 0x4941), "vfio-pci", False),
        ((0x8086, 0x37C9), "qat_vfio_pci", False),  # a driver of its own asks no list
    ],
)
def test_a_device_that_vfio_pci_denies(ids: tuple[int, int], driver: str, expected: bool) -> None:
    layout = changed(NIC, identity={"vendor": ids[0], "device": ids[1]}, physical={"driver": driver})
    made = document(compiled(layout))
    assert any("disable_denylist=1" in text for text in made["requires"]) == expected
    behind = changed(NIC, physical={"vendor": ids[0], "device": ids[1], "driver": driver})
    assert any("disable_denylist=1" in text for text in document(compiled(behind))["requires"]) == expected


def test_the_same_bytes_each_time() -> None:
    assert qemu.emit(compiled(GPU), Options()) == qemu.emit(compiled(GPU), Options())


# -- names that want out -------------------------------------------------------------------------------------------

_HOSTILE = [
    "a,b=c",
    'a"b',
    "a'b",
    "a\nb",
    "a\r\n; reboot",
    "$(touch owned)",
    "`touch owned`",
    "a b; touch owned",
    "-device",
    "../../../etc/x",
    "\N{SNOWMAN}\0\x1b[2J",
    "9000",
    "",
    "\\",
    "%s%n",
    "a}{b",
]


def _named(name: str, layout: Any = GPU) -> Function:
    return replace(compiled(layout), name=name)


def _shell(script: bytes, folder: Path) -> list[str]:
    """The arguments that a command gets from the emitted script."""
    (folder / "x.sh").write_bytes(script)
    show = "import json, sys; print(json.dumps(sys.argv[1:]))"
    done = subprocess.run(
        ["sh", "x.sh", "python3", "-c", show, "-machine", "q35"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    seen: list[str] = json.loads(done.stdout)
    assert seen[:2] == ["-machine", "q35"]
    return seen[2:]


@pytest.mark.parametrize("name", _HOSTILE)
def test_hostile_names_are_inert(name: str, tmp_path: Path) -> None:
    function = _named(name)
    artifacts = qemu.emit(function, Options())
    made = json.loads(artifacts[0].data)
    assert made["function"] == name
    assert _shell(artifacts[1].data, tmp_path) == made["argv"]
    assert shlex.split(made["shell"]) == made["argv"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.sh"]
    plain = [value for _, value in _pairs(document(_named("plain"))["argv"])]
    for (_, value), known in zip(_pairs(made["argv"]), plain, strict=True):
        assert type(value) is type(known)
        if isinstance(value, dict):
            assert value.keys() == known.keys()
        else:
            assert value == known


@pytest.mark.parametrize("name", _HOSTILE)
def test_hostile_host_addresses_are_refused(name: str) -> None:
    assert [d.code for d in complaints(compiled(NIC), Options(host_address=name))] == ["VPCI1824"]


@given(st.text(max_size=40))
def test_an_identifier_is_one_that_qemu_takes(name: str) -> None:
    made = qemu.identifier(name)
    assert made.isascii()
    assert made[0].isalpha()
    assert all(c.isalnum() or c in "-._" for c in made)


@settings(max_examples=60, deadline=None)
@given(factory.functions())
def test_no_image_breaks_the_emitter(function: Function) -> None:
    for one in (function, replace(function, guest=function.guest._replace(place="root", bus=0))):
        complaints(one)
        qemu.emit(one, Options())


_FUNCTION = compiled(_WITH_PASID)


@given(st.text(max_size=40))
def test_any_name_survives_the_shell(name: str) -> None:
    made = json.loads(qemu.emit(replace(_FUNCTION, name=name), Options())[0].data)
    assert made["function"] == name
    assert shlex.split(made["shell"]) == made["argv"]
    assert "\n" not in made["shell"]
