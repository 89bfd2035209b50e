"""What VMMs other than QEMU make of the space that Linux shows: cloud-hypervisor, crosvm, Firecracker.

They patch what they read, each in a style of its own; the styles are in `schemas/stacks/`. All of it was read in their
sources and none of it executed: every change says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from .. import loader, resources
from ..ir import ROM_INDEX, Bar, BarKind, ConfigSpace
from .chains import Extended, Standard, extended_chain, msi_length, standard_chain
from .layers import Change, View
from .linux import lengths
from .linux.facts import Version, linux, version
from .pci import (
    BARS,
    BARS_END,
    CAP_POINTER,
    HEADER_TYPE,
    MSI,
    MSIX,
    MULTIFUNCTION,
    NEXT_MASK,
    PCI_SIZE,
    PM,
    ROM,
    number,
)
from .qemu.options import OptionError, clique_body, switch

NAMES = ("cloud-hypervisor", "crosvm", "firecracker")
_PAGE = 4096
_ENTRY = 16
_PMC_PME = 0xF800
_PME_D0_D3 = 0xC800  # from D0, D3hot and D3cold


@dataclass(frozen=True)
class Facts:
    """One VMM, as its file says."""

    name: str
    oldest: Version
    newest: Version
    title: str
    source: str
    plain: Mapping[str, Any]

    @property
    def options(self) -> tuple[str, ...]:
        """What can be said of a device."""
        clique = self.plain.get("clique")
        return (*((clique["option"],) if clique else ()), *(("restored",) if "restore" in self.plain else ()))


@cache
def facts(name: str) -> Facts:
    """The facts of `name`.yaml."""
    file = f"{name}.yaml"
    plain = loader.load(resources.folder("schemas") / "stacks" / file, shown=file).plain()
    low, high = (version(plain["releases"][key]) for key in ("oldest", "newest"))
    return Facts(name, low, high, plain["title"], plain["source"], plain)


def view(name: str, below: ConfigSpace, bars: Sequence[Bar], words: Mapping[str, str]) -> View:
    """The space that a guest of the VMM `name` finds, of what `below` shows.

    Raises:
        ValueError: an option that the VMM has not.
        OptionError: it refuses one.
    """
    return _Patches(facts(name), below, bars, words).run()


class _Patches:
    def __init__(self, vmm: Facts, below: ConfigSpace, bars: Sequence[Bar], words: Mapping[str, str]) -> None:
        unknown = set(words) - set(vmm.options)
        if unknown:
            raise ValueError(f"'{min(unknown)}' is no option of {vmm.name}; it has {', '.join(vmm.options) or 'none'}")
        self.vmm = vmm
        self.plain = vmm.plain
        self.below = below
        self.bars = list(bars)
        self.words = words
        self.restored = switch("restored", words.get("restored", "off"))
        self.lost = set(vmm.plain["restore"]["loses"]) if self.restored else set()
        names = ("value", "emulated", "writable", "w1c", "forwarded")
        self.masks = {name: bytearray(getattr(below, name)) for name in names}
        self.changes: list[Change] = []
        self.made: list[tuple[int, int, str]] = []
        self.chain = standard_chain(below.value)

    def put(self, offset: int, size: int, mask: int, value: int, *, writable: int = 0, reaches: bool = False) -> bool:
        """The VMM answers the bits of `mask`; `reaches`: writes of them go on to the device."""
        end = offset + size
        before = self.masks["value"][offset:end]
        rows = {"value": value, "emulated": mask, "writable": writable, "w1c": 0}
        if not reaches:
            rows["forwarded"] = 0
        for name, bits in rows.items():
            old = number(self.masks[name], offset, size)
            self.masks[name][offset:end] = ((old & ~mask | bits & mask) & (1 << 8 * size) - 1).to_bytes(size, "little")
        return self.masks["value"][offset:end] != before

    def say(self, offset: int, length: int, text: str) -> None:
        self.changes.append(Change(offset, f"{self.vmm.name} {text}", f"{self.vmm.source}, read", length))

    def run(self) -> View:
        self._header()
        self._capabilities()
        if "hides" not in self.lost and self._may_hide():
            self._hide()
        if self.restored:
            self.say(0, 1, f"forgets at a restore what it had patched: {self.plain['restore']['why']}")
        config = ConfigSpace(
            **{name: bytes(mask) for name, mask in self.masks.items()}, compared=bytes(self.below.size)
        )
        return View(config, tuple(sorted(self.changes)), tuple(self.bars), tuple(self.made))

    # -- header ----------------------------------------------------------------------------------------------------

    def _header(self) -> None:
        if self.plain.get("clears_multifunction") and self.put(HEADER_TYPE, 1, MULTIFUNCTION, 0):
            self.say(HEADER_TYPE, 1, "shows one function alone: header type bit 7 is clear")
        if self.plain.get("relocates_msix"):
            self._relocate()
        if self.plain["shadows_bars"]:
            changed = self.put(BARS, BARS_END - BARS, (1 << 8 * (BARS_END - BARS)) - 1, 0)
            for bar in self.bars:
                if bar.index < ROM_INDEX:
                    self._bar(bar)
            if changed:
                self.say(BARS, BARS_END - BARS, "answers for the BARs, and gives them addresses of its own")
        if self.plain.get("clears_rom") and self.put(ROM, 4, 0xFFFFFFFF, 0):
            self.say(ROM, 4, "shows no expansion ROM")
        for bar in self.bars:
            if self.plain.get("clears_io_bars") and bar.kind is BarKind.IO and self.put(bar.offset, 4, 0xFFFFFFFF, 0):
                self.say(bar.offset, 4, f"shows no BAR {bar.index}: it is an I/O BAR")

    def _bar(self, bar: Bar) -> None:
        held = self.below.number("value", bar.offset, 4)
        kind = held & (0x3 if held & 1 else 0xF)
        size = 8 if bar.kind is BarKind.MEM64 else 4
        writable = (1 << 8 * size) - bar.size if bar.size else 0
        self.put(bar.offset, size, (1 << 8 * size) - 1, kind, writable=writable)

    def _relocate(self) -> None:
        """Double the 64-bit BAR of an MSI-X table that shares its pages with something else."""
        msix = next((one for one in self.chain if one.id == MSIX), None)
        if msix is None:
            return
        table, pba = (self.below.number("value", msix.offset + at, 4) for at in (4, 8))
        entries = (self.below.number("value", msix.offset + 2, 2) & 0x7FF) + 1
        bar = next((bar for bar in self.bars if bar.index == table & 7), None)
        aligned = not (table & ~7) % _PAGE and not (pba & ~7) % _PAGE
        if bar is None or bar.kind is not BarKind.MEM64 or not bar.size or aligned:
            return
        half = bar.size
        self.bars = [replace(one, size=2 * half, length=None) if one is bar else one for one in self.bars]
        after = -(-(half + entries * _ENTRY) // _PAGE) * _PAGE
        self.put(msix.offset + 4, 4, 0xFFFFFFFF, half | bar.index)
        self.put(msix.offset + 8, 4, 0xFFFFFFFF, after | bar.index)
        self.say(msix.offset + 4, 8, f"doubles BAR {bar.index} to {2 * half:#x} bytes, and moves the MSI-X table there")

    # -- capabilities ----------------------------------------------------------------------------------------------

    def _capabilities(self) -> None:
        for one in self.chain:
            if one.id == MSI and "msi" in self.plain["emulates"]:
                self._msi(one)
            elif one.id == MSIX:
                control = self.below.number("value", one.offset + 2, 2)
                if self.put(one.offset + 2, 2, 0xFFFF, control & 0x7FF, writable=0xC000):
                    self.say(one.offset + 2, 2, "answers for MSI-X: it is off and unmasked")
            elif one.id == PM and self.plain.get("emulates_power"):
                held = self.below.number("value", one.offset + 2, 2)
                self.put(one.offset + 2, 2, _PMC_PME, held & ~_PMC_PME | _PME_D0_D3)
                self.put(one.offset + 4, 2, 0x8103, 0, writable=0x0103)
                self.say(one.offset + 2, 4, "answers for power management: PME from D0, D3hot and D3cold")
        clique = self.plain.get("clique")
        if clique is not None and clique["option"] in self.words:
            self._clique(clique)

    def _msi(self, one: Standard) -> None:
        length = msi_length(self.below.value, one)
        control = self.below.number("value", one.offset + 2, 2)
        changed = self.put(one.offset + 2, 2, 0xFFFF, control & 0x18E, writable=0x71)
        changed |= self.put(one.offset + 4, length - 4, (1 << 8 * (length - 4)) - 1, 0, writable=-1)
        if changed:
            self.say(one.offset + 2, length - 2, "answers for MSI: it is off")

    def _clique(self, clique: Mapping[str, Any]) -> None:
        text = self.words[clique["option"]]
        if not text.isdecimal() or int(text) > clique["most"]:
            raise OptionError(0, f"{clique['option']}={text}: it takes 0..{clique['most']}", self.vmm.source)
        if "clique" in self.lost:
            return
        at, body = clique["at"], bytearray(clique_body(int(text) & 0xFF))
        self.put(at, len(body), (1 << 8 * len(body)) - 1, int.from_bytes(body, "little"), reaches=True)
        last = self.chain[-1].offset + 1 if self.chain else CAP_POINTER
        self.put(last, 1, 0xFF, at)
        self.made.append((at, len(body), "GPUDirect capability"))
        over = next((one for one in self.chain if one.offset <= at < one.offset + one.room and one.room > 0), None)
        above = f", over the capability at {over.offset:#x}" if over and any(self.below.value[at : at + 8]) else ""
        self.say(at, len(body), f"puts the GPUDirect clique capability at {at:#x}{above}")
        self.say(last, 1, f"makes the last pointer lead to {at:#x}")

    # -- hiding ----------------------------------------------------------------------------------------------------

    def _may_hide(self) -> bool:
        present = {one.id for one in self.chain}
        reaches = self.below.size > PCI_SIZE and self.below.number("value", PCI_SIZE, 4)
        return bool(reaches) and all(own in present for own in self.plain["hides"]["needs"])

    def _room(self, one: Extended) -> int:
        """Bytes that are zeroed: those of the structure itself."""
        length = lengths.extended(linux(), linux().newest, self.below.value, one.id, one.offset)
        return min(length or one.room, one.room)

    def _hide(self) -> None:
        hides = self.plain["hides"]
        chain = extended_chain(self.below.value)
        before: Extended | None = None
        for one in chain:
            if one.id not in hides["ids"]:
                before = one
            elif hides["style"] == "unlink-zeroed":
                self._unlink(one, before, hides["stub"])
                before = before or one  # the first one stays in the chain, and leads around the others
            else:
                self.put(one.offset, 2, 0xFFFF, 0)
                zeroed = hides["style"] == "null-id-zeroed"
                if zeroed:
                    self._zero(one)
                rest = "its body reads 0" if zeroed else "its body stays readable"
                self.say(one.offset, self._room(one) if zeroed else 2, f"makes the id {one.id:#06x} null; {rest}")

    def _unlink(self, one: Extended, before: Extended | None, stub: int) -> None:
        if before is None:
            self.put(one.offset, 2, 0xFFFF, stub)
            self.say(one.offset, self._room(one), f"shows id {stub:#06x} in place of {one.id:#06x}; its body reads 0")
        else:
            self.put(before.offset, 4, NEXT_MASK, one.next << 20)
            self.say(before.offset, 4, f"unlinks {one.id:#06x} at {one.offset:#x}: the pointer leads to {one.next:#x}")
            self.put(one.offset, 4, 0xFFFFFFFF, 0)
            self.say(one.offset, self._room(one), "shows 0 in what it hides")
        self._zero(one)

    def _zero(self, one: Extended) -> None:
        room = min(self._room(one), self.below.size - one.offset) - 4
        if room > 0:
            self.put(one.offset + 4, room, (1 << 8 * room) - 1, 0)
