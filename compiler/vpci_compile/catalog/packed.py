"""Data files in the form that loads fast: JSON in a wheel, and in the cache that a checkout keeps of its YAML."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .. import resources

_FORM = 3  # of the cache files: another number makes them anew


def load(name: str, folders: Iterable[Path], read: Callable[[], Any]) -> Any:
    """What `read` makes of the YAML files in `folders`: from schemas/`name` of a wheel, or from the checkout's cache.

    The cache is written anew when a file in one of the folders changed.
    """
    path = resources.folder("schemas") / name
    if path.is_file():
        return json.loads(path.read_bytes())
    state: list[object] = [_FORM]
    state += [
        [entry.name, entry.stat().st_mtime_ns, entry.stat().st_size]
        for folder in folders
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)
    ]
    cache = resources.cache_file(name)
    if cache is not None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # no cache yet, or not one of ours
            kept = json.loads(cache.read_bytes())
            if kept["state"] == state:
                return kept["data"]
    data = read()
    resources.keep(name, lambda: json.dumps({"state": state, "data": data}))
    return data
