"""A real Linux, booted in QEMU with served functions, finds what is expected: every byte but what it wrote itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiling import compiled
from live import crafted
from live.functions import families, ours, parameter, taken
from live.guests import need_guest
from live.test_verify import set_bit
from vpci_compile import api
from vpci_compile.ir import Function
from vpci_compile.live import Place, Verdict, guest, sight, verdict_text
from vpci_compile.live.board import Q35, VIRT, Board
from vpci_compile.live.device import Device
from vpci_compile.live.qtest import QemuError
from vpci_compile.live.sight import Sight

_BATCH = 18
_OTHERS = (
    "ari first",
    "nothing at 0x100",
    "rebar with sizes",
    "unaligned pointers",
    "legacy endpoint",
    "multifunction",
)


def _seen(board: Board, functions: list[Function], place: Place, *, iommu: bool = False) -> list[Sight]:
    program, system = need_guest(board)
    return sight.see(program, system, functions, place, iommu=iommu)


def _wrong(sights: list[Sight]) -> list[tuple[str, int, int, object]]:
    return [(one.function.name, one.reach, len(one.found), one.mismatches[:3]) for one in sights if not one.good]


_THREE = [(Q35, Place.PORT), (Q35, Place.CONVENTIONAL), (VIRT, Place.ROOT)]


@pytest.mark.parametrize(("board", "place"), _THREE, ids=parameter)
def test_shipped_layouts_and_rules_of_qemu(board: Board, place: Place) -> None:
    functions = [*families(), *(crafted.function(name) for name in _OTHERS)]
    sights = _seen(board, functions, place)
    assert _wrong(sights) == []
    assert all(re.fullmatch(r"\d+\.\d+.*", one.release) for one in sights)
    assert len([one for one in sights if one.changed]) > len(functions) // 2  # it is alive
    assert {one.reach for one in sights} == ({256} if place is Place.CONVENTIONAL else {256, 4096})


@pytest.mark.parametrize(("board", "place"), [(Q35, Place.ROOT), (VIRT, Place.PORT)], ids=parameter)
def test_our_captures(board: Board, place: Place) -> None:
    """Half of them on each machine: a boot takes long."""
    functions = taken(ours()[board is VIRT :: 2], place)
    assert len(functions) >= 15
    for start in range(0, len(functions), _BATCH):
        assert _wrong(_seen(board, functions[start : start + _BATCH], place)) == []


_SVM = """
bars:
  0: {kind: mem64, prefetchable: true, size: 64K, source: synthesized}
capabilities:
  - {cap: pcie, at: 0x40, source: synthesized, fields: {flags: {version: 2, type: endpoint}, ee_prefix: 1}}
extended:
  - {cap: ats, at: 0x100, source: synthesized, fields: {page_aligned: 1}}
  - {cap: pri, at: 0x110, source: synthesized, fields: {max_requests: 64, status.pasid_required: 1}}
  - {cap: pasid, at: 0xff8, source: synthesized, fields: {max_width: 20, exec: 1, priv: 1}}
