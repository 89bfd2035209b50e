"""Checks of space: alignment, bounds, overlaps, doubles, and what the physical device does there."""

from __future__ import annotations

from ..catalog import Chain
from ..diagnostics import Span
from .drafts import FIRST_EXTENDED, PCI_SIZE
from .place import ALIGNMENT
from .work import Draft, Work

_CLAUSE = {Chain.STANDARD: "PCI 3.0 6.7", Chain.EXTENDED: "PCIe 6.0 7.6.3"}


def check(work: Work) -> None:
    """Report VPCI1301..1304, 1309..1314, 1317."""
    for draft in work.drafts:
        _bounds(work, draft)
    _overlaps(work)
    _doubles(work)
    _express(work)
    _physical(work)


def _bounds(work: Work, draft: Draft) -> None:
    span, clause = work.at(draft), _CLAUSE[draft.chain]
    if draft.offset % ALIGNMENT:
        work.report.add(
            "VPCI1301",
            span,
            f"{draft.name} at {draft.offset:#x} is not aligned to {ALIGNMENT} bytes",
            note=f"{clause}: structures begin at a dword; the low two bits of a pointer are ignored",
            help=f"at: {draft.offset // ALIGNMENT * ALIGNMENT + ALIGNMENT:#x}",
        )
    standard = draft.chain is Chain.STANDARD
    low, high = (work.header.length, PCI_SIZE) if standard else (FIRST_EXTENDED, work.size)
    if draft.offset < low:
        what = "inside the header" if standard else "below the extended space"
        work.report.add(
            "VPCI1302",
            span,
            f"{draft.name} at {draft.offset:#x} is {what}",
            note=f"{clause}: the {draft.chain} space is {low:#x}..{high - 1:#x}",
        )
    elif draft.end > high:
        work.report.add(
            "VPCI1303",
            span,
            f"{draft.name} at {draft.offset:#x} is {draft.length} bytes long and ends at {draft.end - 1:#x}",
            note=f"{clause}: the {draft.chain} space is {low:#x}..{high - 1:#x}",
            help="a 256-byte space has no extended capabilities" if not standard and high <= low else (),
        )


def _overlaps(work: Work) -> None:
    rows: list[tuple[int, int, str, Span, Draft | None]] = [
        (draft.offset, draft.end, draft.name, work.at(draft), draft) for draft in work.drafts
    ]
    rows.extend((e.at, e.at + len(e.hex), "bytes", span, None) for e, span in work.bytes_entries())
    rows.sort(key=lambda row: row[0])
    reach = rows[0] if rows else None  # the structure that reaches furthest so far
    for row in rows[1:]:
        assert reach is not None
        if row[0] < reach[1]:
            _overlap(work, reach, row)
        if row[1] > reach[1]:
            reach = row
    for start, end, name, span, draft in rows:
        if draft is None and start < work.header.length and _names_header(work, start, end):
            work.report.add(
                "VPCI1304", span, f"{name} at {start:#x} cover header registers", help="name them under 'header'",
            )  # fmt: skip


def _names_header(work: Work, start: int, end: int) -> bool:
    view = work.header.view()
    assert view is not None
    return any(place.offset < end and start < place.offset + place.size for place in view.places())


def _overlap(
    work: Work, first: tuple[int, int, str, Span, Draft | None], second: tuple[int, int, str, Span, Draft | None]
) -> None:
    later, earlier = (second, first) if _position(second[3]) >= _position(first[3]) else (first, second)
    capability = later[4].capability if later[4] is not None else None
    note = f"{capability.clause}: the {later[2]} structure is {later[1] - later[0]} bytes" if capability else ()
    room = second[0] - first[0]
    work.report.add(
        "VPCI1304",
        later[3],
        f"{later[2]} at {later[0]:#x} overlaps {earlier[2]} ({earlier[0]:#x}..{earlier[1] - 1:#x})",
        text=f"needs {later[0]:#x}..{later[1] - 1:#x}",
        labels=[(earlier[3], f"covers {earlier[0]:#x}..{earlier[1] - 1:#x}")],
        note=note,
        help=f"end '{first[2]}' at {second[0] - 1:#x} (length: {room:#x}), or move one of the two" if room else (),
    )


def _position(span: Span) -> tuple[int, int]:
    return span.line, span.col


