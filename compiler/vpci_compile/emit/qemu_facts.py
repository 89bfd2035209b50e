"""What is known of QEMU's vfio-pci and of Linux below it: `schemas/targets/` as values, read when first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from .. import loader, resources
from ..ir import Bar, BarKind, Beyond, Caching, Enable, Kind

Version = tuple[int, int]
"""A QEMU release, (major, minor)."""


@dataclass(frozen=True, slots=True)
class Hide:
    """An extended capability that QEMU unlinks from `since` on and before `until`; with `option`, if told so."""

    id: int
    since: Version
    until: Version | None
    option: str

    def holds(self, version: Version) -> bool:
        """Whether this release does it."""
        return self.since <= version and (self.until is None or version < self.until)


@dataclass(frozen=True, slots=True)
class DriverBar:
    """A BAR that a variant driver makes. None: whatever the layout says; sizes in bytes."""

    kind: BarKind
    prefetchable: bool
    size: int | None
    caching: Caching | None
    beyond: Beyond | None
    enable: tuple[Enable, ...]

    def differences(self, bar: Bar) -> list[str]:
        """What the layout's BAR has that the driver's has not, in words; empty when they agree."""
        pairs = {
            "kind": (bar.kind, self.kind),
            "prefetchable": (bar.prefetchable, self.prefetchable),
            "size": (bar.size, bar.size if self.size is None else self.size),
            "caching": (bar.caching, self.caching or bar.caching),
            "beyond": (bar.beyond, self.beyond or bar.beyond),
            "enable": (bar.enable, bar.enable if bar.enable in self.enable else self.enable[0]),
        }
        return [f"{key} {_word(mine)}, not {_word(own)}" for key, (own, mine) in pairs.items() if own != mine]


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:#x}" if isinstance(value, int) else str(value)


@dataclass(frozen=True, slots=True)
class Driver:
    """A variant driver: the ids it shows instead of the hardware's, and the BARs it makes, by index."""

    name: str
    ids: Mapping[str, int]
    bars: Mapping[int, DriverBar]


@dataclass(frozen=True, slots=True)
class Linux:
    """Linux vfio-pci: `visible` ids of each chain; `regions` by (type, subtype or None for all), and why none is had."""

    release: str
    visible: Mapping[Kind, frozenset[int]]
    parses_extended_below: frozenset[int]
    drivers: Mapping[str, Driver]
    regions: Mapping[tuple[int, int | None], str]

    def driver(self, name: str) -> Driver:
        """The variant driver `name` (as a module, `_` for `-`, or as a driver); an empty one where none is known."""
        plain = name.replace("_", "-")
        return self.drivers.get(plain) or Driver(name, {}, {})


@dataclass(frozen=True, slots=True)
class Qemu:
    """QEMU's vfio-pci; `since` by option, `overrides` from a layout's id to an option, `rewrites` by (place, type)."""

    executed: str
    since: Mapping[str, Version]
    overrides: Mapping[str, str]
    hides: tuple[Hide, ...]
    types: tuple[int, ...]
    rewrites: Mapping[tuple[str, int], str]
    gpudirect_vendor: int
    gpudirect_base_class: int
    gpudirect_places: tuple[tuple[int, Version], ...]
    pasid_version: int
    pasid_length: int
    pasid_widest: int
    nodes: int

    def hide(self, number: int, version: Version) -> Hide | None:
        """How `version` hides the extended capability `number`, or None."""
        return next((rule for rule in self.hides if rule.id == number and rule.holds(version)), None)


def release(version: Version) -> str:
    """(11, 1) -> "11.1"."""
    return f"{version[0]}.{version[1]}"


def _version(text: str) -> Version:
    major, minor = text.split(".")
    return int(major), int(minor)


def _load(name: str) -> Any:
    return loader.load(resources.folder("schemas") / "targets" / name, shown=name).plain()


def _bar(row: Mapping[str, Any]) -> DriverBar:
    return DriverBar(
        kind=BarKind(row["kind"]),
        prefetchable=row["prefetchable"],
        size=row.get("size"),
        caching=Caching(row["caching"]) if "caching" in row else None,
        beyond=Beyond(row["beyond"]) if "beyond" in row else None,
        enable=tuple(Enable(word) for word in row["enable"]),
    )


@cache
def linux() -> Linux:
    """The facts of `linux-vfio.yaml`."""
    plain = _load("linux-vfio.yaml")
    drivers = (
        Driver(row["name"], row.get("ids") or {}, {bar["index"]: _bar(bar) for bar in row.get("bars") or ()})
        for row in plain["drivers"]
    )
    return Linux(
        release=plain["read"],
        visible={Kind(chain): frozenset(row["id"] for row in rows) for chain, rows in plain["visible"].items()},
        parses_extended_below=frozenset(plain["parses_extended_below"]),
        drivers={driver.name: driver for driver in drivers},
        regions={(row["type"], row.get("subtype")): row["why"] for row in plain["regions"]},
    )


@cache
def qemu() -> Qemu:
    """The facts of `qemu.yaml`."""
    plain = _load("qemu.yaml")
    hides = (
        Hide(
            row["id"],
            _version(row.get("since", "0.0")),
            _version(row["until"]) if "until" in row else None,
            row.get("option", ""),
        )
        for row in plain["hides"]
    )
    gpudirect, pasid = plain["gpudirect"], plain["pasid"]
    return Qemu(
        executed=plain["executed"],
        since={name: _version(text) for name, text in plain["since"].items()},
        overrides=plain["overrides"],
        hides=tuple(hides),
        types=tuple(plain["types"]),
        rewrites={(row["place"], row["type"]): row["shows"] for row in plain["rewrites"]},
        gpudirect_vendor=gpudirect["vendor"],
        gpudirect_base_class=gpudirect["base_class"],
        gpudirect_places=tuple((row["at"], _version(row["since"])) for row in gpudirect["places"]),
        pasid_version=pasid["version"],
        pasid_length=pasid["length"],
        pasid_widest=pasid["widest"],
        nodes=plain["nodes"],
    )
