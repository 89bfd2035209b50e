"""The System Resource Affinity Table (ACPI 6.6 5.2.16) of a function that brings NUMA nodes of its own.

One Generic Initiator Affinity entry a node. It is the function's part of a machine's table and complete as a table;
the entries of processors and memory are the machine's.
"""

from __future__ import annotations

from ..acpi import source, srat
from ..acpi.structures import Header, Table, encode, make
from ..ir import Function
from .artifact import Artifact, Options

REVISION = 3


def table(function: Function) -> Table | None:
    """The table of a function, its entries in the order of their proximity domains.

    None where it brings no nodes, and none where the layout gives the first one no number: that is the machine's.
    """
    guest = function.guest
    if guest.first_node is None or not guest.initiators:
        return None
    address = srat.address(guest.segment, guest.bus, guest.device, guest.function)
    domains = range(guest.first_node, guest.first_node + guest.initiators)
    return srat.table(Header("SRAT", REVISION), [make(srat.INITIATOR, domain=one, pci=address) for one in domains])


def emit(function: Function, options: Options) -> list[Artifact]:
    """NAME.srat.aml, the table, and NAME.srat.dsl, its source for iasl; nothing where there are no entries."""
    made = table(function)
    if made is None:
        return []
    return [
        Artifact(f"{function.name}.srat.aml", encode(made)),
        Artifact(f"{function.name}.srat.dsl", source.text(made).encode()),
    ]
