"""Checks of space: alignment, bounds, overlaps, doubles, and what the physical device does there."""

from __future__ import annotations

from dataclasses import dataclass

from .. import catalog
from ..catalog import Chain
from ..diagnostics import Span
from . import marks
from .drafts import PCI_SIZE
from .fields import counted
from .place import ALIGNMENT, free, space
from .work import NULL_OFFSET, Draft, Work

_CLAUSE = {Chain.STANDARD: "PCI 3.0 6.7", Chain.EXTENDED: "PCIe 6.0 7.6.1"}


def check(work: Work) -> None:
    """Report VPCI1301..1304, 1309..1314, 1317, 1331."""
    for draft in work.placed:
        if draft.chain is Chain.STANDARD or work.size > PCI_SIZE:
            _bounds(work, draft)
    _bytes(work)
    doubles = _doubles(work)
    _overlaps(work, doubles)
    _express(work)
    _physical(work)


def astray(work: Work, draft: Draft) -> bool:
    """Whether a structure begins where no pointer can lead: no walk along the chain can be right then."""
    low, high = space(work, draft.chain)
    return draft.offset % ALIGNMENT != 0 or not low <= draft.offset < high


def _bounds(work: Work, draft: Draft) -> None:
    span, (low, high) = work.at(draft), space(work, draft.chain)
    if draft.offset % ALIGNMENT:
        down = draft.offset // ALIGNMENT * ALIGNMENT
        work.report.add(
            "VPCI1301",
            span,
            f"{draft.name} at {draft.offset:#x} is not aligned to {ALIGNMENT} bytes",
            note=f"{_CLAUSE[draft.chain]}: structures begin at a dword; the low two bits of a pointer are ignored",
            help=_as_hex(work, draft, span) or f"at: {down:#x} or {down + ALIGNMENT:#x}",
        )
    where = f"{_CLAUSE[draft.chain]}: the {draft.chain} space is {low:#x}..{high - 1:#x}"
    if not low <= draft.offset < high:
        what = "outside the standard space"
        if draft.offset < low:
            what = "inside the header" if draft.chain is Chain.STANDARD else "below the extended space"
        message = f"{draft.name} at {draft.offset:#x} is {what}"
        work.report.add("VPCI1302", span, message, note=where, help=_as_hex(work, draft, span))
    elif draft.end > high:
        last = (high - draft.length) // ALIGNMENT * ALIGNMENT
        work.report.add(
            "VPCI1303",
            span,
            f"{draft.name} at {draft.offset:#x} is {draft.length} bytes long and ends at {draft.end - 1:#x}",
            note=where,
            help=f"at: {last:#x} or below" if last >= low else (),
        )


def _as_hex(work: Work, draft: Draft, span: Span) -> str | tuple[str, ...]:
    """A way out for who writes 60 and means 0x60."""
    digits = span.source.line(span.line)[span.col - 1 : span.col - 1 + span.width]
    if digits != str(draft.offset):
        return ()
    low, high = space(work, draft.chain)
    meant = int(digits, 16)
    fits = low <= meant < high and meant % ALIGNMENT == 0
    return f"{digits} is decimal; hexadecimal is 0x{digits}" if fits else ()


def _bytes(work: Work) -> None:
    for entry, span in work.bytes_entries():
        end = entry.at + len(entry.hex)
        if end > work.size:
            beyond = entry.at >= work.size
            work.report.add(
                "VPCI1302" if beyond else "VPCI1303",
                span,
                f"{counted(len(entry.hex), 'byte')} at {entry.at:#x}, {'outside the space' if beyond else 'and'}"
                + ("" if beyond else f" the space ends at {work.size - 1:#x}"),
                note=f"the configuration space of this function is 0x0..{work.size - 1:#x}",
                help="config_size: 4096" if work.size <= PCI_SIZE else (),
            )
        if entry.at < work.header.length:
            _over_header(work, entry.at, end, span)


def _over_header(work: Work, start: int, end: int, span: Span) -> None:
    view = work.header.view()
    assert view is not None
    names = [place.name for place in view.places() if place.offset < end and start < place.offset + place.size]
    if names:
        work.report.add(
            "VPCI1304",
            span,
            f"the bytes at {start:#x} overlap the header ({', '.join(names)})",
            text=f"covers {start:#x}..{end - 1:#x}",
            help="give header registers under 'identity', 'bars' and 'header'",
        )


@dataclass(frozen=True, slots=True)
class _Run:
    """A structure or a run of bytes: `start` up to `end`, the byte after the last."""

    start: int
    end: int
    name: str
    span: Span
    draft: Draft | None = None

    @property
    def at(self) -> str:
        """`pasid at 0xff8`."""
        return f"{self.name} at {self.start:#x}"

    def verb(self, word: str) -> str:
        """`overlaps` of one structure, `overlap` of bytes."""
        return word if self.draft is None else f"{word}s"

    @property
    def shown(self) -> str:
        """`0x40..0x4b`."""
        return f"{self.start:#x}..{self.end - 1:#x}"


