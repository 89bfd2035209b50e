"""What is wrong with tables, judged by what a Linux does with them and by ACPI 6.6.

Sources of the verdicts: Linux 7.2 drivers/acpi/tables.c, numa/srat.c, numa/hmat.c, mm/numa_memblks.c; each was booted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..diagnostics import Report, Span
from ..ir.machine import Architecture, Range
from . import hmat, lint_aml, lint_hmat, lint_reserved, slit, srat
from .node_map import DEFAULT_NODES, PROCESSORS, Guest, has_zero_length, node_map, overlaps
from .structures import CHECKSUM_AT, Structure, Table, encode, structure_bytes

DEFAULT_GUEST = Guest(Architecture.X86_64, DEFAULT_NODES[Architecture.X86_64])
_NARROW = 0xFF  # the largest domain of an SRAT of revision 1
_WIDE_REVISION = 2  # of an SRAT: domains have 32 bits
_ANY_PROCESSOR = (srat.PROCESSOR.type, srat.X2APIC.type, srat.GICC.type, srat.RINTC.type)
_ALONE = ("SRAT", "SLIT", "HMAT")
_REPLACING = "the OEM ids of the first and a higher OEM revision: a table of the initrd then takes its place"


class Loaded(NamedTuple):
    """A table and where its parts stand: in a YAML file each structure has its line."""

    table: Table
    span: Span
    spans: tuple[Span, ...] = ()

    def of(self, number: int) -> Span:
        """The place of a structure."""
        return self.spans[number] if self.spans else self.span


class Wishes(NamedTuple):
    """What more to check: RAM that an SRAT has to cover, and the rule of NVIDIA's guest driver."""

    ram: tuple[Range, ...] = ()
    nvidia: bool = False


def lint(tables: Sequence[Loaded], guest: Guest, wishes: Wishes, report: Report) -> None:
    """Report everything. An SRAT among the tables is what the others are compared with."""
    known = next((one for one in tables if one.table.header.signature == "SRAT"), None)
    first: set[str] = set()
    for one in tables:
        _any_table(one, report)
        signature = one.table.header.signature
        if signature in first and signature in _ALONE:
            text = f"another {signature} is before this one: a guest uses the first"
            report.add("VPCI1942", one.span, text, help=_REPLACING)
        first.add(signature)
        match one.table.header.signature:
            case "SRAT":
                _srat(one, guest, wishes, report)
            case "SLIT":
                _slit(one, known, report)
            case "DSDT" | "SSDT":
                lint_aml.check(one.table, one.span, [other.table for other in tables], report)
            case "HMAT":
                lint_hmat.check(one.table, known.table if known else None, guest, one.of, report)


def _any_table(one: Loaded, report: Report) -> None:
    octets, header = encode(one.table), one.table.header
    if header.length is not None:
        note = "Linux: 'File length does not match table length', a file of the initrd is not used"
        report.add("VPCI1902", one.span, f"the table says {header.length} bytes and has {len(octets)}", note=note)
    known = one.table.format.revisions
    if header.revision not in known and header.signature in ("SRAT", "SLIT"):  # of an HMAT Linux says so itself
        text = f"revision {header.revision}: ACPI 6.6 has {', '.join(map(str, known))} of a {header.signature}"
        report.add("VPCI1943", one.span, text)
    if header.checksum is not None:
        octets = octets[: header.length]
        right = (header.checksum - sum(octets)) & 0xFF
        report.add(
            "VPCI1910",
            one.span,
            f"the checksum is {header.checksum:#04x}: the bytes add up to {sum(octets) & 0xFF:#04x}, not to 0",
            note="ACPI 6.6 5.2.6; Linux: 'Bad table checksum', a table of the initrd is not used",
            help=f"byte {CHECKSUM_AT} has to be {right:#04x}; firmware sets it in QEMU's tables, which have 0",
        )
    if len(one.table.tail) > one.table.behind and one.table.format.head is not None:
        _tail(one, report)
    lint_reserved.check(one.table, one.span, one.of, report)
    for number, structure in enumerate(one.table.structures):
        if structure.shape is None:
            text = f"structure {number}: type {structure.type} is not known; a guest skips it"
            report.add("VPCI1914", one.of(number), text)
        if structure.length is not None:
            text = f"structure {number}: {structure.length} bytes reach beyond the table"
            report.add("VPCI1912", one.of(number), text, note="Linux 7.2 does not look at it")


