"""The judge: a real QEMU shows every function as expected, byte for byte and bit for bit."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from emit.judges import ROOT, need
from live import crafted
from vpci_compile import api, live
from vpci_compile.diagnostics import Failed
from vpci_compile.ir import ConfigSpace, Function
from vpci_compile.live import Place, Verdict, qtest, verify
from vpci_compile.live.device import Device

LAYOUTS = sorted(str(path.relative_to(ROOT / "layouts"))[:-5] for path in (ROOT / "layouts").rglob("*.yaml"))
CAPTURES = sorted((ROOT / "tests/captures").glob("*.lspci")) + sorted((ROOT / "tests/captures/sysfs").iterdir())
_BATCH = 12
_MORE = 40  # captures of VPCI_CAPTURES, spread over all of them


@cache
def _qemu() -> Path:
    program = need("VPCI_QEMU", live.PROGRAM)
    if qtest.version(program) < verify.OLDEST_QEMU:
        pytest.skip(f"{program} is older than {verify.OLDEST_QEMU}")
    return program


def _judged(functions: Sequence[Function], place: Place) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for start in range(0, len(functions), _BATCH):
        verdicts.extend(verify.verify(_qemu(), functions[start : start + _BATCH], place))
    return verdicts


def _wrong(verdicts: Sequence[Verdict]) -> list[str]:
    return [
        f"{verdict.function.name}: {one.offset:#x} {one.what}: {one.expected:08x} expected, {one.found:08x} found"
        for verdict in verdicts
        for one in verdict.mismatches
    ]


def _taken(functions: Sequence[Function], place: Place) -> list[Function]:
    """Those that QEMU takes, by our own word."""
    taken = []
    for function in functions:
        try:
            live.check(function, place)
        except Failed as failed:
            assert {one.code for one in failed.diagnostics} == {"VPCI2004"}
        else:
            taken.append(function)
    return taken


@cache
def _capture(path: Path) -> list[Function]:
    try:
        return [api.load(path).function]
    except Failed as failed:
        if failed.diagnostics[0].code != "VPCI1703":
            return []  # a capture that is no function: a hidden device, a header of unknown type
    slots = re.findall(r"^([0-9a-f:]+\.[0-7]) ", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [api.load(path, slot).function for slot in slots]


@pytest.mark.parametrize("place", Place)
def test_shipped_layouts(place: Place) -> None:
    functions = [api.load(name).function for name in LAYOUTS if name != "nvidia/hopper-base"]
    assert _taken(functions, place) == functions
    verdicts = _judged(functions, place)
    assert _wrong(verdicts) == []
    assert [verdict.expected.size for verdict in verdicts].count(256 if place is Place.CONVENTIONAL else 4096) >= 5


@pytest.mark.parametrize("place", Place)
def test_every_rule_of_qemu(place: Place) -> None:
    functions = [crafted.function(name) for name in crafted.NAMES]
    assert _taken(functions, place) == functions
    assert _wrong(_judged(functions, place)) == []


@pytest.mark.parametrize("place", Place)
def test_our_captures(place: Place) -> None:
    functions = [function for path in CAPTURES for function in _capture(path)]
    taken = _taken(functions, place)
    assert len(taken) >= 30
    assert _wrong(_judged(taken, place)) == []


def _shared() -> list[Path]:
    folder = Path(os.environ.get("VPCI_CAPTURES") or ROOT.parent / "shared" / "captures")
    if not folder.is_dir():
        pytest.skip("no more captures here (set VPCI_CAPTURES to a folder of them)")
    paths = sorted(path for path in folder.glob("*.lspci") if "-bridge-" not in path.name)
    return paths[:: max(1, len(paths) // _MORE)]


def test_captures_of_real_devices() -> None:
    taken = _taken([function for path in _shared() for function in _capture(path)], Place.PORT)
    assert len(taken) >= _MORE // 2
    assert _wrong(_judged(taken, Place.PORT)) == []


# -- the judge can tell --------------------------------------------------------------------------------------------


def _set(config: ConfigSpace, name: str, at: int, bit: int, *, on: bool) -> ConfigSpace:
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
        self.config = _set(self.config, name, at, bit, on=on)
        self.reset()

    monkeypatch.setattr(Device, "__init__", other)
    (verdict,) = verify.verify(_qemu(), [api.load("nvidia/gh200").function], Place.PORT)
    assert {one.offset for one in verdict.mismatches} == {at & ~3}
    assert {one.what for one in verdict.mismatches} == whats
    assert {(one.expected ^ one.found) >> 8 * (at & 3) for one in verdict.mismatches} == {bit}
