"""What a client asks for at the very edge: served up to it, refused behind it, and the connection goes on."""

from __future__ import annotations

import errno
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from compiling import compiled
from live import client
from live.client import CONFIG, Client, Refused
from vpci_compile.live import server as serving
from vpci_compile.live import verify
from vpci_compile.live.device import Device
from vpci_compile.live.server import Server

from .victim import LAYOUT


def test_a_deaf_client_does_not_keep_the_server_from_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PATIENCE_S", 300.0)
    with Server(tmp_path / "s", Device(compiled(LAYOUT))) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        with Client(tmp_path / "s") as deaf:
            deaf.socket.settimeout(0.5)
            with pytest.raises(TimeoutError):
                while True:  # asks, and never reads an answer
                    deaf.send(client.REGION_READ, struct.pack("<QII", 0, 0, 1 << 16))
            server.stop()
            thread.join(60)
            assert not thread.is_alive()


def test_a_client_that_never_greets_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PATIENCE_S", 0.2)
    with verify.serving(tmp_path / "s", compiled(LAYOUT)), Client(tmp_path / "s", greet=False) as silent:
        with Client(tmp_path / "s", timeout=60) as one:
            assert one.read(CONFIG, 0, 2) == b"\x34\x12"
        assert silent.is_closed()


def test_as_many_clients_wait_as_come(tmp_path: Path) -> None:
    with verify.serving(tmp_path / "s", compiled(LAYOUT)), ExitStack() as stack:
        first = stack.enter_context(Client(tmp_path / "s"))
        for _ in range(20):  # each connects at once, without blocking
            stack.enter_context(Client(tmp_path / "s", greet=False))
        assert first.read(CONFIG, 0, 2) == b"\x34\x12"


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Client]:
    with verify.serving(tmp_path / "s", compiled(LAYOUT)), Client(tmp_path / "s") as connected:
        yield connected


@pytest.mark.parametrize(("theirs", "ours"), [(0, 0), (1, 1), (2, 1), (0xFFFF, 1)])
def test_no_minor_version_is_claimed_that_is_not_spoken(tmp_path: Path, theirs: int, ours: int) -> None:
    with verify.serving(tmp_path / "s", compiled(LAYOUT)), Client(tmp_path / "s", greet=False) as one:
        assert one.call(client.VERSION, struct.pack("<HH", 0, theirs))[:4] == struct.pack("<HH", 0, ours)


@pytest.mark.parametrize(("command", "form"), [(client.GET_INFO, "<IIII"), (client.IRQ_INFO, "<IIII")])
def test_an_answer_is_never_longer_than_there_is_room_for(one: Client, command: int, form: str) -> None:
    size = struct.calcsize(form)
    for argsz in (0, size - 1):
        _refused(one, command, struct.pack(form, argsz, 0, 0, 0))
    one.call(command, struct.pack(form, size, 0, 0, 0))
    one.call(command, struct.pack(form, 0xFFFFFFFF, 0, 0, 0))


def test_region_info_with_too_little_room(one: Client) -> None:
    for argsz in (0, 31):
        _refused(one, client.REGION_INFO, struct.pack("<IIIIQQ", argsz, 0, CONFIG, 0, 0, 0))
    assert one.region(CONFIG, 0xFFFFFFFF) == one.region(CONFIG, 32)


def test_what_was_agreed_on_is_all_that_is_read_or_written(tmp_path: Path) -> None:
    with verify.serving(tmp_path / "s", compiled(LAYOUT)), Client(tmp_path / "s", greet=False) as one:
        one.call(client.VERSION, struct.pack("<HH", 0, 0) + b'{"capabilities": {"max_data_xfer_size": 8}}\0')
        assert len(one.read(CONFIG, 0, 8)) == 8
        one.write(0, 0, bytes(8))
        _refused(one, client.REGION_READ, struct.pack("<QII", 0, CONFIG, 9), errno.E2BIG)
        _refused(one, client.REGION_WRITE, struct.pack("<QII", 0, 0, 9) + bytes(9), errno.E2BIG)
        assert one.read(CONFIG, 0, 2) == b"\x34\x12"


_NONE, _BOOL, _EVENTFD, _MASK, _UNMASK, _TRIGGER = (1 << bit for bit in range(6))
_MSI, _ERR, _FIVE = 1, 3, 5


@pytest.mark.parametrize(
    ("argsz", "flags", "index", "start", "count", "data"),
    [
        (20, _EVENTFD | _TRIGGER, 0, 0, 1, b""),
        (20, _EVENTFD | _TRIGGER, _MSI, 7, 1, b""),
        (20, _EVENTFD | _TRIGGER, _MSI, 0, 8, b""),
        (20, _NONE | _TRIGGER, _MSI, 0, 0, b""),  # all off
        (20, _NONE | _TRIGGER, 2, 0, 0, b""),  # QEMU turns off what is not there
        (20, _NONE | _MASK, 0, 0, 1, b""),
        (20, _NONE | _UNMASK, 0, 0, 1, b""),
        (24, _BOOL | _TRIGGER, _MSI, 0, 4, b"\0\1\0\1"),
        (20, _EVENTFD | _UNMASK, 0, 0, 1, b""),
        (20, _EVENTFD | _TRIGGER, _ERR, 0, 1, b""),
        (24, _EVENTFD | _TRIGGER, _ERR, 0, 1, b"\xff" * 4),
    ],
)
def test_interrupts_that_can_be_set(
    one: Client, argsz: int, flags: int, index: int, start: int, count: int, data: bytes
) -> None:
    assert one.call(client.SET_IRQS, struct.pack("<IIIII", argsz, flags, index, start, count) + data) == b""