def _doubles(work: Work) -> None:
    first: dict[tuple[Chain, str], Draft] = {}
    for draft in work.drafts:
        if not draft.linked or draft.id == 0:
            continue
        kind = draft.capability.name if draft.capability is not None else str(draft.id)
        known = first.setdefault((draft.chain, kind), draft)
        if known is not draft and draft.capability is not None and not draft.capability.multiple:
            work.report.add(
                "VPCI1309",
                draft.span,
                f"a second {draft.capability.name} structure ({draft.capability.title})",
                labels=[(known.span, "the first one")],
                note=f"{draft.capability.clause}: a function has at most one",
            )


def _express(work: Work) -> None:
    linked = [draft for draft in work.extended if draft.linked]
    if linked and work.find("pcie") is None:
        work.report.add(
            "VPCI1310",
            linked[0].span,
            "extended capabilities, but no PCI Express capability in the standard chain",
            note="PCIe 6.0 7.2: only a PCI Express function has extended configuration space; Linux reads 256 bytes",
            help="add 'pcie' to 'capabilities', or take the extended ones out",
        )
    if work.extended and work.size <= PCI_SIZE:
        work.report.add(
            "VPCI1317",
            work.extended[0].span,
            f"extended capabilities in a configuration space of {work.size} bytes",
            help="config_size: 4096",
        )


def _physical(work: Work) -> None:
    _reserved(work)
    device = work.physical
    if device is None:
        return
    stands = {(str(kind), number): [] for kind, number, _, _ in device.structures}  # type: dict[tuple[str, int], list[int]]
    for kind, number, offset, _ in device.structures:
        stands[str(kind), number].append(offset)
    for draft in work.drafts:
        own = stands.get((draft.chain.value, draft.id), [])
        if draft.source in ("copied", "hidden") and draft.offset not in own and device.structures:
            _not_there(work, draft, own)
        elif draft.source == "synthesized":
            _over_device(work, draft)


def _not_there(work: Work, draft: Draft, own: list[int]) -> None:
    if own:
        places = ", ".join(f"{offset:#x}" for offset in own)
        work.report.add(
            "VPCI1311",
            work.at(draft),
            f"{draft.name} is {draft.source} and stands at {draft.offset:#x}, but the device has it at {places}",
            note="a copied structure cannot move: the kernel and every VMM pass it on where it is",
            help=f"at: {own[0]:#x}; or source: synthesized, where a VMM can build it",
        )
    else:
        work.report.add(
            "VPCI1314",
            draft.span,
            f"{draft.name} is {draft.source}, but the device has no such capability",
            help="source: synthesized, or take it out",
        )


def _over_device(work: Work, draft: Draft) -> None:
    device = work.physical
    assert device is not None
    clash = [
        (offset, offset + length, f"the device's own capability {number:#x}")
        for kind, number, offset, length in device.structures
        if not (str(kind) == draft.chain.value and number == draft.id and offset == draft.offset)
    ]
    clash.extend((start, end, "bytes that the device uses") for start, end in device.used)
    captured = work.physical_bytes[draft.offset : draft.end]
    if any(captured):
        clash.append((draft.offset, draft.offset + len(captured.rstrip(b"\0")), "bytes that do not read as zero"))
    for start, end, what in clash:
        if start < draft.end and draft.offset < end:
            work.report.add(
                "VPCI1312",
                work.at(draft),
                f"{draft.name} at {draft.offset:#x} covers {what} ({start:#x}..{end - 1:#x})",
                note="a VMM that forwards writes (QEMU does) lets the guest write into those registers",
                help="move it to a free range ('vpci-compile show' draws them), or leave 'at' out",
            )
            return


def _reserved(work: Work) -> None:
    for draft in work.drafts:
        if draft.source != "synthesized":
            continue
        for index, entry in enumerate(work.layout.reserved):
            start, end = entry.range
            if start < draft.end and draft.offset < end:
                work.report.add(
                    "VPCI1313",
                    work.at(draft),
                    f"{draft.name} at {draft.offset:#x} covers the reserved range {start:#x}..{end - 1:#x}",
                    labels=[(work.tree.span_of("reserved", index), f"reserved: {entry.why}")],
                    help="move it, or leave 'at' out",
                )
