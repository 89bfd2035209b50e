"""What a guest really sees: functions served to a real QEMU, read back bit by bit, compared with the expected view."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from .. import ir
from ..ir import ConfigSpace, Function
from . import behaviour, qtest
from .board import Q35, Board
from .device import Device
from .qemu_view import HEADER_TYPE, MSI, MULTIFUNCTION, Change, Place, View, qemu_view, standard_chain
from .server import Server

OLDEST_QEMU = (10, 1)
"""The first release with vfio-user-pci."""
MOST_AT_ONCE = 24
"""Functions of one machine: each needs a slot of the root bus, and the chipset has some itself."""
_FIRST_SLOT = 1
_DWORD = 4
_ONES = 0xFFFFFFFF


class Mismatch(NamedTuple):
    """A dword that is not as expected: `what` was done before it was read."""

    offset: int
    what: str
    expected: int
    found: int


class Verdict(NamedTuple):
    """What one function looks like in QEMU: the space that was expected, why, and where it is not so."""

    function: Function
    place: Place
    expected: ConfigSpace
    changes: tuple[Change, ...]
    mismatches: tuple[Mismatch, ...]

    def wrong(self, *whats: str) -> int:
        """How many bytes differed after something was done."""
        return sum(
            sum(1 for byte in (m.expected ^ m.found).to_bytes(_DWORD, "little") if byte)
            for m in self.mismatches
            if m.what in whats
        )


RESET, ONES, ZEROS = "at reset", "after writing ones", "after writing zeros"
BACK, AFTER = "after writing it back", "in the end"


def verify(
    program: Path, functions: Sequence[Function], place: Place, folder: Path | None = None, *, board: Board = Q35
) -> list[Verdict]:
    """Show the functions to one QEMU, all at `place`, and compare.

    `folder` is where the sockets go, for a short time. At most `MOST_AT_ONCE` functions, each of which QEMU takes (see
    refusals).

    Raises:
        QemuError: QEMU did not start, ended, or took too long.
    """
    with served(functions, place, folder) as devices, qtest.Machine(program, devices, board) as machine:
        machine.open_ecam()
        seats = list(_seats(machine, len(functions), place))
        return [_judge(machine, board, seat, one, place) for seat, one in zip(seats, functions, strict=True)]


@contextmanager
def served(functions: Sequence[Function], place: Place, folder: Path | None = None) -> Iterator[list[str]]:
    """Servers of the functions, in a folder for a short time; gives the arguments with which QEMU shows them."""
    with tempfile.TemporaryDirectory(prefix="vpci-", dir=folder) as name, ExitStack() as stack:
        sockets = [Path(name) / str(number) for number in range(len(functions))]
        for path, function in zip(sockets, functions, strict=True):
            stack.enter_context(serving(path, function))
        yield list(_arguments(sockets, functions, place))


@contextmanager
def serving(path: Path, function: Function) -> Iterator[Server]:
    """A server of `function` at `path`, in a thread of its own."""
    with Server(path, Device(function)) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join()


def is_multifunction(function: Function) -> bool:
    """Whether the image claims to be one of several functions: QEMU has to be told."""
    return bool(function.config.value[HEADER_TYPE] & MULTIFUNCTION)


def _arguments(sockets: Sequence[Path], functions: Sequence[Function], place: Place) -> Iterator[str]:
    if place is Place.CONVENTIONAL:
        yield from ("-device", f"pcie-pci-bridge,id=above,bus=pcie.0,addr={_FIRST_SLOT:#x}")
    for number, (path, function) in enumerate(zip(sockets, functions, strict=True)):
        slot = _FIRST_SLOT + number
        bus, address = "pcie.0", slot
        if place is Place.PORT:
            yield from ("-device", f"pcie-root-port,id=above{number},bus=pcie.0,addr={slot:#x},chassis={slot}")
            bus, address = f"above{number}", 0
        elif place is Place.CONVENTIONAL:
            bus = "above"
        device = {
            "driver": "vfio-user-pci",
            "bus": bus,
            "addr": f"{address:#x}",
            "multifunction": is_multifunction(function),
            "socket": {"type": "unix", "path": str(path)},
        }
        yield from ("-device", json.dumps(device))


def path_in_linux(number: int, place: Place) -> str:
    """Where Linux lists function `number` of those that are shown at `place`, below /sys: a pattern for its shell."""
    slot = _FIRST_SLOT + number
    if place is Place.ROOT:
        return f"bus/pci/devices/0000:00:{slot:02x}.0"
    if place is Place.PORT:
        return f"bus/pci/devices/0000:00:{slot:02x}.0/0000:*:00.0"
    return f"bus/pci/devices/0000:00:{_FIRST_SLOT:02x}.0/0000:*:{slot:02x}.0"


def _seats(machine: qtest.Machine, count: int, place: Place) -> Iterator[tuple[int, int]]:
    """Number the buses; then the bus and device of each function."""
    if place is Place.CONVENTIONAL:
        machine.number_bus(0, _FIRST_SLOT, 1, 1)
    for number in range(count):
        slot = _FIRST_SLOT + number
        if place is Place.PORT:
            machine.number_bus(0, slot, slot, slot)
            yield slot, 0
        else:
            yield (0 if place is Place.ROOT else 1), slot


def expect(function: Function, place: Place) -> View:
    """What a guest finds of the function at reset."""
    alone = behaviour.standing_alone(function)
    return qemu_view(alone, function.bars, place, multifunction=is_multifunction(function))


def _judge(machine: qtest.Machine, board: Board, seat: tuple[int, int], function: Function, place: Place) -> Verdict:
    alone = behaviour.standing_alone(function)
    view = expect(function, place)
    expected = view.config
    state = bytearray(expected.value)
    found = list(_differences(RESET, bytes(state), machine.space(*seat, expected.size)))
    probes = list(_probes(expected, state, _patterns(alone, behaviour.pulses(function), expected.size)))
    texts: list[str] = []
    for one in probes:
        texts.append(qtest.write(*seat, one.offset, _DWORD, one.value, board))
        texts.append(qtest.read(*seat, one.offset, _DWORD, board))
    answers = [int(answer, 16) for answer in machine.commands(texts)[1::2]]
    for one, answer in zip(probes, answers, strict=True):
        if answer != one.wanted:
            found.append(Mismatch(one.offset, one.what, one.wanted, answer))
    found.extend(_differences(AFTER, bytes(state), machine.space(*seat, expected.size)))
    return Verdict(function, place, expected, view.changes, tuple(found))


class _Probe(NamedTuple):
    """A dword that is written, and what it must read then."""

    offset: int
    what: str
    value: int
    wanted: int


def _probes(expected: ConfigSpace, state: bytearray, patterns: Sequence[int]) -> Iterator[_Probe]:
    """Each dword: ones, then zeros, then what it had before; `state` is what it all must lead to.

    Where ones leave zeros behind, and must, zeros would prove nothing.
    """
    for offset, ones in zip(range(0, expected.size, _DWORD), patterns, strict=True):
        before = int.from_bytes(state[offset : offset + _DWORD], "little")
        for what, value in ((ONES, ones), (ZEROS, 0), (BACK, before)):
            ir.write(expected, state, offset, _DWORD, value, _nobody)
            wanted = int.from_bytes(state[offset : offset + _DWORD], "little")
            yield _Probe(offset, what, value, wanted)
            if (before, wanted) == (0, 0):
                break


def _patterns(config: ConfigSpace, pulses: bytes, size: int) -> list[int]:
    """What to write into each dword in place of ones.

    Not the bits that start something (a reset in the middle would take the proof away), and as many MSI vectors as the
    function has: QEMU corrects a larger number.
    """
    patterns = [_ONES & ~int.from_bytes(pulses[at : at + _DWORD], "little") for at in range(0, size, _DWORD)]
    for one in standard_chain(config.value):
        if one.id == MSI and one.offset % _DWORD == 0:
            most = config.value[one.offset + 2] >> 1 & 7
            patterns[one.offset // _DWORD] &= ~0x700000 | most << 20
    return patterns


def _differences(what: str, expected: bytes, found: bytes) -> Iterator[Mismatch]:
    for at in range(0, len(expected), _DWORD):
        wanted, got = (int.from_bytes(octets[at : at + _DWORD], "little") for octets in (expected, found))
        if wanted != got:
            yield Mismatch(at, what, wanted, got)


def _nobody(offset: int, size: int, value: int, mask: int) -> None:
    """The view that is written to here has nobody behind it."""
