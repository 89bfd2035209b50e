"""Every command of docs/tutorial.md, as it stands, in an empty folder: it says what the page says that it says."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from compiling import ROOT
from judges import need
from vpci_compile import cli

_PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_STATUS = re.compile(r"\[exit status (\d+)\]")


def steps() -> list[tuple[str, list[str]]]:
    """(command, lines below it), and (file name with a colon, its lines), in the order of the page."""
    found: list[tuple[str, list[str]]] = []
    for _, title, body in _BLOCK.findall(_PAGE):
        if title:
            found.append((f"{title}:", body.splitlines()))
            continue
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            found.append((command, lines))
    return found


def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    copied = re.search(r"^    cp \.\./(\S+) (\S+)$", _PAGE, re.MULTILINE)
    assert copied
    shutil.copy(ROOT / copied[1], copied[2])
    done = 0
    for command, lines in steps():
        if command.endswith(":"):
            Path(command[:-1]).write_text("\n".join(lines) + "\n", encoding="utf-8")
            continue
        program, *arguments = shlex.split(command)
        assert program == "vpci-compile"
        if arguments[0] == "verify":  # the last step: it takes a real QEMU
            assert done == len([one for one, _ in steps() if not one.endswith(":")]) - 1
            arguments += ["--qemu", str(need("VPCI_QEMU", "qemu-system-x86_64"))]
        status = int(next((match[1] for line in lines if (match := _STATUS.fullmatch(line))), 0))
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        assert cli.main() == status, command
        out, err = capsys.readouterr()
        for line in lines:
            assert _STATUS.fullmatch(line) or line in out + err, (command, line, out)
        done += 1
    assert done >= 10
