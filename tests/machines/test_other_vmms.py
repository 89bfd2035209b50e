"""Machines for VMMs other than QEMU. Nothing here runs them: parsers read back what a shell and a JSON reader would."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("vmm", ["crosvm", "firecracker"])
def test_those_without_numa(tmp_path: Path, vmm: str) -> None:
    with pytest.raises(Failed) as caught:
        built(tmp_path, f'{vmm}, release: "2026.8"')
    assert "VPCI1966" in {one.code for one in caught.value.diagnostics}


@pytest.mark.parametrize("vmm", ["cloud-hypervisor", "crosvm", "firecracker"])
@pytest.mark.parametrize("address", ["0000:01:00.0,x=y", "$(id)", '0000:01:00.0"', "0000:01:00.0\n"])
def test_a_hostile_host_device_is_refused(tmp_path: Path, vmm: str, address: str) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(LAYOUT.format(vmm=f'{vmm}, release: "2026.8"'), encoding="utf-8")
    with pytest.raises(Failed) as caught:
        api.build_machine(path, tmp_path / "out", Options(host_devices={"acc": address}))
    assert "VPCI1824" in {one.code for one in caught.value.diagnostics}
