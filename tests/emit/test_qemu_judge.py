"""Real QEMU takes the emitted arguments, ends only for want of the host's device, and builds our SRAT entries."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from emit import qtest
from emit.qemu_layouts import EXPRESS, GPU, NIC, PASID, Layout, changed, compiled, complaints, document
from judges import lacking, need
from vpci_compile.acpi.structures import encode
from vpci_compile.emit import srat
from vpci_compile.emit.artifact import Options
from vpci_compile.emit.qemu import facts as qemu_facts
from vpci_compile.ir import Function

_ABSENT = Options(host_address="ffff:1f:1f.7")  # no test machine has a device there
_NO_DEVICE = "vfio /sys/bus/pci/devices/{}: no such host device"
_NO_IOMMUFD = "/dev/iommu does not exist"
_RCIEP = [
    {**NIC["capabilities"][0], "fields": {**EXPRESS, "flags": {"version": 2, "type": "rciep"}}},
    NIC["capabilities"][1],
]
_IDS = {"vendor": 1, "device": 2, "class": 3, "subsystem": "0004:0005"}
_PLAIN_PCI = {"extended": None, "config_size": 256}

_LAYOUTS: dict[str, Layout] = {
    "plain": NIC,
    "pasid": changed(NIC, extended=[*NIC["extended"], PASID]),
    "gpu": GPU,
    "clique and pasid": changed(GPU, extended=[*GPU["extended"], PASID]),
    "ats off": changed(
        NIC, extended=[NIC["extended"][0], {**NIC["extended"][1], "source": "hidden", "style": "unlinked"}]
    ),
    "overrides": changed(NIC, physical=_IDS),
    "rom": changed(NIC, bars={"rom": {"kind": "rom", "size": "64K", "source": "copied"}}),
    "multifunction": changed(NIC, identity={"multifunction": True}),
    "bus ff": changed(NIC, guest={"address": "ff:00.0"}),
    "root": changed(NIC, capabilities=_RCIEP, guest={"place": "root", "address": "00:04.3"}),
    "large": changed(NIC, bars={"0": {"size": "64T"}}),
    "nodes up to 127": changed(GPU, guest={"first_node": 64}, initiators=64),
}
_MACHINES = {"q35": "qemu-system-x86_64", "virt": "qemu-system-aarch64"}


@cache
def _version(program: Path) -> tuple[int, int]:
    text = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    major, minor = text.split()[3].split(".")[:2]
    return int(major), int(minor)


def _qemu(kind: str) -> Path:
    """The real QEMU for a machine; older ones than the oldest that these tests know are no judges."""
    name = _MACHINES.get(kind, _MACHINES["q35"])
    program = need("VPCI_QEMU_AARCH64" if kind == "virt" else "VPCI_QEMU", name)
    if _version(program) < (11, 1):
        lacking(f"no {name} of 11.1 here, for which these functions are made: it is {_version(program)}")
    return program


@pytest.fixture
def nothing() -> Iterator[int]:
    """An open descriptor that stands in for /dev/iommu, which a test machine may lack."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def _rewritten(argv: list[str], change: Callable[[dict[str, Any]], dict[str, Any]]) -> list[str]:
    return [qtest.to_json(change(json.loads(part))) if part.startswith("{") else part for part in argv]


def _machine_part(function: Function) -> list[str]:
    """What the user's own command line has: memory, and the nodes before the function's."""
    first = function.guest.first_node or 0
    nodes = [part for node in range(1, first) for part in ("-numa", f"node,nodeid={node}")]
    memory = ["-object", "memory-backend-ram,id=m0,size=256M", "-numa", "node,nodeid=0,memdev=m0"]
    return [*memory, *nodes] if function.guest.initiators else []


@pytest.mark.parametrize("kind", _MACHINES)
@pytest.mark.parametrize("name", _LAYOUTS)
def test_qemu_misses_nothing_but_the_device(name: str, kind: str, nothing: int) -> None:
    program = _qemu(kind)
    function = compiled(_LAYOUTS[name])
    assert complaints(function, _ABSENT) == []
    argv = document(function, _ABSENT)["argv"]

    def with_descriptor(part: dict[str, Any]) -> dict[str, Any]:
        return {**part, "fd": str(nothing)} if part.get("qom-type") == "iommufd" else part

    said = qtest.refusal(program, kind, [*_machine_part(function), *_rewritten(argv, with_descriptor)], [nothing])
    assert _NO_DEVICE.format(_ABSENT.host_address) in said, said
    assert len(said.splitlines()) == 1, said


