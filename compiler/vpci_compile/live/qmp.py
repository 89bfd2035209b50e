"""A QEMU that runs no guest and answers over QMP: what it says on the way is kept in order with its answers.

Source: QEMU docs/interop/qmp-spec; the commands were executed with QEMU 11.1.3.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from .lines import Lines
from .qtest import QemuError

RUN_S = 120.0
"""How long a whole run may take (seconds) before QEMU is ended."""
_POLL_S = 0.001
_JOB = "job"


class RefusedError(QemuError):
    """QEMU does not do what a command says; the text is its own."""


class Monitor:
    """A stopped machine without a guest; it ends with the `with` block, or after `RUN_S` whatever happens.

    Standard error goes the way of the answers, so that `said` has what belongs to the last command.

    Raises:
        QemuError: there is no such program, or QEMU does not take the arguments.
    """

    def __init__(self, program: Path, machine: str, arguments: Sequence[str]) -> None:
        command = [
            os.fspath(program),
            *("-machine", machine, "-accel", "qtest", "-S", "-nodefaults", "-display", "none", "-m", "1"),
            *("-qmp", "stdio"),
            *arguments,
        ]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
            )
        except OSError as error:
            raise QemuError(error.strerror or str(error)) from error
        self._lines = Lines(self._process.stdout, RUN_S)
        self.said: list[str] = []
        """Lines that QEMU printed since the last command began."""
        try:
            self.execute("qmp_capabilities")
        except QemuError:
            self.__exit__()
            raise

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """One QMP command; its answer.

        Raises:
            RefusedError: it says no.
            QemuError: it ended, or did not answer in time.
        """
        self.said = []
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it ended: its last words are still to be read
            self._process.stdin.write(json.dumps({"execute": command, "arguments": arguments or {}}).encode() + b"\n")
        while True:
            message = self._message()
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise RefusedError(str(message["error"]["desc"]))

    def human(self, line: str) -> str:
        """One command of the monitor for people; what it prints."""
        return str(self.execute("human-monitor-command", {"command-line": line}))

    def job(self, command: str, arguments: dict[str, Any]) -> str:
        """One command that QEMU runs as a job, to its end; its error, or ""."""
        self.execute(command, {"job-id": _JOB, **arguments})
        said = self.said
        while True:
            (found,) = self.execute("query-jobs")
            said += self.said
            if found["status"] == "concluded":
                break
            time.sleep(_POLL_S)
        self.execute("job-dismiss", {"id": _JOB})
        self.said = said + self.said
        return str(found.get("error", ""))

    def migrate(self, path: Path) -> str:
        """Save the machine's state into a file, as a migration sends it; why it cannot be, or ""."""
        try:
            self.execute("migrate", {"uri": f"file:{path}"})
        except RefusedError as refused:
            return str(refused)
        while (found := self.execute("query-migrate")).get("status") not in ("completed", "failed"):
            time.sleep(_POLL_S)
        return "" if found["status"] == "completed" else str(found.get("error-desc", "failed"))

    def _message(self) -> dict[str, Any]:
        """The next message that is no event; other lines are kept in `said`."""
        while True:
            line = self._line()
            if line.startswith("{"):
                message: dict[str, Any] = json.loads(line)
                if "event" not in message:
                    return message
            elif line.strip():
                self.said.append(line.strip())

    def _line(self) -> str:
        try:
            return self._lines.next()
        except TimeoutError:
            raise QemuError(f"no answer within {RUN_S:.0f} s") from None
        except EOFError:
            raise QemuError("\n".join(self.said) or "it ended") from None