def _tail(one: Loaded, report: Report) -> None:
    if has_zero_length(one.table):
        lost = "no NUMA at all; behind a generic initiator x86-64 panics"
        if one.table.format is hmat.FORMAT:
            lost = "nothing of the HMAT is used"
        text = f"structure {len(one.table.structures)}: its length is 0"
        report.add("VPCI1911", one.span, text, note=f"Linux: 'Invalid zero length', {lost}")
    else:
        count = len(one.table.tail) - one.table.behind
        report.add("VPCI1902", one.span, f"{count} bytes follow the last structure and are none")


# -- SRAT ----------------------------------------------------------------------------------------------------------


def _srat(one: Loaded, guest: Guest, wishes: Wishes, report: Report) -> None:
    _lengths(one, report)
    _processors(one, guest, report)
    _disabled(one, report)
    _domains(one, guest, report)
    _memory(one, guest, wishes, report)
    _handles(one, wishes, report)


_NEEDED = {
    srat.PROCESSOR.type: 16,
    srat.MEMORY.type: srat.MEMORY_BYTES,
    srat.X2APIC.type: 24,
    srat.GICC.type: 18,
    srat.ITS.type: 12,
    srat.INITIATOR.type: 32,
    srat.PORT.type: 32,
    srat.RINTC.type: 20,
}
"""The bytes of each type (ACPI 6.6 5.2.16)."""


def _lengths(one: Loaded, report: Report) -> None:
    assert srat.FORMAT.head is not None
    for number, structure in enumerate(one.table.structures):
        length, needed = len(structure_bytes(structure, srat.FORMAT.head)), _NEEDED.get(structure.type)
        if structure.length is not None or needed is None or length == needed:
            continue
        if length < needed or structure.type == srat.PROCESSOR.type:
            report.add(
                "VPCI1912",
                one.of(number),
                f"structure {number}: {length} bytes, where type {structure.type} has {needed}",
                note="Linux: 'SRAT not used', except for a generic initiator at the end of the table",
            )
        else:
            text = f"structure {number}: {length} bytes, where type {structure.type} has {needed}"
            report.add("VPCI1938", one.of(number), text, note=lint_reserved.BEHIND)


def _processors(one: Loaded, guest: Guest, report: Report) -> None:
    strange = [
        number
        for number, structure in enumerate(one.table.structures)
        if structure.type in _ANY_PROCESSOR and structure.type not in PROCESSORS[guest.architecture]
    ]
    if strange:
        text = f"structure {strange[0]}: a processor that no {guest.architecture} machine has, and Linux skips"
        more = f"; {len(strange)} in all" if len(strange) > 1 else ""
        report.add("VPCI1944", one.of(strange[0]), text + more, help="--guest says what the guest is")


def _disabled(one: Loaded, report: Report) -> None:
    """Linux ends the pass over processors and initiators at an initiator that is not enabled."""
    passed = (*_ANY_PROCESSOR, srat.INITIATOR.type)
    for number, structure in enumerate(one.table.structures):
        if structure.type != srat.INITIATOR.type or structure["flags"] & srat.ENABLED:
            continue
        after = [other for other in one.table.structures[number + 1 :] if other.type in passed]
        if after:
            report.add(
                "VPCI1913",
                one.of(number),
                f"structure {number}: a disabled generic initiator, at which Linux stops: {len(after)} more are lost",
                note="acpi_parse_gi_affinity gives -EINVAL, which ends the walk; ACPI 6.6 5.2.16.6: to be ignored",
                help="leave it out, or put it last",
            )
        return


