"""Capture files of made-up hosts: written, read back, and refused."""

from __future__ import annotations

from pathlib import Path

from hosts import SYSFS, Host
from vpci_compile.capture import Capture, read

from . import reading

E1000E = (SYSFS / "e1000e/config").read_bytes()
SERIAL = slice(0x144, 0x14C)  # in E1000E


def write(folder: Path, text: str | bytes, name: str = "host.capture") -> Path:
    return reading.write(folder, text, name)


def back(host: Host, text: str, slot: str | None = None) -> Capture:
    """The one function, or the one at `slot`, of a capture file with this text."""
    return read(write(host.sysfs, text), slot)


def fails(path: Path, slot: str | None = None) -> str:
    """The whole text of a refusal, with the file's name alone."""
    return reading.fails(path, slot, path.name)
