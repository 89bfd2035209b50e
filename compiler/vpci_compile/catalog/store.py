"""Finds a capability by name or by id, building none that is not asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from .. import loader, resources
from . import marks, packed
from .model import Capability, Chain
from .reader import capability
from .view import View

PACKED = "pci.json"  # the fast form that a wheel carries, made by hatch_build.py


class _File(NamedTuple):
    """What a file name says: ID-NAME.yaml, or ID-FAMILY.NAME.yaml for a variant of a vendor's own capability."""

    id: int
    name: str
    stem: str
    variant: bool


def _file(stem: str) -> _File:
    number, _, name = stem.partition("-")
    return _File(int(number, 16), name.rpartition(".")[2], stem, "." in name)


@cache
def _files() -> dict[tuple[Chain, str], _File]:
    """(chain, name) -> file, of the whole catalogue, by chain and id."""
    found: dict[tuple[Chain, str], _File] = {}
    for chain in Chain:
        for stem in sorted(_packed()[chain]):
            file = _file(stem)
            found[chain, file.name] = file
    return found


@cache
def _ids() -> dict[tuple[Chain, int], str]:
    return {(chain, file.id): file.name for (chain, _), file in _files().items() if not file.variant}


@cache
def _packed() -> dict[str, dict[str, str]]:
    """The catalogue in its fast form."""
    found: dict[str, dict[str, str]] = packed.load(PACKED, [_root() / chain for chain in Chain], read_all)
    return found


def _root() -> Path:
    return resources.folder("schemas") / "pci"


@cache
def by_name(chain: Chain, name: str) -> Capability:
    """The capability that layouts call `name`.

    Raises:
        KeyError: the catalogue has no such file.
    """
    file = _files()[chain, name]
    return capability(name, file.id, chain, json.loads(_packed()[chain][file.stem]))


def by_id(chain: Chain, number: int) -> Capability | None:
    """The capability with id `number` (for headers: the header type), or None where the catalogue knows none."""
    name = _ids().get((chain, number))
    return by_name(chain, name) if name is not None else None


def identify(chain: Chain, number: int, body: bytes) -> Capability | None:
    """Like `by_id`, but a variant whose `match` holds on the structure's bytes comes first, or a user's DVSEC."""
    for (own, name), file in _files().items():
        if own is chain and file.id == number and file.variant:
            variant = by_name(chain, name)
            if View(variant, body).matches():
                return variant
    mark = marks.name_of(number, body) if chain is Chain.EXTENDED else None
    return by_name(chain, mark) if mark is not None else by_id(chain, number)


def names(chain: Chain) -> list[str]:
    """The names in one chain, by id."""
    return [name for own, name in _files() if own is chain]


def everything() -> Iterator[Capability]:
    """All capabilities and headers."""
    for chain, name in _files():
        yield by_name(chain, name)


def read_all() -> dict[str, dict[str, str]]:
    """chain -> file name without its end -> what the file says as JSON, from the YAML files themselves.

    JSON within JSON, so that only what a layout needs is read twice.
    """
    return {
        chain.value: {
            path.stem: json.dumps(loader.load(path).plain()) for path in sorted((_root() / chain).glob("*.yaml"))
        }
        for chain in Chain
    }


def pack() -> str:
    """The whole catalogue as one JSON text: the fast form for a wheel."""
    return json.dumps(read_all())
