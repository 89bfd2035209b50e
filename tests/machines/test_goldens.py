"""Every output of every shipped machine, byte for byte.

VPCI_ACCEPT=1 pytest tests/machines/test_goldens.py      writes tests/machines/goldens anew: read the difference
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from machines.test_shipped import MACHINES
from vpci_compile import api

GOLDENS = Path(__file__).parent / "goldens"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_outputs(path: Path, tmp_path: Path) -> None:
    golden = GOLDENS / path.stem
    api.build_machine(path, tmp_path)
    if os.environ.get("VPCI_ACCEPT") == "1":
        golden.mkdir(parents=True, exist_ok=True)
        for gone in set(contents(golden)) - set(contents(tmp_path)):
            (golden / gone).unlink()
        for name, octets in contents(tmp_path).items():
            (golden / name).write_bytes(octets)
    made, wanted = contents(tmp_path), contents(golden)
    assert sorted(made) == sorted(wanted), "VPCI_ACCEPT=1 takes over new outputs"
    assert [name for name in made if made[name] != wanted[name]] == []


def test_no_golden_is_left_over() -> None:
    assert sorted(path.name for path in GOLDENS.iterdir()) == sorted(path.stem for path in MACHINES)
