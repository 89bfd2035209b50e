"""`explain` of a machine's parts: the line that it names is the one where the part stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from command import Run
from machines.test_shipped import MACHINES
from vpci_compile import api
from vpci_compile.emit.machine import explain as machine_explain


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_names_the_line(path: Path) -> None:
    system = api.load_machine(path).system
    lines = path.read_text(encoding="utf-8").splitlines()
    for name in machine_explain.names(system):
        text = machine_explain.explain(system, name)
        assert text.startswith(name)
        decided = re.search(r"  decided +\S+:(\d+)\n", text)
        if name == "root":
            assert decided is None
            continue
        assert decided is not None
        line = lines[int(decided[1]) - 1]
        assert name in line or name.startswith("node"), line


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpu1", ["0000:22:00.0", "behind gpu-port1", "domains 10..17 (Linux: 10..17)"]),
        ("gpu-port2", ["41:00.0 on pcie2", "42", "512G", "2 of unknown size"]),
        ("pcie3", ["61", "00:04.0", "smmuv3", "gpu-port3"]),
        ("node1", ["4 processors, 8G of RAM", "40 to 0; 254 to 2..33"]),
        ("node33", ["gpu3 as generic initiator", "254 to 0..32"]),
    ],
)
def test_says(name: str, words: list[str], run: Run) -> None:
    said = run("explain", "machines/gb200-four", name)
    assert said.status == 0
    for word in words:
        assert word in said.out


def test_a_name_that_is_not_there(run: Run) -> None:
    said = run("explain", "machines/gb200-four", "gpu9")
    assert said.status == 2 and "did you mean 'gpu" in said.err
