"""The System Resource Affinity Table (ACPI 6.6 5.2.16) of a function that brings NUMA nodes of its own.

One Generic Initiator Affinity entry a node. It is the function's part of a machine's table and complete as a table;
the entries of processors and memory are the machine's.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ..ir import Function
from . import srat_source
from .artifact import Artifact, Options

SIGNATURE = b"SRAT"
REVISION = 3
# Who made the table. Fixed: the same function gives the same bytes everywhere, and a guest's firmware ignores them.
OEM_ID = b"VPCI  "
OEM_TABLE_ID = b"VPCICOMP"
OEM_REVISION = 1
CREATOR_ID = b"VPCI"
CREATOR_REVISION = 1

GENERIC_INITIATOR = 5
ENTRY_BYTES = 32
PCI_HANDLE = 1
ENABLED = 0x1

_HEADER = struct.Struct("<4sIBB6s8sI4sI")  # 5.2.6: signature, length, revision, checksum, OEM, creator
_FIXED = struct.Struct("<IQ")  # 5.2.16: the number 1, which is reserved, and 8 reserved bytes
_ENTRY = struct.Struct("<BBBBI16sII")  # 5.2.16.6
_HANDLE = struct.Struct("<HBB12x")  # 5.2.16.6: segment, bus, device << 3 | function


@dataclass(frozen=True, slots=True)
class Initiator:
    """A Generic Initiator Affinity entry: a PCI function belongs to a proximity domain."""

    domain: int
    segment: int
    bus: int
    device: int
    function: int

    @property
    def handle(self) -> bytes:
        """The PCI device handle, 16 bytes."""
        return _HANDLE.pack(self.segment, self.bus, self.device << 3 | self.function)

    @property
    def entry(self) -> bytes:
        """The whole entry, 32 bytes."""
        return _ENTRY.pack(GENERIC_INITIATOR, ENTRY_BYTES, 0, PCI_HANDLE, self.domain, self.handle, ENABLED, 0)


def initiators(function: Function) -> list[Initiator]:
    """The entries of a function, in the order of their proximity domains.

    None where it brings no nodes, and none where the layout gives the first one no number: that is the machine's.
    """
    guest = function.guest
    if guest.first_node is None:
        return []
    return [
        Initiator(guest.first_node + index, guest.segment, guest.bus, guest.device, guest.function)
        for index in range(guest.initiators)
    ]


def table(entries: list[Initiator]) -> bytes:
    """The table as a machine's firmware holds it, its checksum set."""
    body = _FIXED.pack(1, 0) + b"".join(one.entry for one in entries)
    length = _HEADER.size + len(body)

    def header(checksum: int) -> bytes:
        who = (OEM_ID, OEM_TABLE_ID, OEM_REVISION, CREATOR_ID, CREATOR_REVISION)
        return _HEADER.pack(SIGNATURE, length, REVISION, checksum, *who)

    return header(-sum(header(0) + body) & 0xFF) + body


def emit(function: Function, options: Options) -> list[Artifact]:
    """NAME.srat.aml, the table, and NAME.srat.dsl, its source for iasl; nothing where there are no entries."""
    entries = initiators(function)
    if not entries:
        return []
    binary = table(entries)
    return [
        Artifact(f"{function.name}.srat.aml", binary),
        Artifact(f"{function.name}.srat.dsl", srat_source.text(binary).encode()),
    ]
