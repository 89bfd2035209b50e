"""What a guest's Linux would make of the machine's tables: what it drops is told before anybody boots.

The verdicts are those of `acpi lint`; here they stand at what the layout says.
"""

from __future__ import annotations

import re

from ...acpi.lint import Loaded, Wishes, lint
from ...diagnostics import Report
from ...ir.machine import Architecture
from ...ir.topology import System
from .image import guest_of
from .tables import tables

_NVIDIA = 0x10DE
_STRUCTURE = re.compile(r"^structure [0-9]+: ")  # which one of a table says nothing to who writes no table
_WAYS_OUT = {  # by code: the key that it is about, and what to write
    "VPCI1918": ("guest_nodes", "guest_nodes: as many as the guest's kernel has; or fewer initiators for each device"),
    "VPCI1920": ("distances", "11 to 254, or 255 where there is no way"),
    "VPCI1932": ("hotplug", "tables: acpi-6.6 has it with RAM; or let the last node be one with RAM"),
    "VPCI1933": ("nodes", "fewer nodes with RAM, or guest_nodes: as many as the guest's kernel has"),
}


def check(system: System, report: Report) -> None:
    """Report VPCI1918, VPCI1920, VPCI1932, VPCI1933 of the tables, and VPCI1929 of NVIDIA's GPUs."""
    found = Report()
    lint([Loaded(table, system.origin) for table in tables(system)], guest_of(system), Wishes(), found)
    for one in found.diagnostics:
        if one.code in _WAYS_OUT:
            key, way_out = _WAYS_OUT[one.code]
            span = system.origins.get(key, system.origins["nodes"])
            report.add(one.code, span, _STRUCTURE.sub("", one.message), note=one.notes, help=way_out)
    if system.machine.architecture is Architecture.AARCH64:  # the only one whose guests' driver wants nodes
        _gpus(system, report)


def _gpus(system: System, report: Report) -> None:
    for one in system.devices:
        guest = one.function.guest
        found = guest.bus and not guest.device and not guest.function
        if one.function.config.number("value", 0, 2) == _NVIDIA and one.nodes and not found:
            where = f"bus {guest.bus:#04x}, device {guest.device}, function {guest.function}"
            note = "NVIDIA's driver (nv-pci.c) takes the nodes of a bus that is not 0, device 0 and function 0 only"
            report.add("VPCI1929", one.origin, f"{one.name} is at {where}", note=note, help="a root port of its own")
