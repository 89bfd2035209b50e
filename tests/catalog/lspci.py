"""What lspci says of real captures, and the captures' structures found without the product's own importer.

for capture in captures():                 # name, bytes of config space, structures
    shown = decoded()[capture.name]        # header lines and a block for each capability
    for block in shown.blocks: ...         # block.offset, .extended, .title, .lines, .text
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import judges
from judges import ROOT

_ROW = re.compile(r"([0-9a-f]{2,3}):((?: [0-9a-f]{2}){1,16})\s*")
_SLOT = re.compile(r"(?:[0-9a-f]{4,}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b")
_CAPABILITY = re.compile(r"\tCapabilities: \[([0-9a-f]+)(?: v(\d+))?\] ?(.*)")


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure found by walking a chain; `room` is how many bytes there are up to the next one."""

    chain: str
    id: int
    offset: int
    room: int


@dataclass(frozen=True, slots=True)
class Capture:
    """One function's config space."""

    name: str
    config: bytes

    @property
    def layout(self) -> int:
        """Header layout: 0 device, 1 bridge, 2 CardBus."""
        return self.config[0x0E] & 0x7F

    def body(self, structure: Structure) -> bytes:
        """The structure's bytes, with all there is up to the next one."""
        return self.config[structure.offset : structure.offset + structure.room]


@dataclass(frozen=True, slots=True)
class Block:
    """What lspci prints for one capability."""

    offset: int
    extended: bool
    version: int
    title: str
    lines: list[str]

    @property
    def text(self) -> str:
        """Title and lines as one text with single spaces: lspci's own wrapping carries no meaning."""
        return " ".join(" ".join([self.title, *self.lines]).split())


@dataclass(frozen=True, slots=True)
class Shown:
    """What lspci prints for one function."""

    title: str
    header: list[str]
    blocks: list[Block]

    def block(self, structure: Structure) -> Block | None:
        """The block of a structure; None when lspci did not go there."""
        return next((block for block in self.blocks if block.offset == structure.offset), None)


def binary() -> str | None:
    """Path of lspci: VPCI_LSPCI, the fetched one, or the machine's own."""
    found = judges.find("VPCI_LSPCI", "lspci")
    return None if found is None else str(found)


def version() -> tuple[int, ...]:
    """The version of `binary()`, (0,) when there is none."""
    program = binary()
    if program is None:
        return (0,)
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def require(newest: bool = True, of_captures: bool = True) -> None:
    """The calling test does not go on where there is nothing to compare or nobody to compare with."""
    judges.need("VPCI_LSPCI", "lspci")
    if newest and version() < (3, 15):
        judges.lacking(f"no lspci here but {'.'.join(map(str, version()))}: these tests compare the words of 3.15")
    assert captures() or not of_captures, "no captures: VPCI_CAPTURES names none"


def capture_files() -> list[Path]:
    """Every capture file: tests/captures and the shared set beside the repository, or what VPCI_CAPTURES names."""
    named = os.environ.get("VPCI_CAPTURES")
    folders = (
        [Path(folder) for folder in named.split(os.pathsep)]
        if named
        else [ROOT / "tests/captures", ROOT.parent / "shared/captures"]
    )
    return [path for folder in folders for path in sorted(folder.glob("**/*.lspci"))]


def parse(text: str) -> list[bytes]:
    """The config spaces in `lspci -xxx` text, in order."""
    spaces: list[bytearray] = []
    for line in text.splitlines():
        row = _ROW.fullmatch(line)
        if row is None:
            if _SLOT.match(line):
                spaces.append(bytearray())
        elif spaces and int(row[1], 16) == len(spaces[-1]):
            spaces[-1] += bytes.fromhex(row[2])
    return [bytes(space) for space in spaces if len(space) >= 64]


@cache
def captures() -> tuple[Capture, ...]:
    """All captures. A file with several functions gives one capture each, NAME#1, NAME#2 and so on."""
    found: list[Capture] = []
    for path in capture_files():
        spaces = parse(path.read_text("utf-8", "replace"))
        for number, config in enumerate(spaces):
            found.append(Capture(path.stem if len(spaces) == 1 else f"{path.stem}#{number}", config))
    return tuple(found)


def _standard(config: bytes) -> Iterator[tuple[int, int]]:
    if not config[0x06] & 0x10:
        return
    seen: set[int] = set()
    offset = config[0x14 if config[0x0E] & 0x7F == 2 else 0x34] & 0xFC
    while offset >= 0x40 and offset not in seen and offset + 2 <= len(config) and config[offset] != 0xFF:
        seen.add(offset)
        yield offset, config[offset]
        offset = config[offset + 1] & 0xFC


def _extended(config: bytes) -> Iterator[tuple[int, int]]:
    seen: set[int] = set()
    offset = 0x100
    while offset >= 0x100 and offset not in seen and offset + 4 <= len(config):
        header = int.from_bytes(config[offset : offset + 4], "little")
        if header in (0, 0xFFFFFFFF):
            return
        seen.add(offset)
        yield offset, header & 0xFFFF
        offset = header >> 20 & 0xFFC


def structures(config: bytes) -> list[Structure]:
    """The header and every structure of both chains, in chain order; loops and broken links just end a chain."""
    header_bytes = min(len(config), 128 if config[0x0E] & 0x7F == 2 else 64)
    found = [Structure("header", config[0x0E] & 0x7F, 0, header_bytes)]
    for chain, end, walk in (
        ("standard", min(len(config), 256), _standard),
        ("extended", len(config), _extended),
    ):
        places = list(walk(config))
        for offset, number in places:
            room = min((other for other, _ in places if other > offset), default=end) - offset
            found.append(Structure(chain, number, offset, room))
    return found


def _dump(config: bytes, slot: str) -> str:
    rows = (f"{at:02x}: {config[at : at + 16].hex(' ')}" for at in range(0, len(config), 16))
    return "\n".join([f"{slot} ", *rows, "", ""])


def _split(lines: list[str]) -> Shown:
    header: list[str] = []
    blocks: list[Block] = []
    for line in lines[1:]:
        start = _CAPABILITY.fullmatch(line)
        if start:
            offset = int(start[1], 16)
            blocks.append(Block(offset, offset >= 0x100, int(start[2] or 0), start[3], []))
        elif blocks and line.startswith("\t\t"):
            blocks[-1].lines.append(line.strip())
        else:
            header.append(line.strip())
    return Shown(lines[0], header, blocks)


def show(spaces: dict[str, bytes], ids: str = "-nn") -> dict[str, Shown]:
    """`lspci -vvv` of many config spaces, by one process: each stands in a PCI domain of its own.

    With `ids="-n"` lspci prints ids and classes as numbers alone, without names from pci.ids.
    """
    program = binary()
    assert program is not None
    names = list(spaces)
    with tempfile.NamedTemporaryFile("w", suffix=".lspci") as file:
        file.writelines(_dump(spaces[name], f"{number:04x}:00:00.0") for number, name in enumerate(names, 1))
        file.flush()
        done = subprocess.run([program, "-F", file.name, "-D", "-vvv", ids], capture_output=True, text=True, check=True)
    found: dict[str, Shown] = {}
    for paragraph in done.stdout.split("\n\n"):
        lines = paragraph.strip("\n").splitlines()
        if lines:
            found[names[int(lines[0].partition(":")[0], 16) - 1]] = _split(lines)
    return found


@cache
def decoded(ids: str = "-nn") -> dict[str, Shown]:
    """What lspci shows of all `captures()`, by name."""
    return show({capture.name: capture.config for capture in captures()}, ids)