@pytest.mark.parametrize("kind", _MACHINES)
def test_qemu_takes_the_arguments_as_they_are(kind: str) -> None:
    argv = document(compiled(_LAYOUTS["pasid"]), _ABSENT)["argv"]
    said = qtest.refusal(_qemu(kind), kind, argv)
    assert _NO_DEVICE.format(_ABSENT.host_address) in said or _NO_IOMMUFD in said, said


@pytest.mark.parametrize(
    ("kind", "guest", "hidden"),
    [("pc", "00:04.0", False), ("q35", "01:04.0", True), ("virt", "01:04.0", True)],
)
def test_conventional_places(kind: str, guest: str, hidden: bool) -> None:
    pcie = {**NIC["capabilities"][0], **({"source": "hidden", "style": "unlinked"} if hidden else {})}
    layout = changed(
        NIC,
        capabilities=[pcie, NIC["capabilities"][1]],
        guest={"place": "conventional", "address": guest},
        **_PLAIN_PCI,
    )
    function = compiled(layout)
    assert complaints(function, _ABSENT) == []
    said = qtest.refusal(_qemu(kind), kind, document(function, _ABSENT)["argv"])
    assert _NO_DEVICE.format(_ABSENT.host_address) in said, said


@pytest.mark.parametrize("kind", _MACHINES)
def test_a_path_for_a_wide_domain(kind: str) -> None:
    options = Options(host_address="10000:1f:1f.7")
    said = qtest.refusal(_qemu(kind), kind, document(compiled(NIC), options)["argv"])
    assert _NO_DEVICE.format(options.host_address) in said, said


@pytest.mark.parametrize("kind", _MACHINES)
def test_function_1_joins_function_0(kind: str) -> None:
    zero = changed(NIC, identity={"multifunction": True})
    one = changed(zero, device="nic-vf1", guest={"address": "01:00.1"})
    argv = _rewritten(document(compiled(zero), _ABSENT)["argv"], _stand_in)
    said = qtest.refusal(_qemu(kind), kind, [*argv, *document(compiled(one), _ABSENT)["argv"]])
    assert _NO_DEVICE.format(_ABSENT.host_address) in said, said


@pytest.mark.parametrize("name", ["9000", "a,b=c", 'a"b\n$(x)', "-device"])
def test_qemu_takes_any_name(name: str) -> None:
    function = replace(compiled(GPU), name=name)
    said = qtest.refusal(_qemu("q35"), "q35", [*_machine_part(function), *document(function, _ABSENT)["argv"]])
    assert _NO_DEVICE.format(_ABSENT.host_address) in said, said


def test_what_qemu_would_say_of_a_wrong_argument() -> None:
    """The judge can tell: the messages that the tests above would meet."""
    program = _qemu("q35")
    argv = document(compiled(NIC), _ABSENT)["argv"]
    for wrong, message in (
        ({"x-unheard-of": 1}, "Property 'vfio-pci.x-unheard-of' not found"),
        ({"rombar": "0"}, "Invalid parameter type for 'rombar'"),
        ({"x-vpasid-cap-offset": "0xff8"}, "expects uint64"),
        ({"x-nv-gpudirect-clique": 16}, "valid range 0-15"),
        ({"addr": "20.0"}, "doesn't take value"),
        ({"host": "10000:01:00.0"}, "doesn't take value"),
    ):

        def add(part: dict[str, Any], wrong: dict[str, Any] = wrong) -> dict[str, Any]:
            return {**part, **wrong} if part.get("driver") == "vfio-pci" else part

        assert message in qtest.refusal(program, "q35", _rewritten(argv, add))