def _runs(work: Work) -> list[_Run]:
    runs = [_Run(draft.offset, draft.end, draft.name, work.at(draft), draft) for draft in work.placed]
    runs.extend(_Run(e.at, e.at + len(e.hex), "the bytes", span) for e, span in work.bytes_entries())
    return runs


def _overlaps(work: Work, doubles: set[str]) -> None:
    reach: _Run | None = None  # the one that reaches furthest so far
    for run in sorted(_runs(work), key=lambda run: run.start):
        twice = run.name in doubles and reach is not None and run.start == reach.start
        if reach is not None and run.start < reach.end and not twice:
            _overlap(work, reach, run)
        if reach is None or run.end > reach.end:
            reach = run


def _overlap(work: Work, first: _Run, second: _Run) -> None:
    later, earlier = (second, first) if _position(work, second.span) >= _position(work, first.span) else (first, second)
    known = later.draft.capability if later.draft is not None else None
    helps = []
    if later.draft is not None and later.draft.source == "synthesized" and "VPCI1304" not in work.report.accepted:
        gap = free(work, later.draft)
        helps.append(f"at: {gap:#x} is free" if gap != NULL_OFFSET else "there is no other gap of this size")
    if first.draft is not None and _can_end(first.draft, second.start - first.start):
        helps.append(f"length: {second.start - first.start:#x} ends '{first.name}' at {second.start - 1:#x}")
    work.report.add(
        "VPCI1304",
        later.span,
        f"{later.at} {later.verb('overlap')} {earlier.name} ({earlier.shown})",
        text=f"needs {later.shown}",
        labels=[(earlier.span, f"covers {earlier.shown}")],
        note=f"{known.clause}: this {known.name} structure is {later.end - later.start} bytes long" if known else (),
        help=helps or "correct one of the two offsets, or take one out",
    )


def _can_end(draft: Draft, length: int) -> bool:
    """Whether a structure can be so short: its length is the layout's own choice."""
    known = draft.capability
    if draft.source != "synthesized":
        return False
    stated = known is None or any(one.name == "length" for register in known.registers for one in register.fields)
    return length > draft.chain.header_bytes and stated


def _position(work: Work, span: Span) -> tuple[bool, int, int]:
    """Where a person wrote it: a layout comes after its bases."""
    return span.source is work.tree.span.source, span.line, span.col


def _doubles(work: Work) -> set[str]:
    """Report what stands in a chain twice; their names."""
    # By name: a vendor's own form (gpudirect) has the id of the vendor-specific capabilities and may stand beside them.
    first: dict[tuple[Chain, str], Draft] = {}
    doubles = set()
    for draft in work.drafts:
        if not draft.linked or draft.capability is None or draft.id == 0:
            continue
        known = first.setdefault((draft.chain, draft.capability.name), draft)
        if known is not draft and not draft.capability.multiple:
            doubles.add(draft.name)
            work.report.add(
                "VPCI1309",
                draft.span,
                f"a second {draft.capability.name} structure ({draft.capability.title})",
                labels=[(known.span, "the first one")],
                note=f"{draft.capability.clause}: a function has at most one, and a guest looks at the first",
                help="take one of the two out",
            )
    return doubles


def _express(work: Work) -> None:
    linked = [draft for draft in work.extended if draft.linked]
    if linked and work.find("pcie") is None and work.find("pcix") is None and work.size > PCI_SIZE:
        work.report.add(
            "VPCI1310",
            linked[0].span,
            "extended capabilities, but no PCI Express capability in the standard chain",
            note="PCIe 6.0 7.5.3: every PCI Express function has one; Linux reads 256 bytes of a function without",
            help="add 'pcie' to 'capabilities', or take the extended ones out",
        )
    if work.extended and work.size <= PCI_SIZE:
        work.report.add(
            "VPCI1317",
            work.extended[0].span,
            f"extended capabilities in a configuration space of {work.size} bytes",
            labels=[(work.tree.span_of("config_size"), "the layout says so")],
            note="PCIe 6.0 7.6.1: extended capabilities begin at 100h",
            help="config_size: 4096",
        )


def _physical(work: Work) -> None:
    _reserved(work)
    device = work.physical
    if device is None:
        return
    stands: dict[str, dict[int, list[int]]] = {}
    for kind, number, offset, _ in device.structures:
        stands.setdefault(kind.value, {}).setdefault(number, []).append(offset)
    for draft in work.placed:
        chain = stands.get(draft.chain.value)
        if chain is None and len(work.physical_bytes) > space(work, draft.chain)[0]:
            chain = {}  # the capture has that space, and no chain in it
        own = (chain or {}).get(draft.id, [])
        if draft.source != "synthesized" and chain is not None and draft.offset not in own:
            _not_there(work, draft, own)
    for run in _made(work):
        _over_device(work, run)
        _over_quirk(work, run)


