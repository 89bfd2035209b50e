"""What firmware does before a guest can see all functions of a machine, over QEMU's monitor; and what is seen then.

Source: QEMU hmp-commands.hx (`o`, `xp`); the q35 chipset's own registers: Intel MCH datasheet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..stack.pci import EXPRESS_SIZE, PCI_SIZE
from .board import Q35
from .qmp import Monitor

_CONFIG_ADDRESS, _CONFIG_DATA = 0xCF8, 0xCFC
_BUS_NUMBERS, _PCIEXBAR = 0x18, 0x60
_MCH = (0x8086, 0x29C0)
_BYTES = re.compile(r"\b0x([0-9a-f]{2})\b")


class Firmware:
    """Plays the firmware of a stopped machine. That changes its state: the bus numbers of its bridges."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        for root in monitor.execute("query-pci"):
            self._number(int(root["bus"]))
        self.devices = {str(device["qdev_id"]): device for device in self._devices()}
        """Functions by their id, as query-pci tells of them."""
        self._express = any(
            (device["id"]["vendor"], device["id"]["device"]) == _MCH for device in self._devices() if device["bus"] == 0
        )
        if self._express:
            self._write(0, 0, 0, _PCIEXBAR + 4, 0)
            self._write(0, 0, 0, _PCIEXBAR, Q35.ecam | 1)

    def space(self, name: str) -> bytes:
        """The configuration space as a guest reads it; nothing where this machine cannot be read so (q35 can)."""
        device = self.devices.get(name)
        if device is None or not self._express:
            return b""
        at = Q35.ecam | device["bus"] << 20 | device["slot"] << 15 | device["function"] << 12
        rows = self._monitor.human(f"xp /{EXPRESS_SIZE}xb {at:#x}").splitlines()
        found = bytes(int(octet, 16) for row in rows for octet in _BYTES.findall(row.partition(":")[2]))
        conventional = found[PCI_SIZE:] == b"\xff" * (len(found) - PCI_SIZE)
        return found[:PCI_SIZE] if conventional else found

    def _number(self, bus: int) -> int:
        """Number the buses behind the bridges on one bus; the last number that is given."""
        last = bus
        for device in self._devices():
            if device["bus"] == bus and "pci_bridge" in device:
                place = device["bus"], device["slot"], device["function"]
                self._write(*place, _BUS_NUMBERS, 0xFF << 16 | last + 1 << 8 | bus)
                end = self._number(last + 1)
                self._write(*place, _BUS_NUMBERS, end << 16 | last + 1 << 8 | bus)
                last = end
        return last

    def _write(self, bus: int, slot: int, function: int, offset: int, value: int) -> None:
        address = 1 << 31 | bus << 16 | slot << 11 | function << 8 | offset
        self._monitor.human(f"o /w {_CONFIG_ADDRESS:#x} {address:#x}")
        self._monitor.human(f"o /w {_CONFIG_DATA:#x} {value:#x}")

    def _devices(self) -> Iterator[dict[str, Any]]:
        """All functions that QEMU tells of, each before those behind it."""
        waiting = [device for root in self._monitor.execute("query-pci") for device in root["devices"]]
        while waiting:
            device = waiting.pop(0)
            yield device
            waiting[:0] = device.get("pci_bridge", {}).get("devices", ())
