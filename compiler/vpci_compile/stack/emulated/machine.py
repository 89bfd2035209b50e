"""An emulated machine of QEMU, as a migration needs it: what it saves, in the order in which it does, and its masks.

`live.probe` asks a QEMU for it, `probe_file` writes and reads it, `verdict` says what a destination makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..incoming import Check

Scalar = str | int | bool


class Equal(NamedTuple):
    """A field that must be equal on the destination (VMSTATE_*_EQUAL)."""

    name: str
    type: str
    value: int


class Bar(NamedTuple):
    """A BAR; number 6 is the ROM."""

    number: int
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class Saved:
    """A section of the stream: what one device saves.

    `size`: bytes without optional subsections. `holder`: the field that holds the configuration space, "pci config" or
    "virtio"; "" for none. `queues`: entries that each virtqueue has, in the order of their numbers.
    """

    name: str
    instance: int
    version: int
    number: int
    size: int
    holder: str = ""
    equals: tuple[Equal, ...] = ()
    queues: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Emulated:
    """A PCI function of the machine. `section` names what it saves; "" for a device that saves nothing.

    `check` is None where nothing is saved. `guest` is the configuration space as a guest reads it after the firmware
    numbered the buses; empty where the machine cannot be read so.
    """

    id: str
    driver: str
    path: str
    section: str
    check: Check | None
    guest: bytes
    bars: tuple[Bar, ...]
    properties: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that QEMU made; sizes in bytes, `blocks` and `sections` in the order of the stream.

    `blocked`: why QEMU does not let it migrate, in its words; "" where it does.
    """

    qemu: str
    type: str
    blocked: str
    ram_version: int
    blocks: tuple[tuple[str, int], ...]
    sections: tuple[Saved, ...]
    functions: tuple[Emulated, ...]

    def function(self, name: str) -> Emulated | None:
        """The function with this id or path."""
        return next((one for one in self.functions if name in (one.id, one.path)), None)
