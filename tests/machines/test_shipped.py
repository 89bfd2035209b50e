"""Each machine that is shipped: QEMU starts it as it is emitted, served functions in place of hardware; its tables are
ours, byte for byte.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from machines.running import ours, theirs_served
from vpci_compile import api, resources
from vpci_compile.diagnostics import Failed, Severity
from vpci_compile.emit.machine import text

SHIPPED = sorted((resources.folder("layouts") / "machines").glob("*.yaml"))
NOT_MERGED = {"gb200-region": ["VPCI1820"], "cxl-type2": ["VPCI1810", "VPCI1820"]}
"""Machines that can be said, and that no released VMM makes; and the codes that say so."""
MACHINES = [path for path in SHIPPED if path.stem not in NOT_MERGED]


OF_QEMU = [path for path in MACHINES if "name: qemu" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", OF_QEMU, ids=lambda path: path.stem)
def test_qemu_makes_the_same_tables(path: Path, tmp_path: Path) -> None:
    system = api.check_machine(path).system
    assert ours(system) == theirs_served(system, tmp_path)


@pytest.mark.parametrize("name", NOT_MERGED)
def test_what_is_not_merged_is_shown_and_not_built(name: str, tmp_path: Path) -> None:
    path = f"machines/{name}"
    assert f"{name}: " in text.render(api.load_machine(path).system)
    with pytest.raises(Failed) as refused:
        api.build_machine(path, tmp_path / "out")
    codes = sorted({one.code for one in refused.value.diagnostics if one.severity is Severity.ERROR})
    assert codes == NOT_MERGED[name] and not (tmp_path / "out").exists()
