"""What is known of Linux's vfio-pci (`schemas/stacks/linux.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

from ... import loader, resources
from ...catalog import quirks
from ...catalog.quirks import Ids, QuirkKind
from ...ir import Bar, BarKind, Beyond, Caching, Enable, Kind

Version = tuple[int, int]
"""A release, (major, minor)."""


class Access(StrEnum):
    """How the kernel lets a guest at the bytes of a capability that stays in the chain."""

    READ_ONLY = "read-only"  # but for the header, from the device
    RAW_WRITE = "raw"  # as above, and writes reach the device
    TABLE = "table"  # by registers


class Row(NamedTuple):
    """A register that the kernel answers in part; `at` and `size` in bytes, the masks as in linux.yaml."""

    at: int
    size: int
    shadow: int = 0
    write: int = 0
    passes: int = 0
    zero: int = 0
    why: str = ""


class Capability(NamedTuple):
    """A capability that stays in its chain: bytes, or the name of the rule that gives them."""

    id: int
    name: str
    length: int
    rule: str
    writes: str


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
    source: str = ""


class _Since(NamedTuple):
    """A row of the tables, and the releases it holds for."""

    since: Version
    until: Version
    row: Mapping[str, Any]

    def holds(self, version: Version) -> bool:
        return self.since <= version < self.until


_ALWAYS, _NEVER = (0, 0), (1 << 16, 0)


class Linux:
    """The facts of `linux.yaml`, and the questions that are asked of them."""

    def __init__(self, plain: Mapping[str, Any]) -> None:
        self.read = tuple(version(text) for text in plain["read"])
        self.executed = tuple(version(text) for text in plain["executed"])
        self.release = plain["read"][-1]
        self.oldest, self.newest = (version(plain["releases"][key]) for key in ("oldest", "newest"))
        self._capabilities = {kind: [_dated(row) for row in rows] for kind, rows in plain["capabilities"].items()}
        self._registers = {name: [_dated(row) for row in rows] for name, rows in plain["registers"].items()}
        self._express = [_dated(row) for row in plain["pcie_length"]]
        self._denied = [_dated(row) for row in plain["denylist"]]
        self.last_standard = int(plain["last_id"]["standard"])
        self.last_extended = int(plain["last_id"]["extended"])
        self.visible = {
            Kind(kind): frozenset(int(one.row["id"]) for one in rows) for kind, rows in self._capabilities.items()
        }
        self.parses_extended_below = frozenset(plain["parses_extended_below"])
        self.drivers = {driver.name: driver for driver in map(_driver, plain["drivers"])}
        self.without_migration = tuple(plain["without_migration"])
        self.raw_headers = {Kind(kind): tuple(ids) for kind, ids in plain["raw_headers"].items()}
        self.reads_zero = tuple((row["cap"], row["register"], tuple(row["fields"])) for row in plain["reads_zero"])
        self.regions = {(row["type"], row.get("subtype")): str(row["why"]) for row in plain["regions"]}
        self._rows: dict[tuple[str, Version], tuple[Row, ...]] = {}
        self._names = {
            (kind, int(one.row["id"])): str(one.row["name"])
            for kind, rows in self._capabilities.items()
            for one in reversed(rows)
        }

    def sure(self, release: Version, rule: str) -> str:
        """How a rule of the kernel is known for a release: its function, and executed, read, or between releases."""
        if release in self.executed:
            return f"{rule}, executed"
        return f"{rule}, {'read' if release in self.read else 'inferred from neighbouring releases'}"

    def driver(self, name: str) -> Driver:
        """The variant driver `name` (as a module, `_` for `-`, or as a driver); an empty one where none is known."""
        plain = name.replace("_", "-")
        return self.drivers.get(plain) or Driver(name, {}, {})

    def clamp(self, vendor: int, device: int) -> int | None:
        """Bytes of configuration space that the kernel uses of such a device, if that is less than there are."""
        sizes = [quirk.size for quirk in quirks.of_linux(Ids(vendor, device), QuirkKind.CONFIG_SIZE)]
        return min(sizes, default=None)

    def is_denied(self, vendor: int, device: int, release: Version) -> bool:
        """Whether the driver vfio-pci does not take such a device."""
        rows = (one.row for one in self._denied if one.holds(release))
        return any(row["vendor"] == vendor and device in row["devices"] for row in rows)

    def has_no_intx(self, vendor: int, device: int) -> bool:
        """Whether the kernel never uses INTx of such a device."""
        return bool(quirks.of_linux(Ids(vendor, device), QuirkKind.NO_INTX))

    def standard_row(self, own: int, release: Version) -> Capability | None:
        """The standard capability `own`, where it is visible."""
        return self._row("standard", own, release)

    def extended_row(self, own: int, release: Version) -> Capability | None:
        """The extended capability `own`, where it is visible."""
        return self._row("extended", own, release)

    def _row(self, kind: str, own: int, release: Version) -> Capability | None:
        for one in self._capabilities[kind]:
            if one.row["id"] == own and one.holds(release):
                row = one.row
                return Capability(own, row["name"], row.get("length", 0), row.get("rule", ""), row.get("writes", ""))
        return None

    def express_length(self, release: Version, number: int, *, integrated: bool) -> int:
        """Bytes of a PCI Express capability of version `number`."""
        wanted = 1 if number == 1 else 2
        rows = (one.row for one in self._express if one.row["version"] == wanted and one.holds(release))
        return int(next(rows)["integrated" if integrated else "link"])

    def registers(self, name: str, release: Version) -> tuple[Row, ...]:
        """The registers of the header or of a capability that the kernel answers in part."""
        key = name, release
        if key not in self._rows:
            self._rows[key] = tuple(_register(one.row) for one in self._registers.get(name, ()) if one.holds(release))
        return self._rows[key]

    def name(self, own: int, *, extended: bool) -> str:
        """What the tables call the capability with this id (the low 8 bits, as the kernel's map has them)."""
        return self._names.get(("extended" if extended else "standard", own), "")

    def access(self, own: int, release: Version, *, extended: bool, header: bool) -> Access:
        """How a guest gets at bytes that the kernel's map gives to `own`."""
        if header or self.name(own, extended=extended) in self._registers:
            return Access.TABLE
        row = self._row("extended" if extended else "standard", own, release)
        return Access.RAW_WRITE if row is not None and row.writes == "raw" else Access.READ_ONLY


def version(text: str) -> Version:
    """A release written as "7.2" or "7.2.13"."""
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


def _dated(row: Mapping[str, Any]) -> _Since:
    since = version(row["since"]) if "since" in row else _ALWAYS
    return _Since(since, version(row["until"]) if "until" in row else _NEVER, row)


def _register(row: Mapping[str, Any]) -> Row:
    return Row(**{key: value for key, value in row.items() if key in Row._fields})


def _driver(row: Mapping[str, Any]) -> Driver:
    bars = {bar["index"]: _bar(bar) for bar in row.get("bars") or ()}
    return Driver(row["name"], row.get("ids") or {}, bars, row.get("source", ""))


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
    """The facts of `linux.yaml`."""
    name = "linux.yaml"
    return Linux(loader.load(resources.folder("schemas") / "stacks" / name, shown=name).plain())
