"""What a file of the catalogue says, as frozen values.

Fields, registers and capabilities exist once in a process; they compare and hash by identity, which is fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Chain(StrEnum):
    """Which list a structure is linked in."""

    HEADER = "header"
    STANDARD = "standard"
    EXTENDED = "extended"

    @property
    def header_bytes(self) -> int:
        """Length of the id-and-next header of a structure, in bytes."""
        return {"header": 0, "standard": 2, "extended": 4}[self.value]


class Access(StrEnum):
    """Register types of PCIe 7.4; WO is a pulse that reads as 0 (Initiate FLR)."""

    RO = "RO"
    RW = "RW"
    RW1C = "RW1C"
    HWINIT = "HwInit"
    ROS = "ROS"
    RWS = "RWS"
    RW1CS = "RW1CS"
    WO = "WO"
    RSVDP = "RsvdP"
    RSVDZ = "RsvdZ"


class Changes(StrEnum):
    """Who changes bits without the guest asking: the hardware, the unit (two parts of a model differ), the host."""

    HARDWARE = "hardware"
    UNIT = "unit"
    HOST = "host"


class Named(NamedTuple):
    """A value of a field that has a name of its own."""

    value: int
    name: str
    title: str = ""
    linux: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """Bits `low` .. `low + width - 1` of a register."""

    name: str
    low: int
    width: int
    access: Access = Access.RO
    changes: Changes | None = None
    title: str = ""
    linux: tuple[str, ...] = ()
    values: tuple[Named, ...] = ()
    bias: int = 0
    scale: int = 1
    show: str = ""
    default: int = 0
    vmm: bool = False

    @property
    def mask(self) -> int:
        """The field's bits within its register."""
        return ((1 << self.width) - 1) << self.low


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """A register that stands `count` times, `stride` bytes apart; the first is number `first`.

    With `each` all that stands in each of so many groups: then the names are NAME0_0, NAME0_1, NAME1_0 and so on.
    """

    count: int | str
    stride: int | str
    first: int = 0
    each: int | str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Register:
    """A register or, with `blob`, a run of bytes; `at`, `bytes` and the rest may be expressions (text)."""

    name: str
    at: int | str
    bytes: int | str
    fields: tuple[Field, ...]
    title: str = ""
    linux: tuple[str, ...] = ()
    when: str = ""
    repeat: Repeat | None = None
    blob: bool = False
    vmm: bool = False
    implemented: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Capability:
    """A capability, or a configuration header, to the field."""

    name: str
    id: int
    chain: Chain
    title: str
    clause: str
    length: int | str
    registers: tuple[Register, ...]
    linux: str = ""
    version: int = 1
    multiple: bool = False
    vmm: bool = False
    sizes: Mapping[str, int] | None = None
    match: str = ""
