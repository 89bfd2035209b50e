"""The machine as a JSON document: where everything sits, windows, nodes and the guest's numbers for them."""

from __future__ import annotations

import json
from typing import Any

from ...acpi.node_map import DEFAULT_NODES, Guest, NodeMap, node_map
from ...ir.topology import Instance, System
from ..artifact import Artifact, Options
from .tables import tables


def guest_of(system: System) -> Guest:
    """The Linux that is taken for the guest's: the layout's word, or Debian's cloud kernel."""
    own = system.machine.architecture
    return Guest(own, system.guest_nodes or DEFAULT_NODES[own])


def guest_nodes(system: System) -> NodeMap:
    """Which nodes a Linux makes of the machine's SRAT."""
    made = tables(system)
    return node_map(made[0], guest_of(system)) if made else NodeMap((), "", None)


def emit(system: System, options: Options) -> list[Artifact]:
    """NAME.json."""
    machine = system.machine
    document: dict[str, Any] = {
        "machine": system.name,
        "version": system.version,
        "architecture": machine.architecture,
        "vmm": f"{machine.vmm.name}-{machine.vmm.release[0]}.{machine.vmm.release[1]}",
        "cpus": len(machine.cpus),
        "memory": machine.memory,
        "window": {"sum": system.window, "aligned": system.pci_hole},
        "buses": [{"name": bus.name, "number": bus.number, "node": bus.node} for bus in system.buses],
        "ports": [
            {
                "name": port.name,
                "bus": port.bus,
                "address": f"{port.slot:02x}.{port.function}",
                "secondary": port.secondary,
                "subordinate": port.subordinate,
                "window": port.window,
            }
            for port in system.ports
        ],
        "switches": [{"name": one.name, "port": one.port, "number": one.number} for one in system.switches],
        "devices": [_device(one) for one in system.devices],
        "nodes": [
            {"domain": number, "memory": node.memory, "cpus": sum(cpu.node == number for cpu in machine.cpus)}
            for number, node in enumerate(machine.nodes)
        ],
        "guest_nodes": [{"node": one.number, "domain": one.domain} for one in guest_nodes(system).nodes],
    }
    return [Artifact(f"{system.name}.json", (json.dumps(document, indent=2) + "\n").encode())]


def _device(one: Instance) -> dict[str, Any]:
    guest = one.function.guest
    return {
        "name": one.name,
        "layout": one.layout,
        "contract": one.function.digest,
        "port": one.port or None,
        "address": f"{guest.segment:04x}:{guest.bus:02x}:{guest.device:02x}.{guest.function}",
        "domains": list(one.nodes),
    }
