"""A `serve` process to be attacked: what it holds, and whether it is still whole."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from compiling import HEAD
from live.client import CONFIG, Client, wait_for
from vpci_compile import api

LAYOUT = """
header: {interrupt_pin: 1}
bars:
  0: {kind: mem64, size: 64K, source: synthesized, backing: {length: 0xC000, beyond: ones}, enable: ignore}
  2: {kind: mem32, size: 4K, source: synthesized}
  3: {kind: io, size: 32, source: synthesized}
  rom: {kind: rom, size: 4K, source: synthesized}
capabilities:
  - {cap: pm, at: 0x40, source: synthesized}
  - {cap: msi, at: 0x50, source: synthesized, fields: {multi_capable: 3}}
  - {cap: pcie, at: 0x70, source: copied, fields: {flags: {version: 2}, devcap.flr: 1}}
extended:
  - {cap: aer, at: 0x100, source: copied}
physical: {}
"""


class Victim(NamedTuple):
    """A `serve` process, its socket, and the bytes that a client must find."""

    process: subprocess.Popen[str]
    path: Path
    image: bytes

    def descriptors(self) -> list[str]:
        """What it holds open."""
        folder = Path(f"/proc/{self.process.pid}/fd")
        found = []
        for one in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append(re.sub(r"\d+", "", str(one.readlink())))
        return sorted(found)

    def kib(self, what: str) -> int:
        """Its memory: VmRSS now, VmHWM at most."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(text.partition(f"{what}:")[2].split()[0])

    def is_whole(self) -> None:
        """A new client is served, and finds the image and empty memory."""
        with Client(self.path, timeout=20) as one:
            assert one.read(CONFIG, 0, len(self.image)) == self.image
            assert one.read(0, 0, 1 << 16) == bytes(0xC000) + b"\xff" * 0x4000


@contextmanager
def attacked(folder: Path, *options: str) -> Iterator[Victim]:
    layout, path = folder / "victim.yaml", folder / "s"
    layout.write_text(HEAD + LAYOUT, encoding="utf-8")
    image = api.load(str(layout)).function.config.value
    command = [sys.executable, "-m", "vpci_compile", "serve", str(layout), "--socket", str(path), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(path)
            yield Victim(process, path, image)
            process.terminate()
            _, said = process.communicate(timeout=20)
            assert (process.returncode, said) == (0, "")
            assert not path.exists()
        finally:
            process.kill()
