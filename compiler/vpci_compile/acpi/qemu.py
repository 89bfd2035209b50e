"""SRAT, SLIT and HMAT exactly as QEMU makes them, byte for byte but for the checksum, which QEMU leaves to firmware.

Source: QEMU 11.1.3 hw/i386/acpi-build.c and hw/arm/virt-acpi-build.c (build_srat), hw/acpi/hmat.c, hw/core/numa.c;
every rule was compared with its tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ..ir.machine import Architecture, Initiator, Machine, Port, Range
from . import glib_hash, hmat, qemu_hmat, qemu_memory, slit, srat
from .structures import Header, Structure, Table, make

_X86_PADDING = 2
_HEADER = partial(Header, oem_id=b"BOCHS ", oem_table_id=b"BXPC    ", creator_id=b"BXPC")
_Object = TypeVar("_Object", Initiator, Port)


def tables(machine: Machine) -> list[Table]:
    """The tables that a machine has, in QEMU's order: SRAT, then SLIT and HMAT where there is something to say.

    None without nodes.
    """
    if not machine.nodes:
        return []
    made = [srat.table(_HEADER("SRAT", 1 if _is_x86(machine) else 3), list(_structures(machine)))]
    if machine.distances:
        made.append(slit.table(_HEADER("SLIT", 1), slit.matrix(len(machine.nodes), machine.distances)))
    if machine.hmat:
        made.append(hmat.table(_HEADER("HMAT", 2), list(qemu_hmat.structures(machine))))
    return made


def in_table_order(machine: Machine) -> list[Initiator]:
    """The generic initiators as QEMU's SRAT has them."""
    return _as_walked(machine, machine.initiators)


def ascending(machine: Machine) -> Machine:
    """The machine with its initiators' ids dealt out so that the SRAT has them in the order of their nodes.

    The ids are gi0, gi1, ... in the order in which the objects are made (`objects`), whatever device one is of: a name
    with a device's in it would belong to another device.
    """
    plain = [one.id for one in machine.initiators]
    counted = {old: f"gi{number}" for number, old in enumerate(plain)}
    objects = tuple(counted.get(name, name) for name in machine.objects)
    walked = [name for name in glib_hash.order(objects) if name in counted.values()]
    by_node = sorted(machine.initiators, key=lambda one: one.node)
    dealt = tuple(one._replace(id=name) for one, name in zip(by_node, walked, strict=True))
    return replace(machine, initiators=dealt, objects=objects)


def _as_walked(machine: Machine, ones: Sequence[_Object]) -> list[_Object]:
    """QEMU finds them by a walk through its table of objects."""
    known = {one.id: one for one in ones}
    return [known[name] for name in glib_hash.order(machine.objects) if name in known]


def _is_x86(machine: Machine) -> bool:
    return machine.architecture is Architecture.X86_64


def _structures(machine: Machine) -> Iterator[Structure]:
    for cpu in machine.cpus:
        yield srat.processor(cpu.id, cpu.node) if _is_x86(machine) else make(srat.GICC, domain=cpu.node, uid=cpu.id)
    ranges = qemu_memory.ranges(machine)
    yield from map(_memory, ranges)
    if _is_x86(machine):  # in QEMU's words "not in ACPI spec": empty entries, until there are two more than nodes
        for _ in range(len(machine.nodes) + _X86_PADDING - len(ranges)):
            yield srat.memory(0, 0, 0, flags=0)
    for one in in_table_order(machine):
        yield make(srat.INITIATOR, domain=one.node, pci=srat.address(one.segment, one.bus, one.device, one.function))
    for port in _as_walked(machine, machine.ports):
        yield srat.port(port.node, port.uid)
    yield from map(_memory, qemu_memory.hotplug_window(machine))


def _memory(one: Range) -> Structure:
    return srat.memory(one.node, one.base, one.size, srat.ENABLED | (srat.HOT_PLUGGABLE if one.hotplug else 0))
