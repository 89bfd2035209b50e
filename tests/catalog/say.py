"""lspci's text as a template over a structure's fields."""

from __future__ import annotations

import re

from .reader import Reader

_HOLE = re.compile(r"\{([\w.]+)(?::([^}]*))?\}")


def say(r: Reader, text: str) -> str:
    """Fill `{register.field}` with what the catalogue shows; `:+` makes it + or -, `:-` the opposite, else a format."""

    def fill(hole: re.Match[str]) -> str:
        path, form = hole[1], hole[2]
        if form is None:
            return r.shown(path)
        return ("-+"[r[path]] if form == "+" else "+-"[r[path]]) if form in ("+", "-") else f"{r[path]:{form}}"

    return _HOLE.sub(fill, text)
