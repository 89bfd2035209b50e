"""Finds a capability by name or by id, reading no file that is not asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from .. import loader, resources
from .model import Capability, Chain
from .reader import capability

PACKED = "pci.json"  # the fast form that a wheel carries, made by hatch_build.py


@cache
def _names() -> dict[tuple[Chain, str], int]:
    """(chain, name) -> id of every file; the file name says it all."""
    if _packed():
        return {(Chain(chain), name): row[0] for chain, rows in _packed().items() for name, row in rows.items()}
    found: dict[tuple[Chain, str], int] = {}
    for chain in Chain:
        for path in (resources.folder("schemas") / "pci" / chain).glob("*.yaml"):
            number, _, name = path.stem.partition("-")
            found[chain, name] = int(number, 16)
    return dict(sorted(found.items(), key=lambda item: (item[0][0], item[1])))


@cache
def _ids() -> dict[tuple[Chain, int], str]:
    return {(chain, number): name for (chain, name), number in _names().items()}


@cache
def _packed() -> dict[str, dict[str, Any]]:
    path = resources.folder("schemas") / PACKED
    return json.loads(path.read_bytes()) if path.is_file() else {}


@cache
def by_name(chain: Chain, name: str) -> Capability:
    """The capability that layouts call `name`.

    Raises:
        KeyError: the catalogue has no such file.
    """
    number = _names()[chain, name]
    if _packed():
        return capability(name, number, chain, _packed()[chain][name][1])
    digits = 4 if chain is Chain.EXTENDED else 2
    path = resources.folder("schemas") / "pci" / chain / f"{number:0{digits}x}-{name}.yaml"
    return capability(name, number, chain, loader.load(path).plain())


def by_id(chain: Chain, number: int) -> Capability | None:
    """The capability with id `number` (for headers: the header type), or None where the catalogue knows none."""
    name = _ids().get((chain, number))
    return by_name(chain, name) if name is not None else None


def names(chain: Chain) -> list[str]:
    """The names in one chain, by id."""
    return [name for (own, name), _ in _names().items() if own is chain]


def everything() -> Iterator[Capability]:
    """All capabilities and headers."""
    for chain, name in _names():
        yield by_name(chain, name)


def pack() -> str:
    """The whole catalogue as one JSON text: the fast form for a wheel."""
    root = resources.folder("schemas") / "pci"
    rows: dict[str, dict[str, Any]] = {chain.value: {} for chain in Chain}
    for (chain, name), number in _names().items():
        digits = 4 if chain is Chain.EXTENDED else 2
        rows[chain][name] = [number, loader.load(root / chain / f"{number:0{digits}x}-{name}.yaml").plain()]
    return json.dumps(rows, separators=(",", ":"))
