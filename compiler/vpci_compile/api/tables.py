"""ACPI tables: read from a guest or written as YAML, judged, and what a guest's Linux makes of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..diagnostics import Diagnostic, Report
from .named import StrPath

if TYPE_CHECKING:
    from ..acpi.lint import Loaded, Wishes
    from ..acpi.node_map import Guest, NodeMap


def load_table(path: StrPath) -> Loaded:
    """The table in a file, binary or YAML; `acpi.table_text.text` writes it as YAML, `acpi.structures.encode` as bytes.

    Raises:
        Failed: it cannot be read, or is no table that this program knows.
    """
    from ..acpi.load import load

    return load(Path(path), os.fspath(path))


def lint_tables(tables: Sequence[Loaded], guest: Guest, wishes: Wishes | None = None) -> tuple[Diagnostic, ...]:
    """What a guest's Linux will ignore of the tables of one machine, what it drops, and what keeps it from starting."""
    from ..acpi.lint import Wishes, lint

    report = Report()
    lint(tables, guest, wishes or Wishes(), report)
    return tuple(report.sorted())


def nodes_of_tables(tables: Sequence[Loaded], guest: Guest) -> tuple[NodeMap, list[list[int]]]:
    """The NUMA nodes that a guest's Linux makes of the tables, an SRAT among them, and the distances between them.

    Raises:
        ValueError: there is no SRAT.
    """
    from ..acpi.node_map import distances, node_map

    found = {one.table.header.signature: one.table for one in tables}
    if "SRAT" not in found:
        raise ValueError("the nodes are in an SRAT: name one")
    made = node_map(found["SRAT"], guest)
    return made, distances(made, found.get("SLIT"))
