"""What the tests of captures share."""

from __future__ import annotations

from pathlib import Path

import pytest

from hosts import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with no function yet."""
    return Host(tmp_path / "sys")
