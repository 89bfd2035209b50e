"""Base address registers: checks, register values and sizing masks (PCI 3.0 6.2.5, PCIe 6.0 7.5.1.2.1)."""

from __future__ import annotations

from ..ir import ROM_INDEX, Bar, BarKind, Beyond, Caching, Enable, Origin, Region
from ..spec import BarEntry
from .work import Work

SLOTS = {0: 6, 1: 2, 2: 1}  # BARs by header type
ROM_OFFSET = {0: 0x30, 1: 0x38}
FIRST_BAR = 0x10
TYPE_BITS = {BarKind.MEM32: 0x0, BarKind.MEM64: 0x4, BarKind.IO: 0x1, BarKind.ROM: 0x0}
PREFETCHABLE = 0x8
ROM_ENABLE = 0x1
SMALLEST = {BarKind.MEM32: 16, BarKind.MEM64: 16, BarKind.IO: 4, BarKind.ROM: 2048}
LARGEST = {BarKind.MEM32: 1 << 31, BarKind.MEM64: 1 << 63, BarKind.IO: 256, BarKind.ROM: 16 << 20}
_LAW = {
    BarKind.MEM32: "a 32-bit memory BAR decodes 16 bytes to 2 GiB; more needs mem64",
    BarKind.MEM64: "a 64-bit memory BAR decodes 16 bytes or more",
    BarKind.IO: "PCI 3.0 6.2.5.1: an I/O BAR decodes 4 to 256 bytes",
    BarKind.ROM: "PCI 3.0 6.2.5.2: an expansion ROM decodes 2 KiB to 16 MiB",
}


def build(work: Work) -> None:
    """Fill `work.bars` and `work.regions`; reports VPCI1401..1409."""
    owners: dict[int, str] = {}
    slots = SLOTS[work.layout.identity.header_type]
    for key, entry in sorted(work.layout.bars.items()):
        if not _slot(work, key, entry, slots, owners):
            continue
        _checks(work, key, entry)
        index = ROM_INDEX if key == "rom" else int(key)
        backing = entry.backing
        caching = Caching(backing.caching) if backing else Caching.UNCACHED
        enable, span = Enable(entry.enable), work.tree.key_of("bars", key)
        if entry.region is not None and backing is not None:
            region = entry.region
            work.regions.append(Region(index, region.type, region.subtype, backing.length, caching, enable, span))
            continue
        work.bars.append(
            Bar(
                index,
                BarKind(entry.kind),
                entry.prefetchable,
                entry.size,
                backing.length if backing else entry.size,
                Origin(entry.source),
                caching,
                Beyond(backing.beyond) if backing else Beyond.ONES,
                enable,
                span,
            )
        )


def _slot(work: Work, key: str, entry: BarEntry, slots: int, owners: dict[int, str]) -> bool:
    span = work.tree.key_of("bars", key)
    if (key == "rom") != (entry.kind == "rom"):
        work.report.add(
            "VPCI1401",
            work.tree.span_of("bars", key, "kind"),
            f"'{entry.kind}' in slot '{key}'",
            help="the expansion ROM has the key 'rom' and the kind 'rom'; slots 0..5 have the others",
        )
        return False
    if key == "rom":
        return True
    index = int(key)
    if index >= slots:
        kind = work.layout.identity.header_type
        work.report.add("VPCI1401", span, f"a type {kind} header has {slots} BAR slots, there is no slot {index}")
        return False
    if entry.kind == "mem64" and index + 1 >= slots:
        work.report.add(
            "VPCI1402",
            work.tree.span_of("bars", key, "kind"),
            f"a 64-bit BAR in the last slot, {index}",
            note="PCIe 6.0 7.5.1.2.1: a 64-bit BAR takes two consecutive registers",
            help=f"move it to slot {index - 1}, or make it mem32",
        )
        return False
    taken = [index, index + 1] if entry.kind == "mem64" else [index]
    for slot in taken:
        if slot in owners:
            work.report.add(
                "VPCI1403",
                span,
                f"slot {slot} is the upper half of the 64-bit BAR {owners[slot]}",
                labels=[(work.tree.key_of("bars", owners[slot]), f"mem64, takes slots {owners[slot]} and {slot}")],
                note="PCIe 6.0 7.5.1.2.1: a 64-bit BAR takes two consecutive registers",
                help=f"move this BAR to slot {slot + 1}" if slot + 1 < slots else "make the other one mem32",
            )
            return False
        owners[slot] = key
    return True


