"""The rig of a session: one Linux, started once per worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .judged import need_rig
from .rig import Rig


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    with need_rig() as made:
        yield made