def _made(work: Work) -> list[_Run]:
    """What the VMM puts into the space by itself."""
    runs = [run for run in _runs(work) if run.draft is not None and run.draft.source == "synthesized"]
    entries = zip(work.bytes_entries(), [run for run in _runs(work) if run.draft is None], strict=True)
    return [*runs, *(run for (entry, _), run in entries if entry.source == "synthesized")]


def _not_there(work: Work, draft: Draft, own: list[int]) -> None:
    if own:
        places = " and ".join(f"{offset:#x}" for offset in own)
        work.report.add(
            "VPCI1311",
            work.at(draft),
            f"{draft.name} is {draft.source} and stands at {draft.offset:#x}, but the device has it at {places}",
            labels=[(span, "the device") for span in (_of_device(work, draft.chain, offset) for offset in own) if span],
            note=f"a {draft.source} structure cannot move: Linux vfio-pci and every VMM leave it where it is",
            help=f"at: {own[0]:#x}" + ("; or source: synthesized, where a VMM can build it" if draft.linked else ""),
        )
    else:
        work.report.add(
            "VPCI1314",
            draft.span,
            f"{draft.name} is {draft.source}, but the device has no such capability",
            labels=[(work.tree.key_of("physical"), "says what the device has")],
            help="source: synthesized, or take it out" if draft.linked else "take it out",
        )


def _of_device(work: Work, chain: Chain, offset: int) -> Span | None:
    """Where the layout says that the device has a structure there, by itself or by its capture."""
    device = work.tree.find(["physical"])
    listed = device.find(["capabilities" if chain is Chain.STANDARD else "extended"])
    capture = device.span_of("capture") if "capture" in device.keys else None
    return next((span for key, span in listed.keys.items() if key[:1].isdigit() and int(key, 0) == offset), capture)


def _over_device(work: Work, run: _Run) -> None:
    device = work.physical
    assert device is not None
    clash: list[tuple[int, int, str, Span | None]] = []
    for kind, number, offset, length in device.structures:
        chain = Chain(kind.value)
        what = f"the device's own {_called(chain, number)}"
        length = marks.own_length(work, kind, number, offset, length)
        clash.append((offset, offset + length, what, _of_device(work, chain, offset)))
    for index, (start, end) in enumerate(device.used):
        clash.append((start, end, "bytes that the device uses", work.tree.span_of("physical", "used", index)))
    clash.extend(
        (mark.start, mark.end, "bytes that the device marks as used", None)
        for mark in marks.of_device(work)
        if mark.used
    )
    captured = work.physical_bytes[run.start : run.end]
    if any(captured):
        reach = run.start + len(captured.rstrip(b"\0"))
        place = work.tree.span_of("physical", "capture")
        clash.append((run.start, reach, "bytes of the device that do not read as zero", place))
    for start, end, what, span in clash:
        if start < run.end and run.start < end:
            work.report.add(
                "VPCI1312",
                run.span,
                f"{run.at} {run.verb('cover')} {what} ({start:#x}..{end - 1:#x})",
                text=f"needs {run.shown}",
                labels=[(span, "the device")] if span is not None else (),
                note="a VMM that forwards writes (QEMU does) lets the guest write into those registers",
                help=_elsewhere(work, run),
            )
            return


def _over_quirk(work: Work, run: _Run) -> None:
    for quirk in work.quirks:
        for row in quirk.taken(work.size):
            if row.start < run.end and run.start < row.end:
                work.report.add(
                    "VPCI1331",
                    run.span,
                    f"{run.at} {run.verb('cover')} {row.start:#x}..{row.end - 1:#x}: {row.what}",
                    text=f"needs {run.shown}",
                    note=f"quirk {quirk.name}: {quirk.about} ({quirk.source})",
                    help=_elsewhere(work, run),
                )
                return


def _called(chain: Chain, number: int) -> str:
    known = catalog.by_id(chain, number)
    return f"{known.name} structure" if known is not None else f"{chain} capability {number:#x}"


def _elsewhere(work: Work, run: _Run) -> str:
    gap = free(work, run.draft) if run.draft is not None else NULL_OFFSET
    if gap == NULL_OFFSET:
        return "move it to a free range ('vpci-compile show' draws them)"
    return f"at: {gap:#x} is free ('vpci-compile show' draws the whole space)"


def _reserved(work: Work) -> None:
    for run in _made(work):
        for index, entry in enumerate(work.layout.reserved):
            start, end = entry.range
            if start < run.end and run.start < end:
                work.report.add(
                    "VPCI1313",
                    run.span,
                    f"{run.at} {run.verb('cover')} the reserved range {start:#x}..{end - 1:#x}",
                    text=f"needs {run.shown}",
                    labels=[(work.tree.span_of("reserved", index, "range"), f"reserved: {entry.why}")],
                    help=_elsewhere(work, run),
                )