def _domains(one: Loaded, guest: Guest, report: Report) -> None:
    domains = {
        srat.domain(structure): number for number, structure in enumerate(one.table.structures) if _counts(structure)
    }
    if one.table.header.revision < _WIDE_REVISION:
        narrow = (srat.PROCESSOR.type, srat.MEMORY.type)
        for number, structure in enumerate(one.table.structures):
            if structure.type in narrow and _counts(structure) and srat.domain(structure) > _NARROW:
                report.add(
                    "VPCI1919",
                    one.of(number),
                    f"structure {number}: domain {srat.domain(structure)} in a table of revision"
                    f" {one.table.header.revision},"
                    f" where Linux reads {srat.domain(structure) & _NARROW}",
                    note="domains have 8 bits before revision 2 (ACPI 6.6 5.2.16.1)",
                )
    too_large = [domain for domain in domains if domain >= guest.domains]
    if too_large or len(domains) > guest.nodes:
        what = f"domain {min(too_large)}" if too_large else f"{len(domains)} domains"
        limit = f"takes domains below {guest.domains}" if too_large else f"has {guest.nodes} nodes"
        nodes = node_map(one.table, guest)
        lost = "it uses none of the table" if nodes.fault else "the initiators behind are lost"
        number = domains[min(too_large)] if too_large else list(domains.values())[guest.nodes]
        report.add(
            "VPCI1918",
            one.of(number),
            f"{what}, and the guest's Linux {limit}: {lost}",
            note="'SRAT: Too many proximity domains.'; CONFIG_NODES_SHIFT is 4 on Debian's arm64: 16 nodes",
            help="a kernel with a larger CONFIG_NODES_SHIFT (say --nodes), or fewer initiators",
        )


def _counts(one: Structure) -> bool:
    """Whether a structure makes a node: it is enabled, and no port and no ITS."""
    nodes = (srat.PROCESSOR, srat.MEMORY, srat.X2APIC, srat.GICC, srat.INITIATOR, srat.RINTC)
    return one.type in {shape.type for shape in nodes} and bool(one["flags"] & srat.ENABLED)


def _memory(one: Loaded, guest: Guest, wishes: Wishes, report: Report) -> None:
    enabled = [
        (number, structure)
        for number, structure in enumerate(one.table.structures)
        if structure.type == srat.MEMORY.type and structure["flags"] & srat.ENABLED
    ]
    if not enabled:
        report.add("VPCI1934", one.span, "no memory is in any domain", note="Linux: 'No NUMA configuration found'")
        return
    if len(enabled) > 2 * guest.nodes:
        text = f"{len(enabled)} structures of memory: the guest's Linux takes {2 * guest.nodes}"
        report.add("VPCI1933", one.of(enabled[2 * guest.nodes][0]), text, note="'too many memblk ranges'")
    initiators = {srat.domain(other) for other in one.table.structures if other.type == srat.INITIATOR.type}
    for number, structure in enabled:
        domain = structure["domain"]
        if not structure["size"]:
            text = (
                f"structure {number}: memory of no length: on x86-64 domain {domain} is possible by it, and not online"
            )
            report.add("VPCI1931", one.of(number), text)
        elif structure["flags"] & srat.HOT_PLUGGABLE and domain in initiators:
            text = f"structure {number}: memory to be plugged in is in domain {domain}, which is a generic initiator's"
            help_text = "QEMU takes the last node: let that be one with RAM"
            report.add("VPCI1932", one.of(number), text, help=help_text)
    ranges = [
        (Range(structure["domain"], structure["base"], structure["size"]), number) for number, structure in enabled
    ]
    places = {id(each): number for each, number in ranges}
    for a, b in overlaps([each for each, _ in ranges]):
        _overlap(one, a, b, places[id(b)], report)
    for base, end in _uncovered(wishes.ram, [each for each, _ in ranges]):
        report.add(
            "VPCI1917",
            one.span,
            f"RAM {base:#x}..{end - 1:#x} is in no domain",
            note="Linux: 'no nodes coverage for ... RAM', and one node is faked",
        )


