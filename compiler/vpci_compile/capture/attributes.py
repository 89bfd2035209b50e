"""Attributes of a device folder of sysfs, read one by one: what is not there, or not for us, is "" or None."""

from __future__ import annotations

import re
from pathlib import Path

from ..loader import open_to_read

ROM_LINE = 6
"""The line of `resource` about the expansion ROM; six BARs stand before it."""
_MOST_BYTES = 65_536
_LINE = re.compile(r"0x([0-9a-fA-F]{1,16}) 0x([0-9a-fA-F]{1,16}) 0x([0-9a-fA-F]{1,16})")


def text(path: Path) -> str:
    """An attribute's text, "" when it is not there or not for us."""
    try:
        with open_to_read(path) as stream:
            return stream.read(_MOST_BYTES).decode("ascii", "replace")
    except (OSError, ValueError):
        return ""


def hexadecimal(path: Path) -> int | None:
    """An id or a class: at most 24 bits."""
    match = re.fullmatch(r"\s*0x([0-9a-fA-F]{1,6})\s*", text(path))
    return int(match[1], 16) if match else None


def decimal(path: Path) -> int | None:
    """A number, which may be negative."""
    match = re.fullmatch(r"\s*(-?[0-9]{1,10})\s*", text(path))
    return int(match[1]) if match else None


def resolved_name(path: Path) -> str:
    """The name of the file or folder that a path comes to in the end."""
    try:
        return path.resolve().name
    except (OSError, RuntimeError):
        return ""


def target(link: Path) -> str:
    """The name of what a link leads to, "" where there is none."""
    return resolved_name(link) if link.is_symlink() else ""


def resource(line: str) -> tuple[int, int, int] | None:
    """First byte, last byte and IORESOURCE_* flags of a line of `resource`."""
    match = _LINE.fullmatch(line.strip())
    if match is None:
        return None
    start, end, flags = (int(one, 16) for one in match.groups())
    return start, end, flags
