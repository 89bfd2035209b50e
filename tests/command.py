"""The command line, in this process and in one of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Done(NamedTuple):
    """What a command came to: its exit status, and both of its streams."""

    status: int
    out: str
    err: str


Run = Callable[..., Done]


def process(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own; `options` are those of subprocess.run."""
    command = [sys.executable, "-m", "vpci_compile", *map(str, arguments)]
    return subprocess.run(command, timeout=60, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]
