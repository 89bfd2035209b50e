"""What two ACPI tables have otherwise, as the lines of their YAML."""

from __future__ import annotations

import re
from difflib import unified_diff

from ...acpi import table_text
from ...acpi.structures import Table

_NUMBER = re.compile(r"  # \d+$")  # of a structure: one that is put in between must not make all others differ


def render(left: Table, right: Table, names: tuple[str, str]) -> str:
    """A unified diff without context; "" where the tables are the same byte for byte."""
    rows = unified_diff(_lines(left), _lines(right), *names, n=0, lineterm="")
    return "".join(f"{line}\n" for line in rows)


def _lines(table: Table) -> list[str]:
    return [_NUMBER.sub("", line) for line in table_text.text(table).splitlines()]
