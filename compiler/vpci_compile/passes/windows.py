"""The 64-bit prefetchable windows of ports, from the BARs behind them; and the machine's own, which holds them all.

Source: PCIe 6.0 7.5.1.3 (a bridge's windows); how firmware adds them up: SeaBIOS src/fw/pciinit.c
(pci_bios_check_devices), edk2 PciBusDxe; both were run (tests/machines/test_enumerated.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..ir import Bar, BarKind, Function
from ..ir.topology import ROOT

if TYPE_CHECKING:
    from ..spec.machine import MachineLayout

GRAIN = 1 << 20  # a bridge's windows are counted in MiB (PCIe 6.0 7.5.1.3.8)
BUSES = 256
"""Buses of a segment: no switch is deeper below others."""
_SPARE = 1 << 30
_EMPTY = 2 << 20  # what SeaBIOS gives a port with nothing behind it, for what is plugged in later


class Room(NamedTuple):
    """What stands behind a port, or on a bus, together: bytes, and the alignment of the largest part."""

    size: int
    alignment: int


class Windows:
    """The windows of a machine's ports; `functions` are its devices' by name."""

    def __init__(self, layout: MachineLayout, functions: Mapping[str, Function]) -> None:
        self._layout = layout
        self._behind: dict[str, list[Function]] = {port: [] for port in layout.ports}
        for name, device in layout.devices.items():
            if device.port in self._behind:
                self._behind[device.port].append(functions[name])
        self._below: dict[str, list[str]] = {port: [] for port in layout.ports}
        for name, port in layout.ports.items():
            switch = layout.switches.get(port.bus)
            if switch is not None and switch.port in self._below:
                self._below[switch.port].append(name)
        self._rooms: dict[str, Room] = {}
        self._numbers = sorted(layout.buses, key=lambda name: layout.buses[name].number)
        self._alone = [functions[name] for name, one in layout.devices.items() if not one.port]

    def need(self, port: str) -> int:
        """Bytes of the 64-bit prefetchable BARs behind a port, and of the windows of a switch's ports there."""
        own = sum(size for one in self._behind[port] for size in _sizes(one))
        return own + sum(self._room(one).size for one in self._below[port])

    def of(self, port: str) -> int:
        """What the layout says, or what the BARs need.

        Of a root port a power of two: edk2 rounds what a port reserves up to one (OvmfPkg/PciHotPlugInitDxe). A
        downstream port reserves nothing, and gets what firmware adds up.
        """
        said = self._layout.ports[port].window
        if said != "auto":
            return 0 if said == "none" else int(said)
        room = self._room(port)
        if self.is_downstream(port):
            return room.size
        return _power_of_two(max(room.size, GRAIN)) if room.size else 0

    def is_downstream(self, port: str) -> bool:
        """Whether it is a port of a switch."""
        return self._layout.ports[port].bus in self._layout.switches

    def hole(self, windows: Mapping[str, int]) -> int:
        """The least power of two that holds all `windows` and the BARs of functions behind no port; 0 for none.

        edk2 aligns a reserved window to its size and puts one root bus behind the other, where SeaBIOS packs all of
        them. Some room stays for functions that a layout does not name (disks, a network card): without it firmware
        would take the window away from one that it names.
        """
        by_bus: dict[str, list[Room]] = {bus: [] for bus in (ROOT, *self._numbers)}
        by_bus[ROOT] = [Room(size, size) for one in self._alone for size in _sizes(one)]
        for port, size in windows.items():
            if size:
                by_bus[self._layout.ports[port].bus].append(Room(size, max(_power_of_two(size), GRAIN)))
        end = 0
        for rooms in by_bus.values():
            total = _together(rooms)
            end = _up(end, total.alignment) + total.size
        return _power_of_two(end + _SPARE) if end else 0

    def _room(self, port: str, depth: int = 0) -> Room:
        if port not in self._rooms:
            self._rooms[port] = self._room_of(port, depth)
        return self._rooms[port]

    def _room_of(self, port: str, depth: int) -> Room:
        """What stands behind a port.

        BARs whose size no layout states are taken to be, together, no larger than the largest that is known.
        """
        if depth > BUSES:  # a switch behind itself, or too many: its place says so
            return Room(0, GRAIN)
        functions, below = self._behind[port], self._below[port]
        rooms = [Room(size, size) for one in functions for size in _sizes(one)]
        if rooms and any(_is_prefetchable(bar) and bar.size is None for one in functions for bar in one.bars):
            largest = max(rooms)
            rooms.append(largest)
        nested = [self._room(one, depth + 1) for one in below]
        rooms += [one for one in nested if one.size]
        if any(one.size for one in nested):
            rooms += [Room(_EMPTY, _EMPTY)] * sum(not one.size for one in nested)
        total = _together(rooms)
        return Room(_up(total.size, total.alignment), total.alignment)


def _together(rooms: Iterable[Room]) -> Room:
    """One after another, the most aligned first."""
    end, most = 0, GRAIN
    for size, alignment in sorted(rooms, key=lambda one: (one.alignment, one.size), reverse=True):
        end, most = _up(end, alignment) + size, max(most, alignment)
    return Room(end, most)


def _up(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def _power_of_two(size: int) -> int:
    return 1 << (size - 1).bit_length()


def _sizes(function: Function) -> list[int]:
    """Bytes of each 64-bit prefetchable BAR whose size is known."""
    return [bar.size for bar in function.bars if _is_prefetchable(bar) and bar.size]


def _is_prefetchable(bar: Bar) -> bool:
    return bar.kind is BarKind.MEM64 and bar.prefetchable
