"""The vfio-user server: one function on one unix socket, one client at a time.

A client can do what it likes: each message is bounded, what makes no sense gets an error reply, what cannot be followed
ends the connection, and every descriptor that arrives is closed. A second client waits until the first one is gone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import time
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TextIO

from . import protocol
from .device import Device
from .protocol import Command, Header, ProtocolError

LONGEST_PATH = 107
"""Bytes of a socket's path (sun_path of unix(7) has 108, with a zero byte at the end)."""
PATIENCE_S = 5.0
"""How long a client may take for its VERSION, for the rest of a message and to read a reply (seconds)."""
WAITING = 64
"""How many clients may wait for their turn: one more could not even connect (EAGAIN, where it does not block)."""
_CHUNK = 1 << 16


class _Gone(Exception):  # noqa: N818 - how a connection ends, no fault
    """The client went away, or the connection cannot go on."""


class _Stopped(Exception):  # noqa: N818 - somebody asked for it
    """The server is to end."""


class Server:
    """Serves `device` at `path` from the moment it is made; `run` answers until `stop` is called.

    Raises:
        OSError: there can be no socket at `path`.
    """

    def __init__(self, path: Path, device: Device) -> None:
        self.path = path
        self.device = device
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_writer.setblocking(False)
        try:
            self._listener, self._inode = _listen(path)
        except OSError:
            self._wake_reader.close()
            self._wake_writer.close()
            raise

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def stop(self) -> None:
        """Let `run` return soon; may be called from another thread or a signal handler, and more than once."""
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"x")

    def close(self) -> None:
        """Take the socket away, unless another server has put its own there by now."""
        with contextlib.suppress(OSError):
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()
        for one in (self._listener, self._wake_reader, self._wake_writer):
            one.close()

    def run(self) -> None:
        """Serve one client after the other until `stop`; each finds the function reset."""
        with contextlib.suppress(_Stopped):
            while True:
                self.wait(self._listener, None)
                with contextlib.suppress(_Gone, OSError):
                    client, _ = self._listener.accept()
                    with client:
                        client.setblocking(False)
                        _Connection(self, client).serve()
                self.device.reset()  # whatever the client left behind

    def wait(self, one: socket.socket | TextIO, deadline: float | None, event: int = select.POLLIN) -> None:
        """Until there is something to read, or `event`; raises _Stopped on `stop`, _Gone at the deadline.

        What a client makes happen must wait for everything like this: else `stop` would not be heard.
        """
        poll = select.poll()
        poll.register(one, event)
        poll.register(self._wake_reader, select.POLLIN)
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        ready = poll.poll(left)
        if any(number == self._wake_reader.fileno() for number, _ in ready):
            raise _Stopped
        if not ready:
            raise _Gone


def _listen(path: Path) -> tuple[socket.socket, int]:
    """A socket that listens at `path`, for its owner only, and its number as a file.

    It is bound under another name and then renamed: whoever finds it at `path` finds it listening, and a socket that
    a dead server left there is replaced. Nothing else is ever replaced.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise OSError(errno.ENAMETOOLONG, f"a socket's path has at most {LONGEST_PATH} bytes", os.fspath(path))
    if path.exists() and not path.is_socket():
        raise OSError(errno.EEXIST, "there is something else already", os.fspath(path))
    if _listens(path):
        raise OSError(errno.EADDRINUSE, "a server listens here already", os.fspath(path))
    numbers = (path.with_name(f".{os.getpid():x}{number or ''}") for number in count())  # short: the same limit holds
    fresh = next(one for one in numbers if not os.path.lexists(one))
    if len(os.fsencode(fresh)) > LONGEST_PATH:
        raise OSError(errno.ENAMETOOLONG, f"a socket's path has at most {LONGEST_PATH} bytes", os.fspath(path))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(fresh))
        fresh.chmod(0o600)  # nobody can connect before it listens
        listener.listen(WAITING)
        inode = fresh.stat().st_ino  # not of `path`, where another server may put its own at any time
        fresh.rename(path)
    except OSError:
        listener.close()
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    return listener, inode


def _listens(path: Path) -> bool:
    """Whether somebody listens at `path`: there is more than what a dead server left."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.setblocking(False)
        try:
            one.connect(os.fspath(path))
        except BlockingIOError:  # so many wait already
            return True
        except OSError:
            return False
    return True