def _overlap(one: Loaded, a: Range, b: Range, number: int, report: Report) -> None:
    where = f"structure {number}: memory from {b.base:#x} on is in domain {b.node}, and in domain {a.node} already"
    if a.node == b.node:
        report.add(
            "VPCI1916", one.of(number), where, note="Linux warns: 'overlaps with itself'; an HMAT loses the range"
        )
    else:
        report.add("VPCI1915", one.of(number), where, note="Linux: 'overlaps with node', no NUMA at all")


def _uncovered(ram: Sequence[Range], ranges: list[Range]) -> Iterator[tuple[int, int]]:
    for wanted in ram:
        at, end = wanted.base, wanted.base + wanted.size
        for one in sorted(ranges, key=lambda one: one.base):
            if one.base > at:
                break
            at = max(at, one.base + one.size)
        if at < end:
            yield at, end


def _handles(one: Loaded, wishes: Wishes, report: Report) -> None:
    for number, structure in enumerate(one.table.structures):
        if structure.shape not in (srat.INITIATOR, srat.PCI_PORT, srat.PORT, srat.ACPI_INITIATOR):
            continue
        if structure["reserved2"]:
            report.add(
                "VPCI1930",
                one.of(number),
                f"structure {number}: bytes of its device handle are reserved and not 0",
                note="ACPI 6.6 5.2.16.6: only the first four say where it is; cloud-hypervisor spreads them over eight",
            )
        handle = structure["pci"]
        if wishes.nvidia and structure.shape is srat.INITIATOR and (handle >> 24 or not handle >> 16 & 0xFF):
            report.add(
                "VPCI1929",
                one.of(number),
                f"structure {number}: the GPU is at bus {handle >> 16 & 0xFF:#04x}, device {handle >> 27},"
                f" function {handle >> 24 & 7}",
                note="NVIDIA's driver (nv-pci.c) takes a bus that is not 0, device 0 and function 0 only",
                help="put the GPU behind a root port",
            )


# -- SLIT ----------------------------------------------------------------------------------------------------------


def _slit(one: Loaded, known: Loaded | None, report: Report) -> None:
    rows = slit.rows(one.table)
    if rows is None:
        count = one.table.fixed["localities"]
        text = f"{count} domains need a matrix of {count * count} bytes, and {len(one.table.tail)} are here"
        report.add("VPCI1923", one.span, text)
        return
    for a, row in enumerate(rows):
        for b, value in enumerate(row):
            if value != slit.LOCAL if a == b else value <= slit.LOCAL:
                _distance(one, a, b, value, report)
                return
    if known is None:
        return
    last = max((srat.domain(structure) for structure in known.table.structures if _counts(structure)), default=-1)
    if last >= len(rows):
        text = f"domains to {last} are in the SRAT, and {len(rows)} in the SLIT: the others are {slit.REMOTE} away"
        report.add("VPCI1921", one.span, text)
    elif last + 1 < len(rows):
        report.add("VPCI1922", one.span, f"{len(rows)} domains, and the SRAT has them to {last}: the rest is ignored")


def _distance(one: Loaded, a: int, b: int, value: int, report: Report) -> None:
    rule = f"to itself it is {slit.LOCAL}" if a == b else f"to another it is more than {slit.LOCAL}"
    report.add(
        "VPCI1920",
        one.span,
        f"the distance from domain {a} to {b} is {value}: {rule}",
        note="ACPI 6.6 5.2.17; Linux: 'SLIT table looks invalid. Not used.', all distances are 10 and 20",
    )
