"""A real Linux under a real QEMU (no KVM): started once, then told by shell commands and by QMP what to do."""

from __future__ import annotations

import hashlib
import json
import os
import select
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

PORTS = 8
"""Root ports to plug functions into: as many at once."""
BOOT_S = 120.0
COMMAND_S = 60.0
_FIRST_SLOT = 4
_MEMORY = "1024"  # MiB: the initial file system holds a QEMU
_APPEND = (
    "console=ttyS0 quiet panic=-1 mitigations=off nokaslr no_timer_check tsc=reliable cryptomgr.notests audit=0 "
    "intel_iommu=on pci=hpmmiosize=64M,hpmmioprefsize=256M"
)
IOMMU = "intel-iommu,intremap=on,caching-mode=on"


class GuestError(Exception):
    """The guest or its QEMU ended, or did not answer in time; the text says what was seen last."""


class Guest:
    """A running guest; it ends with the `with` block.

    Raises:
        GuestError: it does not start.
    """

    def __init__(self, program: Path, kernel: Path, initrd: Path, folder: Path, iommu: str = IOMMU) -> None:
        self._console = folder / "console"
        self._errors = folder / "errors"
        mine, its = socket.socketpair()
        command = [
            os.fspath(program),
            *("-machine", "q35,accel=tcg,kernel-irqchip=split", "-cpu", "max", "-m", _MEMORY),
            *("-nodefaults", "-display", "none", "-no-reboot", "-qmp", "stdio"),
            *("-serial", f"file:{self._console}"),
            *("-kernel", os.fspath(kernel), "-initrd", os.fspath(initrd), "-append", _APPEND),
            *("-device", iommu),
            *("-chardev", f"socket,id=shell,fd={its.fileno()}"),
            *("-device", "virtio-serial-pci,addr=2", "-device", "virtserialport,chardev=shell"),
        ]
        for number in range(PORTS):
            slot = _FIRST_SLOT + number
            command += ["-device", f"pcie-root-port,id=port{number},chassis={slot},slot={slot},addr={slot:#x}"]
        with its, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                pass_fds=(its.fileno(),),
            )
        self._shell = mine
        self._typed = b""  # what the shell has said and nobody has taken
        self._told = b""  # the same of QMP
        self._count = 0
        try:
            self._qmp_line(time.monotonic() + BOOT_S)
            self.qmp("qmp_capabilities")
            self.line(BOOT_S)  # the guest's first word
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End it, by its own process id."""
        self._process.kill()
        self._process.wait()
        self._shell.close()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    # -- the guest's shell -----------------------------------------------------------------------------------------

    def send(self, text: str) -> None:
        """Type a line into the shell, or into what it runs."""
        self._shell.settimeout(COMMAND_S)
        try:
            self._shell.sendall(text.encode() + b"\n")
        except OSError as error:
            raise self._failure(str(error)) from error

    def line(self, seconds: float = COMMAND_S) -> str:
        """The next line that the guest says.

        Raises:
            GuestError: none came.
        """
        end = time.monotonic() + seconds
        while b"\n" not in self._typed:
            self._typed += self._receive(self._shell.fileno(), end)
        line, _, self._typed = self._typed.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")

    def begin(self, text: str) -> str:
        """Type a command; gives the line that will stand behind the last of its output."""
        self._count += 1
        self.send(f"{text}; echo; echo end-{self._count}")
        return f"end-{self._count}"

    def run(self, text: str, seconds: float = COMMAND_S) -> list[str]:
        """The lines that a command says."""
        mark, lines = self.begin(text), list[str]()
        while (line := self.line(seconds)) != mark:
            lines.append(line)
        return lines[:-1] if lines and not lines[-1] else lines

    # -- QEMU itself -----------------------------------------------------------------------------------------------

    def qmp(self, command: str, **arguments: Any) -> Any:
        """What QEMU answers to a command.

        Raises:
            GuestError: an error, with QEMU's text.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        except OSError as error:
            raise self._failure(str(error)) from error
        end = time.monotonic() + COMMAND_S
        while True:
            answer = self._qmp_line(end)
            if "error" in answer:
                raise GuestError(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]

    def wait_gone(self, devices: Sequence[str]) -> None:
        """Until QEMU has let go of unplugged devices."""
        end = time.monotonic() + COMMAND_S
        while True:
            there = {one["name"] for one in self.qmp("qom-list", path="/machine/peripheral")}
            if not there & set(devices):
                return
            if time.monotonic() > end:
                raise self._failure(f"{sorted(there & set(devices))} could not be unplugged")
            time.sleep(0.01)

    def _qmp_line(self, end: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        while b"\n" not in self._told:
            self._told += self._receive(self._process.stdout.fileno(), end)
        line, _, self._told = self._told.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        return said

    def _receive(self, number: int, end: float) -> bytes:
        left = end - time.monotonic()
        if left <= 0 or not select.select([number], [], [], left)[0]:
            raise self._failure("no answer in time")
        piece = os.read(number, 1 << 16)
        if not piece:
            raise self._failure("it ended")
        return piece

    def _failure(self, text: str) -> GuestError:
        said = self._errors.read_text(errors="replace")[-2000:] + self._console.read_text(errors="replace")[-2000:]
        return GuestError(f"{text}\n{said}".strip())


def digest(*parts: bytes) -> str:
    """A short name for what was made of these bytes."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "little") + part)
    return whole.hexdigest()[:16]