class _Connection:
    """One client, from its VERSION to its end."""

    def __init__(self, server: Server, client: socket.socket) -> None:
        self._server = server
        self._client = client
        self._device = server.device
        self._max_message = protocol.MAX_FIRST
        self._most_data = 0
        self._agreed = False

    def serve(self) -> None:
        """Answer until the client is gone."""
        while True:
            until = None if self._agreed else time.monotonic() + PATIENCE_S  # a greeted client may be idle
            header = protocol.parse_header(self._receive(protocol.HEADER_BYTES, until))
            if header.size < protocol.HEADER_BYTES or not header.is_command:
                raise _Gone  # there is no telling where the next message begins, or whose reply this is
            if header.size > self._max_message:
                self._send(protocol.refusal(header, errno.E2BIG))
                raise _Gone
            payload = self._receive(header.size - protocol.HEADER_BYTES, time.monotonic() + PATIENCE_S)
            try:
                answer = protocol.reply(header, self._answer(header, payload))
            except ProtocolError as error:
                answer = protocol.refusal(header, error.number)
            if header.wants_reply:
                self._send(answer)
            if not self._agreed:
                raise _Gone

    def _send(self, message: bytes) -> None:
        """All of it; a client that does not read is waited for as one that does not write."""
        left, deadline = memoryview(message), time.monotonic() + PATIENCE_S
        while left:
            try:
                left = left[self._client.send(left) :]
            except BlockingIOError:
                self._server.wait(self._client, deadline, select.POLLOUT)

    def _receive(self, size: int, deadline: float | None) -> bytes:
        """`size` bytes; without a deadline the first of them may take for ever, the others not."""
        data = bytearray()
        while len(data) < size:
            self._server.wait(self._client, deadline)
            piece, descriptors, _, _ = socket.recv_fds(
                self._client, min(size - len(data), _CHUNK), protocol.MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
            )
            for one in descriptors:  # memory to share, events to raise: this function needs neither
                os.close(one)
            if not piece:
                raise _Gone
            data += piece
            if deadline is None:
                deadline = time.monotonic() + PATIENCE_S
        return bytes(data)

    def _answer(self, header: Header, payload: bytes) -> bytes:
        """The payload of the reply to one command."""
        if header.command == Command.VERSION:
            if self._agreed:
                raise ProtocolError(errno.EINVAL, "a second VERSION")
            ours, self._most_data = protocol.agree(payload)
            longest = protocol.HEADER_BYTES + protocol.REGION_ACCESS.size + self._most_data
            self._max_message = max(longest, protocol.MAX_FIRST)
            self._agreed = True
            return ours
        if not self._agreed:
            raise ProtocolError(errno.EINVAL, "the first message must be VERSION")
        match header.command:
            case Command.REGION_READ:
                offset, region, count = self._access(payload)
                return protocol.REGION_ACCESS.pack(offset, region, count) + self._device.read(region, offset, count)
            case Command.REGION_WRITE:
                offset, region, count = self._access(payload)
                data = payload[protocol.REGION_ACCESS.size :]
                if len(data) != count:
                    raise ProtocolError(errno.EINVAL, f"{count} bytes announced, {len(data)} sent")
                self._device.write(region, offset, data)
                return protocol.REGION_ACCESS.pack(offset, region, count)
            case Command.DEVICE_GET_INFO:
                return self._device_info(payload)
            case Command.DEVICE_GET_REGION_INFO:
                return self._region_info(payload)
            case Command.DEVICE_GET_IRQ_INFO:
                return self._irq_info(payload)
            case Command.DEVICE_SET_IRQS:
                index, start, count = protocol.take_irqs(payload)
                if index >= protocol.IRQS or start + count > self._device.interrupts(index):
                    raise ProtocolError(errno.EINVAL, "there are not so many interrupts")
                return b""  # nothing here ever raises one
            case Command.DEVICE_RESET:
                self._device.reset()
                return b""
            case Command.DMA_MAP:
                protocol.take_sized(protocol.DMA_MAP, payload)
                return b""  # nothing here ever reaches into the guest's memory
            case Command.DMA_UNMAP:
                protocol.take_sized(protocol.DMA_UNMAP, payload)
                return payload[: protocol.DMA_UNMAP.size]
            case _:
                raise ProtocolError(errno.ENOTSUP, f"command {header.command}")

    def _access(self, payload: bytes) -> tuple[int, ...]:
        """Offset, region and count of a read or a write."""
        numbers = protocol.take(protocol.REGION_ACCESS, payload)
        if numbers[2] > self._most_data:
            raise ProtocolError(errno.E2BIG, "more than was agreed on")
        return numbers

    def _device_info(self, payload: bytes) -> bytes:
        protocol.take_sized(protocol.DEVICE_INFO, payload)
        flags = protocol.DEVICE_RESETS | protocol.DEVICE_IS_PCI
        return protocol.DEVICE_INFO.pack(protocol.DEVICE_INFO.size, flags, len(self._device.regions), protocol.IRQS)

    def _region_info(self, payload: bytes) -> bytes:
        argsz, _, index, *_ = protocol.take_sized(protocol.REGION_INFO, payload)
        facts = self._device.regions.get(index)
        if facts is None:
            raise ProtocolError(errno.EINVAL, f"region {index}")
        size, capability = protocol.REGION_INFO.size, b""
        flags = protocol.REGION_READABLE | protocol.REGION_WRITABLE if facts.size else 0
        if facts.type is not None:
            flags |= protocol.REGION_HAS_CAPS
            capability = protocol.REGION_TYPE.pack(protocol.REGION_CAP_TYPE, 1, 0, *facts.type)
        whole = size + len(capability)
        fits = argsz >= whole  # else the client learns what it takes and asks again
        at = size if capability and fits else 0
        info = protocol.REGION_INFO.pack(whole, flags, index, at, facts.size, 0)
        return info + (capability if fits else b"")

    def _irq_info(self, payload: bytes) -> bytes:
        _, _, index, _ = protocol.take_sized(protocol.IRQ_INFO, payload)
        if index >= protocol.IRQS:
            raise ProtocolError(errno.EINVAL, f"interrupt {index}")
        flags = protocol.IRQ_EVENTFD
        if index == protocol.INTX:
            flags |= protocol.IRQ_MASKABLE | protocol.IRQ_AUTOMASKED
        elif index in (protocol.MSI, protocol.MSIX):
            flags |= protocol.IRQ_NORESIZE
        return protocol.IRQ_INFO.pack(protocol.IRQ_INFO.size, flags, index, self._device.interrupts(index))
