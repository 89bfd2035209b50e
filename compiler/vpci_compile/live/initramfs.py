"""The archive from which a guest's kernel unpacks its first files: cpio, "newc" format. No root, no device nodes here.

Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

_MAGIC = "070701"
_TRAILER = "TRAILER!!!"
_ALIGNMENT = 4


class Entry(NamedTuple):
    """A file of any kind: `mode` has its type and rights, `device` the numbers of a device node."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(name: str, data: bytes, *, executable: bool = False) -> Entry:
    """A regular file."""
    return Entry(name, stat.S_IFREG | (0o755 if executable else 0o644), data)


def link(name: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(name, stat.S_IFLNK | 0o777, target.encode())


def folder(name: str) -> Entry:
    """An empty folder."""
    return Entry(name, stat.S_IFDIR | 0o755)


def characters(name: str, major: int, minor: int) -> Entry:
    """A character device."""
    return Entry(name, stat.S_IFCHR | 0o600, device=(major, minor))


def pack(entries: Iterable[Entry]) -> bytes:
    """The archive, in the order given; the folders on the way to an entry come before it.

    Raises:
        ValueError: a name is absolute, leads out of the archive or comes twice.
    """
    rows: dict[str, Entry] = {}
    for entry in entries:
        path = PurePosixPath(entry.name)
        if path.is_absolute() or ".." in path.parts or str(path) != entry.name or entry.name == ".":
            raise ValueError(f"{entry.name!r} is no place in an archive")
        for parent in reversed(path.parents[:-1]):
            rows.setdefault(str(parent), folder(str(parent)))
        if rows.setdefault(entry.name, entry) is not entry and not stat.S_ISDIR(entry.mode):
            raise ValueError(f"{entry.name!r} comes twice")
    packed = [_member(number, entry) for number, entry in enumerate(rows.values(), start=1)]
    return b"".join([*packed, _member(0, Entry(_TRAILER, 0))])


def _member(number: int, entry: Entry) -> bytes:
    """Header, name and content, each padded to four bytes."""
    name = entry.name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    # inode, mode, uid, gid, links, mtime, size, major and minor of the file system, then of the device, name, checksum
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, *entry.device, len(name), 0)
    header = (_MAGIC + "".join(f"{one:08x}" for one in fields)).encode()
    return _padded(header + name) + _padded(entry.data)


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % _ALIGNMENT)
