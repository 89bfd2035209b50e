"""Where the real programs are that judge the QEMU and ACPI outputs: real QEMU and iasl."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_BIN = ROOT / ".cache" / "judges" / "bin"


def find(variable: str, name: str) -> Path | None:
    """The program that an environment variable names, the fetched one, or the one on the PATH."""
    named = os.environ.get(variable) or (_BIN / name if (_BIN / name).is_file() else shutil.which(name))
    return Path(named) if named else None


def need(variable: str, name: str) -> Path:
    """As `find`; without one the test is skipped, or fails where judges are required."""
    program = find(variable, name)
    if program is None:
        text = f"no {name} here (set {variable}, or run tools/fetch-judges.sh --qemu)"
        if os.environ.get("VPCI_REQUIRE_JUDGES") == "1":
            pytest.fail(f"VPCI_REQUIRE_JUDGES=1, and there is {text}")
        pytest.skip(text)
    return program
