"""The firmware test suite of Canonical (fwts) as a judge of tables: it reads a dump, as acpidump writes one."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from judges import need

_ROW = 16
_ADDRESS = 0x10_0000  # where a dump says that a table was; fwts wants one, and no two the same


def dump(tables: Sequence[bytes]) -> str:
    """Tables as acpidump writes them."""
    text = ""
    for number, table in enumerate(tables, 1):
        text += f"{table[:4].decode('latin-1')} @ {number * _ADDRESS:#018x}\n"
        for at in range(0, len(table), _ROW):
            row = table[at : at + _ROW]
            plain = "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in row)
            text += f"  {at:04X}: {row.hex(' ').upper():<47}  {plain}\n"
        text += "\n"
    return text


def complaints(tables: Sequence[bytes], folder: Path) -> list[str]:
    """What its tests of the three tables find fault with: "SRATReservedBitsNonZero: ..."."""
    names = sorted({table[:4].decode("ascii").lower() for table in tables})
    (folder / "acpidump.txt").write_text(dump(tables), encoding="ascii")
    done = subprocess.run(
        [need("VPCI_FWTS", "fwts"), "--dumpfile=acpidump.txt", "-r", "stdout", "-q", *names],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    found = re.findall(r"FAILED \[\w+\] (\w+): Test \d+, (.*)", said)
    passed = re.findall(r"^(\d+) passed, (\d+) failed", said, re.MULTILINE)
    assert len(passed) == len(names) + 1, said  # each test, and the sum
    assert bool(found) == bool(done.returncode), said
    return [f"{name}: {text}" for name, text in found]
