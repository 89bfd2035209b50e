"""What is known of QEMU's vfio-pci and of Linux below it (`schemas/targets/`), and what follows for one function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from .. import loader, resources
from ..diagnostics import Report, Span
from ..ir import Bar, BarKind, Beyond, Caching, Enable, Function, Kind, Origin, Structure
from .artifact import Options

Version = tuple[int, int]
"""A QEMU release, (major, minor)."""

PCIE, VNDR = 0x10, 0x09
ATS, REBAR, PASID = 0x0F, 0x15, 0x1B
PORT, ROOT, CONVENTIONAL = "port", "root", "conventional"
_P2P = b"P2P"


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
    """Linux vfio-pci: `visible` ids of each chain; `regions`, by (type, subtype or None), that are no more."""

    release: str
    visible: Mapping[Kind, frozenset[int]]
    parses_extended_below: frozenset[int]
    drivers: Mapping[str, Driver]
    regions: Mapping[tuple[int, int | None], str]
    without_migration: tuple[str, ...]
    reads_zero: tuple[tuple[str, str, tuple[str, ...]], ...]
    raw_headers: Mapping[Kind, tuple[int, ...]]

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
        without_migration=tuple(plain["without_migration"]),
        raw_headers={Kind(kind): tuple(ids) for kind, ids in plain["raw_headers"].items()},
        reads_zero=tuple((row["cap"], row["register"], tuple(row["fields"])) for row in plain["reads_zero"]),
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


class Case:
    """A function and the release that must show it, with what several rules and the emitter ask."""

    def __init__(self, function: Function, options: Options, report: Report | None = None) -> None:
        self.function = function
        self.options = options
        self.version = options.qemu_version
        self.report = report or Report()
        self.qemu = qemu()
        self.linux = linux()
        own = function.physical.structures if function.physical else ()
        # What the device has itself: all that is not synthesized, and what the layout says of the device.
        standard = {s.id for s in function.structures if s.kind is Kind.STANDARD and s.source is not Origin.SYNTHESIZED}
        standard |= {number for kind, number, _, _ in own if kind is Kind.STANDARD}
        self.linux_parses_extended = bool(standard & self.linux.parses_extended_below)
        self.qemu_walks = bool(standard & self.linux.visible[Kind.STANDARD])
        self._empty = {
            s.offset
            for s in function.structures
            if (s.kind, s.id, s.source) == (Kind.STANDARD, VNDR, Origin.COPIED) and not self.number(s.offset + 2, 1)
        }

    @property
    def name(self) -> str:
        """The release in words: QEMU 11.1."""
        return f"QEMU {release(self.version)}"

    def number(self, offset: int, size: int) -> int:
        """`size` bytes of the image at `offset`."""
        return self.function.config.number("value", offset, size)

    def has(self, option: str) -> bool:
        """Whether the release has an option, object or behaviour."""
        return self.version >= self.qemu.since[option]

    def demand(self, option: str, span: Span, what: str) -> None:
        """Report VPCI1811 where the release lacks `option`, by which it would do `what`."""
        if not self.has(option):
            since = release(self.qemu.since[option])
            self.report.add(
                "VPCI1811",
                span,
                f"{self.name} cannot {what}: that needs QEMU {since} or newer",
                note=f"'{option}' came with QEMU {since}",
                help=f"run QEMU {since} or newer, and compile for it",
            )

    @property
    def express(self) -> Structure | None:
        """The device's PCI Express capability."""
        rows = self.function.structures
        return next(
            (s for s in rows if (s.kind, s.id) == (Kind.STANDARD, PCIE) and s.source is not Origin.SYNTHESIZED), None
        )

    @property
    def express_is_hidden(self) -> bool:
        """Whether QEMU unlinks the PCI Express capability because of where the function sits."""
        guest, express = self.function.guest, self.express
        if express is None:
            return False
        if guest.place == CONVENTIONAL:
            return guest.bus > 0  # below an express root; on a machine that is conventional all the way it stays
        return guest.place == ROOT and (self.number(express.offset + 2, 1) >> 4) == 1

    def hider(self, kind: Kind, number: int, offset: int, *, told: bool = False) -> str:
        """Who unlinks a structure of the device: "Linux vfio-pci", "QEMU", or "" where the guest gets to see it.

        `told`: QEMU is given the option that hides it, where there is one.
        """
        if kind is Kind.STANDARD:
            if number not in self.linux.visible[kind] or offset in self._empty:
                return "Linux vfio-pci"
            return "QEMU" if number == PCIE and self.express_is_hidden else ""
        if kind is not Kind.EXTENDED:
            return ""
        if self.linux_parses_extended and number not in self.linux.visible[kind]:
            return "Linux vfio-pci"
        rule = self.qemu.hide(number, self.version) if self.qemu_walks else None
        return "QEMU" if rule and (told or not rule.option) else ""

    def shows(self, number: int, source: Origin) -> Structure | None:
        """The first extended structure with this id and source."""
        rows = self.function.structures
        return next((s for s in rows if (s.kind, s.id, s.source) == (Kind.EXTENDED, number, source)), None)

    def extended_chain(self) -> list[int]:
        """Offsets of the extended chain as the guest walks it; ends at a loop."""
        found: list[int] = []
        offset = 0x100
        while 0x100 <= offset < self.function.config.size and offset not in found:
            found.append(offset)
            offset = self.number(offset, 4) >> 20 & 0xFFC
        return found


def is_gpudirect(function: Function, structure: Structure) -> bool:
    """Whether a structure is the GPUDirect P2P clique capability: a vendor capability with "P2P" in bytes 3..5."""
    if structure.kind is not Kind.STANDARD or structure.id != VNDR:
        return False
    named = structure.capability is not None and structure.capability.name == "gpudirect"
    return named or function.config.value[structure.offset + 3 : structure.offset + 6] == _P2P


def clique(function: Function, structure: Structure) -> int:
    """The clique of a GPUDirect capability, 0..15 (bits 6..3 of the word at 6)."""
    return function.config.number("value", structure.offset + 6, 2) >> 3 & 0xF
