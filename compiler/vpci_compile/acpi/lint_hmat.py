"""What is wrong with an HMAT. Linux drops all of it for one bad structure.

Source: Linux 7.2 drivers/acpi/numa/hmat.c.
"""

from __future__ import annotations

from collections.abc import Callable

from ..diagnostics import Report, Span
from ..ir.machine import Measure
from . import hmat, lint_reserved
from .node_map import Guest, node_map
from .structures import Structure, Table, structure_bytes

_IGNORING = "Linux: 'acpi/hmat: Ignoring: Invalid table', which is all of it"
_OLD_REVISION, _REVISION = 1, 2
_WRAP = (1 << 32) - 1  # hmat_normalize multiplies in 32 bits
_ROUNDING = 999  # and adds this to round a latency up to whole nanoseconds, in 32 bits as well
_Where = Callable[[int], Span]


def check(table: Table, known: Table | None, guest: Guest, where: _Where, report: Report) -> None:
    """Report everything; `known` is the SRAT, if there is one."""
    revision = table.header.revision
    start = where(0)
    if revision not in (_OLD_REVISION, _REVISION):
        text = f"revision {revision}: Linux knows 1 and 2, and ignores the table"
        report.add("VPCI1924", start, text, note="'acpi/hmat: Ignoring: Unknown revision'")
    elif revision == _OLD_REVISION:
        report.add("VPCI1928", start, "revision 1, whose units are others: Linux divides every value by 10")
    for number, one in enumerate(table.structures):
        if _short(one, number, where(number), report):
            continue
        if one.shape is hmat.ATTRIBUTES and known is not None:
            _attributes(one, number, known, guest, where(number), report)
        elif one.shape is hmat.LOCALITY:
            _locality(one, number, where(number), report)


def _short(one: Structure, number: int, span: Span, report: Report) -> bool:
    """Whether it is too short for Linux; what else is odd about its length is told, too."""
    assert hmat.FORMAT.head is not None
    if one.shape is None or one.length is not None:
        return False
    length = len(structure_bytes(one, hmat.FORMAT.head))
    needed = hmat.FORMAT.head.size + one.shape.size
    if one.shape is hmat.LOCALITY:
        initiators, targets = one["initiator_count"], one["target_count"]
        needed += 4 * (initiators + targets) + 2 * initiators * targets
    if length < needed or (one.shape is hmat.ATTRIBUTES and length != needed):
        report.add("VPCI1912", span, f"structure {number}: {length} bytes, and it needs {needed}", note=_IGNORING)
        return True
    if one.shape is hmat.CACHE:
        needed += 2 * one["handle_count"]  # which Linux does not look at
    if length != needed:
        text = f"structure {number}: {length} bytes, and by what it says of itself it has {needed}"
        report.add("VPCI1938", span, text, note=lint_reserved.BEHIND)
    return False


def _attributes(one: Structure, number: int, known: Table, guest: Guest, span: Span, report: Report) -> None:
    nodes = node_map(known, guest)
    if nodes.fault:
        return  # the SRAT has complaints of its own
    node = nodes.of(one["domain"])
    if node is None or not nodes.nodes[node].memory:
        text = f"structure {number}: domain {one['domain']} has no memory in the SRAT"
        report.add(
            "VPCI1925", span, text, note=_IGNORING, help="a domain of a generic initiator alone is none of memory"
        )
    elif one["flags"] & hmat.INITIATOR_VALID and nodes.of(one["initiator"]) is None:
        text = f"structure {number}: the initiator's domain {one['initiator']} is not in the SRAT"
        report.add("VPCI1926", span, text, note=_IGNORING)


def _locality(one: Structure, number: int, span: Span, report: Report) -> None:
    lists = hmat.localities(one)
    if lists is None:
        return
    most = _WRAP - _ROUNDING if one["data_type"] <= Measure.WRITE_LATENCY else _WRAP
    odd = [entry for entry in lists.entries if not entry or (entry != hmat.UNREACHABLE and entry * one["unit"] > most)]
    if odd or not one["unit"]:
        why = "0 is no value" if not all(odd) or not one["unit"] else f"times {one['unit']} it has more than 32 bits"
        text = f"structure {number}: {len(odd)} of {len(lists.entries)} entries say nothing to Linux: {why}"
        report.add("VPCI1927", span, text, note="ACPI 6.6 5.2.29.4: 1 to 0xfffe, 0xffff where it cannot be reached")
