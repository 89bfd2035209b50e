"""The function as a client meets it: configuration space by the image, BARs as memory by the layout's rules."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import NamedTuple

from .. import ir
from ..ir import ROM_INDEX, Bar, BarKind, Beyond, Enable, Function, Region
from . import behaviour
from .protocol import CONFIG_REGION, FIXED_REGIONS, INTX, IRQS, MSI, MSIX, ROM_REGION, ProtocolError

PAGE = 4096
MAX_PAGES = 1 << 14
"""Most memory behind all BARs that is really kept (64 MiB): a client that fills more gets ENOMEM."""

Watch = Callable[[str, int, int, int], None]
"""Told of every access of the configuration space ("read" or "write", offset, size in bytes, value), and of resets."""

_COMMAND = 0x04
_IO_ENABLE, _MEMORY_ENABLE = 0x1, 0x2
_INTERRUPT_PIN = 0x3D


class RegionFacts(NamedTuple):
    """A VFIO region: its size in bytes (0: absent), and the type of a device-specific one."""

    size: int
    type: tuple[int, int] | None = None


class Memory:
    """Zeros of any length, of which only the written pages are kept."""

    def __init__(self, budget: list[int]) -> None:
        self._pages: dict[int, bytearray] = {}
        self._budget = budget

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes at `offset`."""
        out = bytearray(size)
        for page, at, start, length in _pieces(offset, size):
            kept = self._pages.get(page)
            if kept is not None:
                out[at : at + length] = kept[start : start + length]
        return bytes(out)

    def write(self, offset: int, data: bytes) -> None:
        """Put `data` at `offset`.

        Raises:
            ProtocolError: more pages than `MAX_PAGES` would be kept.
        """
        for page, at, start, length in _pieces(offset, len(data)):
            kept = self._pages.get(page)
            piece = data[at : at + length]
            if kept is None:
                if not any(piece):
                    continue
                if self._budget[0] == 0:
                    raise ProtocolError(errno.ENOMEM, "the memory behind the BARs is used up")
                self._budget[0] -= 1
                kept = self._pages[page] = bytearray(PAGE)
            kept[start : start + length] = piece

    def clear(self) -> None:
        """All zeros again."""
        self._budget[0] += len(self._pages)
        self._pages.clear()


def _pieces(offset: int, size: int) -> list[tuple[int, int, int, int]]:
    """(page, place in the data, place in the page, length) of each page that a range touches."""
    found, at = [], 0
    while at < size:
        page, start = divmod(offset + at, PAGE)
        length = min(PAGE - start, size - at)
        found.append((page, at, start, length))
        at += length
    return found