@pytest.mark.parametrize("kind", _MACHINES)
def test_every_property_is_one_of_qemu(kind: str) -> None:
    program = _qemu(kind)
    known = {name: qtest.properties(program, name) for name in ("vfio-pci", "pcie-root-port")}
    assert known["vfio-pci"] <= qtest.properties(program, "vfio-pci-nohotplug")
    for layout in _LAYOUTS.values():
        made = document(compiled(layout), _ABSENT)
        for part in (made["device"], made["above"]):
            if part:
                assert part.keys() - {"driver", "id", "bus"} <= known[part["driver"]]
    facts = qemu_facts.qemu()
    behaviours = {"json", "generic-initiator-byte-order", "acpi-generic-initiator", "power-management"}
    assert facts.since.keys() - behaviours <= known["vfio-pci"]
    assert set(facts.overrides.values()) <= known["vfio-pci"]
    assert not any("revision" in name for name in known["vfio-pci"])


# -- the SRAT that QEMU builds -------------------------------------------------------------------------------------


def _stand_in(part: dict[str, Any]) -> dict[str, Any]:
    """An emulated device in place of the host's."""
    if part.get("driver") != "vfio-pci":
        return part
    keys = ("id", "bus", "addr", "multifunction")
    return {"driver": "pci-testdev", **{key: part[key] for key in keys if key in part}}


def _ours(function: Function) -> list[bytes]:
    made = srat.table(function)
    return _initiators([encode(made)]) if made is not None else []


def _initiators(tables: list[bytes]) -> list[bytes]:
    (table,) = tables
    found, offset = [], 48
    while offset < len(table):
        entry = table[offset : offset + table[offset + 1]]
        found += [entry] if entry[0] == 5 else []
        offset += len(entry)
    return found


_PORT = 1  # the first free slot of both machines: where QEMU puts the root port
_BUSES = 0x18
_ARM_ECAM = 0x4010000000


@pytest.mark.parametrize("kind", _MACHINES)
@pytest.mark.parametrize(("first", "count", "bus"), [(1, 8, 1), (2, 8, 9), (1, 1, 0x21), (5, 32, 0x81), (1, 64, 0xFF)])
def test_qemu_builds_our_entries(kind: str, first: int, count: int, bus: int, tmp_path: Path) -> None:
    guest = {"first_node": first, "address": f"{bus:02x}:00.0"}
    function = compiled(changed(GPU, guest=guest, initiators=count))
    assert complaints(function) == []
    argv = [*_machine_part(function), *_rewritten(document(function)["argv"], _stand_in)]
    (tmp_path / "firmware").write_bytes(bytes(1 << 16))  # arm has ACPI only with some firmware; none of it runs
    firmware = ["-bios", str(tmp_path / "firmware")] if kind == "virt" else []
    with qtest.machine(_qemu(kind), kind, [*firmware, *argv]) as machine:
        buses = bus << 16 | bus << 8
        if kind == "virt":
            machine.command(f"writel {_ARM_ECAM + (_PORT << 15) + _BUSES:#x} {buses:#x}")
        else:
            machine.config_write(0, _PORT, _BUSES, buses)
        theirs = _initiators(machine.acpi_tables(b"SRAT"))
    ours = _ours(function)
    assert len(theirs) == count
    assert set(theirs) == set(ours)


@pytest.mark.parametrize("kind", _MACHINES)
def test_qemu_builds_our_entries_on_the_root_bus(kind: str, tmp_path: Path) -> None:
    pcie, msix, _ = GPU["capabilities"]
    fields = {**EXPRESS, "flags": {"version": 2, "type": "rciep"}}
    guest = {"place": "root", "address": "00:04.0", "first_node": 1}
    layout = changed(GPU, capabilities=[{**pcie, "fields": fields}, msix], guest=guest, initiators=2)
    function = compiled(layout)
    assert complaints(function) == []
    (tmp_path / "firmware").write_bytes(bytes(1 << 16))
    firmware = ["-bios", str(tmp_path / "firmware")] if kind == "virt" else []
    argv = [*firmware, *_machine_part(function), *_rewritten(document(function)["argv"], _stand_in)]
    with qtest.machine(_qemu(kind), kind, argv) as machine:
        theirs = _initiators(machine.acpi_tables(b"SRAT"))
    assert sorted(theirs) == _ours(function)


def test_nodes_beyond_the_limit_are_refused_by_qemu_too() -> None:
    function = compiled(changed(GPU, guest={"first_node": 121}))
    assert [d.code for d in complaints(function)] == ["VPCI1826"]
    argv = [*_machine_part(function), *_rewritten(document(function)["argv"], _stand_in)]
    assert "Invalid NUMA node" in qtest.refusal(_qemu("q35"), "q35", argv)
