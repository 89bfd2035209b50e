"""What Linux sees of functions, in its own words (`lspci -xxxx`), compared with what is expected of it.

A running Linux writes where it may; it must not find another bit changed. How much of the space it reads follows a rule
of its own (drivers/pci/probe.c, pci_cfg_space_size).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..catalog import View
from ..ir import ConfigSpace, FieldAt, Function, Origin
from . import guest
from .guest import System
from .qemu_view import Place
from .verify import Mismatch, expect, path_in_linux, served

LINUX = "in Linux"
PCI_SIZE, EXPRESS_SIZE = 256, 4096
_STATUS, _CLASS, _CAP_POINTER = 0x06, 0x0A, 0x34
_CAP_LIST, _HOST_BRIDGE, _EXPRESS, _END_OF_LIST = 0x10, 0x0600, 0x10, 0xFF
_LONGEST_LIST = 48
_ADDRESSES = ("bar", "rom")
_DWORD = 4
_ROW = re.compile(r"^([0-9a-f]{2,3}):((?: [0-9a-f]{2}){1,16})$", re.MULTILINE)
_FUNCTION = "vpci-function"


class Written(NamedTuple):
    """A register that Linux wrote: its name and first byte, value before and after, and fields that changed."""

    offset: int
    size: int
    name: str
    before: int
    after: int
    fields: tuple[str, ...]


class Sight(NamedTuple):
    """What one function looks like in Linux `release`; `found` is empty where Linux has no such function."""

    function: Function
    release: str
    expected: ConfigSpace
    found: bytes

    @property
    def reach(self) -> int:
        """How many bytes Linux must read."""
        return reach(self.expected)

    @property
    def mismatches(self) -> list[Mismatch]:
        """Each dword with a bit that no write can have changed."""
        wrong = []
        for at in range(0, min(len(self.found), self.expected.size), _DWORD):
            allowed = self._number(self.expected.writable, at) | self._number(self.expected.w1c, at)
            found, reset = self._number(self.found, at), self._number(self.expected.value, at)
            if (found ^ reset) & ~allowed:
                wrong.append(Mismatch(at, LINUX, reset & ~allowed | found & allowed, found))
        return wrong

    @property
    def wrong(self) -> int:
        """How many bytes no write can have made so."""
        return sum(
            1 for one in self.mismatches for octet in (one.expected ^ one.found).to_bytes(_DWORD, "little") if octet
        )

    @property
    def changed(self) -> list[int]:
        """The bytes that are not as they were at reset."""
        return [at for at, octet in enumerate(self.found) if octet != self.expected.value[at]]

    @property
    def good(self) -> bool:
        """Whether Linux sees what it should."""
        return len(self.found) == self.reach and not self.mismatches

    @staticmethod
    def _number(octets: bytes, at: int) -> int:
        return int.from_bytes(octets[at : at + _DWORD], "little")


def see(
    program: Path, system: System, functions: Sequence[Function], place: Place, *, iommu: bool = False
) -> list[Sight]:
    """Show the functions to one Linux, all at `place`, and compare.

    At most `verify.MOST_AT_ONCE` functions, each of which QEMU takes (see refusals).

    Raises:
        QemuError: QEMU or Linux ended too soon, or took too long.
        OSError: a program of the system is missing, or there can be no socket.
        ValueError: a program of the system is none.
    """
    lines = ["uname -r"]
    for number in range(len(functions)):
        lines.append(f"echo {_FUNCTION}")
        path = path_in_linux(number, place)
        lines.append(f'for at in /sys/{path}; do [ -e "$at" ] && lspci -D -xxxx -s "${{at##*/}}" 2>/dev/null; done')
    with served(functions, place) as devices:
        said = guest.boot(program, system, devices, "\n".join(lines), iommu=iommu)
    release, *dumps = said.split(f"{_FUNCTION}\n")
    return [
        Sight(function, release.strip(), expect(function, place).config, dumped(text))
        for function, text in zip(functions, dumps, strict=True)
    ]


def dumped(text: str) -> bytes:
    """The bytes of one function, from what `lspci -xxxx` prints; empty where it prints no function."""
    octets = bytearray()
    for offset, row in _ROW.findall(text):
        if int(offset, 16) != len(octets):
            break
        octets += bytes.fromhex(row)
    return bytes(octets)


def reach(config: ConfigSpace) -> int:
    """How many bytes Linux reads of the space that a guest finds."""
    if config.size < EXPRESS_SIZE:
        return PCI_SIZE
    is_host = config.number("value", _CLASS, 2) == _HOST_BRIDGE
    if not is_host and _EXPRESS not in _capabilities(config.value):
        return PCI_SIZE
    return PCI_SIZE if config.number("value", PCI_SIZE, 4) == 0xFFFFFFFF else EXPRESS_SIZE


def _capabilities(space: bytes) -> Iterator[int]:
    """The ids of the standard chain, as Linux walks it (drivers/pci/pci.h, PCI_FIND_NEXT_CAP)."""
    at = space[_CAP_POINTER] & ~3 if space[_STATUS] & _CAP_LIST else 0
    for _ in range(_LONGEST_LIST):
        if at < 0x40 or space[at] == _END_OF_LIST:
            return
        yield space[at]
        at = space[at + 1] & ~3


def written(sight: Sight) -> list[Written]:
    """What Linux changed, register by register; bytes of no register by themselves."""
    left = set(sight.changed)
    rows: list[Written] = []
    for structure in sight.function.structures:
        registers: dict[tuple[int, str], list[FieldAt]] = {}
        for one in sight.function.fields(structure) if structure.source is not Origin.HIDDEN else ():
            registers.setdefault((one.offset, one.register), []).append(one)
        for (offset, name), fields in registers.items():
            octets = range(offset, offset + fields[0].place.size)
            if left.intersection(octets):
                left.difference_update(octets)
                rows.append(_row(sight, offset, len(octets), f"{structure.name}.{name}", fields))
    rows.extend(_row(sight, at, 1, "bytes of no register", []) for at in left)
    return sorted(rows)


def _row(sight: Sight, offset: int, size: int, name: str, fields: Sequence[FieldAt]) -> Written:
    before, after = (int.from_bytes(o[offset : offset + size], "little") for o in (sight.expected.value, sight.found))
    words = []
    for one in fields:
        mask = ((1 << one.width) - 1) << one.bit - 8 * offset
        structure = one.structure
        says_more = one.width < 8 * size and not one.register.startswith(_ADDRESSES)
        if (before ^ after) & mask and says_more and structure.capability is not None:
            body = sight.found[structure.offset : structure.end]
            view = View(structure.capability, body, structure.length, sight.function.structures[0].id)
            words.append(f"{one.field.name}={view.decode(one.place, one.field)}")
    return Written(offset, size, name, before, after, tuple(words))
