"""The windows of cloud-hypervisor's PCI segments: who needs how much, and the weights that share them out so.

Nobody can say a window's size to it: each kind is split over the segments by weights, in grains, and the last segment
takes what is left. Source: cloud-hypervisor at ae44c2971 (2026-08), vmm/src/device_manager.rs and vm_config.rs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...ir import Bar, BarKind
from ...ir.machine import Architecture
from ...ir.topology import System

DEFAULT_BITS = 46
"""Bits of the guest's addresses, where nobody asks for others and the host has as many."""
_MOST_BITS = 52
_PARTS = 1024
"""The weight of the segment that needs most, where weights are not 1."""
_GRAINS = {32: 4 << 10, 64: 4 << 30}
_WINDOW_32 = {Architecture.X86_64: 640 << 20, Architecture.AARCH64: 512 << 20}
_BELOW_RAM = {Architecture.X86_64: 1 << 30, Architecture.AARCH64: 1 << 30}
"""Addresses before the RAM, or the hole in it, at most."""
_ABOVE_64 = (64 << 10) + (1 << 20)
_OWN_32 = 16 << 20
"""What stays free of a 32-bit window for the VMM's own devices, of which a layout says nothing."""


class Share(NamedTuple):
    """A segment's part of a window: bytes that BARs need, its weight, and the bytes that it has at least."""

    segment: int
    need: int
    weight: int
    size: int


class Apertures(NamedTuple):
    """Both windows by segment; `bits` is the width of addresses that the larger one takes."""

    bits: int
    low: tuple[Share, ...]
    high: tuple[Share, ...]

    @property
    def fits(self) -> bool:
        """Whether every segment has what it needs."""
        return all(one.size >= one.need for one in (*self.low, *self.high))


def plan(system: System) -> Apertures:
    """Weights with which every BAR has its place; more bits of addresses where no weights do."""
    count = max((one.function.guest.segment for one in system.devices), default=0) + 1
    low, high = ([_need(_bars(system, segment), wide=wide) for segment in range(count)] for wide in (False, True))
    low[0] += _OWN_32
    machine = system.machine
    small = _shares(low, _WINDOW_32[machine.architecture], _GRAINS[32])
    for bits in range(DEFAULT_BITS, _MOST_BITS + 1):
        size = (1 << bits) - _ABOVE_64 - _BELOW_RAM[machine.architecture] - machine.memory
        made = Apertures(bits, small, _shares(high, size, _GRAINS[64]))
        if made.fits:
            break
    return made


def rounded(count: int, *, up: bool) -> int:
    """Bytes for people: a whole number of the largest unit of which there are some."""
    unit = max(1 << 20, 1 << (max(count.bit_length() - 1, 0) // 10 * 10))
    return (-(-count // unit) if up else count // unit) * unit


def _bars(system: System, segment: int) -> Iterable[Bar]:
    return (bar for one in system.devices if one.function.guest.segment == segment for bar in one.function.bars)


def _need(bars: Iterable[Bar], *, wide: bool) -> int:
    """Bytes for BARs of one width, wherever the window begins; those of unknown size are taken as the largest known."""
    own = [bar for bar in bars if (bar.kind is BarKind.MEM64) == wide and bar.kind is not BarKind.IO]
    sizes = [bar.size for bar in own if bar.size]
    if not own:
        return 0
    largest = max(sizes, default=1 << 20)
    unknown = largest if any(not bar.size for bar in own) else 0
    return sum(sizes) + unknown + largest  # the last for aligning the first


def _shares(needs: list[int], size: int, grain: int) -> tuple[Share, ...]:
    """Weights of 1 where they do; else in proportion to what each segment needs."""
    weights = [1] * len(needs)
    if max(needs) > size // (grain * len(needs)) * grain:
        weights = [max(1, -(-one * _PARTS // max(needs))) for one in needs]
    unit = size // (grain * sum(weights)) * grain
    rows = zip(needs, weights, strict=True)
    return tuple(Share(segment, need, weight, unit * weight) for segment, (need, weight) in enumerate(rows))
