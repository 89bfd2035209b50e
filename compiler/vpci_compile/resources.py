"""Finds `schemas/`, `layouts/` and `templates/`: in a checkout, an editable install or a wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@cache
def folder(name: str) -> Path:
    """The data folder `name` ("schemas", "layouts" or "templates").

    A wheel carries the folders under `_data/`; a checkout has them beside `compiler/`.
    """
    packed = _PACKAGE / "_data" / name
    return packed if packed.is_dir() else _PACKAGE.parent.parent / name
