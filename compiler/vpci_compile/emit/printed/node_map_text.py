"""The guest's node map for people: which node is which proximity domain, and how far they are."""

from __future__ import annotations

from ...acpi.node_map import GuestNode, NodeMap

_KIB = 1 << 10
_UNITS = ("", "K", "M", "G", "T")


def render(nodes: NodeMap, distances: list[list[int]]) -> str:
    """A line for each node, then the matrix of their distances."""
    lines = [f"Linux does not use the SRAT: {nodes.fault}"] if nodes.fault else []
    if nodes.stopped is not None:
        lines.append(f"Linux stops reading processors and initiators at structure {nodes.stopped}")
    if nodes.nodes:
        lines.append("node  domain  has")
        lines += [f"{one.number:4}  {one.domain:6}  {_has(one)}" for one in nodes.nodes]
        lines.append("distances" + "".join(f"{one.number:4}" for one in nodes.nodes))
        for one, row in zip(nodes.nodes, distances, strict=True):
            lines.append(f"{one.number:9}" + "".join(f"{value:4}" for value in row))
    return "\n".join(lines) + "\n"


def _has(one: GuestNode) -> str:
    count = len(one.cpus)
    parts = [f"{count} processor{'s' if count > 1 else ''}"] if count else []
    here = sum(each.size for each in one.memory if not each.hotplug)
    later = sum(each.size for each in one.memory if each.hotplug)
    parts += [f"{size(here)} RAM"] if here else []
    parts += [f"{size(later)} to be plugged in"] if later else []
    parts += ["generic initiator"] if one.initiator else []
    return ", ".join(parts or ["nothing"]) + ("" if one.online else " (not online)")


def size(count: int) -> str:
    """Bytes with the largest unit that leaves a whole number."""
    unit = 0
    while count and count % _KIB == 0 and unit < len(_UNITS) - 1:
        count, unit = count // _KIB, unit + 1
    return f"{count}{_UNITS[unit]}"
