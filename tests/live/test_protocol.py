"""What a client may send: the right thing is answered, nonsense is refused, and the server is alive afterwards."""

from __future__ import annotations

import errno
import json
import os
import struct
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiling import compiled
from live import client
from live.client import CONFIG, Client, Refused
from vpci_compile.live import verify
from vpci_compile.live.server import Server

_BARS = "config_size: 4096\nbars:\n  0: {kind: mem64, size: 64K, source: synthesized}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("vfio") / "s"
    with verify.serving(path, compiled(_BARS)) as running:
        yield running


@pytest.fixture
def path(server: Server) -> Path:
    return server.path


def _alive(path: Path) -> None:
    with Client(path) as one:
        assert one.read(CONFIG, 0, 4) == b"\x34\x12\x78\x56"


def test_version(path: Path) -> None:
    with Client(path) as one:
        assert one.agreed == {"capabilities": {"max_msg_fds": 16, "max_data_xfer_size": 1 << 20}}


def test_facts(path: Path) -> None:
    with Client(path) as one:
        info = struct.unpack("<IIII", one.call(client.GET_INFO, struct.pack("<IIII", 16, 0, 0, 0)))
        assert info == (16, 3, 9, 5)
        assert one.region(0) == (32, 3, 0, 0, 0x10000, 0)
        assert one.region(1) == (32, 0, 1, 0, 0, 0)
        assert one.region(CONFIG) == (32, 3, 7, 0, 4096, 0)
        for index in range(5):
            answer = one.call(client.IRQ_INFO, struct.pack("<IIII", 16, 0, index, 0))
            assert struct.unpack("<IIII", answer)[2:] == (index, int(index in (3, 4)))


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        (client.REGION_INFO, struct.pack("<IIIIQQ", 32, 0, 9, 0, 0, 0)),
        (client.IRQ_INFO, struct.pack("<IIII", 16, 0, 5, 0)),
        (client.SET_IRQS, struct.pack("<IIIII", 20, 0x21, 2, 0, 2)),
        (client.SET_IRQS, struct.pack("<IIIII", 20, 0x21, 0xFFFFFFFF, 0, 1)),
        (client.REGION_READ, struct.pack("<QII", 4095, CONFIG, 2)),
        (client.REGION_READ, struct.pack("<QII", 2**64 - 1, CONFIG, 2)),
        (client.REGION_READ, struct.pack("<QII", 0, CONFIG, 0)),
        (client.REGION_READ, struct.pack("<QII", 0, 1, 4)),
        (client.REGION_READ, struct.pack("<QII", 0, 0xFFFFFFFF, 4)),
        (client.REGION_WRITE, struct.pack("<QII", 0, CONFIG, 4) + b"abc"),
        (client.REGION_WRITE, struct.pack("<QII", 0, CONFIG, 2) + b"abc"),
        (client.REGION_READ, b"short"),
        (client.DMA_MAP, b""),
        (client.VERSION, struct.pack("<HH", 0, 0)),
    ],
)
def test_what_cannot_be_is_refused_and_the_connection_goes_on(path: Path, command: int, payload: bytes) -> None:
    with Client(path) as one:
        with pytest.raises(Refused) as caught:
            one.call(command, payload)
        assert caught.value.number == errno.EINVAL
        assert one.read(CONFIG, 0, 2) == b"\x34\x12"


@pytest.mark.parametrize("command", [0, 6, 11, 12, 15, 16, 17, 18, 999])
def test_unknown_commands(path: Path, command: int) -> None:
    with Client(path) as one:
        with pytest.raises(Refused) as caught:
            one.call(command, bytes(64))
        assert caught.value.number == errno.ENOTSUP
        assert one.read(CONFIG, 0, 2) == b"\x34\x12"


def test_posted_writes_are_not_answered(path: Path) -> None:
    with Client(path) as one:
        one.send(client.REGION_WRITE, struct.pack("<QII", 4, CONFIG, 2) + b"\2\0", flags=0x10)
        one.send(client.REGION_WRITE, struct.pack("<QII", 99999, CONFIG, 2) + b"\2\0", flags=0x10)
        assert one.read(CONFIG, 4, 2) == b"\2\0"


def test_dma_is_accepted_and_left_alone(path: Path) -> None:
    with Client(path) as one:
        assert one.call(client.DMA_MAP, struct.pack("<IIQQQ", 32, 3, 0, 0, 1 << 20)) == b""
        unmap = struct.pack("<IIQQ", 24, 0, 0, 1 << 20)
        assert one.call(client.DMA_UNMAP, unmap) == unmap


@pytest.mark.parametrize("size", [0, 15, (1 << 20) + 33, 0xFFFFFFFF])
def test_sizes_that_cannot_be_end_the_connection(path: Path, size: int) -> None:
    with Client(path) as one:
        one.send(client.GET_INFO, bytes(16), size=size)
        if size > 16:
            with pytest.raises(Refused) as caught:
                one.answer()
            assert caught.value.number == errno.E2BIG
        assert one.is_closed()
    _alive(path)


def test_the_largest_message_is_taken(path: Path) -> None:
    with Client(path) as one:
        with pytest.raises(Refused) as caught:  # not too big: it just does not fit the region
            one.call(client.REGION_WRITE, struct.pack("<QII", 0, 0, 1 << 20) + bytes(1 << 20))
        assert caught.value.number == errno.EINVAL


def test_a_large_first_message_is_refused(path: Path) -> None:
    with Client(path, greet=False) as one:
        one.send(client.VERSION, bytes(8), size=5000)
        with pytest.raises(Refused):
            one.answer()
        assert one.is_closed()
    _alive(path)


