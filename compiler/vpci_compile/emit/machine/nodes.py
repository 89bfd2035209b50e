"""The guest's nodes as pictures and pages tell them: runs of nodes that are alike are one row."""

from __future__ import annotations

from typing import NamedTuple

from ...acpi.node_map import GuestNode, distances
from ...ir.topology import System
from ..printed import node_map_text
from .image import guest_nodes
from .tables import tables


class NodeRow(NamedTuple):
    """Nodes that follow one another and have the same: numbers of Linux's, proximity domains, what they have."""

    numbers: str
    domains: str
    has: str


class Nodes(NamedTuple):
    """The nodes in rows, their numbers, the distances between them, and why Linux uses none ("" where it does)."""

    rows: tuple[NodeRow, ...]
    numbers: tuple[int, ...]
    distances: tuple[tuple[int, ...], ...]
    fault: str


def of(system: System) -> Nodes:
    """The nodes of the machine's guest."""
    made = guest_nodes(system)
    slit = next((table for table in tables(system) if table.format.signature == "SLIT"), None)
    runs: list[list[GuestNode]] = []
    for one in made.nodes:
        before = runs[-1][-1] if runs else None
        if before is not None and _has(system, before) == _has(system, one) and one.domain == before.domain + 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    rows = tuple(
        NodeRow(
            _run([one.number for one in run]),
            _run([one.domain for one in run]),
            f"{_has(system, run[0])}{', each' if len(run) > 1 else ''}",
        )
        for run in runs
    )
    matrix = tuple(tuple(row) for row in distances(made, slit))
    return Nodes(rows, tuple(one.number for one in made.nodes), matrix, made.fault)


def _run(numbers: list[int]) -> str:
    return f"{numbers[0]}..{numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"


def _has(system: System, one: GuestNode) -> str:
    owners = [device.name for device in system.devices if one.domain in device.nodes]
    return node_map_text.has(one) + (f" of {', '.join(owners)}" if one.initiator and owners else "")
