"""The captures that these tests read, and lspci as the judge of their bytes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from catalog.lspci import capture_files
from judges import ROOT, need

OWN = ROOT / "tests" / "captures"
_ROW = re.compile(r"([0-9a-f]{2,3}): ((?:[0-9a-f]{2} ?)+)")


def files() -> list[Path]:
    """Every capture file: ours, and the shared set where there is one."""
    return capture_files()


def lspci_bytes(path: Path) -> list[bytes]:
    """The functions that lspci finds in a dump, in its own order (sorted by slot)."""
    program = need("VPCI_LSPCI", "lspci")
    done = subprocess.run([program, "-F", path, "-xxxx"], capture_output=True, text=True, check=True)
    spaces: list[bytearray] = []
    for line in done.stdout.splitlines():
        row = _ROW.match(line)
        if row and int(row[1], 16) == 0:
            spaces.append(bytearray())
        if row:
            spaces[-1] += bytes.fromhex(row[2])
    return [bytes(space) for space in spaces]
