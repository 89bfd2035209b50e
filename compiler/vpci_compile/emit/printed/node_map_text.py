"""The guest's node map for people: which node is which proximity domain, and how far they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...acpi.node_map import GuestNode, NodeMap
from ..sizes import size

_MIB = 1 << 20
_PC_HOLE = 384 << 10
"""What a PC has between 640 KiB and 1 MiB is no RAM."""
_FEW = 9
"""Nodes that are shown one by one; of more, those in a row that are alike share a line."""
_ALIKE = 3
"""How many in a row do so, at least."""
Distances = Sequence[Sequence[int]]


def render(nodes: NodeMap, distances: list[list[int]]) -> str:
    """A line for each node, or for a row of like ones, then the matrix of their distances."""
    lines = [f"Linux does not use the SRAT: {nodes.fault}"] if nodes.fault else []
    if nodes.stopped is not None:
        lines.append(f"Linux stops reading processors and initiators at structure {nodes.stopped}")
    if nodes.nodes:
        lines.append("node  domain  has")
        for run in _runs(len(nodes.nodes), _are_alike(nodes.nodes)):
            first, last = nodes.nodes[run[0]], nodes.nodes[run[-1]]
            domains = _ends(first.domain, last.domain)
            lines.append(f"{_ends(first.number, last.number):>4}  {domains:>6}  {has(first)}")
        lines += _matrix(nodes.nodes, distances)
    return "\n".join(lines) + "\n"


def _matrix(nodes: Sequence[GuestNode], distances: Distances) -> list[str]:
    """Rows and columns, a row of like nodes as one."""
    places = _runs(len(nodes), _are_as_far(distances))
    names = [_ends(nodes[run[0]].number, nodes[run[-1]].number) for run in places]
    rows = [
        [f"{distances[a[0]][a[0]]}/{distances[a[0]][a[1]]}" if a is b and len(a) > 1 else f"{distances[a[0]][b[0]]}"
         for b in places]
        for a in places
    ]  # fmt: skip
    widths = [max(3, len(name), *(len(row[at]) for row in rows)) + 1 for at, name in enumerate(names)]
    lines = ["distances" + "".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))]
    for name, row in zip(names, rows, strict=True):
        lines.append(f"{name:>9}" + "".join(f"{value:>{width}}" for value, width in zip(row, widths, strict=True)))
    if any(len(run) > 1 for run in places):
        lines.append("with /: of each from itself, and from the others of its line")
    return lines


def _runs(count: int, alike: Callable[[int, int], bool]) -> list[list[int]]:
    """Places in a row that are alike; each alone where there are few of all, or of them."""
    found: list[list[int]] = []
    for at in range(count):
        if count > _FEW and found and all(alike(other, at) for other in found[-1]):
            found[-1].append(at)
        else:
            found.append([at])
    return [part for run in found for part in ([run] if len(run) >= _ALIKE else [[at] for at in run])]


def _are_alike(nodes: Sequence[GuestNode]) -> Callable[[int, int], bool]:
    """Nodes with the same in them, whose domains follow each other as their numbers do."""

    def alike(a: int, b: int) -> bool:
        return has(nodes[a]) == has(nodes[b]) and nodes[b].domain - nodes[a].domain == b - a

    return alike


def _are_as_far(distances: Distances) -> Callable[[int, int], bool]:
    """Nodes that are as far from all others, and as others are from them."""

    def alike(a: int, b: int) -> bool:
        rest = [at for at in range(len(distances)) if at not in (a, b)]
        return (
            all(distances[a][at] == distances[b][at] and distances[at][a] == distances[at][b] for at in rest)
            and distances[a][b] == distances[b][a]
            and distances[a][a] == distances[b][b]
        )

    return alike


def _ends(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first}-{last}"


def has(one: GuestNode) -> str:
    """What is in a node."""
    count = len(one.cpus)
    parts = [f"{count} processor{'s' if count > 1 else ''}"] if count else []
    here = sum(each.size for each in one.memory if not each.hotplug)
    later = sum(each.size for each in one.memory if each.hotplug)
    if here and here % _MIB and (here + _PC_HOLE) % _MIB == 0:
        parts.append(f"{size(here + _PC_HOLE)} RAM but for {size(_PC_HOLE)} below 1M")
    elif here:
        parts.append(f"{size(here)} RAM")
    parts += [f"{size(later)} to be plugged in"] if later else []
    parts += ["generic initiator"] if one.initiator else []
    return ", ".join(parts or ["nothing"]) + ("" if one.online else " (not online)")
