"""What goes to which stream: diagnostics for programs, colours for terminals, and faults of ours."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from command import Done, Run, process
from vpci_compile.cli import outcome

from .inputs import ESCAPE, MINIMAL

# -- diagnostics for programs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "build"])
def test_json(run: Run, command: str) -> None:
    fine = run(command, "nic.yaml", "--format", "json")
    assert fine == Done(0, "[]\n", "")
    bad = run(command, "bad.yaml", "--format", "json")
    assert (bad.status, bad.err) == (1, "")
    rows = json.loads(bad.out)
    assert [row["code"] for row in rows] == ["VPCI1101", "VPCI1103"]
    for row in rows:
        assert row["severity"] == "error" and row["path"] == "bad.yaml" and row["line"] == 6 and row["column"] > 0
        assert row["message"] and isinstance(row["helps"], list) and isinstance(row["labels"], list)


@pytest.mark.parametrize("command", ["check", "build"])
def test_sarif(run: Run, command: str) -> None:
    Path("a b").mkdir()
    shutil.copy("bad.yaml", "a b/é.yaml")
    for name, status, codes in (("nic.yaml", 0, []), ("a b/é.yaml", 1, ["VPCI1101", "VPCI1103"])):
        done = run(command, name, "--format", "sarif")
        assert (done.status, done.err) == (status, "")
        log = json.loads(done.out)
        assert log["version"] == "2.1.0" and log["$schema"].startswith("https://")
        (ran,) = log["runs"]
        assert ran["columnKind"] == "unicodeCodePoints"
        driver = ran["tool"]["driver"]
        assert driver["name"] == "vpci-compile"
        assert [rule["id"] for rule in driver["rules"]] == codes
        assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
        assert [result["ruleId"] for result in ran["results"]] == codes
        for result in ran["results"]:
            assert result["level"] == "error" and result["message"]["text"]
            (place,) = result["locations"]
            assert place["physicalLocation"]["artifactLocation"]["uri"] == "a%20b/%C3%A9.yaml"
            region = place["physicalLocation"]["region"]
            assert region["startLine"] == 6 and 1 <= region["startColumn"] < region["endColumn"]


def test_the_format_of_one_call_is_not_that_of_the_next(run: Run) -> None:
    run("check", "nic.yaml", "--format", "json")
    assert "error[VPCI1001]" in run("show", "nosuch").err


# -- streams -------------------------------------------------------------------------------------------------------


def on_a_terminal(*arguments: str, folder: Path, **variables: str) -> str:
    """What the program writes to a terminal, both streams."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", **variables}
    command = [sys.executable, "-m", "vpci_compile", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=theirs, stderr=theirs, stdin=theirs, env=environment) as started:
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):  # Linux: the other side is closed
            while piece := os.read(ours, 65536):
                text += piece
        os.close(ours)
        assert started.wait(60) == 1
    return text.decode()


def test_colours_are_for_terminals_alone(run: Run, tmp_path: Path) -> None:
    assert ESCAPE in on_a_terminal("check", "bad.yaml", folder=tmp_path, NO_COLOR="")
    assert ESCAPE not in on_a_terminal("check", "bad.yaml", folder=tmp_path, NO_COLOR="1")
    assert ESCAPE not in on_a_terminal("check", "bad.yaml", folder=tmp_path, TERM="dumb", NO_COLOR="")
    assert ESCAPE not in run("check", "bad.yaml").err


@pytest.mark.parametrize("command", [("schema",), ("show", "nvidia/gh200"), ("check", "nosuch", "--format", "json")])
def test_a_reader_that_goes_away(command: tuple[str, ...]) -> None:
    line = f"{sys.executable} -m vpci_compile {' '.join(command)} | head -c 1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=True)
    assert (len(done.stdout), done.stderr) == (1, "")


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full"])
def test_output_that_cannot_be_written_is_no_success(tmp_path: Path, redirection: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    line = f"{sys.executable} -m vpci_compile check minimal {redirection}"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"vpci-compile: cannot write to standard output: .*\n", done.stderr)


def test_a_working_folder_that_is_gone(tmp_path: Path) -> None:
    line = f"mkdir gone; cd gone; rmdir ../gone; {sys.executable} -m vpci_compile check minimal"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("vpci-compile: the working folder is gone")


def test_no_error_stream_and_a_poor_encoding(tmp_path: Path) -> None:
    line = f"{sys.executable} -m vpci_compile check nosuch 2>&-"
    assert subprocess.run(["sh", "-c", line], cwd=tmp_path, timeout=60, check=False).returncode == 1
    (tmp_path / "x.yaml").write_text(MINIMAL.replace("device: minimal", "device: é"), encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for form in ("text", "json"):
        done = process("check", "x.yaml", "--format", form, cwd=tmp_path, env=environment, capture_output=True)
        assert done.returncode == 1 and "fault" not in done.stderr and "VPCI1103" in done.stdout + done.stderr


# -- a fault of ours -----------------------------------------------------------------------------------------------


def test_a_fault_of_ours_is_70_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_into_it() -> None:
        raise ZeroDivisionError("on \x1b[31m purpose")

    monkeypatch.delenv("VPCI_COMPILE_TRACEBACK", raising=False)
    assert outcome.guarded(run_into_it) == 70
    told = capsys.readouterr().err
    assert "a fault of ours: ZeroDivisionError: on .[31m purpose" in told and "Traceback" not in told
    monkeypatch.setenv("VPCI_COMPILE_TRACEBACK", "1")
    assert outcome.guarded(run_into_it) == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert outcome.guarded(interrupted) == 130
    assert capsys.readouterr() == ("", "")
