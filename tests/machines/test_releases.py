"""What a release has not is refused: each part of a machine against the release before its first one."""

from __future__ import annotations

from pathlib import Path

import pytest

from machines.drawn import write_devices
from vpci_compile import api
from vpci_compile.diagnostics import Failed
from vpci_compile.emit import Options

X86 = """vpci: 1
machine: x
architecture: x86-64
vmm: {{name: qemu, release: "{release}", type: q35}}
cpus: 1
nodes: [{{memory: 1G}}]
"""
ARM = X86.replace("x86-64", "aarch64").replace("q35", "virt")
FUNCTION = "ports: {{p: {{}}}}\ndevices: {{d: {{layout: port-0.yaml, port: p}}}}\n"
SMMU = "buses: {{b: {{number: 5, viommu: {{type: smmuv3{more}}}}}}}\n"
PARTS = {  # the first release that has it, and the one before
    "JSON": (X86, "6.2", "6.1"),
    "iommufd": (X86 + FUNCTION, "9.0", "8.2"),
    "generic initiators": (X86 + FUNCTION.replace("port-0", "port-1"), "9.2", "9.1"),
    "a large window": (ARM + "ports: {{p: {{window: 1T}}}}\n", "10.0", "9.2"),
    "an SMMU": (ARM + SMMU.replace("{more}", ""), "10.2", "10.1"),
    "an SMMU of the host's": (ARM + SMMU.replace("{more}", ", accel: true"), "11.0", "10.2"),
    "first stage": (X86 + "viommu: {{type: intel-iommu, accel: true}}\n", "11.1", "11.0"),
    "PASID": (X86 + "viommu: {{type: intel-iommu, pasid_bits: 20}}\n", "11.1", "11.0"),
}


def errors(folder: Path, text: str, options: Options | None = None) -> set[str]:
    path = folder / "x.yaml"
    path.write_text(text)
    write_devices(folder)
    try:
        api.check_machine(path, options)
    except Failed as failed:
        return {one.code for one in failed.diagnostics if one.severity == "error"}
    return set()


@pytest.mark.parametrize("part", PARTS)
def test_qemu(part: str, tmp_path: Path) -> None:
    text, first, before = PARTS[part]
    assert errors(tmp_path, text.format(release=first)) == set()
    assert errors(tmp_path, text.format(release=before)) == {"VPCI1966"}


def test_functions_behind_a_socket(tmp_path: Path) -> None:
    """They need no iommufd, and a QEMU that knows vfio-user."""
    told = Options(sockets={"d": "/run/d"})
    assert errors(tmp_path, (X86 + FUNCTION).format(release="10.1"), told) == set()
    assert errors(tmp_path, (X86 + FUNCTION).format(release="10.0"), told) == {"VPCI1966"}


def test_a_machine_type_of_a_later_release(tmp_path: Path) -> None:
    text = X86.format(release="10.0")
    assert errors(tmp_path, text.replace("type: q35", 'type: q35, type_release: "9.2"')) == set()
    assert errors(tmp_path, text.replace("type: q35", 'type: q35, type_release: "10.1"')) == {"VPCI1967"}


OTHER = """vpci: 1
machine: x
architecture: x86-64
vmm: {{name: {vmm}}}
cpus: 4
nodes: [{{memory: 1G}}]
"""
DEVICE = "devices: {{d: {{layout: root-0.yaml, bus: root, slot: {slot}, segment: {segment}}}}}\n"


@pytest.mark.parametrize(
    ("release", "slot", "segment", "codes"),
    [
        ("53.0", 3, 0, set()),
        ("51.0", 3, 0, {"VPCI1966"}),  # no pci_device_id
        ("53.0", 0, 1, {"VPCI1961"}),  # slot 0 is taken on every segment
        ("54.0", 0, 1, set()),
    ],
)
def test_places_of_cloud_hypervisor(release: str, slot: int, segment: int, codes: set[str], tmp_path: Path) -> None:
    text = OTHER.format(vmm=f'cloud-hypervisor, release: "{release}"') + DEVICE.format(slot=slot, segment=segment)
    assert errors(tmp_path, text) == codes


@pytest.mark.parametrize("vmm", ["crosvm", "firecracker"])
def test_processors_that_they_do_not_have(vmm: str, tmp_path: Path) -> None:
    text = OTHER.format(vmm=f'{vmm}, release: "2026.8"')
    assert errors(tmp_path, text) == set()
    assert errors(tmp_path, text + "processor: {sockets: 2}\n") == {"VPCI1966"}
    assert errors(tmp_path, text + "processor: {threads: 2}\n") == {"VPCI1966"}
