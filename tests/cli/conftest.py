"""The folder that the commands run in."""

from __future__ import annotations

from pathlib import Path

import pytest

from command import Run

from .inputs import MINIMAL


@pytest.fixture
def run(run: Run) -> Run:
    """The command line in a folder with nic.yaml (fine) and bad.yaml (two errors)."""
    Path("nic.yaml").write_text(MINIMAL.replace("device: minimal", "device: nic"))
    Path("bad.yaml").write_text(MINIMAL.replace("vendor: 0x1234", "vender: 0x1234, revision: 0x100"))
    return run