@pytest.mark.parametrize("command", [client.GET_INFO, client.REGION_READ, client.RESET])
def test_version_comes_first(path: Path, command: int) -> None:
    with Client(path, greet=False) as one:
        with pytest.raises(Refused):
            one.call(command, bytes(32))
        assert one.is_closed()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\1\0\0\0{}\0",
        b"\0\0\0\0{\0",
        b"\0\0\0\0[]\0",
        b'\0\0\0\0{"capabilities": 3}\0',
        b'\0\0\0\0{"capabilities": {"max_data_xfer_size": true}}\0',
        b'\0\0\0\0{"capabilities": {"max_data_xfer_size": -1}}\0',
        b"\0\0\0\0\xff\xfe\0",
        b"\0\0\0\0" + b"[" * 4000,
    ],
)
def test_versions_that_cannot_be(path: Path, text: bytes) -> None:
    with Client(path, greet=False) as one:
        with pytest.raises(Refused):
            one.call(client.VERSION, text)
        assert one.is_closed()
    _alive(path)


def test_a_smaller_limit_of_the_client_holds(path: Path) -> None:
    with Client(path, greet=False) as one:
        text = json.dumps({"capabilities": {"max_data_xfer_size": 8192}}).encode()
        one.call(client.VERSION, struct.pack("<HH", 0, 1) + text)
        assert one.read(CONFIG, 0, 4096)
        with pytest.raises(Refused) as caught:
            one.read(0, 0, 8193)
        assert caught.value.number == errno.E2BIG


def test_replies_are_no_commands(path: Path) -> None:
    with Client(path) as one:
        one.send(client.GET_INFO, bytes(16), flags=1)
        assert one.is_closed()
    _alive(path)


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _settles_at(number: int) -> bool:
    """Whether there are no more descriptors soon: the server, a thread of ours, ends its side a moment later."""
    end = time.monotonic() + 3
    while _descriptors() > number and time.monotonic() < end:
        time.sleep(0.001)
    return _descriptors() <= number


def test_every_descriptor_is_closed(path: Path) -> None:
    with Client(path) as one:
        before = _descriptors()
        for _ in range(50):
            with Path(os.devnull).open() as null:
                one.send_fds(client.DMA_MAP, struct.pack("<IIQQQ", 32, 3, 0, 0, 4096), [null.fileno()] * 16)
            one.answer()
        with Path(os.devnull).open() as null:  # more than was agreed on
            one.send_fds(client.SET_IRQS, struct.pack("<IIIII", 20, 0x24, 0, 0, 0), [null.fileno()] * 100)
        one.answer()
        assert _settles_at(before)


def test_memory_is_bounded(tmp_path: Path) -> None:
    function = compiled("bars:\n  0: {kind: mem64, size: 64G, source: synthesized}\n")
    with verify.serving(tmp_path / "s", function), Client(tmp_path / "s") as one:
        one.write(CONFIG, 4, b"\2\0")
        chunk = b"\xaa" * (1 << 20)
        tracemalloc.start()
        try:
            for number in range(64):
                one.write(0, number << 20, chunk)
            assert tracemalloc.get_traced_memory()[0] < 96 << 20
            with pytest.raises(Refused) as caught:
                one.write(0, 1 << 35, b"\1")
            assert caught.value.number == errno.ENOMEM
            one.write(0, 1 << 35, bytes(1 << 20))  # zeros take no memory
            assert one.read(0, 63 << 20, 1 << 20) == chunk
            one.call(client.RESET)
            assert tracemalloc.get_traced_memory()[0] < 8 << 20
        finally:
            tracemalloc.stop()


# -- whatever comes ------------------------------------------------------------------------------------------------

_GOOD = [
    struct.pack("<HHIII", 1, 1, 20, 0, 0) + struct.pack("<HH", 0, 0),
    struct.pack("<HHIII", 2, 4, 32, 0, 0) + struct.pack("<IIII", 16, 0, 0, 0),
    struct.pack("<HHIII", 3, 5, 48, 0, 0) + struct.pack("<IIIIQQ", 32, 0, 7, 0, 0, 0),
    struct.pack("<HHIII", 4, 9, 32, 0, 0) + struct.pack("<QII", 0, 7, 4096),
    struct.pack("<HHIII", 5, 10, 36, 0, 0) + struct.pack("<QII", 4, 7, 4) + b"\7\5\0\0",
    struct.pack("<HHIII", 6, 8, 36, 0, 0) + struct.pack("<IIIII", 20, 0x24, 0, 0, 1),
    struct.pack("<HHIII", 7, 10, 48, 0, 0) + struct.pack("<QII", 0x1000, 0, 16) + bytes(range(16)),
    struct.pack("<HHIII", 8, 13, 16, 0, 0),
]


@st.composite
def _streams(draw: st.DrawFn) -> bytes:
    """Good messages, of which some are damaged, cut short, said twice or left out."""
    order = draw(st.lists(st.sampled_from(_GOOD), max_size=6))
    stream = bytearray(b"".join([*([_GOOD[0]] if draw(st.booleans()) else []), *order]))
    for at, value in draw(st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 255)), max_size=6)):
        if stream:
            stream[at % len(stream)] = value
    stream += draw(st.binary(max_size=64))
    return bytes(stream[: draw(st.integers(0, len(stream)))]) if draw(st.booleans()) else bytes(stream)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stream=_streams())
def test_no_stream_of_bytes_harms_the_server(path: Path, stream: bytes) -> None:
    before = _descriptors()
    with Client(path, greet=False) as one:
        try:
            one.socket.sendall(stream)
            one.socket.shutdown(1)  # SHUT_WR: that was all
            while one.socket.recv(65536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
    _alive(path)
    assert _settles_at(before)
