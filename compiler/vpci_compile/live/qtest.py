"""A QEMU that never runs a guest: its configuration space as a guest would reach it, over the qtest protocol.

Source: QEMU docs/devel/testing/qtest; the q35 chipset's own registers: Intel MCH datasheet.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from .board import Q35, Board
from .lines import Lines

_PCIEXBAR = 0x60
_CONFIG_ADDRESS, _CONFIG_DATA = 0xCF8, 0xCFC
_BATCH = 200  # commands that are sent before their answers are read: their text fits into a pipe
_TAIL = 4000  # characters of what QEMU said that are kept
START_S = 30.0
"""How long QEMU may take to answer its first command, or `--version` (seconds): its own start takes 0.2."""
RUN_S = 60.0
"""How long a whole run may take (seconds) before QEMU is ended: some images make it loop for ever."""


class QemuError(Exception):
    """QEMU ended, hung or answered nonsense; the text is what it said last."""


def version(program: Path) -> tuple[int, int]:
    """The release of a QEMU.

    Raises:
        QemuError: it does not start, or does not say so.
    """
    try:
        done = subprocess.run(
            [program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=START_S, check=False
        )
    except OSError as error:
        raise QemuError(error.strerror or str(error)) from error
    except subprocess.TimeoutExpired as error:
        raise QemuError(f"no answer within {START_S:.0f} s") from error
    found = re.search(rb"version (\d+)\.(\d+)", done.stdout)
    if found is None:
        raise QemuError((done.stderr or done.stdout).decode(errors="replace")[-_TAIL:].strip() or "it says nothing")
    return int(found[1]), int(found[2])


class Machine:
    """A stopped machine; it ends with the `with` block, or after `RUN_S` whatever happens.

    Raises:
        QemuError: there is no such program.
    """

    def __init__(self, program: Path, arguments: Sequence[str], board: Board = Q35) -> None:
        command = [
            os.fspath(program),
            *("-machine", board.machine, "-accel", "qtest", "-S", "-nodefaults", "-display", "none", "-m", "64"),
            *("-qtest", "stdio", "-qtest-log", "/dev/null"),
            *arguments,
        ]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
            )
        except OSError as error:
            raise QemuError(error.strerror or str(error)) from error
        self._board = board
        self._lines = Lines(self._process.stdout, RUN_S)
        self._said = b""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    @property
    def said(self) -> str:
        """The end of what QEMU wrote to its standard error, on one line per message."""
        return self._said.decode(errors="replace").strip()

    def _listen(self) -> None:
        """Keep reading: a full pipe would stop QEMU."""
        assert self._process.stderr is not None
        while piece := os.read(self._process.stderr.fileno(), 4096):
            self._said = (self._said + piece)[-_TAIL:]

    # -- the protocol ------------------------------------------------------------------------------------------

    def commands(self, texts: Iterable[str]) -> list[str]:
        """Give many commands; their answers, without "OK".

        Raises:
            QemuError: QEMU ended, or did not answer in time.
        """
        waiting = list(texts)
        answers: list[str] = []
        for start in range(0, len(waiting), _BATCH):
            batch = waiting[start : start + _BATCH]
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(("\n".join(batch) + "\n").encode())
            except OSError:
                self._fail("it ended")
            answers.extend(self._answer() for _ in batch)
        return answers

    def _answer(self) -> str:
        while True:
            line = self._line()
            if line.startswith("OK"):
                return line[2:].strip()
            if not line.startswith("IRQ "):  # interrupt lines announce themselves when somebody asks; nobody does
                self._fail(f"it answered {line!r}")

    def _line(self) -> str:
        try:
            return self._lines.next()
        except TimeoutError:
            self._fail(f"no answer within {RUN_S:.0f} s")
        except EOFError:
            self._fail("it ended")

    def _fail(self, text: str) -> NoReturn:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        raise QemuError(f"{text}: {self.said}" if self.said else text)

    # -- configuration space -----------------------------------------------------------------------------------

    def open_ecam(self) -> None:
        """Let q35 decode the extended configuration space, as firmware does; virt always does."""
        if self._board is not Q35:
            return
        self.commands(
            [
                f"outl {_CONFIG_ADDRESS:#x} {0x80000000 | _PCIEXBAR + 4:#x}",
                f"outl {_CONFIG_DATA:#x} 0",
                f"outl {_CONFIG_ADDRESS:#x} {0x80000000 | _PCIEXBAR:#x}",
                f"outl {_CONFIG_DATA:#x} {self._board.ecam | 1:#x}",
            ]
        )

    def number_bus(self, bus: int, device: int, secondary: int, last: int) -> None:
        """Give the bridge at `bus`:`device`.0 its bus numbers."""
        self.commands([write(bus, device, 0x18, 4, last << 16 | secondary << 8 | bus, self._board)])

    def space(self, bus: int, device: int, size: int) -> bytes:
        """The first `size` bytes of the configuration space of `bus`:`device`.0."""
        (answer,) = self.commands([f"read {address(bus, device, 0, self._board):#x} {size:#x}"])
        return bytes.fromhex(answer.removeprefix("0x"))


def address(bus: int, device: int, offset: int, board: Board = Q35) -> int:
    """Where the byte `offset` of `bus`:`device`.0 stands in memory."""
    return board.ecam | bus << 20 | device << 15 | offset


def read(bus: int, device: int, offset: int, size: int, board: Board = Q35) -> str:
    """The command that reads 1, 2 or 4 bytes; it answers with a number."""
    return f"read{'?bw?l'[size]} {address(bus, device, offset, board):#x}"


def write(bus: int, device: int, offset: int, size: int, value: int, board: Board = Q35) -> str:
    """The command that writes 1, 2 or 4 bytes."""
    return f"write{'?bw?l'[size]} {address(bus, device, offset, board):#x} {value:#x}"
