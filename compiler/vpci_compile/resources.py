"""Finds `schemas/`, `layouts/`, `templates/` and `docs/`: in a checkout, an editable install or a wheel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
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


LIBRARY_VARIABLE = "VPCI_LIBRARY"
_own: list[Path] | None = None


def use_libraries(own: Iterable[Path] | None) -> None:
    """Take these folders for the user's libraries; None: those that VPCI_LIBRARY names, as PATH does."""
    global _own
    _own = None if own is None else list(own)


def own_libraries() -> list[Path]:
    """The folders of the user's libraries, in the order in which they are searched; they may not be there."""
    if _own is not None:
        return _own
    return [Path(text) for text in os.environ.get(LIBRARY_VARIABLE, "").split(os.pathsep) if text]


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
