"""Machines for VMMs other than QEMU. Nothing here runs them: parsers read back what a shell and a JSON reader would."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from judges import need
from vpci_compile import api
from vpci_compile.diagnostics import Failed
from vpci_compile.emit import Options

LAYOUT = """vpci: 1
machine: small
about: "$(id) ' < , ]"
architecture: x86-64
vmm: {{name: {vmm}}}
cpus: 4
nodes: [{{cpus: "0-1", memory: 1G}}, {{cpus: "2-3", memory: 512M}}]
devices:
  acc: {{layout: intel/dsa, bus: root, slot: 5}}
distances: {{remote: 21}}
"""
ONE_NODE = LAYOUT.replace('[{{cpus: "0-1", memory: 1G}}, {{cpus: "2-3", memory: 512M}}]', "[{{memory: 1G}}]").replace(
    "distances: {{remote: 21}}\n", ""
)
MORE = ["ports: {{a: {{}}}}", "buses: {{b: {{number: 4}}}}", "hotplug: {{size: 1G, slots: 1}}"]
HOST = Options(host_devices={"acc": "0019:06:00.1"})


def built(folder: Path, vmm: str, layout: str = LAYOUT) -> dict[str, str]:
    path = folder / "small.yaml"
    path.write_text(layout.format(vmm=vmm), encoding="utf-8")
    made = api.build_machine(path, folder / "out", HOST)
    assert {one.code for one in made.diagnostics} == {"VPCI1972"}
    return {one.name: one.read_text() for one in made.files if vmm.partition(",")[0] in one.name}


def words(script: str) -> list[str]:
    assert "$(id)" not in script
    return shlex.split(script.partition("exec ")[2].replace("\\\n", ""))


def test_cloud_hypervisor(tmp_path: Path) -> None:
    files = built(tmp_path, 'cloud-hypervisor, release: "53.0"')
    body = json.loads(files["small.cloud-hypervisor.vm-create.json"])
    argv = words(files["small.cloud-hypervisor.sh"])
    assert argv[argv.index("--numa") + 1 : argv.index("--device")] == [
        "guest_numa_id=0,cpus=[0,1],memory_zones=[ram0],distances=[1@21]",
        "guest_numa_id=1,cpus=[2,3],memory_zones=[ram1],distances=[0@21]",
    ]
    assert body["numa"][1]["distances"] == [{"destination": 0, "distance": 21}]
    device = dict(part.split("=", 1) for part in argv[argv.index("--device") + 1].split(","))
    assert device == {name: str(value) for name, value in body["devices"][0].items()}
    assert device["path"] == "/sys/bus/pci/devices/0019:06:00.1" and device["pci_device_id"] == "5"


def test_crosvm(tmp_path: Path) -> None:
    (script,) = built(tmp_path, 'crosvm, release: "2026.8"', ONE_NODE).values()
    assert words(script)[:7] == [
        *("crosvm", "run", "--cpus", "4", "--mem", "1024", "--vfio"),
    ]
    assert "/sys/bus/pci/devices/0019:06:00.1,guest-address=00:05.0,iommu=off" in words(script)


def test_firecracker(tmp_path: Path) -> None:
    (text,) = built(tmp_path, 'firecracker, release: "2026.8"', ONE_NODE).values()
    told = json.loads(text)
    assert told["machine-config"] == {"vcpu_count": 4, "mem_size_mib": 1024}
    assert told["vfio"] == [{"id": "acc", "sbdf": "0019:06:00.1"}]


@pytest.mark.parametrize("vmm", ["cloud-hypervisor", "crosvm", "firecracker"])
@pytest.mark.parametrize("more", MORE)
def test_what_they_cannot_make(tmp_path: Path, vmm: str, more: str) -> None:
    with pytest.raises(Failed) as caught:
        built(tmp_path, f'{vmm}, release: "2026.8"', LAYOUT + more)
    assert "VPCI1966" in {one.code for one in caught.value.diagnostics}


def test_tables_for_crosvm(tmp_path: Path) -> None:
    """It has RAM up to 768 MiB below 4 GiB, and from 4 GiB on (x86_64/src/lib.rs); iasl reads the tables back."""
    layout = LAYOUT.replace("memory: 1G", "memory: 3G").replace("memory: 512M", "memory: 2G")
    files = built(tmp_path, 'crosvm, release: "2026.8"', layout)
    assert sorted(files) == ["small.crosvm.sh"]
    command = words(files["small.crosvm.sh"])
    assert [command[at + 1] for at, word in enumerate(command) if word == "--acpi-table"] == [
        "$here/small.srat.aml",
        "$here/small.slit.aml",
    ]
    iasl = need("VPCI_IASL", "iasl")
    for name in ("srat", "slit"):
        subprocess.run([iasl, "-d", f"small.{name}.aml"], cwd=tmp_path / "out", check=True, capture_output=True)
    text = (tmp_path / "out/small.srat.dsl").read_text()
    rows = [
        tuple(
            int(re.search(rf"{key} : ([0-9A-F]+)", part)[1], 16)
            for key in ("Proximity Domain", "Base Address", "Address Length")
        )
        for part in text.split("Subtable Type : 01")[1:]
    ]
    assert rows == [
        (0, 0, 0xA0000),
        (0, 0x100000, (3 << 30) - 0x100000),
        (1, 3 << 30, 0xD0000000 - (3 << 30)),
        (1, 1 << 32, (5 << 30) - 0xD0000000),
    ]


def test_firecracker_has_no_numa(tmp_path: Path) -> None:
    with pytest.raises(Failed) as caught:
        built(tmp_path, 'firecracker, release: "2026.8"')
    assert "VPCI1966" in {one.code for one in caught.value.diagnostics}


# Of vmm/src/api/openapi/cloud-hypervisor.yaml at 00f68228 (2026-09): keys of what we write, and their types.
OPENAPI = {
    "VmConfig": {"cpus": "CpusConfig", "memory": "MemoryConfig", "devices": ["DeviceConfig"], "numa": ["NumaConfig"],
                 "user_devices": ["UserDeviceConfig"], "pci_segments": ["PciSegmentConfig"],
                 "platform": "PlatformConfig"},
    "CpusConfig": {"boot_vcpus": int, "max_vcpus": int, "topology": "CpuTopology", "max_phys_bits": int},
    "CpuTopology": dict.fromkeys(("threads_per_core", "cores_per_die", "dies_per_package", "packages"), int),
    "MemoryConfig": {"size": int, "zones": ["MemoryZoneConfig"]},
    "MemoryZoneConfig": {"id": str, "size": int, "shared": bool, "hugepages": bool, "hugepage_size": int},
    "PlatformConfig": {"num_pci_segments": int},
    "PciSegmentConfig": dict.fromkeys(("pci_segment", "mmio32_aperture_weight", "mmio64_aperture_weight"), int),
    "DeviceConfig": {"path": str, "id": str, "pci_segment": int, "pci_device_id": int, "x_nv_gpudirect_clique": int},
    "UserDeviceConfig": {"socket": str, "id": str, "pci_segment": int, "pci_device_id": int},
    "NumaConfig": {"guest_numa_id": int, "cpus": [int], "memory_zones": [str], "device_id": str,
                   "distances": ["NumaDistance"]},
    "NumaDistance": {"destination": int, "distance": int},
}  # fmt: skip
NEEDED = {"CpusConfig": {"boot_vcpus", "max_vcpus"}, "MemoryConfig": {"size"}, "MemoryZoneConfig": {"id", "size"},
          "UserDeviceConfig": {"socket"}, "NumaConfig": {"guest_numa_id"}, "NumaDistance": {"destination", "distance"},
          "PciSegmentConfig": {"pci_segment"}}  # fmt: skip


def conforms(value: object, kind: object) -> None:
    if isinstance(kind, list):
        assert isinstance(value, list)
        for one in value:
            conforms(one, kind[0])
    elif isinstance(kind, str):
        assert isinstance(value, dict) and NEEDED.get(kind, set()) <= set(value) <= set(OPENAPI[kind])
        for key, one in value.items():
            conforms(one, OPENAPI[kind][key])
    else:
        assert type(value) is kind


def test_the_body_is_cloud_hypervisors(tmp_path: Path) -> None:
    files = built(tmp_path, 'cloud-hypervisor, release: "54.0"', LAYOUT.replace("slot: 5", "slot: 0, segment: 1"))
    conforms(json.loads(files["small.cloud-hypervisor.vm-create.json"]), "VmConfig")


@pytest.mark.parametrize("vmm", ["cloud-hypervisor", "crosvm", "firecracker"])
@pytest.mark.parametrize("address", ["0000:01:00.0,x=y", "$(id)", '0000:01:00.0"', "0000:01:00.0\n"])
def test_a_hostile_host_device_is_refused(tmp_path: Path, vmm: str, address: str) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(LAYOUT.format(vmm=f'{vmm}, release: "2026.8"'), encoding="utf-8")
    with pytest.raises(Failed) as caught:
        api.build_machine(path, tmp_path / "out", Options(host_devices={"acc": address}))
    assert "VPCI1824" in {one.code for one in caught.value.diagnostics}
