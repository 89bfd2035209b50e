"""What a function with memory of its own asks of kernel, VMM and guest: other things as a BAR than as a region."""

from __future__ import annotations

from functools import cache
from typing import Any

from ... import loader, resources
from ...ir import BarKind, Function, Origin
from ...stack.linux.facts import linux


def lines(function: Function) -> list[str]:
    """One line for each that must do something; none for a function without such memory."""
    made = [bar for bar in function.bars if bar.source is Origin.SYNTHESIZED and bar.length != bar.size]
    if function.physical is None or not (made or function.regions):
        return []
    words = {
        "window": _size(sum(bar.size or 0 for bar in function.bars if bar.kind is BarKind.MEM64 and bar.prefetchable)),
        "driver": function.physical.driver,
        "regions": " and ".join(_region(one.type, one.subtype) for one in function.regions),
    }
    models = [name for name, there in (("bar", made), ("region", function.regions)) if there]
    return [f"{row['who']}: {row['needs'].format_map(words)}" for name in models for row in _facts()[name]]


def _region(kind: int, subtype: int) -> str:
    rows = linux().regions
    why = rows.get((kind, subtype)) or rows.get((kind, None)) or "in no release of Linux"
    return f"region {kind:#010x}/{subtype} ({why})"


def _size(size: int) -> str:
    return f"{size >> 30} GiB" if size >> 30 else f"{size >> 20} MiB"


@cache
def _facts() -> dict[str, list[dict[str, str]]]:
    name = "coherent-memory.yaml"
    plain: dict[str, Any] = loader.load(resources.folder("schemas") / "stacks" / name, shown=name).plain()
    return plain
