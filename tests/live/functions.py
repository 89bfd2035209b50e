"""The functions that a judge is shown: shipped layouts, our captures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from compiling import device_layouts
from judges import ROOT
from vpci_compile import api, live
from vpci_compile.catalog import libraries
from vpci_compile.diagnostics import Failed
from vpci_compile.ir import Function
from vpci_compile.live import Place
from vpci_compile.live.board import Board

LAYOUTS = sorted(str(path.relative_to(ROOT / "layouts"))[:-5] for path in device_layouts())
CAPTURES = sorted((ROOT / "tests/captures").glob("*.lspci")) + sorted((ROOT / "tests/captures/sysfs").iterdir())


def shipped() -> list[Function]:
    """Every shipped layout that is a function."""
    return [api.load(name).function for name in LAYOUTS if not libraries.is_base(name)]


def families() -> list[Function]:
    """One shipped layout of each family, where all of them would take too long."""
    return [
        api.load(name).function
        for name in (
            "minimal", "generic/sriov-vf-pasid", "generic/synthetic-accelerator", "nvidia/gh200", "nvidia/h100-clique",
            "virtio/net-vf-transitional", "intel/dsa", "amd/mi300x", "nvme/sriov-vf", "cxl/type2", "instance/n4",
            "mellanox/connectx-vf-ats-pasid",
        )
    ]  # fmt: skip


@cache
def captured(path: Path) -> list[Function]:
    """The functions of a capture."""
    try:
        return [api.load(path).function]
    except Failed as failed:
        if failed.diagnostics[0].code != "VPCI1703":
            return []  # a capture that is no function: a hidden device, a header of unknown type
    slots = re.findall(r"^([0-9a-f:]+\.[0-7]) ", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [api.load(path, slot).function for slot in slots]


def ours() -> list[Function]:
    """The functions of our captures."""
    return [function for path in CAPTURES for function in captured(path)]


def taken(functions: Sequence[Function], place: Place) -> list[Function]:
    """Those that QEMU takes, by our own word."""
    found = []
    for function in functions:
        try:
            live.check(function, place)
        except Failed as failed:
            assert {one.code for one in failed.diagnostics} == {"VPCI2004"}
        else:
            found.append(function)
    return found


def parameter(one: object) -> str:
    """A board or a place, in the name of a test."""
    return one.machine if isinstance(one, Board) else str(one)
