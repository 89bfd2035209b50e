"""PCI segments of cloud-hypervisor: where functions are, and windows that hold their BARs, by its own arithmetic."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from vpci_compile import api
from vpci_compile.diagnostics import Failed
from vpci_compile.emit import Options
from vpci_compile.emit.machine import apertures, cloud_hypervisor

_FUNCTION = """vpci: 1
device: big
identity: {{vendor: 0x1234, device: 0x0001, class: 0x120000}}
bars:
  0: {{kind: mem32, size: {low}, source: copied}}
  2: {{kind: mem64, prefetchable: true, size: {high}, source: copied}}
capabilities:
  - {{cap: pcie, at: 0x60, source: copied, fields: {{flags: {{version: 2, type: endpoint}}}}}}
physical: {{}}
migration: {{migrates: false}}
"""
_MACHINE = """vpci: 1
machine: segments
architecture: x86-64
vmm: {{name: {vmm}}}
cpus: 2
nodes: [{{memory: 4G}}]
devices:
{devices}
"""
_CH = 'cloud-hypervisor, release: "54.0"'
TIB, MIB = 1 << 40, 1 << 20


def machine(
    folder: Path, segments: list[int], *, high: str = "8T", low: str = "1M", vmm: str = _CH, more: str = ""
) -> Path:
    (folder / "big.yaml").write_text(_FUNCTION.format(low=low, high=high))
    rows = [f"  d{at}: {{layout: big.yaml, bus: root, segment: {where}{more}}}" for at, where in enumerate(segments)]
    path = folder / "segments.yaml"
    path.write_text(_MACHINE.format(vmm=vmm, devices="\n".join(rows)))
    return path


def theirs(start: int, end: int, weights: list[int], alignment: int) -> list[int]:
    """Sizes as cloud-hypervisor computes them (create_mmio_allocators of vmm/src/device_manager.rs); `end` included."""
    unit = (end - start + 1) // (alignment * sum(weights)) * alignment
    return [unit * weight for weight in weights]


def test_small_functions_need_no_weights(tmp_path: Path) -> None:
    system = api.load_machine(machine(tmp_path, [0, 1, 1], high="1G")).system
    made = apertures.plan(system)
    assert made.bits == apertures.DEFAULT_BITS and {one.weight for one in (*made.low, *made.high)} == {1}
    # segment 1 has two BARs of 1 GiB, and up to 1 GiB of alignment before the first
    assert [one.need for one in made.high] == [2 << 30, 3 << 30]
    assert "pci_segments" not in body(tmp_path)


def body(folder: Path) -> dict[str, object]:
    api.build_machine(folder / "segments.yaml", folder / "out")
    return json.loads((folder / "out" / "segments.cloud-hypervisor.vm-create.json").read_text())  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("segments", "bits"), [([0, 1, 1, 1, 1], 46), ([0, 3, 3, 5], 46), ([1] * 20, 48), ([0] * 4 + [1] * 32, 49)], ids=str
)
def test_windows_hold_what_is_in_their_segments(tmp_path: Path, segments: list[int], bits: int) -> None:
    """40 TiB of BARs do not fit into half of 64 TiB: the one segment gets more, and then the guest more addresses."""
    path = machine(tmp_path, segments)
    made, told = apertures.plan(api.load_machine(path).system), body(tmp_path)
    rows: list[dict[str, int]] = told["pci_segments"]  # type: ignore[assignment]
    assert told["cpus"].get("max_phys_bits", 46) == made.bits == bits  # type: ignore[attr-defined]
    end = (1 << bits) - (64 << 10) - (1 << 20) - 1
    high = theirs(9 << 30, end, [row["mmio64_aperture_weight"] for row in rows], 4 << 30)
    low = theirs(0xC0000000, 0xC0000000 + 640 * MIB - 1, [row["mmio32_aperture_weight"] for row in rows], 4 << 10)
    assert [row["pci_segment"] for row in rows] == list(range(max(segments) + 1))
    for segment in set(segments):
        assert high[segment] >= (segments.count(segment) + 1) * 8 * TIB
        assert low[segment] >= (segments.count(segment) + 1) * MIB


def test_what_fits_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failed) as found:
        api.build_machine(machine(tmp_path, [0, 1, 1], low="512M", high="1G"), tmp_path / "out")
    assert [one.code for one in found.value.diagnostics if one.severity == "error"] == ["VPCI1966"]


def test_device_0_is_free_where_their_release_has_it_free(tmp_path: Path) -> None:
    def slots(release: str) -> list[int]:
        path = machine(tmp_path, [0, 1, 1, 2], vmm=f'cloud-hypervisor, release: "{release}"')
        return [one.function.guest.device for one in api.load_machine(path).system.devices]

    assert slots("54.0") == [1, 0, 1, 0]
    assert slots("53.0") == [1, 1, 2, 1]


@pytest.mark.parametrize("vmm", ['qemu, release: "11.1", type: q35', 'crosvm, release: "2026.8"'])
def test_other_vmms_have_no_segments(tmp_path: Path, vmm: str) -> None:
    with pytest.raises(Failed) as found:
        api.build_machine(machine(tmp_path, [1], vmm=vmm), tmp_path / "out")
    assert {one.code for one in found.value.diagnostics} & {"VPCI1966", "VPCI1962"}


def test_show_draws_them(tmp_path: Path) -> None:
    from vpci_compile.emit.machine import text

    drawn = text.render(api.load_machine(machine(tmp_path, [0, 2], high="128G")).system)
    assert drawn.splitlines()[3:10] == [
        "segment 0000 (64-bit window of 21T, BARs take up to 256G)",
        "`-- 01.0 d0: big.yaml",
        "segment 0001 (64-bit window of 21T)",
        "segment 0002 (64-bit window of 21T, BARs take up to 256G)",
        "`-- 00.0 d1: big.yaml",
        "",
        "64-bit windows: up to 512G in sum, of 46-bit addresses",
    ]


def test_a_segment_has_the_node_of_its_functions(tmp_path: Path) -> None:
    system = api.load_machine("machines/eight-h100-ch").system
    near = {one.function.guest.segment: one.near for one in system.devices}
    told = cloud_hypervisor.body(system, Options())
    assert (
        {segment: row["guest_numa_id"] for row in told["numa"] for segment in row["pci_segments"]}
        == near
        == {1: 0, 2: 1}
    )


@pytest.mark.parametrize(("segments", "nodes"), [([0], [1]), ([1, 1], [0, 1])])
def test_a_segment_has_one_node(tmp_path: Path, segments: list[int], nodes: list[int]) -> None:
    path = machine(tmp_path, segments)
    text = path.read_text().replace("[{memory: 4G}]", "[{memory: 2G}, {memory: 2G}]")
    for at, node in enumerate(nodes):
        text = re.sub(rf"(d{at}: .*)}}", rf"\1, node: {node}}}", text)
    path.write_text(text)
    with pytest.raises(Failed) as found:
        api.load_machine(path)
    assert [one.code for one in found.value.diagnostics] == ["VPCI1941"]