@pytest.mark.parametrize(
    ("argsz", "flags", "index", "start", "count", "data"),
    [
        (20, _EVENTFD | _TRIGGER, _FIVE, 0, 1, b""),
        (20, _EVENTFD | _TRIGGER, 0xFFFFFFFF, 0, 0, b""),
        (20, _EVENTFD | _TRIGGER, _MSI, 8, 1, b""),
        (20, _EVENTFD | _TRIGGER, _MSI, 0, 9, b""),
        (20, _EVENTFD | _TRIGGER, _MSI, 0xFFFFFFFF, 2, b""),
        (20, _EVENTFD | _TRIGGER, _MSI, 1, 0xFFFFFFFF, b""),
        (20, _EVENTFD | _TRIGGER, 2, 0, 1, b""),  # no MSI-X here
        (20, _TRIGGER, 0, 0, 1, b""),  # with what?
        (20, _NONE, 0, 0, 1, b""),  # to do what?
        (20, 0, 0, 0, 0, b""),
        (20, _NONE | _EVENTFD | _TRIGGER, 0, 0, 1, b""),
        (20, _NONE | _MASK | _UNMASK, 0, 0, 1, b""),
        (20, _NONE | _TRIGGER | 0x40, 0, 0, 1, b""),
        (20, _NONE | _TRIGGER | 0x80000000, 0, 0, 1, b""),
        (23, _BOOL | _TRIGGER, _MSI, 0, 4, b"\0\1\0"),
        (24, _BOOL | _TRIGGER, _MSI, 0, 4, b"\0\1\0"),
        (19, _NONE | _TRIGGER, 0, 0, 1, b""),
    ],
)
def test_interrupts_that_cannot_be_set(
    one: Client, argsz: int, flags: int, index: int, start: int, count: int, data: bytes
) -> None:
    _refused(one, client.SET_IRQS, struct.pack("<IIIII", argsz, flags, index, start, count) + data)


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        (client.REGION_READ, struct.pack("<QII", 0xFFFF, 0, 2)),  # across the end of a BAR
        (client.REGION_READ, struct.pack("<QII", 0x10000, 0, 1)),
        (client.REGION_READ, struct.pack("<QII", 4096, CONFIG, 1)),
        (client.REGION_READ, struct.pack("<QII", (1 << 64) - 1, 0, 1)),
        (client.REGION_READ, struct.pack("<QII", (1 << 64) - 1, 0, 0xFFFFFFFF)),
        (client.REGION_READ, struct.pack("<QII", 0, 0, 0)),
        (client.REGION_WRITE, struct.pack("<QII", 0xFFFF, 0, 2) + b"ab"),
        (client.REGION_WRITE, struct.pack("<QII", 0, 0, 0)),
        (client.REGION_WRITE, struct.pack("<QII", 0, 0, 0) + b"a"),
        (client.REGION_WRITE, struct.pack("<QII", 4095, CONFIG, 2) + b"ab"),
        (client.REGION_WRITE, struct.pack("<QII", 0, CONFIG, 0xFFFFFFFF) + b"ab"),
        (client.REGION_READ, struct.pack("<QII", 0, 8, 1)),  # VGA
        (client.REGION_READ, struct.pack("<QII", 0, 1, 1)),  # the upper half of a BAR
    ],
)
def test_accesses_over_the_edge(one: Client, command: int, payload: bytes) -> None:
    _, _, count = struct.unpack_from("<QII", payload)
    _refused(one, command, payload, errno.E2BIG if count > 1 << 20 else errno.EINVAL)


def test_the_last_bytes_of_everything(one: Client) -> None:
    one.write(0, 0xBFFF, b"ab")  # across the end of the memory behind the BAR
    assert one.read(0, 0xBFFE, 4) == b"\0a\xff\xff"
    assert one.read(0, 0, 1 << 16)[0xBFFF] == ord("a")
    one.write(CONFIG, 4092, b"\xff" * 4)
    assert one.read(CONFIG, 4092, 4) == bytes(4)
    one.write(CONFIG, 0, b"\xff" * 4096)  # with Initiate FLR among them
    assert one.read(CONFIG, 0x04, 2) == b"\0\0"


def _refused(one: Client, command: int, payload: bytes, number: int = errno.EINVAL) -> None:
    with pytest.raises(Refused) as caught:
        one.call(command, payload)
    assert caught.value.number == number
    assert one.read(CONFIG, 0, 2) == b"\x34\x12"  # and the connection goes on
