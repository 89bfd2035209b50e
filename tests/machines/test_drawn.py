"""Machines by chance: what we compile is what QEMU makes, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from machines.drawn import layouts, write_devices
from machines.running import emulated, ours, theirs
from vpci_compile import api

ARCHITECTURES = ("x86-64", "aarch64")


def quick(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def agree(folder: Path, text: str) -> None:
    path = folder / "drawn.yaml"
    path.write_text(text, encoding="utf-8")
    system = api.check_machine(path).system
    assert ours(system) == theirs(system, emulated)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_any_machine(architecture: str, tmp_path: Path) -> None:
    write_devices(tmp_path)

    @seed(1)
    @quick(40)
    @given(layouts(architecture))
    def judged(text: str) -> None:
        agree(tmp_path, text)

    judged()


@pytest.mark.stack
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_many_machines(architecture: str, tmp_path: Path) -> None:
    write_devices(tmp_path)

    @settings(quick(200), print_blob=True)
    @given(layouts(architecture))
    def judged(text: str) -> None:
        agree(tmp_path, text)

    judged()


_PC = 'vpci: 1\nmachine: x\narchitecture: x86-64\nvmm: {name: qemu, release: "11.1", type: q35}\ncpus: 1\n'
_FOUR = "ports: {a: {}, b: {}, c: {}, d: {}}\ndevices:\n" + "".join(
    f"  f{port}: {{layout: port-8.yaml, port: {port}}}\n" for port in "abcd"
)


@pytest.mark.parametrize("vendor", ["intel", "amd"])
@pytest.mark.parametrize(
    "text",
    [
        "nodes: [{memory: 2G}]\n" + _FOUR,
        "nodes: [{memory: 2G}]\nbuses: {host: {number: 99, cxl: true}}\n" + _FOUR,
        "nodes: [{memory: 1000G}]\n",
        "nodes: [{memory: 1030G}]\nhotplug: {size: 64G, slots: 4}\n",
    ],
)
def test_addresses_of_more_than_40_bits(vendor: str, text: str, tmp_path: Path) -> None:
    """QEMU starts only where the processors address all that there is."""
    write_devices(tmp_path)
    agree(tmp_path, f"{_PC}processor: {{vendor: {vendor}}}\n{text}")
