"""The Heterogeneous Memory Attribute Table (ACPI 6.6 5.2.29): latencies, bandwidths and memory-side caches."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from ..ir.machine import Cache
from .structures import Bit, Field, Format, Header, Shape, Structure, Table, make

INITIATOR_VALID = 1 << 0
UNREACHABLE = 0xFFFF
PS_PER_NS, MIB = 1000, 1 << 20

ATTRIBUTES = Shape(
    "memory-domain",  # 5.2.29.3
    0,
    "Memory Proximity Domain Attributes",
    (
        Field(
            "flags",
            2,
            "Flags (decoded below)",
            bits=(Bit("initiator-valid", 0, label="Processor Proximity Domain Valid"),),
        ),
        Field("reserved1", 2, "Reserved1"),
        Field("initiator", 4, "Attached Initiator Proximity Domain"),
        Field("domain", 4, "Memory Proximity Domain"),
        Field("reserved2", 4, "Reserved2"),
        Field("reserved3", 8, "Reserved3"),
        Field("reserved4", 8, "Reserved4"),
    ),
)
LOCALITY = Shape(
    "locality",  # 5.2.29.4
    1,
    "System Locality Latency and Bandwidth Information",
    (
        Field(
            "flags",
            1,
            "Flags (decoded below)",
            bits=(
                Bit("hierarchy", 0, 4, "Memory Hierarchy"),
                Bit("minimum-transfer", 4, label="Use Minimum Transfer Size", recent=True),
                Bit("non-sequential", 5, label="Non-sequential Transfers", recent=True),
            ),
        ),
        Field("data_type", 1, "Data Type"),
        Field("minimum_transfer", 1, "Minimum Transfer Size", old=("Reserved1", 2)),
        Field("reserved1", 1, "Reserved1", old=("", 0)),
        Field("initiator_count", 4, "Initiator Proximity Domains #"),
        Field("target_count", 4, "Target Proximity Domains #"),
        Field("reserved2", 4, "Reserved2"),
        Field("unit", 8, "Entry Base Unit"),
    ),
    tail="localities",
)
CACHE = Shape(
    "cache",  # 5.2.29.5
    2,
    "Memory Side Cache Information",
    (
        Field("domain", 4, "Memory Proximity Domain"),
        Field("reserved1", 4, "Reserved1"),
        Field("size", 8, "Memory Side Cache Size", kind="hex"),
        Field(
            "attributes",
            4,
            "Cache Attributes (decoded below)",
            kind="hex",
            bits=(
                Bit("levels", 0, 4, "Total Cache Levels"),
                Bit("level", 4, 4, "Cache Level"),
                Bit("associativity", 8, 4, "Cache Associativity"),
                Bit("policy", 12, 4, "Write Policy"),
                Bit("line", 16, 16, "Cache Line Size"),
            ),
        ),
        Field("address_mode", 2, "Address Mode", old=("Reserved2", 2)),
        Field("handle_count", 2, "SMBIOS Handle #"),
    ),
    tail="handles",
)
FORMAT = Format(
    "HMAT",
    "Heterogeneous Memory Attributes Table",
    "ACPI 6.6 5.2.29",
    (1, 2),
    (Field("reserved", 4, "Reserved"),),
    struct.Struct("<HHI"),
    (ATTRIBUTES, LOCALITY, CACHE),
)


class Localities(NamedTuple):
    """What follows the fields of a locality structure; `entries` row by row, one row an initiator."""

    initiators: tuple[int, ...]
    targets: tuple[int, ...]
    entries: tuple[int, ...]

    def rows(self) -> list[tuple[int, ...]]:
        """The entries of each initiator."""
        width = len(self.targets)
        return [self.entries[start * width : (start + 1) * width] for start in range(len(self.initiators))]


def localities(one: Structure) -> Localities | None:
    """The lists of a locality structure, if it is as long as they need; else None."""
    s, t = one["initiator_count"], one["target_count"]
    if 4 * (s + t) + 2 * s * t != len(one.tail):
        return None
    numbers = struct.unpack_from(f"<{s + t}I", one.tail)
    return Localities(numbers[:s], numbers[s:], struct.unpack_from(f"<{s * t}H", one.tail, 4 * (s + t)))


def attributes(domain: int, initiator: int | None, unknown: int = 0) -> Structure:
    """Which initiator a memory is attached to; without one the field holds `unknown`, and is not valid."""
    valid = INITIATOR_VALID if initiator is not None else 0
    return make(ATTRIBUTES, domain=domain, flags=valid, initiator=unknown if initiator is None else initiator)


def locality(hierarchy: int, data_type: int, unit: int, lists: Localities) -> Structure:
    """Latencies (`unit` in ps) or bandwidths (in MB/s) of all pairs."""
    counts = {"initiator_count": len(lists.initiators), "target_count": len(lists.targets)}
    one = make(LOCALITY, flags=hierarchy, data_type=data_type, unit=unit, **counts)
    domains = (*lists.initiators, *lists.targets)
    tail = struct.pack(f"<{len(domains)}I", *domains) + struct.pack(f"<{len(lists.entries)}H", *lists.entries)
    return Structure(one.type, one.shape, one.values, tail)


def cache(one: Cache, levels: int) -> Structure:
    """A memory-side cache, one of `levels`."""
    attributes = levels | one.level << 4 | one.associativity << 8 | one.policy << 12 | one.line << 16
    return make(CACHE, domain=one.node, size=one.size, attributes=attributes)


def table(header: Header, structures: Sequence[Structure]) -> Table:
    """An HMAT of these structures."""
    return Table(header, FORMAT, {one.name: one.usual for one in FORMAT.fixed}, tuple(structures))
