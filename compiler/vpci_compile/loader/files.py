"""Reading files for people: a missing or odd file is a diagnostic, never an exception of the operating system."""

from __future__ import annotations

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


def read_bytes(path: Path, shown: str | None = None, limit: int = 64 << 20) -> bytes:
    """All bytes of a file, at most `limit`.

    Raises:
        Failed: VPCI1001 when it cannot be read, VPCI1005 when it is larger than `limit` bytes.
    """
    shown = shown or str(path)
    try:
        with path.open("rb") as stream:
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
    if not missing or path.suffix not in ("", ".yaml", ".yml"):
        return []
    typed = "/".join(path.with_suffix("").parts[-_NAME_PARTS:])
    return [f"did you mean '{one}'?" for one in nearest(typed, _library_names())]


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


def load(path: Path, shown: str | None = None) -> Node:
    """The tree of a YAML file; raises as `read_source` and `parse`."""
    return parse(read_source(path, shown))
