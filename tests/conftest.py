"""What tests of all kinds share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from command import Done, Run
from vpci_compile import cli

# How long an example takes is the machine's affair: no test fails on a timing.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["vpci-compile", *map(str, arguments)])
        capsys.readouterr()
        status = cli.main()
        return Done(status, *capsys.readouterr())

    return call
