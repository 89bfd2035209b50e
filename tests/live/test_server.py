"""The server's life: its socket, its clients one after the other, its end."""

from __future__ import annotations

import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from compiling import compiled
from live import client
from live.client import CONFIG, Client, wait_for
from vpci_compile.live import server as serving
from vpci_compile.live import verify
from vpci_compile.live.device import Device
from vpci_compile.live.server import Server

_FUNCTION = compiled("")


@contextmanager
def _program(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "vpci_compile", "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("connected", [False, True])
def test_a_signal_ends_the_program(tmp_path: Path, number: signal.Signals, connected: bool) -> None:
    path = tmp_path / "s"
    with _program("minimal", "--socket", str(path)) as process:
        wait_for(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        one = Client(path) if connected else None
        if one is not None:
            assert one.read(CONFIG, 0, 2) == b"\x34\x12"
            one.send(client.GET_INFO, b"half", size=32)  # it waits for the rest of a message
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, err) == (0, "")
        assert out == f"serving minimal at {path}\n"
        assert not path.exists()
        if one is not None:
            assert one.is_closed()
            one.socket.close()
    assert list(tmp_path.iterdir()) == []


def test_the_trace_of_a_client(tmp_path: Path) -> None:
    path, trace = tmp_path / "s", tmp_path / "trace"
    with _program("nvidia/gh200", "--socket", str(path), "--trace", str(trace)) as process:
        wait_for(path)
        with Client(path) as one:
            one.write(CONFIG, 4, b"\x03\x01")
            one.read(CONFIG, 4, 2)
            one.read(CONFIG, 0xB2, 2)
            # Each line is there before the answer is.
            assert trace.read_text(encoding="utf-8").splitlines() == [
                "write 0x04.2 command = 0x0103 (io, memory, serr)",
                "read 0x04.2 command = 0x0103 (io, memory, serr)",
                "read 0xb2.2 msix.ctrl = 0x0008 (table_size=9)",
            ]
        process.terminate()
        assert process.wait(10) == 0


def test_a_trace_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with _program("minimal", "--socket", str(path), "--trace", str(tmp_path / "no" / "trace")) as process:
        _, err = process.communicate(timeout=20)
        assert process.returncode == 1 and "VPCI1801" in err and not path.exists()
    with _program("minimal", "--socket", str(path), "--trace", "/dev/full") as process:
        wait_for(path)
        with Client(path) as one:
            one.read(CONFIG, 0, 2)
            _, err = process.communicate(timeout=20)
        assert process.returncode == 1 and "No space left" in err and "Traceback" not in err
        assert not path.exists()


def test_a_signal_is_heard_while_nobody_reads_the_trace(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with _program("minimal", "--socket", str(path), "--trace", "-") as process:
        wait_for(path)
        with Client(path, timeout=1.0) as one, pytest.raises(TimeoutError):
            while True:  # until the pipe of the trace is full
                one.read(CONFIG, 0, 4)
        process.terminate()
        assert process.wait(10) == 0


def test_clients_come_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with verify.serving(path, _FUNCTION):
        for _ in range(3):
            with Client(path) as one:
                assert one.read(CONFIG, 4, 2) == bytes(2)  # nothing is left of the client before
                one.write(CONFIG, 4, b"\7\5")


def test_a_second_client_waits_for_the_first(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with verify.serving(path, _FUNCTION):
        with Client(path) as one:
            other = Client(path, greet=False)
            other.send(client.VERSION, bytes(4))
            assert one.read(CONFIG, 0, 2) == b"\x34\x12"
            other.socket.settimeout(0.1)
            with pytest.raises(TimeoutError):
                other.answer()
        other.socket.settimeout(5)
        assert other.answer()[1] == client.VERSION
        other.socket.close()


@pytest.mark.parametrize("begun", [b"", b"\0" * 7, struct.pack("<HHIII", 1, 1, 500, 0, 0) + b"\0" * 99])
def test_a_client_that_dies(tmp_path: Path, begun: bytes) -> None:
    path = tmp_path / "s"
    with verify.serving(path, _FUNCTION):
        dying = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        dying.connect(str(path))
        dying.sendall(begun)
        dying.close()
        with Client(path) as one:
            assert one.read(CONFIG, 0, 2) == b"\x34\x12"


def test_a_client_that_stalls_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PATIENCE_S", 0.2)
    path = tmp_path / "s"
    with verify.serving(path, _FUNCTION):
        with Client(path) as stalled:
            stalled.socket.sendall(b"\0\0\0")
            assert stalled.is_closed()
        deaf = Client(path)
        deaf.socket.settimeout(0.05)
        with pytest.raises((TimeoutError, BrokenPipeError, ConnectionResetError)):
            while True:  # asks, and never reads an answer
                deaf.send(client.REGION_READ, struct.pack("<QII", 0, CONFIG, 256))
        with Client(path) as one:
            assert one.read(CONFIG, 0, 2) == b"\x34\x12"
        deaf.socket.close()


def test_an_idle_client_is_no_stalled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PATIENCE_S", 0.1)
    with verify.serving(tmp_path / "s", _FUNCTION), Client(tmp_path / "s") as one:
        time.sleep(0.4)
        assert one.read(CONFIG, 0, 2) == b"\x34\x12"


def test_stop_from_another_thread(tmp_path: Path) -> None:
    with Server(tmp_path / "s", Device(_FUNCTION)) as running:
        thread = threading.Thread(target=running.run)
        thread.start()
        for _ in range(10_000):  # never blocks, however often
            running.stop()
        thread.join(5)
        assert not thread.is_alive()


def test_a_dead_servers_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with verify.serving(path, _FUNCTION), Client(path) as one:
        assert one.read(CONFIG, 0, 2) == b"\x34\x12"


def test_a_living_servers_socket_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with verify.serving(path, _FUNCTION):
        for busy in (False, True):
            one = Client(path) if busy else None
            with pytest.raises(OSError, match="a server listens here already"):
                Server(path, Device(_FUNCTION))
            if one is not None:
                assert one.read(CONFIG, 0, 2) == b"\x34\x12"
                one.socket.close()
        with Client(path) as other:
            assert other.read(CONFIG, 0, 2) == b"\x34\x12"


def test_anothers_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    older = Server(path, Device(_FUNCTION))
    path.unlink()
    with verify.serving(path, _FUNCTION):
        older.close()
        with Client(path) as one:
            assert one.read(CONFIG, 0, 2) == b"\x34\x12"


def test_the_temporary_name_is_nobodys(tmp_path: Path) -> None:
    mine = tmp_path / f".{os.getpid():x}"
    mine.write_text("kept", encoding="utf-8")
    with verify.serving(tmp_path / "s", _FUNCTION):
        assert sorted(tmp_path.iterdir()) == [mine, tmp_path / "s"]
    assert mine.read_text(encoding="utf-8") == "kept"


def test_nothing_but_a_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("kept", encoding="utf-8")
    with pytest.raises(OSError, match="something else"):
        Server(path, Device(_FUNCTION))
    assert path.read_text(encoding="utf-8") == "kept"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["x" * 120, "no/such/folder"])
def test_paths_that_cannot_be(tmp_path: Path, name: str) -> None:
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    with pytest.raises(OSError, match=r"107 bytes|No such file"):
        Server(tmp_path / name, Device(_FUNCTION))
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
    assert list(tmp_path.iterdir()) == []


def test_it_listens_from_the_first_moment_on(tmp_path: Path) -> None:
    """The name appears when somebody listens: QEMU does not try twice."""
    path = tmp_path / "s"
    seen: list[bool] = []

    def watch() -> None:
        wait_for(path)
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(path))
            seen.append(True)

    for _ in range(20):
        thread = threading.Thread(target=watch)
        thread.start()
        with Server(path, Device(_FUNCTION)):
            thread.join()
    assert len(seen) == 20


def test_the_folder_of_the_socket_may_be_the_present_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with verify.serving(Path("s"), _FUNCTION):
        assert os.listdir() == ["s"]  # noqa: PTH208 - of the present folder
        with Client(Path("s")) as one:
            assert one.read(CONFIG, 0, 2) == b"\x34\x12"
