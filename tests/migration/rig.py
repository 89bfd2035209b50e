"""Real migrations between two QEMUs, and probes of both: what the verdict is judged by.

The destination alone judges: a source often reports a migration completed that nobody took.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

from live.judging import qemu
from vpci_compile.live.probe import probe
from vpci_compile.live.qtest import QemuError
from vpci_compile.stack.emulated.machine import Machine

_NAME = "qemu-system-x86_64: "
_LIMIT_S = 60.0
_COMMON = (
    *("-accel", "qtest", "-S", "-nodefaults", "-display", "none", "-m", "1"),
    *("-object", "memory-backend-ram,id=small,size=1M", "-object", "memory-backend-ram,id=large,size=2M"),
    *("-blockdev", "driver=null-co,node-name=disk,size=1048576,read-zeroes=on"),
    *("-object", "memory-backend-ram,id=big,size=256M"),
    *("-audiodev", "driver=none,id=sound"),
)
BACKENDS = _COMMON[8:]
SETUPS = {  # what stands around the device, and what the device says to stand there
    "root": ("", ""),
    "port": ("pcie-root-port,id=rp,chassis=1", ",bus=rp"),
    "bridge": ("pcie-pci-bridge,id=br", ",bus=br,addr=3"),
    "expander": ("pxb-pcie,id=pxb,bus_nr=64; pcie-root-port,id=rp,bus=pxb,chassis=1", ",bus=rp"),
    "cxl": ("pxb-cxl,id=pxb,bus_nr=64; cxl-rp,id=rp,bus=pxb,chassis=1,slot=2", ",bus=rp"),
}


class Side(NamedTuple):
    """One machine: its type, and its devices."""

    machine: str
    devices: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        return [word for device in self.devices for word in ("-device", device)]


class Outcome(NamedTuple):
    """Whether a destination took it, and what it printed, without its name."""

    accepted: bool
    lines: tuple[str, ...]


def side(setup: str, cell: str) -> Side:
    """One cell of the table: `[@machine] device`, or - for none; the device gets the id x."""
    machine, _, device = cell[1:].partition(" ") if cell.startswith("@") else ("q35", "", cell)
    around, place = SETUPS[setup]
    own = [] if device.strip() == "-" else [f"{device.strip()}{place},id=x"]
    if setup == "cxl":
        machine += ",cxl=on"
    return Side(machine, (*(part.strip() for part in around.split(";") if part), *own))


@cache
def probed(one: Side) -> Machine:
    """What the product asks that machine."""
    ids = [found[1] for device in one.devices if (found := re.search(r",id=([^,]+)", device))]
    return probe(qemu(), one.machine, [*BACKENDS, *one.words], ids)


@cache
def saved(one: Side) -> tuple[bytes, str]:
    """The stream of that machine, or why there is none."""
    with tempfile.TemporaryDirectory() as folder, _Qemu(one) as source:
        path = Path(folder) / "stream"
        answer = source.ask("migrate", uri=f"file:{path}")
        if "error" in answer:
            return b"", answer["error"]["desc"]
        status = source.wait()
        assert status == "completed", source.said()
        return path.read_bytes(), ""


def migrate(source: Side, destination: Side) -> Outcome:
    """A real migration."""
    stream, problem = saved(source)
    return Outcome(False, (problem,)) if problem else load(destination, stream)


def load(destination: Side, stream: bytes) -> Outcome:
    """A fresh destination reads a stream."""
    with tempfile.TemporaryDirectory() as folder, _Qemu(destination, "-incoming", "defer") as process:
        path = Path(folder) / "stream"
        path.write_bytes(stream)
        process.ask("migrate-incoming", uri=f"file:{path}")
        accepted = process.wait() == "completed"
        return Outcome(accepted, () if accepted else process.said())


class _Qemu:
    """A QEMU that says what it says to a file, and answers QMP."""

    def __init__(self, one: Side, *more: str) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this
        command = [qemu(), "-machine", one.machine, *_COMMON, *one.words, "-qmp", "stdio", *more]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self._end = time.monotonic() + _LIMIT_S
        if not self.ask("qmp_capabilities"):
            self.__exit__()
            raise QemuError(f"QEMU does not make {one}: {self.said()}")

    def __enter__(self) -> _Qemu:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, command: str, **arguments: str) -> dict[str, dict[str, str]]:
        """The answer; nothing from one that ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        assert time.monotonic() < self._end, "it takes too long"
        try:
            self._process.stdin.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            self._process.stdin.flush()
        except OSError:
            return {}
        for line in self._process.stdout:
            answer: dict[str, dict[str, str]] = json.loads(line)
            if "return" in answer or "error" in answer:
                return answer
        return {}

    def wait(self) -> str:
        """How the migration ends; "" for a QEMU that did."""
        while answer := self.ask("query-migrate"):
            status = answer["return"].get("status", "")
            if status in ("completed", "failed"):
                return status
            time.sleep(0.002)
        self._process.wait(_LIMIT_S)
        return ""

    def said(self) -> tuple[str, ...]:
        """What it printed; some lines of QEMU's do not end before its name stands on the same one."""
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace").replace(_NAME, "\n")
        return tuple(line for line in text.splitlines() if line.strip() and "warning: " not in line)
