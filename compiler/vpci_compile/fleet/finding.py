"""The files of a fleet: what a path, a pattern or a folder stands for."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from ..capture.sysfs import is_device
from ..diagnostics import Failed, failure, whole_file
from ..loader import meant, unreadable

Found = str | Failed
_HOW = "name files, folders of files, or patterns: 'hosts/*.lspci'"


def find(path: str) -> Iterator[Found]:
    """The files, and folders of devices, that `path` stands for, by name; or why there is none.

    A folder is walked, links in it as well, each folder once; names that start with a dot are left out.
    """
    if os.path.lexists(path):
        matches = [path]
    elif glob.has_magic(path):
        matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - names stay as they were typed
    else:
        matches = []
    if not matches:
        what = "no file matches" if glob.has_magic(path) else "there is no"
        yield failure("VPCI2201", whole_file(path), f"{what} '{path}'", help=[*meant(path), _HOW])
    seen: set[tuple[int, int]] = set()
    for match in matches:
        folder = Path(match)
        yield from _walk(match, seen) if folder.is_dir() and not is_device(folder) else [match]


def _walk(top: str, seen: set[tuple[int, int]]) -> Iterator[Found]:
    waiting, empty = [top], True
    while waiting:
        here = waiting.pop()
        try:
            status = Path(here).stat()
            with os.scandir(here) as entries:
                rows = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda one: one.name)
        except OSError as error:
            yield unreadable(here, error)
            empty = False
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        folders: list[str] = []
        for entry in rows:
            if entry.is_dir() and not is_device(Path(entry.path)):
                folders.append(entry.path)
            else:
                empty = False
                yield entry.path.removeprefix("./")
        waiting.extend(reversed(folders))
    if empty:
        yield failure("VPCI2201", whole_file(top), f"folder '{top}' holds no file", help=_HOW)
