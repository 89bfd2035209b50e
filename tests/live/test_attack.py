"""A server under attack: whatever comes over its socket, it lives, keeps nothing and shows the image.

The same 100,000 messages every time; VPCI_FUZZ=10 sends ten times as many, others each time.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from compiling import HEAD, compiled
from live import client
from live.client import CONFIG, Client, Refused, wait_for
from vpci_compile import api
from vpci_compile.live import server as serving
from vpci_compile.live import verify
from vpci_compile.live.device import Device
from vpci_compile.live.server import Server

FUZZ = int(os.environ.get("VPCI_FUZZ", "1"))
MESSAGES = 100_000 * FUZZ
_LAYOUT = """
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
_HEADER = struct.Struct("<HHIII")
_RESET_BY_CONFIG = struct.pack("<QII", 0x78, CONFIG, 2) + b"\0\x80"  # Initiate FLR


# -- the process ---------------------------------------------------------------------------------------------------


class _Victim(NamedTuple):
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
def _victim(folder: Path, *options: str) -> Iterator[_Victim]:
    layout, path = folder / "victim.yaml", folder / "s"
    layout.write_text(HEAD + _LAYOUT, encoding="utf-8")
    image = api.load(str(layout)).function.config.value
    command = [sys.executable, "-m", "vpci_compile", "serve", str(layout), "--socket", str(path), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(path)
            yield _Victim(process, path, image)
            process.terminate()
            _, said = process.communicate(timeout=20)
            assert (process.returncode, said) == (0, "")
            assert not path.exists()
        finally:
            process.kill()


# -- messages ------------------------------------------------------------------------------------------------------

_EDGES = [0, 1, 2, 3, 7, 8, 9, 15, 16, 255, 256, 4095, 4096, 0xBFFF, 0xC000, 0xFFFF, 0x10000, 1 << 20, (1 << 20) + 1]
_EDGES += [0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]
_FAR = [1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 4096, (1 << 64) - 4, (1 << 64) - 1]
_DEEP = b'{"capabilities":' * 200 + b"[" * 800


def _greeting(dice: random.Random, *limits: int) -> bytes:
    said: dict[str, object] = {"max_msg_fds": 16, "max_data_xfer_size": dice.choice([1 << 20, *limits])}
    return (
        struct.pack("<HH", 0, dice.choice([0, 0, 0, 1, 0xFFFF])) + json.dumps({"capabilities": said}).encode() + b"\0"
    )


def _read(dice: random.Random) -> bytes:
    region = dice.choice([CONFIG, CONFIG, CONFIG, *range(10)])
    offset = dice.choice([*_EDGES, *_FAR]) if dice.random() < 0.3 else dice.randrange(4096)
    return struct.pack(
        "<QII", offset, region, dice.choice(_EDGES) if dice.random() < 0.2 else dice.choice([1, 2, 4, 8])
    )


def _write(dice: random.Random) -> bytes:
    if dice.random() < 0.05:
        return _RESET_BY_CONFIG
    region = dice.choice([CONFIG, CONFIG, CONFIG, *range(10)])
    offset = dice.choice([*_EDGES, *_FAR]) if dice.random() < 0.3 else dice.randrange(4096)
    data = dice.randbytes(dice.choice([0, 1, 2, 3, 4, 4, 4, 8, 64, 4096]))
    return struct.pack("<QII", offset, region, len(data)) + data


def _numbers(form: str, *most: int) -> Callable[[random.Random], bytes]:
    """A payload of small numbers, each at most what is named, or a mask of what it can be."""
    return lambda dice: struct.pack(form, *(dice.randint(0, number) for number in most))


_COMMANDS: list[tuple[int, Callable[[random.Random], bytes]]] = [
    *[(client.REGION_READ, _read), (client.REGION_WRITE, _write)] * 4,
    (client.GET_INFO, lambda _: struct.pack("<IIII", 16, 0, 0, 0)),
    (client.REGION_INFO, lambda dice: struct.pack("<IIIIQQ", 32, 0, dice.randrange(11), 0, 0, 0)),
    (client.IRQ_INFO, lambda dice: struct.pack("<IIII", 16, 0, dice.randrange(6), 0)),
    (client.SET_IRQS, _numbers("<IIIII", 40, 0x3F, 5, 9, 9)),
    (client.DMA_MAP, _numbers("<IIQQQ", 40, 3, 1 << 20, 1 << 63, 1 << 63)),
    (client.DMA_UNMAP, _numbers("<IIQQ", 40, 3, 1 << 63, 1 << 63)),
    (client.RESET, lambda _: b""),
    (client.VERSION, lambda dice: _greeting(dice)),
    (16, _numbers("<IIQ", 64, 0xFFFF, 1 << 63)),  # DEVICE_FEATURE
    (15, _numbers("<QQII", 3, 4096, 9, 8)),  # REGION_WRITE_MULTI
]


class _Message(NamedTuple):
    """What is sent, and whose reply must come: none of a posted one."""

    octets: bytes
    id: int
    command: int
    answered: bool


def _message(dice: random.Random) -> _Message:
    """A command that is in order as a message: whatever it says, the server knows where the next one begins."""
    command, make = dice.choice(_COMMANDS)
    payload = bytearray(make(dice))
    flags = 0x10 if dice.random() < 0.1 else 0
    if dice.random() < 0.5 and payload:
        kind = dice.randrange(5)
        if kind == 0:
            payload[dice.randrange(len(payload))] ^= 1 << dice.randrange(8)
        elif kind == 1 and len(payload) >= 4:
            struct.pack_into("<I", payload, dice.randrange(len(payload) // 4) * 4, dice.choice(_EDGES))
        elif kind == 2:
            del payload[dice.randrange(len(payload)) :]
        elif kind == 3:
            payload += dice.randbytes(dice.choice([1, 4, 300]))
        else:
            command = dice.choice([*range(20), 255, 0xFFFF])
    flags |= dice.getrandbits(28) << 4 & ~0x10 if dice.random() < 0.1 else 0
    number = dice.getrandbits(16)
    head = _HEADER.pack(number, command, 16 + len(payload), flags, dice.choice([0, 0, 1, 0xFFFFFFFF]))
    return _Message(head + bytes(payload), number, command, not flags & 0x10)


def _poison(dice: random.Random) -> bytes:
    """What the server may end the connection for."""
    octets = bytearray(_message(dice).octets)
    kind = dice.randrange(6)
    if kind == 0:
        struct.pack_into(
            "<I", octets, 4, dice.choice([*_EDGES, len(octets) - 1, len(octets) + 1, len(octets) + 70_000])
        )
    elif kind == 1:
        struct.pack_into("<I", octets, 8, dice.choice([1, 2, 15, 0x21, 0xFFFFFFFF]))  # a reply, or what nobody knows
    elif kind == 2:
        del octets[dice.randrange(len(octets)) :]
    elif kind == 3:
        at = dice.randrange(16)
        octets[at] ^= 1 << dice.randrange(8)
    elif kind == 4:
        octets = bytearray(dice.randbytes(dice.choice([1, 15, 16, 17, 300])))
    else:
        octets += octets[: dice.randrange(len(octets))]
    return bytes(octets)


def _first(dice: random.Random) -> bytes:
    """A VERSION that nobody should agree to, or something else in its place."""
    kind = dice.randrange(5)
    if kind == 0:
        return _message(dice).octets
    if kind == 1:
        payload = struct.pack("<HH", 0, 0) + dice.choice([_DEEP, b"[" * 4000, b'"\\ud800"\0', b"1" * 4000, b"NaN\0"])
    elif kind == 2:
        payload = struct.pack("<HH", dice.choice([1, 0xFFFF]), 0)
    else:
        payload = bytearray(_greeting(dice, *_EDGES))
        payload[dice.randrange(len(payload))] ^= 1 << dice.randrange(8)
    return _HEADER.pack(1, client.VERSION, 16 + len(payload), 0, 0) + bytes(payload)


# -- the attack ----------------------------------------------------------------------------------------------------


class _Attacker:
    """One connection after the other, each with its own mischief."""

    def __init__(self, path: Path, seed: str) -> None:
        self._path = path
        self._dice = random.Random(seed)
        self._null = os.open(os.devnull, os.O_RDONLY)
        self.sent = self.answered = 0

    def connection(self) -> None:
        """Send some messages, mostly read what comes, and go."""
        dice = self._dice
        greeted = dice.random() < 0.9
        hello = _greeting(dice, 1 << 16, 1 << 70)
        stream = [_HEADER.pack(0, client.VERSION, 16 + len(hello), 0, 0) + hello if greeted else _first(dice)]
        good = [_message(dice) for _ in range(dice.randrange(1, 24))]
        stream += [one.octets for one in good]
        if dice.random() < 0.5:
            stream.append(_poison(dice))
        self.sent += len(stream)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(20)
            line.connect(str(self._path))
            try:
                self._send(line, stream)
                if dice.random() < 0.1:
                    return  # gone, perhaps in the middle of a message, and with answers on their way
                line.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            answers = self._answers(line)
        if greeted:
            assert answers[0] == (0, client.VERSION)
            due = [(one.id, one.command) for one in good if one.answered]
            assert answers[1 : 1 + len(due)] == due
        self.answered += len(answers)

    def _send(self, line: socket.socket, stream: list[bytes]) -> None:
        dice = self._dice
        pieces = [b"".join(stream)]
        if dice.random() < 0.2:  # in fragments
            whole = pieces[0]
            cuts = sorted(dice.randrange(len(whole)) for _ in range(dice.randrange(1, 9)))
            pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True) if a < b]
        for piece in pieces:
            if dice.random() < 0.1:
                count = dice.choice([1, 2, 16, 17, 64, 253])
                sent = socket.send_fds(line, [piece], [self._null] * count)
                piece = piece[sent:]
            line.sendall(piece)

    def _answers(self, line: socket.socket) -> list[tuple[int, int]]:
        """(id, command) of each reply; all that comes must be whole replies."""
        data = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while piece := line.recv(1 << 18):
                data += piece
        found, at = [], 0
        while at < len(data):
            number, command, size, flags, error = _HEADER.unpack_from(data, at)
            assert size >= 16 and at + size <= len(data)
            assert flags in (1, 0x21)
            assert (flags == 0x21) == (error != 0)
            assert not error or (size == 16 and error in errno.errorcode)
            found.append((number, command))
            at += size
        return found

    def close(self) -> None:
        os.close(self._null)


def test_mutated_messages(tmp_path: Path) -> None:
    with _victim(tmp_path, "--trace", os.devnull) as victim:
        before, half = victim.descriptors(), 0
        victim.is_whole()
        started = victim.kib("VmRSS")
        seed = "vfio-user" if FUZZ == 1 else os.urandom(8).hex()
        print("seed", seed)  # shown when it fails
        attacker = _Attacker(victim.path, seed)
        while attacker.sent < MESSAGES:
            attacker.connection()
            if attacker.sent > MESSAGES // 2 and not half:
                victim.is_whole()
                half = victim.kib("VmRSS")
        attacker.close()
        victim.is_whole()
        end = time.monotonic() + 10
        while victim.descriptors() != before and time.monotonic() < end:
            time.sleep(0.01)  # it closes the last connection a moment after we did
        assert victim.descriptors() == before
        assert victim.kib("VmRSS") <= half + 1024  # what it needs it has by then
        assert victim.kib("VmHWM") <= started + (16 << 10)
        assert attacker.answered > MESSAGES // 2  # it was not all thrown away at the door


# -- one by one ----------------------------------------------------------------------------------------------------


def test_a_deaf_client_does_not_keep_the_server_from_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PATIENCE_S", 300.0)
    with Server(tmp_path / "s", Device(compiled(_LAYOUT))) as server:
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
    with verify.serving(tmp_path / "s", compiled(_LAYOUT)), Client(tmp_path / "s", greet=False) as silent:
        with Client(tmp_path / "s", timeout=60) as one:
            assert one.read(CONFIG, 0, 2) == b"\x34\x12"
        assert silent.is_closed()


def test_as_many_clients_wait_as_come(tmp_path: Path) -> None:
    with verify.serving(tmp_path / "s", compiled(_LAYOUT)), ExitStack() as stack:
        first = stack.enter_context(Client(tmp_path / "s"))
        for _ in range(20):  # each connects at once, without blocking
            stack.enter_context(Client(tmp_path / "s", greet=False))
        assert first.read(CONFIG, 0, 2) == b"\x34\x12"


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Client]:
    with verify.serving(tmp_path / "s", compiled(_LAYOUT)), Client(tmp_path / "s") as connected:
        yield connected


@pytest.mark.parametrize(("theirs", "ours"), [(0, 0), (1, 1), (2, 1), (0xFFFF, 1)])
def test_no_minor_version_is_claimed_that_is_not_spoken(tmp_path: Path, theirs: int, ours: int) -> None:
    with verify.serving(tmp_path / "s", compiled(_LAYOUT)), Client(tmp_path / "s", greet=False) as one:
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
    with verify.serving(tmp_path / "s", compiled(_LAYOUT)), Client(tmp_path / "s", greet=False) as one:
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
