"""A small vfio-user client, written from the specification and not from the server's own constants."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path

VERSION, DMA_MAP, DMA_UNMAP, GET_INFO, REGION_INFO, IRQ_INFO, SET_IRQS = 1, 2, 3, 4, 5, 7, 8
REGION_READ, REGION_WRITE, RESET = 9, 10, 13
CONFIG = 7
LIMITS = {"max_msg_fds": 16, "max_data_xfer_size": 1 << 20, "pgsizes": 4096, "write_multiple": True}


class Refused(Exception):  # noqa: N818 - an answer
    """The server answered with an error."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(os.strerror(number))


class Client:
    """One connection; `with` closes it. With `greet` it agrees on a version first."""

    def __init__(self, path: Path, *, greet: bool = True, timeout: float = 5.0) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self._id = 0
        self.agreed = self.version() if greet else {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def version(self, minor: int = 0) -> dict[str, object]:
        text = json.dumps({"capabilities": LIMITS}).encode() + b"\0"
        answer = self.call(VERSION, struct.pack("<HH", 0, minor) + text)
        assert answer[:4] == struct.pack("<HH", 0, minor) and answer.endswith(b"\0")
        said: dict[str, object] = json.loads(answer[4:-1])
        return said

    def send(self, command: int, payload: bytes = b"", *, flags: int = 0, size: int | None = None) -> int:
        self._id = self._id + 1 & 0xFFFF
        length = 16 + len(payload) if size is None else size
        self.socket.sendall(struct.pack("<HHIII", self._id, command, length, flags, 0) + payload)
        return self._id

    def send_fds(self, command: int, payload: bytes, descriptors: Sequence[int]) -> None:
        self._id = self._id + 1 & 0xFFFF
        head = struct.pack("<HHIII", self._id, command, 16 + len(payload), 0, 0)
        socket.send_fds(self.socket, [head + payload], descriptors)

    def answer(self) -> tuple[int, int, bytes]:
        """(id, command, payload) of the next reply."""
        number, command, size, flags, error = struct.unpack("<HHIII", self._take(16))
        payload = self._take(size - 16)
        assert flags & 0xF == 1
        if flags & 0x20:
            assert not payload
            raise Refused(error)
        return number, command, payload

    def _take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise ConnectionResetError("the server closed the connection")
            data += piece
        return data

    def call(self, command: int, payload: bytes = b"") -> bytes:
        sent = self.send(command, payload)
        number, answered, answer = self.answer()
        assert (number, answered) == (sent, command)
        return answer

    def read(self, region: int, offset: int, count: int) -> bytes:
        answer = self.call(REGION_READ, struct.pack("<QII", offset, region, count))
        assert struct.unpack_from("<QII", answer) == (offset, region, count)
        assert len(answer) == 16 + count
        return answer[16:]

    def write(self, region: int, offset: int, data: bytes) -> None:
        answer = self.call(REGION_WRITE, struct.pack("<QII", offset, region, len(data)) + data)
        assert answer == struct.pack("<QII", offset, region, len(data))

    def region(self, index: int, argsz: int = 32) -> tuple[int, ...]:
        """argsz, flags, index, cap_offset, size, offset."""
        answer = self.call(REGION_INFO, struct.pack("<IIIIQQ", argsz, 0, index, 0, 0, 0))
        return struct.unpack_from("<IIIIQQ", answer)

    def is_closed(self, within: float = 3.0) -> bool:
        """Whether the server ended the connection by now, or soon."""
        self.socket.settimeout(within)
        try:
            while self.socket.recv(4096):
                pass
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        return True


def wait_for(path: Path, seconds: float = 20.0) -> None:
    """Until there is something at `path`."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"no {path.name} within {seconds} s"
        time.sleep(0.02)
