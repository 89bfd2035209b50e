"""The judge: a real QEMU shows every function as expected, byte for byte and bit for bit."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from judges import ROOT
from live import crafted
from live.functions import captured, ours, parameter, shipped, taken
from live.judging import judged, qemu, wrong
from vpci_compile import api
from vpci_compile.ir import ConfigSpace
from vpci_compile.live import Place, verify
from vpci_compile.live.board import Q35, VIRT, Board
from vpci_compile.live.device import Device

_MORE = 40  # captures of VPCI_CAPTURES, spread over all of them


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("board", [Q35, VIRT], ids=parameter)
def test_shipped_layouts(board: Board, place: Place) -> None:
    functions = taken(shipped(), place)
    assert {one.name for one in shipped()} - {one.name for one in functions} == {"pex890xx-port"}  # a bridge
    verdicts = judged(functions, place, board)
    assert wrong(verdicts) == []
    assert [verdict.expected.size for verdict in verdicts].count(256 if place is Place.CONVENTIONAL else 4096) >= 5


_EVERYWHERE = [*((Q35, place) for place in Place), (VIRT, Place.ROOT)]


@pytest.mark.parametrize(("board", "place"), _EVERYWHERE, ids=parameter)
def test_every_rule_ofqemu(board: Board, place: Place) -> None:
    functions = [crafted.function(name) for name in crafted.NAMES]
    assert taken(functions, place) == functions
    assert wrong(judged(functions, place, board)) == []


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("board", [Q35, VIRT], ids=parameter)
def test_our_captures(board: Board, place: Place) -> None:
    functions = taken(ours(), place)
    assert len(functions) >= 30
    assert wrong(judged(functions, place, board)) == []


def _shared() -> list[Path]:
    folder = Path(os.environ.get("VPCI_CAPTURES") or ROOT.parent / "shared" / "captures")
    if not folder.is_dir():
        pytest.skip("no more captures here (set VPCI_CAPTURES to a folder of them)")
    paths = sorted(path for path in folder.glob("*.lspci") if "-bridge-" not in path.name)
    return paths[:: max(1, len(paths) // _MORE)]


def test_captures_of_real_devices() -> None:
    functions = taken([function for path in _shared() for function in captured(path)], Place.PORT)
    assert len(functions) >= _MORE // 2
    assert wrong(judged(functions, Place.PORT)) == []


# -- the judge can tell --------------------------------------------------------------------------------------------


def set_bit(config: ConfigSpace, name: str, at: int, bit: int, *, on: bool) -> ConfigSpace:
    octets = bytearray(getattr(config, name))
    octets[at] = octets[at] | bit if on else octets[at] & ~bit
    return replace(config, **{name: bytes(octets)})


@pytest.mark.parametrize(
    ("name", "at", "bit", "on", "whats"),
    [
        ("value", 0x800, 0x10, True, {verify.RESET, verify.ONES, verify.AFTER}),
        ("writable", 0x800, 0x10, True, {verify.ONES, verify.AFTER}),
        ("writable", 0x0C, 0x10, False, {verify.ONES}),
        ("w1c", 0x62, 0x02, True, {verify.ONES, verify.ZEROS, verify.BACK, verify.AFTER}),
    ],
)
def test_a_server_that_shows_something_else_is_found_out(
    name: str, at: int, bit: int, on: bool, whats: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bit is enough."""
    made = Device.__init__

    def other(self: Device, *rest: Any) -> None:
        made(self, *rest)
        self.config = set_bit(self.config, name, at, bit, on=on)
        self.reset()

    monkeypatch.setattr(Device, "__init__", other)
    (verdict,) = verify.verify(qemu(), [api.load("nvidia/gh200").function], Place.PORT)
    assert {one.offset for one in verdict.mismatches} == {at & ~3}
    assert {one.what for one in verdict.mismatches} == whats
    assert {(one.expected ^ one.found) >> 8 * (at & 3) for one in verdict.mismatches} == {bit}