class Device:
    """One function that lives as long as its server; each reset brings it back to the image.

    `watch` is told of every access of the configuration space.
    """

    def __init__(self, function: Function, watch: Watch | None = None) -> None:
        self.function = function
        self.config = behaviour.standing_alone(function)
        self.state = bytearray(self.config.value)
        self.regions = _regions(function)
        self._watch = watch
        self._resets = behaviour.resets(function)
        self._bars = {ROM_REGION if bar.index == ROM_INDEX else bar.index: bar for bar in function.bars}
        # A region stands in place of a BAR, and is mapped as a whole: its index follows the fixed ones.
        self._extra = {FIXED_REGIONS + number: region for number, region in enumerate(function.regions)}
        budget = [MAX_PAGES]
        self._memory = {index: Memory(budget) for index in (*self._bars, *self._extra)}
        self._untouched: set[int] = set()
        self._arm()

    def _arm(self) -> None:
        backed: list[tuple[int, Bar | Region]] = [*self._bars.items(), *self._extra.items()]
        self._untouched = {index for index, one in backed if one.enable is Enable.FIRST_AFTER_RESET}

    def reset(self) -> None:
        """A function-level reset: the image again, and memory of zeros."""
        if self._watch is not None:
            self._watch("reset", 0, 0, 0)
        self.state[:] = self.config.value
        for memory in self._memory.values():
            memory.clear()
        self._arm()

    def interrupts(self, index: int) -> int:
        """How many interrupts of a kind (INTx, MSI, MSI-X, error, request) the function has."""
        if index == INTX:
            return int(self.config.size > _INTERRUPT_PIN and self.config.value[_INTERRUPT_PIN] != 0)
        for structure in self.function.structures:
            control = self.config.number("value", structure.offset + 2, 2)
            name = structure.capability.name if structure.capability is not None else ""
            if structure.source != "hidden" and (index, name) == (MSI, "msi"):
                return 1 << (control >> 1 & 7)
            if structure.source != "hidden" and (index, name) == (MSIX, "msix"):
                return (control & 0x7FF) + 1
        return int(index not in (MSI, MSIX) and index < IRQS)

    # -- accesses ----------------------------------------------------------------------------------------------

    def read(self, region: int, offset: int, size: int) -> bytes:
        """`size` bytes of a region.

        Raises:
            ProtocolError: outside the region (EINVAL), or the access fails as the layout says (EIO).
        """
        self._inside(region, offset, size)
        if region == CONFIG_REGION:
            data = bytes(self.state[offset : offset + size])
            self._tell("read", offset, data)
            return data
        inside = self._touch(region, offset, size)
        beyond = b"\xff" if self._beyond(region) is Beyond.ONES else b"\0"
        return self._memory[region].read(offset, inside) + beyond * (size - inside)

    def write(self, region: int, offset: int, data: bytes) -> None:
        """Write into a region; raises as `read`, and ENOMEM where a client fills too much memory."""
        self._inside(region, offset, len(data))
        if region == CONFIG_REGION:
            self._tell("write", offset, data)
            self._write_config(offset, data)
            return
        inside = self._touch(region, offset, len(data))
        self._memory[region].write(offset, data[:inside])

    def _inside(self, region: int, offset: int, size: int) -> None:
        facts = self.regions.get(region)
        if facts is None or not 0 < size <= facts.size or not 0 <= offset <= facts.size - size:
            raise ProtocolError(errno.EINVAL, f"{size} bytes at {offset:#x} are outside region {region}")

    def _write_config(self, offset: int, data: bytes) -> None:
        at = 0
        while at < len(data):  # in pieces as a bus would have them: naturally aligned
            size = next(n for n in (4, 2, 1) if (offset + at) % n == 0 and at + n <= len(data))
            value = int.from_bytes(data[at : at + size], "little")
            ir.write(self.config, self.state, offset + at, size, value, _nobody)
            at += size
        if any(a & b for a, b in zip(self._resets[offset : offset + len(data)], data, strict=True)):
            self.reset()

    def _touch(self, region: int, offset: int, size: int) -> int:
        """How many bytes of an access are real memory, if the enable bit lets it through at all."""
        backed: Bar | Region = self._bars[region] if region in self._bars else self._extra[region]
        if region != ROM_REGION:  # the kernel turns a ROM on by itself to read it, and so do we
            wanted = _IO_ENABLE if isinstance(backed, Bar) and backed.kind is BarKind.IO else _MEMORY_ENABLE
            enabled = bool(self.state[_COMMAND] & wanted)
            guarded = backed.enable is Enable.ENFORCE or region in self._untouched
            if guarded and not enabled:
                raise ProtocolError(errno.EIO, f"region {region} is not enabled in the command register")
            self._untouched.discard(region)
        if isinstance(backed, Region) or backed.length is None:
            return size
        inside = max(0, min(size, backed.length - offset))
        if inside < size and backed.beyond is Beyond.ERROR:
            raise ProtocolError(errno.EIO, f"region {region} has {backed.length:#x} bytes of memory")
        return inside

    def _beyond(self, region: int) -> Beyond:
        bar = self._bars.get(region)
        return bar.beyond if bar is not None else Beyond.ERROR

    def _tell(self, what: str, offset: int, data: bytes) -> None:
        if self._watch is not None:
            self._watch(what, offset, len(data), int.from_bytes(data, "little"))


def _nobody(offset: int, size: int, value: int, mask: int) -> None:
    """Where a forwarded write ends: the image that stands alone forwards none."""


def _regions(function: Function) -> dict[int, RegionFacts]:
    facts = {index: RegionFacts(0) for index in range(FIXED_REGIONS)}
    facts[CONFIG_REGION] = RegionFacts(function.config.size)
    for bar in function.bars:
        facts[ROM_REGION if bar.index == ROM_INDEX else bar.index] = RegionFacts(bar.size or 0)
    for number, region in enumerate(function.regions):
        facts[FIXED_REGIONS + number] = RegionFacts(region.size, (region.type, region.subtype))
    return facts
