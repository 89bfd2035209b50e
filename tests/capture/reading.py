"""Captures of one function and of many, spoilt on purpose, and how they are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpci_compile.capture import Capture, read
from vpci_compile.diagnostics import Failed, render_text

from .judge import OWN

E1000E = OWN / "e1000e.lspci"
Q35 = OWN / "q35-all.lspci"


def write(folder: Path, text: str | bytes, name: str = "dump.lspci") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def codes(capture: Capture) -> list[str]:
    return [d.code for d in capture.diagnostics]


def fails(path: Path, slot: str | None = None, shown: str | None = None) -> str:
    """The whole text of a refusal."""
    with pytest.raises(Failed) as caught:
        read(path, slot, shown)
    return render_text(caught.value.diagnostics)


def make_device(folder: Path, slot: str = "0000:3d:00.0", **attributes: str | bytes) -> Path:
    device = folder / slot
    device.mkdir(parents=True)
    for name, value in {"config": read(E1000E).data, **attributes}.items():
        (device / name).write_bytes(value if isinstance(value, bytes) else value.encode())
    return device
