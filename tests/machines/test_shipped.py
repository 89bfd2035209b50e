"""Each machine that is shipped: QEMU starts it as it is emitted, served functions in place of hardware; its tables are
ours, byte for byte.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from machines.running import ours, theirs_served
from vpci_compile import api, resources

MACHINES = sorted((resources.folder("layouts") / "machines").glob("*.yaml"))


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_qemu_makes_the_same_tables(path: Path, tmp_path: Path) -> None:
    system = api.check_machine(path).system
    assert ours(system) == theirs_served(system, tmp_path)