"""


def test_linux_turns_on_ats_pri_and_a_synthesized_pasid() -> None:
    """With an IOMMU that can them: VT-d in scalable mode."""
    names = ["generic/sriov-vf-pasid", "generic/synthetic-accelerator"]
    sights = _seen(Q35, [compiled(_SVM), *(api.load(name).function for name in names)], Place.PORT, iommu=True)
    assert _wrong(sights) == []
    written = [{row.name: row for row in sight.written(one)} for one in sights]
    assert "enable=1" in written[0]["pri.ctrl"].fields
    assert written[0]["pri.allocated"].after > 0
    assert [rows["pasid.ctrl"].offset for rows in written] == [0xFFE, 0xFFE, 0x126]
    for rows in written:
        assert "enable=1" in rows["pasid.ctrl"].fields
        assert "enable=1" in rows["ats.ctrl"].fields


def test_without_an_iommu_it_turns_on_none_of_them() -> None:
    (one,) = _seen(Q35, [compiled(_SVM)], Place.PORT)
    assert _wrong([one]) == []
    assert not {"ats.ctrl", "pri.ctrl", "pasid.ctrl"} & {row.name for row in sight.written(one)}


# -- the judge can tell --------------------------------------------------------------------------------------------


def test_a_server_that_shows_something_else_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """One bit that nobody may write is enough; so is a function that Linux does not find, or reads less of."""
    gh200, minimal = (api.load(name).function for name in ("nvidia/gh200", "minimal"))
    absent, short = replace(minimal, name="absent"), replace(gh200, name="short")
    made = Device.__init__

    def other(self: Device, function: Function, *rest: Any) -> None:
        made(self, function, *rest)
        if function.name == "absent":
            self.config = crafted.changed(function, {0x00: b"\xff\xff\xff\xff"}).config
        elif function.name == "short":
            self.config = crafted.changed(function, {0x06: b"\0", 0x34: b"\0"}).config
        elif function.name == gh200.name:
            self.config = set_bit(self.config, "value", 0x800, 0x10, on=True)
        self.reset()

    monkeypatch.setattr(Device, "__init__", other)
    sights = _seen(Q35, [gh200, absent, short, minimal], Place.PORT)
    changed, nothing, less, _ = sights
    assert [(one.offset, one.expected ^ one.found) for one in changed.mismatches] == [(0x800, 0x10)]
    assert [one.good for one in sights] == [False, False, False, True]
    assert (nothing.found, len(less.found), less.reach) == (b"", 256, 4096)
    texts = [
        verdict_text.render(Verdict(one.function, Place.PORT, one.expected, (), ()), (11, 1), one).splitlines()
        for one in sights
    ]
    assert [text[-1] for text in texts] == 3 * ["not what the guest should see"] + ["the guest sees what it should"]
    assert "  0x800  in Linux: 00000000 expected, the guest reads 00000010" in texts[0]
    assert " 4095 of 4096 as expected: " in texts[0][3]
    assert texts[1][3].endswith(" it finds no function at this place")
    assert texts[2][3].endswith("; it reads 256 bytes")


def test_a_guest_that_panics() -> None:
    program, system = need_guest(Q35)
    with pytest.raises(QemuError, match=r"^the guest ended too soon: .*Kernel panic"):
        guest.boot(program, system, [], "exit 1")


def test_a_guest_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    program, system = need_guest(Q35)
    monkeypatch.setattr(guest, "BOOT_S", 0.5)
    with pytest.raises(QemuError, match=r"^the guest was not done within 0 s: it said nothing"):
        guest.boot(program, system, [], "sleep 1000")


def test_a_qemu_that_does_not_know_an_option() -> None:
    program, system = need_guest(Q35)
    with pytest.raises(QemuError, match=r"^the guest ended too soon: .*no-such-device"):
        guest.boot(program, system, ["-device", "no-such-device"], "true")


# -- the command ---------------------------------------------------------------------------------------------------


QUIRK = "[VPCI1330]"  # firmware moves the capabilities of this device, which is said


def _command(program: Path, *arguments: str) -> list[str]:
    command = [sys.executable, "-m", "vpci_compile", "verify", "generic/sriov-vf-pasid", "--qemu", str(program)]
    return [*command, *arguments]


def test_verify_guest_is_one_screen() -> None:
    program, _ = need_guest(Q35)
    ran = subprocess.run(_command(program, "--guest", "--iommu"), capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and re.findall(r"\[VPCI\d+\]", ran.stderr) == [QUIRK]
    text = re.sub(r"(QEMU|Linux) \d[\d.]* *", r"\1 X ", ran.stdout).replace("X ,", "X,")
    text = re.sub(
        r"    0x01\d  header.bar\d: 0000000[0c] -> [0-9a-f]{8}\n", "", text
    )  # an address has one half or both
    text = re.sub(r"\d+ writable", "N writable", re.sub(r"\d+ as at reset, \d+", "N as at reset, N", text))
    assert text == (
        "sriov-vf-pasid in QEMU X, behind a root port\n"
        "  bytes at reset   4096 of 4096 as expected\n"
        "  writes           1024 of 1024 dwords as expected (N writable bits)\n"
        "  in Linux X 4096 of 4096 as expected: N as at reset, N it wrote\n"
        "  QEMU shows the image as it is\n"
        "  what Linux wrote, where it may:\n"
        "    0x068  pcie.devctl: 0000 -> 0100  (ext_tag=1)\n"
        "    0x14e  ats.ctrl: 0000 -> 8000  (enable=1)\n"
        "    0xffe  pasid.ctrl: 0000 -> 0005  (enable=1, priv_enable=1)\n"
        "the guest sees what it should\n"
    )


def test_verify_on_virt() -> None:
    program, _ = need_guest(VIRT)
    ran = subprocess.run(_command(program, "--machine", "virt"), capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and re.findall(r"\[VPCI\d+\]", ran.stderr) == [QUIRK]
    assert re.match(r"sriov-vf-pasid in QEMU [\d.]+ \(virt\), behind a root port\n", ran.stdout)
    assert ran.stdout.endswith("the guest sees what it should\n")


def test_verify_takes_its_qemu_with_it(tmp_path: Path) -> None:
    """SIGTERM in the middle of a boot: no QEMU is left behind."""
    program, _ = need_guest(Q35)
    wrapper, written = tmp_path / "qemu", tmp_path / "pid"
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in *-initrd*) echo $$ >"{written}" ;; esac\nexec "{program}" "$@"\n', encoding="utf-8"
    )
    wrapper.chmod(0o755)
    with subprocess.Popen(_command(wrapper, "--guest"), stdout=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 60
        while not (written.exists() and written.read_text(encoding="utf-8")):
            assert time.monotonic() < deadline and running.poll() is None
            time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=30) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(written.read_text(encoding="utf-8")), 0)


@pytest.mark.parametrize("arguments", ["--iommu", "--kernel vmlinuz", "--guest --machine virt --iommu"])
def test_options_that_do_not_go_together(arguments: str) -> None:
    command = [sys.executable, "-m", "vpci_compile", "verify", "minimal", *arguments.split()]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert f"Invalid value for {'--kernel' if 'kernel' in arguments else '--iommu'}: " in ran.stderr
