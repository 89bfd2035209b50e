"""The command `capture`: what it prints, writes and returns; and that every command takes its file."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from command import Run
from hosts import SYSFS, Host
from vpci_compile import api
from vpci_compile.capture import read

E1000E = (SYSFS / "e1000e/config").read_bytes()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path / "sys")
    monkeypatch.setattr(api, "capture_host", functools.partial(api.capture_host, sysfs=made.sysfs))
    monkeypatch.chdir(tmp_path)
    return made


def test_to_a_file(host: Host, run: Run) -> None:
    host.add("0000:01:00.0")
    assert run("capture", "01:00.0", "-o", "nic.capture") == (0, "nic.capture  (1 function)\n", "")
    assert read(Path("nic.capture")).data == E1000E


def test_to_standard_output(host: Host, run: Run) -> None:
    host.add("0000:01:00.0")
    status, out, err = run("capture", "0000:01:00.0")
    assert (status, err) == (0, "") and json.loads(out)["vpci-capture"] == 1


def test_all(host: Host, run: Run) -> None:
    host.add("0000:01:00.0")
    host.add("0000:02:00.0", like="igb")
    assert run("capture", "--all", "-o", "host.capture")[1] == "host.capture  (2 functions)\n"
    assert run("import", "host.capture")[0] == 1
    assert run("import", "host.capture", "--slot", "02:00.0")[0] == 0


def test_what_is_there_is_not_written_over(host: Host, run: Run) -> None:
    host.add("0000:01:00.0")
    Path("nic.capture").write_text("mine")
    status, _, err = run("capture", "01:00.0", "-o", "nic.capture")
    assert status == 2 and "--force writes over it" in err and Path("nic.capture").read_text() == "mine"
    assert run("capture", "01:00.0", "-o", "nic.capture", "--force")[0] == 0


def test_what_is_incomplete_is_written_and_is_a_no(host: Host, run: Run) -> None:
    host.add("0000:01:00.0", E1000E[:64])
    status, out, err = run("capture", "--all", "-o", "nic.capture")
    assert status == 1 and out == "nic.capture  (1 function)\n" and "warning[VPCI1726]" in err
    assert len(read(Path("nic.capture")).data) == 64


@pytest.mark.parametrize("arguments", [[], ["--all", "01:00.0"], ["--redact"]])
def test_which_functions(host: Host, run: Run, arguments: list[str]) -> None:
    host.add("0000:01:00.0")
    status, out, err = run("capture", *arguments)
    assert status == 2 and not out and "say which functions, or --all" in err


def test_no_such_function(host: Host, run: Run) -> None:
    host.add("0000:01:00.0")
    status, _, err = run("capture", "77:00.0", "-o", "x.capture")
    assert status == 1 and "error[VPCI1702]" in err and not Path("x.capture").exists()


def test_every_command_takes_the_file(host: Host, run: Run) -> None:
    host.add("0000:01:00.0")
    host.add("0000:02:00.0")
    run("capture", "--all", "-o", "a.capture")
    run("capture", "--all", "--redact", "-o", "b.capture")
    run("import", "a.capture", "--slot", "01:00.0", "-o", "nic.yaml")
    for arguments in (
        ["show", "a.capture", "--slot", "01:00.0"],
        ["explain", "b.capture", "0x144", "--slot", "01:00.0"],
        ["diff", "--raw", "nic.yaml", "a.capture", "--dst-slot", "02:00.0"],
        ["diff", "--raw", "nic.yaml", "b.capture", "--dst-slot", "01:00.0"],
    ):
        status, out, err = run(*arguments)
        assert status == 0 and out, (arguments, err)


def test_a_layout_can_name_it(host: Host, run: Run) -> None:
    host.add("0000:01:00.0")
    run("capture", "--all", "--redact", "-o", "a.capture")
    run("import", "a.capture", "-o", "nic.yaml")
    text = Path("nic.yaml").read_text()
    head, _, rest = text.partition("physical:")
    Path("nic.yaml").write_text(f"{head}physical:\n  capture: a.capture\n{rest.partition(chr(10))[2]}")
    status, _, err = run("check", "nic.yaml")
    assert status == 0, err
