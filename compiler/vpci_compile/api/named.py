"""Layouts as a user names them: a file, or a layout of a library, such as nvidia/gh200."""

from __future__ import annotations

import os
from pathlib import Path

from .. import loader, pipeline
from ..catalog import libraries
from ..diagnostics import Failed, failure, whole_file
from ..pipeline import Compiled

LAYOUT_SUFFIXES = (".yaml", ".yml")
StrPath = str | os.PathLike[str]


def shipped(path: StrPath) -> tuple[Path, str] | None:
    """The layout of a library that `path` is the name of, and that name; None if there is such a file, or neither."""
    return None if loader.exists(Path(path)) else pipeline.find_layout(Path(path), os.fspath(path))


def find(path: StrPath) -> tuple[Path, str]:
    """The file that `path` means, which need not be there, and how to call it in diagnostics."""
    return shipped(path) or (Path(path), os.fspath(path))


def is_layout(path: StrPath) -> bool:
    """Whether `load` takes `path` for a layout: a .yaml file, or the name of a shipped one."""
    folder = loader.exists(Path(path)) and Path(path).is_dir()
    return (Path(path).suffix in LAYOUT_SUFFIXES and not folder) or shipped(path) is not None


def compile_layout(path: StrPath) -> Compiled:
    """The function of a layout.

    Raises:
        Failed: with every error; VPCI1001 or VPCI1121 with what is near, where a name of a library was meant.
    """
    wrong = no_such_version(path)
    if wrong is not None:
        raise wrong
    return pipeline.compile_file(*find(path))


def no_such_version(path: StrPath) -> Failed | None:
    """What to raise of a `path` where nothing is, if it is another version of a layout of a library."""
    if loader.exists(find(path)[0]):
        return None
    name = os.fspath(path)
    there = libraries.versions(name)
    if there:
        message = f"there is no such version of this layout: '{name}'"
        return failure("VPCI1121", whole_file(name), message, help=f"versions of it: {', '.join(there)}")
    return None
