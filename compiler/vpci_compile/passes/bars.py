"""Base address registers: checks, register values and sizing masks (PCI 3.0 6.2.5, PCIe 6.0 7.5.1.2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ir import ROM_INDEX, Bar, BarKind, Beyond, Caching, Enable, Origin, Region
from .work import Work

if TYPE_CHECKING:
    from ..spec import BarEntry

SLOTS = {0: 6, 1: 2, 2: 1}  # BARs by header type
ROM_OFFSET = {0: 0x30, 1: 0x38}
FIRST_BAR = 0x10
TYPE_BITS = {BarKind.MEM32: 0x0, BarKind.MEM64: 0x4, BarKind.IO: 0x1, BarKind.ROM: 0x0}
PREFETCHABLE = 0x8
ROM_ENABLE = 0x1
SMALLEST = {BarKind.MEM32: 16, BarKind.MEM64: 16, BarKind.IO: 4, BarKind.ROM: 2048}
LARGEST = {BarKind.MEM32: 1 << 31, BarKind.MEM64: 1 << 63, BarKind.IO: 256, BarKind.ROM: 16 << 20}
PAGE = 4096
_A = {BarKind.MEM32: "a mem32 BAR", BarKind.MEM64: "a mem64 BAR", BarKind.IO: "an io BAR", BarKind.ROM: "the ROM"}
_LAW = {
    BarKind.MEM32: "PCI 3.0 6.2.5.1: a 32-bit memory BAR decodes 16 bytes to 2 GiB",
    BarKind.MEM64: "PCI 3.0 6.2.5.1: a 64-bit memory BAR decodes 16 bytes or more",
    BarKind.IO: "PCI 3.0 6.2.5.1: an I/O BAR decodes 4 to 256 bytes",
    BarKind.ROM: "PCI 3.0 6.2.5.2: an expansion ROM decodes 2 KiB to 16 MiB",
}


def build(work: Work) -> None:
    """Fill `work.bars` and `work.regions`; reports VPCI1401..1410."""
    owners: dict[int, str] = {}
    slots = SLOTS[work.layout.identity.header_type]
    for key, entry in sorted(work.layout.bars.items()):
        if not _kind(work, key, entry):
            continue
        _checks(work, key, entry)
        if not _slot(work, key, entry, slots, owners):
            continue
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
                # Where the memory fills the BAR there is no beyond: two ways to say one thing are one contract.
                Beyond(backing.beyond) if backing and backing.length != entry.size else Beyond.ONES,
                enable,
                span,
            )
        )


def _kind(work: Work, key: str, entry: BarEntry) -> bool:
    if (key == "rom") == (entry.kind == "rom"):
        return True
    work.report.add(
        "VPCI1401",
        work.tree.span_of("bars", key, "kind"),
        f"'{entry.kind}' in slot '{key}'",
        note="PCIe 6.0 7.5.1.2: the expansion ROM has a register of its own",
        help="kind: rom" if key == "rom" else "rom: {kind: rom, ...}; slots 0..5 have mem32, mem64 or io",
    )
    return False


def _slot(work: Work, key: str, entry: BarEntry, slots: int, owners: dict[int, str]) -> bool:
    span, header_type = work.tree.key_of("bars", key), work.layout.identity.header_type
    if key == "rom":
        if header_type not in ROM_OFFSET:
            work.report.add(
                "VPCI1401",
                span,
                f"a type {header_type} header has no expansion ROM register",
                note="PC Card Standard 8.0: a CardBus bridge has none",
                help="take it out",
            )
        return header_type in ROM_OFFSET
    index = int(key)
    if index >= slots:
        work.report.add(
            "VPCI1401",
            span,
            f"slot {index}, but a type {header_type} header has {slots} BAR slot{'s' if slots > 1 else ''}",
            note="PCIe 6.0 7.5.1.2: 6 in a type 0 header; 7.5.1.3: 2 in a type 1 header",
            help=f"slots here: 0..{slots - 1}" if slots > 1 else "the only slot here is 0",
        )
        return False
    if entry.kind == "mem64" and index + 1 >= slots:
        work.report.add(
            "VPCI1402",
            work.tree.span_of("bars", key, "kind"),
            f"a 64-bit BAR in the last slot, {index}",
            note="PCIe 6.0 7.5.1.2.1: a 64-bit BAR takes two registers in a row",
            help=f"move it to slot {index - 1}, or make it mem32" if index else "make it mem32",
        )
        return False
    taken = [index, index + 1] if entry.kind == "mem64" else [index]
    for slot in taken:
        if slot in owners:
            others = {int(other) for other in work.layout.bars if other != "rom"}
            vacant = next((n for n in range(slots) if n not in owners and n not in others), None)
            work.report.add(
                "VPCI1403",
                span,
                f"slot {slot} is the upper half of the 64-bit BAR {owners[slot]}",
                labels=[(work.tree.key_of("bars", owners[slot]), f"mem64, takes slots {owners[slot]} and {slot}")],
                note="PCIe 6.0 7.5.1.2.1: a 64-bit BAR takes two registers in a row",
                help=f"make BAR {owners[slot]} mem32" + (f", or use slot {vacant}" if vacant is not None else ""),
            )
            return False
        owners[slot] = key
    return True


def _checks(work: Work, key: str, entry: BarEntry) -> None:
    report, tree = work.report, work.tree
    kind, size = BarKind(entry.kind), entry.size
    size_span = tree.span_of("bars", key, "size")
    if size == 0:
        report.add("VPCI1405", size_span, "a BAR of no size", note=_LAW[kind], help="leave the slot out")
    elif size is not None and size & (size - 1):
        higher = 1 << size.bit_length()
        report.add(
            "VPCI1404",
            size_span,
            f"BAR size {shown_size(size)} is not a power of two",
            note="PCIe 6.0 7.5.1.2.1: a BAR decodes a power of two; QEMU 11.1 aborts on any other size",
            help=f"size: {shown_size(higher)}, and backing: {{length: {shown_size(size)}}} for the memory behind it",
        )
    elif size is not None and not SMALLEST[kind] <= size <= LARGEST[kind]:
        wider = kind is BarKind.MEM32 and size > LARGEST[kind]
        top = "more" if kind is BarKind.MEM64 else shown_size(LARGEST[kind])
        limits = f"size: {shown_size(SMALLEST[kind])} {'or' if top == 'more' else 'to'} {top}"
        report.add(
            "VPCI1405",
            size_span,
            f"{shown_size(size)} is no size for {_A[kind]}",
            note=_LAW[kind],
            help="kind: mem64" if wider else limits,
        )
    if entry.prefetchable and kind in (BarKind.IO, BarKind.ROM):
        report.add(
            "VPCI1401",
            tree.span_of("bars", key, "prefetchable"),
            f"{_A[kind]} has no prefetchable bit",
            note="PCIe 6.0 7.5.1.2.1: bit 3 of a memory BAR",
            help="leave 'prefetchable' out",
        )
    room = 64 if kind is BarKind.MEM64 else 32
    if entry.address >> room:
        report.add(
            "VPCI1410",
            tree.span_of("bars", key, "address"),
            f"address {entry.address:#x} does not fit into the {room} bits of {_A[kind]}",
            note="PCIe 6.0 7.5.1.2.1: only a 64-bit memory BAR reaches beyond 4 GiB",
            help="kind: mem64" if kind is BarKind.MEM32 else (),
        )
    if entry.source == "synthesized" and size is None and entry.region is None:
        report.add(
            "VPCI1406",
            tree.key_of("bars", key),
            f"BAR {key} is synthesized and has no size",
            note="nobody but the layout can say what the guest sizes",
            help="size: a power of two, in bytes",
        )
    if not entry.sizing:
        report.add(
            "VPCI1406",
            tree.span_of("bars", key, "sizing"),
            f"BAR {key} would not answer the sizing write",
            note="PCIe 6.0 7.5.1.2.1: a guest writes ones and reads back type bits and size; nobody else tells it",
            help="leave 'sizing' out",
        )
    if size and not size & (size - 1) and entry.address % size:
        report.add(
            "VPCI1408",
            tree.span_of("bars", key, "address"),
            f"address {entry.address:#x} is not aligned to the BAR's size, {shown_size(size)}",
            labels=[(size_span, "the size")],
            note="PCIe 6.0 7.5.1.2.1: the register holds no address bits below the size",
            help=f"address: {entry.address // size * size:#x}, or another size",
        )
    _backing(work, key, entry)


def _backing(work: Work, key: str, entry: BarEntry) -> None:
    report, tree, backing = work.report, work.tree, entry.backing
    if entry.kind in ("io", "rom") and (backing is not None or entry.region is not None):
        what = "backing" if backing is not None else "region"
        report.add(
            "VPCI1407" if backing is not None else "VPCI1409",
            tree.key_of("bars", key, what),
            f"{_A[BarKind(entry.kind)]} has no memory behind it that a guest could map",
            help=f"leave '{what}' out, or kind: mem64",
        )
        return
    if entry.region is not None and backing is None:
        report.add(
            "VPCI1409",
            tree.key_of("bars", key, "region"),
            "a device-specific region without 'backing'",
            note="no BAR register rounds its size up: the region is as long as the memory in it",
            help="backing: {length: 94.5G, caching: write-back}",
        )
    if backing is None:
        return
    span = tree.span_of("bars", key, "backing", "length")
    if backing.length == 0:
        report.add("VPCI1407", span, "no memory behind the BAR: the length is 0", help="leave 'backing' out")
    elif entry.size is not None and backing.length > entry.size:
        report.add(
            "VPCI1407",
            span,
            f"{shown_size(backing.length)} of memory do not fit behind a BAR of {shown_size(entry.size)}",
            labels=[(tree.span_of("bars", key, "size"), "the BAR's size")],
            note="an access beyond the size goes to another device",
            help=f"size: {shown_size(1 << (backing.length - 1).bit_length())}",
        )
    if entry.region is not None and backing.length % PAGE:
        report.add(
            "VPCI1409",
            span,
            f"a region of {backing.length:#x} bytes is no multiple of the 4 KiB page",
            note="VFIO: a region is mapped in whole pages",
            help=f"length: {(backing.length + PAGE - 1) // PAGE * PAGE:#x}",
        )


def shown_size(value: int) -> str:
    """Bytes as a person writes them: 16K, 1M, 94.5G, else in hex."""
    for unit, shift in (("T", 40), ("G", 30), ("M", 20), ("K", 10)):
        if value >> shift and not value % (1 << shift - 1):
            half = ".5" if value % (1 << shift) else ""
            return f"{value >> shift}{half}{unit}"
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