def _checks(work: Work, key: str, entry: BarEntry) -> None:
    report, tree = work.report, work.tree
    kind, size = BarKind(entry.kind), entry.size
    size_span = tree.span_of("bars", key, "size")
    if size is not None and (size == 0 or size & (size - 1)):
        higher = 1 << size.bit_length()
        report.add(
            "VPCI1404",
            size_span,
            f"BAR size {size:#x} is not a power of two",
            note="PCIe 6.0 7.5.1.2.1: a BAR decodes a power of two; QEMU 11.1 aborts on any other size",
            help=f"size: {shown_size(higher)}, and backing: {{length: {shown_size(size)}}} for the memory behind it",
        )
    elif size is not None and not SMALLEST[kind] <= size <= LARGEST[kind]:
        report.add("VPCI1405", size_span, f"{shown_size(size)} is no size for a {kind} BAR", note=_LAW[kind])
    if entry.prefetchable and kind in (BarKind.IO, BarKind.ROM):
        report.add(
            "VPCI1401", tree.span_of("bars", key, "prefetchable"), f"a {kind} BAR has no prefetchable bit",
        )  # fmt: skip
    if not entry.sizing:
        report.add(
            "VPCI1406",
            tree.span_of("bars", key, "sizing"),
            f"BAR {key} would not answer the sizing write",
            note="guests learn size and type from the register: a virtual BAR needs its mask and type bits",
            help="leave 'sizing' out",
        )
    if entry.address and size and entry.address % size:
        report.add(
            "VPCI1408", tree.span_of("bars", key, "address"), f"{entry.address:#x} is not aligned to {shown_size(size)}"
        )
    _backing(work, key, entry)


def _backing(work: Work, key: str, entry: BarEntry) -> None:
    report, tree, backing = work.report, work.tree, entry.backing
    if entry.region is not None and (backing is None or entry.kind in ("io", "rom")):
        report.add(
            "VPCI1409",
            tree.span_of("bars", key, "region"),
            "a device-specific region needs 'backing': its size is the exact length of memory",
            help="backing: {length: 94.5G, caching: write-back}",
        )
    if backing is None:
        return
    span = tree.span_of("bars", key, "backing", "length")
    if backing.length == 0:
        report.add("VPCI1407", span, "no memory behind the BAR: the length is 0")
    elif entry.size is not None and backing.length > entry.size:
        report.add(
            "VPCI1407",
            span,
            f"{shown_size(backing.length)} of memory do not fit behind a BAR of {shown_size(entry.size)}",
            labels=[(tree.span_of("bars", key, "size"), "the BAR's size")],
            help=f"size: {shown_size(1 << (backing.length - 1).bit_length())}",
        )
    if entry.region is not None and backing.length % 4096:
        report.add("VPCI1409", span, f"{backing.length:#x} is not a multiple of the 4 KiB page: it cannot be mapped")


def shown_size(value: int) -> str:
    """Bytes as a person writes them: 16K, 1M, 128G, else in hex."""
    for unit, shift in (("T", 40), ("G", 30), ("M", 20), ("K", 10)):
        if value and not value % (1 << shift):
            return f"{value >> shift}{unit}"
    return f"{value:#x}"


def registers(bar: Bar, address: int, header_type: int) -> tuple[int, int, int, int]:
    """(offset, bytes, value, writable mask) of a BAR's register or register pair.

    An unknown size counts as the smallest: every address bit can be written.
    """
    size = bar.size or SMALLEST[bar.kind]
    if bar.kind is BarKind.ROM:
        mask = ~(size - 1) & 0xFFFFFFFF | ROM_ENABLE
        return ROM_OFFSET.get(header_type, 0x30), 4, address & mask, mask
    offset = FIRST_BAR + 4 * bar.index
    length = 8 if bar.kind is BarKind.MEM64 else 4
    mask = ~(size - 1) & ((1 << 8 * length) - 1)
    flags = TYPE_BITS[bar.kind] | (PREFETCHABLE if bar.prefetchable else 0)
    return offset, length, address & mask | flags, mask
