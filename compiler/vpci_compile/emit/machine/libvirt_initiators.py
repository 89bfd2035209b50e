"""Generic initiators of a libvirt domain, as QEMU's own objects.

libvirt has an element for them (`<acpi nodeset>` of a hostdev), and names the objects gi0, gi1, ... by a counter that
lasts as long as its daemon does: the second machine that it starts begins with gi8 (12.8.0, seen). QEMU's SRAT has
them in an order that follows from the names, and a Linux guest numbers its nodes in that order, so that nodes would
change their numbers from start to start. Here they have names of ours, dealt out so that the SRAT is the one we write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from ...acpi import glib_hash
from ...acpi.qemu import in_table_order
from ...ir.topology import System
from ...stack.libvirt_facts import objects


class Named(NamedTuple):
    """An object: its id, the function's name, the node."""

    id: str
    device: str
    node: int


def initiators(system: System) -> list[Named]:
    """The objects in the order of the command line."""
    machine = system.machine
    owner = {node: one.name for one in system.devices for node in one.nodes}
    ids = [f"vpci-gi{index}" for index in range(len(machine.initiators))]
    nodes = [number for number, node in enumerate(machine.nodes) if node.memory]
    early, late = objects(machine.vmm.release)
    made = [*early, *ids, *(text.format(node=number) for text in late for number in nodes)]
    walked = [name for name in glib_hash.order(made) if name in set(ids)]
    dealt = {name: one.node for name, one in zip(walked, in_table_order(machine), strict=True)}
    return [Named(name, owner[dealt[name]], dealt[name]) for name in ids]


def arguments(system: System, prefix: str) -> Iterator[str]:
    """The same as arguments of QEMU; `prefix` is that of the functions' aliases."""
    for one in initiators(system):
        row = {"qom-type": "acpi-generic-initiator", "id": one.id, "pci-dev": f"{prefix}{one.device}", "node": one.node}
        yield from ("-object", json.dumps(row, separators=(",", ":")))
