"""What `check` says of a machine whose tables its guest would not use, or not as they are meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from machines.drawn import write_devices
from machines.running import emulated, ours, theirs
from vpci_compile import api
from vpci_compile.diagnostics import Diagnostic, Failed

ARM = 'vpci: 1\nmachine: x\narchitecture: aarch64\nvmm: {name: qemu, release: "11.1", type: virt}\n'
TWO = "cpus: 2\nnodes: [{cpus: 0, memory: 256M}, {cpus: 1, memory: 256M}]\n"
EIGHT = "ports: {p: {}}\ndevices: {d: {layout: port-8.yaml, port: p}}\n"
SIXTEEN = "ports: {p: {}, q: {}}\ndevices: {d: {layout: port-8.yaml, port: p}, e: {layout: port-8.yaml, port: q}}\n"
GPU = "ports: {p: {}}\ndevices: {gpu: {layout: nvidia/gh200, port: p}}\n"
FAR = "buses: {far: {number: 9, node: 1}}\nports: {p: {bus: far}}\n"
NEAR = FAR + "devices: {d: {layout: port-8.yaml, port: p, node: %s}}\n"


def said(folder: Path, text: str) -> dict[str, Diagnostic]:
    """What `check` says, by its code."""
    write_devices(folder)
    path = folder / "x.yaml"
    path.write_text(ARM + TWO + text, encoding="utf-8")
    try:
        found = api.check_machine(path).diagnostics
    except Failed as failed:
        found = list(failed.diagnostics)
    return {one.code: one for one in found}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (EIGHT, set()),
        (SIXTEEN, {"VPCI1918"}),
        (SIXTEEN + "guest_nodes: 18\n", set()),
        (SIXTEEN + "guest_nodes: 17\n", {"VPCI1918"}),
        ("distances: {remote: 10}\n", {"VPCI1920"}),
        ("hotplug: {size: 1G, slots: 1}\n", set()),
        (EIGHT + "hotplug: {size: 1G, slots: 1}\n", {"VPCI1932"}),
        (EIGHT + "hotplug: {size: 1G, slots: 1}\ntables: acpi-6.6\n", set()),
        (GPU, set()),
        (NEAR % 1, set()),
        (NEAR % 0, {"VPCI1941"}),
    ],
)
def test_verdicts(text: str, codes: set[str], tmp_path: Path) -> None:
    assert said(tmp_path, text).keys() == codes


def test_a_verdict_stands_where_the_layout_can_change_it(tmp_path: Path) -> None:
    one = said(tmp_path, SIXTEEN + "guest_nodes: 17\n")["VPCI1918"]
    assert one.message == "18 domains, and the guest's Linux has 17 nodes: the initiators behind are lost"
    assert one.span.source is not None and one.span.source.line(one.span.line) == "guest_nodes: 17"


def test_a_gpu_that_its_driver_does_not_find(tmp_path: Path) -> None:
    text = "ports: {p: {}}\ndevices:\n  a: {layout: port-0.yaml, port: p}\n"
    text += "  gpu: {layout: nvidia/gh200, port: p, function: 1}\n"
    one = said(tmp_path, text)["VPCI1929"]
    assert one.message == "gpu is at bus 0x01, device 0, function 1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("distances: {matrix: [[10, 20]]}\n", ["1 rows, and the machine has 2 nodes", "row 0 has 2 distances"]),
        ("distances: {matrix: [[10, 20], [20]]}\n", ["row 1 has 1 distances"]),
        ("distances: {matrix: [[10, 20], [20, 11]]}\n", ["from node 1 to itself"]),
        ("distances: {remote: 20, matrix: [[10, 20], [20, 10]]}\n", ["remote beside a matrix"]),
    ],
)
def test_a_matrix_that_is_none(text: str, words: list[str], tmp_path: Path) -> None:
    write_devices(tmp_path)
    (tmp_path / "x.yaml").write_text(ARM + TWO + text, encoding="utf-8")
    with pytest.raises(Failed) as failed:
        api.check_machine(tmp_path / "x.yaml")
    assert {one.code for one in failed.value.diagnostics} == {"VPCI1940"}
    assert len(failed.value.diagnostics) == len(words)
    assert all(any(word in one.message for one in failed.value.diagnostics) for word in words)


def test_a_matrix_is_qemus_slit(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(ARM + TWO + "distances: {matrix: [[10, 31], [42, 10]]}\n", encoding="utf-8")
    system = api.check_machine(tmp_path / "x.yaml").system
    made = theirs(system, emulated)
    assert ours(system) == made
    assert bytes.fromhex(made[1])[44:] == bytes([10, 31, 42, 10])
