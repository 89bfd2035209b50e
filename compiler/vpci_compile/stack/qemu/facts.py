"""What is known of QEMU's vfio-pci (`schemas/stacks/qemu.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ... import loader, resources
from ..linux.facts import Version
from ..linux.facts import version as _version


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
class Even:
    """What QEMU can do from a release on, told so by `options`, for hosts whose devices differ in a structure."""

    since: Version
    options: tuple[str, ...]
    does: str


@dataclass(frozen=True, slots=True)
class Qemu:
    """QEMU's vfio-pci; `since` by option, `machines` the same by part of a machine, `overrides` from a layout's id to
    an option, `evens` by structure, `rewrites` by (place, type).
    """

    executed: tuple[Version, ...]
    oldest: Version
    newest: Version
    since: Mapping[str, Version]
    machines: Mapping[str, Version]
    overrides: Mapping[str, str]
    hides: tuple[Hide, ...]
    evens: Mapping[str, Even]
    types: tuple[int, ...]
    rewrites: Mapping[tuple[str, int], str]
    gpudirect_vendor: int
    gpudirect_base_class: int
    gpudirect_places: tuple[tuple[int, Version], ...]
    pasid_version: int
    pasid_length: int
    pasid_widest: int
    nodes: int

    def is_executed(self, version: Version) -> bool:
        """Whether the rules were run with this release."""
        return version in self.executed

    def hides_always(self, number: int, version: Version) -> bool:
        """Whether a release unlinks the extended capability `number` without being told."""
        rule = self.hide(number, version)
        return rule is not None and not rule.option

    def hide(self, number: int, version: Version) -> Hide | None:
        """How `version` hides the extended capability `number`, or None."""
        return next((rule for rule in self.hides if rule.id == number and rule.holds(version)), None)


def release(version: Version) -> str:
    """(11, 1) -> "11.1"."""
    return f"{version[0]}.{version[1]}"


def _load(name: str) -> Any:
    return loader.load(resources.folder("schemas") / "stacks" / name, shown=name).plain()


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
    since = {name: _version(text) for name, text in plain["since"].items()}
    gpudirect, pasid = plain["gpudirect"], plain["pasid"]
    return Qemu(
        executed=tuple(_version(text) for text in plain["executed"]),
        oldest=_version(plain["releases"]["oldest"]),
        newest=_version(plain["releases"]["newest"]),
        since=since,
        machines={name: _version(text) for name, text in plain["machines"].items()},
        overrides=plain["overrides"],
        hides=tuple(hides),
        evens={
            row["structure"]: Even(since[row["since"]], tuple(row["options"]), row["does"]) for row in plain["evens"]
        },
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
