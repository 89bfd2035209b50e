"""Where the real programs are that judge what we say, and what becomes of a test without its judge."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[1]
REQUIRED = os.environ.get("VPCI_REQUIRE_JUDGES") == "1"
_BIN = ROOT / ".cache" / "judges" / "bin"


def lacking(judge: str) -> NoReturn:
    """There is `judge`, as in "no QEMU here": the test is skipped, or fails where judges are required."""
    if REQUIRED:
        pytest.fail(f"VPCI_REQUIRE_JUDGES=1, and there is {judge}")
    pytest.skip(judge)


def find(variable: str, name: str) -> Path | None:
    """The program that an environment variable names, the fetched one, or the one on the PATH."""
    named = os.environ.get(variable) or (_BIN / name if (_BIN / name).is_file() else shutil.which(name))
    return Path(named) if named else None


def need(variable: str, name: str) -> Path:
    """As `find`; the test does not go on without one."""
    program = find(variable, name)
    if program is None:
        lacking(f"no {name} here (set {variable}, or run tools/fetch-judges.sh --qemu)")
    return program
