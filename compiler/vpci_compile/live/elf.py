"""What a program needs to start: its loader and its libraries, as its ELF file names them.

Source: System V ABI, chapters 4 and 5 ("Object Files", "Program Loading and Dynamic Linking"); 64-bit, little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_MAGIC = b"\x7fELF\x02\x01"
_HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_DYNAMIC = struct.Struct("<qQ")
_LOAD, _DYNAMICS, _LOADER = 1, 2, 3
_NEEDED, _STRINGS = 1, 5


class Needs(NamedTuple):
    """The path of the loader ("" where a program needs none, as a static one), and names of libraries."""

    loader: str
    libraries: tuple[str, ...]


def needs(octets: bytes) -> Needs:
    """What the file asks for.

    Raises:
        ValueError: it is no such ELF file.
    """
    if not octets.startswith(_MAGIC):
        raise ValueError("no 64-bit little-endian ELF file")
    try:
        return _needs(octets)
    except (struct.error, ValueError) as error:
        raise ValueError("a damaged ELF file") from error


def _needs(octets: bytes) -> Needs:
    _, _, _, _, table, _, _, _, size, count, *_ = _HEADER.unpack_from(octets)
    segments = [_SEGMENT.unpack_from(octets, table + number * size) for number in range(count)]
    loader, dynamic = "", b""
    for kind, _, offset, _, _, length, *_ in segments:
        if kind == _LOADER:
            loader = octets[offset : offset + length].rstrip(b"\0").decode()
        elif kind == _DYNAMICS:
            dynamic = octets[offset : offset + length]
    tags = list(_DYNAMIC.iter_unpack(dynamic[: len(dynamic) // _DYNAMIC.size * _DYNAMIC.size]))
    strings = next((value for tag, value in tags if tag == _STRINGS), 0)
    for kind, _, offset, address, _, length, *_ in segments:
        if kind == _LOAD and address <= strings < address + length:
            strings += offset - address
            break
    names = [
        octets[at : octets.index(b"\0", at)].decode()
        for at in (strings + value for tag, value in tags if tag == _NEEDED)
    ]
    return Needs(loader, tuple(names))


def closure(program: Path, libraries: Path) -> Iterator[tuple[str, Path]]:
    """Each library that the program needs, by the name it is asked for, and the loader by its path; once each.

    Raises:
        OSError: one of them is not in the folder `libraries`.
        ValueError: one of them is no ELF file.
    """
    asked = needs(program.read_bytes())
    if asked.loader:
        yield asked.loader, libraries / Path(asked.loader).name
    waiting, seen = list(asked.libraries), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = libraries / name
        yield name, path
        waiting.extend(needs(path.read_bytes()).libraries)
