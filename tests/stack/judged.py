"""Where the ingredients of the rig are, and the images in portions that one test can take."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

from judges import ROOT, lacking
from live.guests import folder as guest_folder
from live.guests import need_guest
from vpci_compile import capture
from vpci_compile.ir import BarKind
from vpci_compile.live.board import Q35

from . import images, initrd, parts, shuffle
from .guest import PORTS
from .hardware import MSIX, Image, standard_chain
from .rig import Rig

RANDOM = 200
_LARGEST = 16 << 20  # a BAR's size counts for nothing here, and the machine has little room
_GUESS = 0x10000
_ROM, _SUBCLASS, _CLASS, _REGION = 0x30, 0x0A, 0x0B, 0xFC
_NO_CLASS, _HOST_BRIDGE = b"\0\0", b"\0\x06"
_ALLOCATION, _DISPLAY, _INTEL = 0x14, 0x03, b"\x86\x80"
_EXTENDED, _SRIOV, _CONTROL, _VF_ENABLE = 0x100, 0x10, 8, 0x01
_MOST_EXTENDED = 64


@cache
def captured() -> dict[str, Image]:
    """Every different 4096-byte endpoint of the captures beside the checkout (VPCI_SHARED: or elsewhere)."""
    root = Path(os.environ.get("VPCI_SHARED") or ROOT.parent / "shared") / "captures"
    found: dict[bytes, Image] = {}
    for path in sorted(root.glob("*.lspci")):
        for one in capture.read_all(path).captures:
            if len(one.data) == parts.SIZE and not one.data[0x0E] & 0x7F and not one.virtual and not one.blank:
                found.setdefault(one.data, _image(path.stem, one))
    return {image.name: image for image in found.values()}


def _image(name: str, one: capture.Capture) -> Image:
    value = bytearray(one.data)
    at, left = _EXTENDED, _MOST_EXTENDED
    while at and left:
        head = int.from_bytes(value[at : at + 4], "little")
        if head & 0xFFFF == _SRIOV:
            value[at + _CONTROL] &= ~_VF_ENABLE  # nobody has yet told a function that is new to have virtual ones
        at, left = head >> 20 & 0xFFC, left - 1
    if value[_SUBCLASS : _CLASS + 1] == _NO_CLASS:
        # As for a host bridge, Linux finds no room for BARs, and then ACPI's hot plug takes the function away again.
        value[_CLASS] = 0xFF
    value[_ROM : _ROM + 4] = bytes(4)  # no expansion ROM: its size would have to answer
    for where, own in standard_chain(one.data):
        if own == _ALLOCATION:
            value[where + 2] = 0  # no Enhanced Allocation: its addresses are those of another machine
    if value[:2] == _INTEL and value[_CLASS] == _DISPLAY:
        value[_REGION : _REGION + 4] = bytes(4)  # no OpRegion: it would stand in the memory of another machine
    needed = {index: _power(end) for index, end in _msix_ends(one.data)}
    bars = tuple(
        parts.bar(
            fact.index,
            BarKind.IO if fact.io else BarKind.MEM64 if fact.wide else BarKind.MEM32,
            _power(max(min(fact.size, _LARGEST), needed.get(fact.index, 0))),
            prefetchable=fact.prefetchable,
        )
        for fact in {
            **{index: capture.BarFact(index, size) for index, size in needed.items()},
            **{fact.index: fact for fact in (*_guessed(one.data), *one.bars)},
        }.values()
        if fact.index < 6 and value[_SUBCLASS : _CLASS + 1] != _HOST_BRIDGE
    )
    return Image(name, bytes(value), bars)


def _guessed(value: bytes) -> Iterator[capture.BarFact]:
    """Where a capture does not say how large its BARs are: anything that is not too small for a register in use."""
    index = 0
    while index < 6:
        register = int.from_bytes(value[0x10 + 4 * index :][:4], "little")
        io, wide = bool(register & 1), register & 7 == 4 and index < 5
        if register or (index == 0 and value[_CLASS] == _DISPLAY):  # without it QEMU crashes on NVIDIA's
            yield capture.BarFact(index, 32 if io else _GUESS, io=io, prefetchable=register & 9 == 8, wide=wide)
        index += 1 + wide


def _msix_ends(value: bytes) -> Iterator[tuple[int, int]]:
    """(BAR, first byte after) of the MSI-X table and of its pending bits."""
    for at, own in standard_chain(value):
        if own == MSIX:
            count = (int.from_bytes(value[at + 2 : at + 4], "little") & 0x7FF) + 1
            for register, length in ((at + 4, 16 * count), (at + 8, 8 * -(-count // 64))):
                place = int.from_bytes(value[register : register + 4], "little")
                yield place & 7, (place & ~7) + length


def _power(size: int) -> int:
    return 1 << (size - 1).bit_length()


def image(name: str) -> Image:
    """The image of a name that `portions` gave."""
    if name.startswith("random-"):
        return shuffle.shuffled(int(name.removeprefix("random-")))
    return images.crafted(name) if name in images.CRAFTED else captured()[name]


def names() -> list[str]:
    """All of them; with VPCI_STACK_SAMPLE=N the crafted ones, and one of N of the others."""
    others = [*(f"random-{seed}" for seed in range(RANDOM)), *captured()]
    return [*images.CRAFTED, *others[:: int(os.environ.get("VPCI_STACK_SAMPLE", "1"))]]


def portions(wanted: Sequence[str]) -> list[list[str]]:
    """As many names at a time as are plugged in at once."""
    return [list(wanted[start : start + PORTS]) for start in range(0, len(wanted), PORTS)]


def label(portion: Sequence[str]) -> str:
    """A portion's name."""
    return f"{portion[0]}..{portion[-1]}"


def need_rig() -> Rig:
    """The rig; the test does not go on where something of it is missing."""
    return Rig(*need_ingredients())


def need_ingredients() -> tuple[Path, Path, Path]:
    """QEMU, a kernel and an initial file system, in the same way."""
    program, system = need_guest(Q35)
    judges = guest_folder(Q35).parent
    if shutil.which("gcc") is None:
        _lack("gcc")
    if not (judges / "qemu").is_dir():
        _lack(f"unpacked QEMU in {judges} (run tools/fetch-judges.sh --qemu)")
    modules = system.kernel.parent
    try:
        return program, system.kernel, initrd.build(judges, modules, system.folder / "usr/bin/busybox")
    except FileNotFoundError as missing:
        _lack(str(missing))


def _lack(what: str) -> NoReturn:
    lacking(f"no {what} here: nothing is shown to a real Linux")
