"""A server under attack: whatever comes over its socket, it lives, keeps nothing and shows the image.

The same 100,000 messages every time; VPCI_FUZZ=10 sends ten times as many, others each time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket
import time
from pathlib import Path

from live import client

from .mischief import HEADER, first, greeting, message, poison
from .victim import attacked

FUZZ = int(os.environ.get("VPCI_FUZZ", "1"))
MESSAGES = 100_000 * FUZZ


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
        hello = greeting(dice, 1 << 16, 1 << 70)
        stream = [HEADER.pack(0, client.VERSION, 16 + len(hello), 0, 0) + hello if greeted else first(dice)]
        good = [message(dice) for _ in range(dice.randrange(1, 24))]
        stream += [one.octets for one in good]
        if dice.random() < 0.5:
            stream.append(poison(dice))
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
            number, command, size, flags, error = HEADER.unpack_from(data, at)
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
    with attacked(tmp_path, "--trace", os.devnull) as victim:
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
