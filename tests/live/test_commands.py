"""`verify` and `serve` as a person meets them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from judges import ROOT, need
from live.crafted import NIC
from vpci_compile import api, live
from vpci_compile.diagnostics import Failed
from vpci_compile.ir import ConfigSpace
from vpci_compile.live import Mismatch, Place, Verdict, verdict_text, verify

_ENVIRONMENT = {**os.environ, "COLUMNS": "120"}


def _run(*arguments: str, path: str | None = None) -> tuple[int, str, str]:
    environment = _ENVIRONMENT if path is None else {**_ENVIRONMENT, "PATH": path}
    done = subprocess.run(
        [sys.executable, "-m", "vpci_compile", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )
    return done.returncode, done.stdout, done.stderr


def test_verify_prints_one_screen() -> None:
    qemu = need("VPCI_QEMU", live.PROGRAM)
    status, out, err = _run("verify", "generic/synthetic-accelerator", "--place", "port", "--qemu", str(qemu))
    release = ".".join(str(part) for part in live.find_qemu(qemu)[1])
    assert (status, err) == (0, "")
    assert re.sub(r"\(\d+ writable", "(N writable", out) == (
        f"synthetic-accelerator in QEMU {release}, behind a root port\n"
        "  bytes at reset   4096 of 4096 as expected\n"
        "  writes           1024 of 1024 dwords as expected (N writable bits)\n"
        "  what QEMU makes of the image, and we expect of it:\n"
        "    0x04a  QEMU shows an integrated endpoint as one with a link, below a port "
        "[vfio_setup_pcie_cap, executed]\n"
        "    0x054  QEMU shows a link of one lane at 2.5 GT/s (LNKCAP, LNKCTL), because the function sits below a port "
        "[vfio_setup_pcie_cap, executed]\n"
        "the guest sees what it should\n"
    )


def test_verify_takes_the_place_of_the_layout_and_a_capture() -> None:
    qemu = str(need("VPCI_QEMU", live.PROGRAM))
    assert "on the root bus" in _run("verify", "generic/synthetic-accelerator", "--qemu", qemu)[1]
    status, out, _ = _run(
        "verify", str(ROOT / "tests/captures/q35-all.lspci"), "--slot", "0000:00:0c.0", "--qemu", qemu
    )
    assert (status, out.splitlines()[-1]) == (0, "the guest sees what it should")


def test_wrong_usage() -> None:
    assert _run("verify", NIC, "--slot", "00:00.0")[0] == 2
    assert _run("verify", NIC, "--place", "moon")[0] == 2
    assert _run("serve", NIC)[0] == 2
    assert _run("verify", "no-such-layout")[0] == 1


def test_help_teaches_by_example() -> None:
    for command in ("serve", "verify"):
        status, out, _ = _run(command, "--help")
        assert status == 0
        assert f"  vpci-compile {command} nvidia/gh200" in out
        assert max(map(len, out.splitlines())) <= 120


def test_nothing_live_is_imported_by_other_commands() -> None:
    text = "import sys; sys.argv = ['x', 'check', 'minimal']; from vpci_compile import cli; cli.main(); "
    text += "print([name for name in sys.modules if 'live' in name])"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['vpci_compile.cli.live_commands']"


# -- which QEMU ----------------------------------------------------------------------------------------------------


def _fake(folder: Path, release: str) -> Path:
    folder.mkdir()
    path = folder / live.PROGRAM
    path.write_text(f"#!/bin/sh\necho 'QEMU emulator version {release}'\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_the_first_qemu_that_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = _fake(tmp_path / "old", "7.2.22"), _fake(tmp_path / "new", "10.1.0")
    monkeypatch.setattr("vpci_compile.resources.cache_file", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path / "old"), prepend=os.pathsep)
    with pytest.raises(Failed, match=r"VPCI2002: this is QEMU 7\.2"):
        live.find_qemu(None)
    with pytest.raises(Failed, match="VPCI2002"):
        live.find_qemu(old)
    assert live.find_qemu(new) == (new, (10, 1))
    monkeypatch.setattr("vpci_compile.resources.cache_file", lambda name: new)
    assert live.find_qemu(None) == (new, (10, 1))
    monkeypatch.setenv("PATH", str(tmp_path / "new"), prepend=os.pathsep)
    assert live.find_qemu(None) == (new, (10, 1))
    assert live.find_qemu(Path(live.PROGRAM)) == (new, (10, 1))


def test_no_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpci_compile.resources.cache_file", lambda name: tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failed, match="VPCI2001: there is no such program"):
        live.find_qemu(None)


def test_a_qemu_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    qemu = _fake(tmp_path / "bin", "11.1.3")
    qemu.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    monkeypatch.setattr("vpci_compile.live.qtest.RUN_S", 0.3)
    monkeypatch.setattr("vpci_compile.live.qtest.START_S", 0.3)
    with pytest.raises(Failed, match=r"VPCI2003: .*no answer within"):
        live.judge(api.load("minimal").function, qemu, Place.PORT)
    with pytest.raises(Failed, match=r"VPCI2001: .*no answer within"):
        live.find_qemu(qemu)


def test_a_qemu_that_talks_nonsense(tmp_path: Path) -> None:
    qemu = _fake(tmp_path / "bin", "11.1.3")
    qemu.write_text("#!/bin/sh\nread line\necho FAIL you\nexec sleep 60\n", encoding="utf-8")
    with pytest.raises(Failed, match=r"VPCI2003: .*it answered 'FAIL you'"):
        live.judge(api.load("minimal").function, qemu, Place.PORT)


# -- the screen ----------------------------------------------------------------------------------------------------


def _verdict(*mismatches: Mismatch) -> Verdict:
    function = api.load("nvidia/gh200").function
    config: ConfigSpace = replace(function.config)
    return Verdict(function, Place.PORT, config, (), mismatches)


def test_a_mismatch_is_named() -> None:
    text = verdict_text.render(
        _verdict(
            Mismatch(0x04, verify.RESET, 0x00100000, 0x00100103),
            Mismatch(0x68, verify.ONES, 0x1, 0x0),
            Mismatch(0x68, verify.ZEROS, 0x0, 0x1),
        ),
        (11, 1),
    )
    assert text.splitlines()[1:3] == [
        "  bytes at reset   4094 of 4096 as expected",
        f"  writes           1023 of 1024 dwords as expected ({_writable()} writable bits)",
    ]
    assert text.splitlines()[-4:] == [
        "  0x004  at reset: 00100000 expected, the guest reads 00100103  (header.command, header.status)",
        "  0x068  after writing ones: 00000001 expected, the guest reads 00000000  (pcie.devctl, pcie.devsta)",
        "  0x068  after writing zeros: 00000000 expected, the guest reads 00000001  (pcie.devctl, pcie.devsta)",
        "not what the guest should see",
    ]


def _writable() -> int:
    return sum(octet.bit_count() for octet in api.load("nvidia/gh200").function.config.writable)


def test_many_mismatches_are_one_screen() -> None:
    rows = [Mismatch(at, verify.RESET, 0, 1) for at in range(0, 4096, 4)]
    lines = verdict_text.render(_verdict(*rows), (11, 1)).splitlines()
    assert len(lines) <= 31 and "  and 1000 more" in lines
