"""Lines that a program writes to a pipe, each as it comes, and none after its time."""

from __future__ import annotations

import os
import select
import time
from typing import IO


class Lines:
    """The lines of an unbuffered pipe; for all of them together there are `seconds`, from now on."""

    def __init__(self, pipe: IO[bytes] | None, seconds: float) -> None:
        assert pipe is not None
        self._number = pipe.fileno()
        self._deadline = time.monotonic() + seconds
        self._rest = b""

    def next(self) -> str:
        r"""The next line, without its "\n".

        Raises:
            TimeoutError: it did not come in time.
            EOFError: there is none: the program closed the pipe.
        """
        while b"\n" not in self._rest:
            left = self._deadline - time.monotonic()
            if left <= 0 or not select.select([self._number], [], [], left)[0]:
                raise TimeoutError
            piece = os.read(self._number, 1 << 16)
            if not piece:
                raise EOFError
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace")
