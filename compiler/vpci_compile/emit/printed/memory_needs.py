"""What a function with memory of its own asks of kernel, VMM and guest: other things as a BAR than as a region."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from ... import loader, resources
from ...ir import BarKind, Caching, Function, Origin
from ...stack.linux.facts import linux


def lines(function: Function) -> list[str]:
    """One line for each that must do something; none for a function without such memory."""
    made = [bar for bar in function.bars if bar.source is Origin.SYNTHESIZED and bar.caching is not Caching.UNCACHED]
    if function.physical is None or not (made or function.regions):
        return []
    words = {
        "window": _window([bar.size for bar in function.bars if bar.kind is BarKind.MEM64 and bar.prefetchable]),
        "driver": function.physical.driver,
        "memory": f"{sum(bar.length or 0 for bar in made):#x}",
        "regions": " and ".join(_region(one.type, one.subtype) for one in function.regions),
    }
    models = [name for name, there in (("bar", made), ("region", function.regions)) if there]
    return [f"{row['who']}: {row['needs'].format_map(words)}" for name in models for row in _facts()[name]]


def _region(kind: int, subtype: int) -> str:
    rows = linux().regions
    why = rows.get((kind, subtype)) or rows.get((kind, None)) or "in no release of Linux"
    return f"region {kind:#010x}/{subtype} ({why})"


def _window(sizes: Sequence[int | None]) -> str:
    known = _size(sum(size or 0 for size in sizes))
    return f"at least {known}" if None in sizes else known


def _size(size: int) -> str:
    return f"{size >> 20} MiB" if size % (1 << 30) else f"{size >> 30} GiB"


@cache
def _facts() -> dict[str, list[dict[str, str]]]:
    name = "coherent-memory.yaml"
    plain: dict[str, Any] = loader.load(resources.folder("schemas") / "stacks" / name, shown=name).plain()
    return plain
