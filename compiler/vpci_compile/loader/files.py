"""Reading files for people: a missing or odd file is a diagnostic, never an exception of the operating system."""

from __future__ import annotations

import os
import stat
from errno import EINVAL, EISDIR
from io import BufferedReader
from pathlib import Path

from .. import resources
from ..diagnostics import Failed, Source, failure, nearest, whole_file
from .node import Node
from .yaml_reader import MAX_CHARACTERS, parse

_NAME_PARTS = 2  # nvidia/gh200


def exists(path: Path) -> bool:
    """Whether the system shows us something there; False where it cannot be (a name too long, a closed folder)."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def open_to_read(path: Path) -> BufferedReader:
    """A file, or a pipe that somebody writes to (a shell's `<(...)`), opened; nothing else, which might never end.

    Raises:
        OSError: it cannot be opened, is neither, or is a pipe through which nothing came.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer does not keep us
    stream = open(handle, "rb")  # noqa: PTH123, SIM115 - the caller closes it
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise OSError(EINVAL, "it is neither a file nor a pipe")
        os.set_blocking(handle, True)
        if stat.S_ISFIFO(mode) and not stream.peek(1):
            raise OSError(EINVAL, "nothing came through this pipe")
    except OSError:
        stream.close()
        raise
    return stream


def read_bytes(path: Path, shown: str | None = None, limit: int = 64 << 20) -> bytes:
    """All bytes of a file, at most `limit`.

    Raises:
        Failed: VPCI1001 when it cannot be read, VPCI1005 when it is larger than `limit` bytes.
    """
    shown = shown or str(path)
    try:
        with open_to_read(path) as stream:
            data = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        raise unreadable(shown, error) from None
    if len(data) > limit:
        raise failure("VPCI1005", whole_file(shown), f"file is larger than {limit >> 20} MiB")
    return data


def unreadable(shown: str, error: Exception) -> Failed:
    """The failure for a file that the operating system does not give us."""
    reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    missing = isinstance(error, FileNotFoundError)
    return failure(
        "VPCI1001", whole_file(shown), f"cannot read '{shown}': {reason}", help=meant(shown, missing=missing)
    )


def meant(shown: str, *, missing: bool = True) -> list[str]:
    """A hint at the layout of a library whose name `shown` nearly is; none where it is a path of another kind."""
    path = Path(shown)
    if not missing or path.is_absolute() or path.suffix not in ("", ".yaml", ".yml"):
        return []
    typed = "/".join(path.with_suffix("").parts[-_NAME_PARTS:])
    names = _library_names()
    if typed in names:
        return [f"'{typed}' is a layout of a library, and here a capture is asked for"]
    return [f"did you mean '{one}'?" for one in nearest(typed, names)]


def _library_names() -> list[str]:
    """The names of all layouts, machines too; of a version that was named (`@`) its own message tells."""
    roots = [resources.folder("layouts"), *resources.own_libraries()]
    found = {path.relative_to(root).with_suffix("").as_posix() for root in roots for path in root.rglob("*.yaml")}
    return sorted(name for name in found if "@" not in name and not name.startswith("quirks/"))


def read_source(path: Path, shown: str | None = None) -> Source:
    """A UTF-8 text file.

    Raises:
        Failed: VPCI1001, VPCI1005 as `read_bytes`; VPCI1002 when it is not UTF-8.
    """
    shown = shown or str(path)
    data = read_bytes(path, shown, limit=4 * MAX_CHARACTERS)
    try:
        return Source(shown, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise failure(
            "VPCI1002",
            whole_file(shown),
            f"byte {data[error.start]:#04x} at position {error.start} is not UTF-8",
            help="a layout is a text file; captures go to 'vpci-compile import'",
        ) from None


def load(path: Path, shown: str | None = None, begin: str | None = None) -> Node:
    """The tree of a YAML file; `begin` and what is raised as in `parse`, which see, and `read_source`."""
    source = read_source(path, shown)
    return parse(source) if begin is None else parse(source, begin)
