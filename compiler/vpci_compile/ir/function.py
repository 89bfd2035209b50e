"""A compiled function: its image, and what each part of it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from ..catalog import Capability, Field, Place, View
from ..diagnostics import Span
from . import contract
from .config_space import ConfigSpace


class Kind(StrEnum):
    """What a structure is: the header, a capability of either chain, or bytes outside every capability."""

    HEADER = "header"
    STANDARD = "standard"
    EXTENDED = "extended"
    BYTES = "bytes"


class Origin(StrEnum):
    """Where a structure's bytes come from."""

    COPIED = "copied"
    SYNTHESIZED = "synthesized"
    HIDDEN = "hidden"


class Style(StrEnum):
    """How a structure is hidden: its bytes stay and no pointer leads to it, or its bytes read as zero."""

    UNLINKED = "unlinked"
    ZEROED = "zeroed"


class BarKind(StrEnum):
    """The kind of a base address register."""

    MEM32 = "mem32"
    MEM64 = "mem64"
    IO = "io"
    ROM = "rom"


class Caching(StrEnum):
    """How a guest may map the memory behind a BAR."""

    UNCACHED = "uncached"
    WRITE_COMBINE = "write-combine"
    WRITE_BACK = "write-back"


class Beyond(StrEnum):
    """An access past the real memory, inside the BAR: reads ones or zeros and drops writes, or fails."""

    ONES = "ones"
    ZEROS = "zeros"
    ERROR = "error"


class Enable(StrEnum):
    """What the memory- or I/O-enable bit of the command register does to accesses of a BAR."""

    ENFORCE = "enforce"
    IGNORE = "ignore"
    FIRST_AFTER_RESET = "ignore-except-first-after-reset"


@dataclass(frozen=True, slots=True)
class Structure:
    """The header, a capability, or a run of bytes; `offset` and `length` in bytes.

    `origins` leads from a register or `register.field` to the YAML that set it; `origin` is the structure's own place.
    """

    name: str
    kind: Kind
    id: int
    version: int
    offset: int
    length: int
    source: Origin
    style: Style | None
    capability: Capability | None
    origin: Span
    origins: Mapping[str, Span] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.offset + self.length

    @property
    def title(self) -> str:
        """Its name for people."""
        if self.capability is not None:
            return self.capability.title
        return "bytes" if self.kind is Kind.BYTES else f"{self.kind} capability {self.id:#04x}"

    def origin_of(self, register: str, field_name: str) -> Span:
        """The YAML that decided a field: the field's own, its register's, or the structure's."""
        return self.origins.get(f"{register}.{field_name}") or self.origins.get(register) or self.origin


@dataclass(frozen=True, slots=True)
class Bar:
    """A base address register; `index` 0..5, or 6 for the expansion ROM. Sizes in bytes.

    `size` is the power of two that the guest sizes (None: not stated); `length` the real memory behind it.
    """

    index: int
    kind: BarKind
    prefetchable: bool
    size: int | None
    length: int | None
    source: Origin
    caching: Caching
    beyond: Beyond
    enable: Enable
    origin: Span

    @property
    def offset(self) -> int:
        """Place of its register in a type 0 header."""
        return 0x30 if self.index == ROM_INDEX else 0x10 + 4 * self.index


ROM_INDEX = 6


class Region(NamedTuple):
    """A device-specific VFIO region in place of BAR `instead_of`: exact `size` in bytes, mapped only."""

    instead_of: int
    type: int
    subtype: int
    size: int
    caching: Caching
    enable: Enable
    origin: Span


class Guest(NamedTuple):
    """Where the function sits in the guest; `initiators` NUMA nodes from proximity domain `first_node` on."""

    place: str
    segment: int
    bus: int
    device: int
    function: int
    initiators: int
    first_node: int | None


class Physical(NamedTuple):
    """What the layout says of the device behind the function.

    `driver` is the VFIO driver it is bound to ("vfio-pci", or a variant driver); `ids` those of vendor, device, class,
    revision, subsystem_vendor and subsystem that differ from the guest's; `structures` the device's own capabilities
    as (kind, id, offset, length); `used` ranges of other bytes in use, as (first, byte after the last).
    """

    driver: str
    ids: Mapping[str, int]
    structures: tuple[tuple[Kind, int, int, int], ...]
    used: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class FieldAt:
    """A field of the image: `bit` and `width` count bits from the start of the space."""

    structure: Structure
    register: str
    field: Field
    place: Place
    offset: int
    bit: int
    width: int

    @property
    def path(self) -> str:
        """`structure.register.field`, or `structure.register` where they share a name."""
        own = self.register.rstrip("0123456789") == self.field.name or self.register == self.field.name
        parts = [self.structure.name, self.register] + ([] if own else [self.field.name])
        return ".".join(parts)

    @property
    def origin(self) -> Span:
        """The YAML that decided it."""
        return self.structure.origin_of(self.register, self.field.name)


@dataclass(frozen=True)
class Function:
    """The guest-visible function: everything that emitters, `diff`, `explain` and `show` read."""

    name: str
    version: int
    about: str
    config: ConfigSpace
    structures: tuple[Structure, ...]
    bars: tuple[Bar, ...]
    regions: tuple[Region, ...]
    guest: Guest
    migrates: bool
    targets: tuple[str, ...]
    physical: Physical | None
    origin: Span
    reserved: tuple[tuple[int, int, str], ...] = ()  # (first byte, byte after the last, why)

    @cached_property
    def digest(self) -> str:
        """Names the contract: sha256 over its canonical form, in hex (see ir.contract)."""
        return contract.digest(self.config, self.bars, self.regions)

    def owner(self, offset: int) -> Structure | None:
        """The structure that a byte belongs to; where two overlap, the one listed last."""
        return next((s for s in reversed(self.structures) if s.offset <= offset < s.end), None)

    def view(self, structure: Structure) -> View | None:
        """The structure read through its catalogue entry, or None where the catalogue has none."""
        if structure.capability is None:
            return None
        body = self.config.value[structure.offset : structure.end]
        return View(structure.capability, body, structure.length, self.structures[0].id)

    def fields(self, structure: Structure) -> Iterator[FieldAt]:
        """The fields of one structure, in the order of the catalogue; none where the catalogue has no entry."""
        view = self.view(structure)
        if view is None:
            return
        for place in view.places():
            start = structure.offset + place.offset
            for one in place.register.fields:
                low, width = (0, 8 * place.size) if place.register.blob else (one.low, one.width)
                yield FieldAt(structure, place.name, one, place, start, 8 * start + low, width)

    def place_of(self, path: str) -> int | None:
        """The first byte of what `path` names (`pcie`, `pcie.devctl`, `pcie.devctl.mps`), or None."""
        name, _, rest = path.partition(".")
        for structure in self.structures:
            if structure.name != name:
                continue
            if not rest:
                return structure.offset
            for at in self.fields(structure):
                if rest in (at.register, f"{at.register}.{at.field.name}"):
                    return at.bit // 8 if "." in rest else at.offset
        return None

    def fields_at(self, offset: int) -> list[FieldAt]:
        """The fields that have a bit in the byte at `offset`."""
        owner = self.owner(offset)
        if owner is None:
            return []
        first, last = 8 * offset, 8 * offset + 8
        return [f for f in self.fields(owner) if f.bit < last and f.bit + f.width > first]
