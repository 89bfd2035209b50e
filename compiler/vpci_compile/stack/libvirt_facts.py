"""Since which release libvirt has what, and which objects it makes (`schemas/stacks/libvirt.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from .. import loader, resources

_FILE = "libvirt.yaml"


@cache
def _file() -> Mapping[str, Any]:
    plain: Mapping[str, Any] = loader.load(resources.folder("schemas") / "stacks" / _FILE, shown=_FILE).plain()
    return plain


@cache
def since() -> Mapping[str, tuple[int, ...]]:
    """The first release, (12, 1, 0), by element."""
    return {name: _numbers(text) for name, text in _file()["since"].items()}


def objects(qemu: tuple[int, int]) -> tuple[list[str], list[str]]:
    """Ids of the objects that libvirt makes for that QEMU: before initiators, and behind them ("{node}" in it)."""
    rows = [one for one in _file()["objects"] if "qemu" not in one or qemu >= _numbers(one["qemu"])]
    early, late = ([one["id"] for one in rows if one["when"] == when] for when in ("early", "late"))
    return early, late


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))
