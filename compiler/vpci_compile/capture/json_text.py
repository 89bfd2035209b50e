"""JSON that a person can read: what fits on a line stands on one, and each row of bytes has its own."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

_WIDTH = 118


def render(document: Any, rows: Collection[str]) -> str:
    """The text of a document; lists below a key in `rows` are rows of bytes."""
    return f"{_text(document, '', '', 0, rows)}\n"


def _text(value: Any, key: str, indent: str, lead: int, row_keys: Collection[str]) -> str:
    """A value whose first line begins at column `lead`."""
    short = json.dumps(value)
    if not isinstance(value, dict | list) or not value:
        return short
    if key not in row_keys and lead + len(short) < _WIDTH:
        return short
    inner = f"{indent}  "
    if isinstance(value, dict):
        names = {name: f"{inner}{json.dumps(name)}: " for name in value}
        rows = [f"{lead}{_text(value[name], name, inner, len(lead), row_keys)}" for name, lead in names.items()]
        opening, closing = "{", "}"
    else:
        rows = [f"{inner}{_text(entry, '', inner, len(inner), row_keys)}" for entry in value]
        opening, closing = "[", "]"
    return "\n".join([opening, ",\n".join(rows), f"{indent}{closing}"])
