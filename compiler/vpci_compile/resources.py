"""Finds `schemas/`, `layouts/`, `templates/` and `docs/`: in a checkout, an editable install or a wheel."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@cache
def folder(name: str) -> Path:
    """The data folder `name` ("schemas", "layouts", "templates" or "docs").

    A wheel carries the folders under `_data/`; a checkout has them beside `compiler/`.
    """
    packed = _PACKAGE / "_data" / name
    return packed if packed.is_dir() else _PACKAGE.parent.parent / name


def cache_file(name: str) -> Path | None:
    """Where a checkout keeps `name`, which is derived from its own files; None in a wheel, which carries it."""
    return None if (_PACKAGE / "_data").is_dir() else _PACKAGE.parent.parent / ".cache" / name


def keep(name: str, make: Callable[[], str]) -> None:
    """Write `name` into the cache of a checkout; one that cannot be written to works as well, more slowly."""
    path = cache_file(name)
    if path is None:
        return
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_name(f"{name}.{os.getpid()}")
        fresh.write_text(make(), encoding="utf-8")
        fresh.replace(path)


def layouts() -> list[str]:
    """The names of the layouts that come with the program: minimal, nvidia/gh200."""
    root = folder("layouts")
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml"))
