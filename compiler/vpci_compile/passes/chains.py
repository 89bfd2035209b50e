"""Writes ids and next pointers, and checks that a guest that walks the chains finds what the layout lists."""

from __future__ import annotations

from ..catalog import Chain
from ..diagnostics import Span
from .drafts import FIRST_EXTENDED
from .work import Draft, Work

CAP_PTR = "cap_ptr"
STATUS_CAP_LIST = "status.cap_list"
POINTER_MASK = {Chain.STANDARD: 0xFC, Chain.EXTENDED: 0xFFC}  # the low two bits are reserved and ignored


def link(work: Work) -> None:
    """Write the header of every structure, the capabilities pointer and the Capabilities List bit."""
    linked = [draft for draft in work.standard if draft.linked]
    _set_header(work, CAP_PTR, linked[0].offset if linked else 0)
    _set_header(work, STATUS_CAP_LIST, 1 if linked else 0)
    for chain in (work.standard, work.extended):
        for index, draft in enumerate(chain):
            following = next((d for d in chain[index + 1 :] if d.linked or not draft.linked), None)
            target = following.offset if following else 0
            if draft.entry is not None and draft.entry.next is not None:
                target = draft.entry.next
            _write(draft, target)
    _stub(work)


def _set_header(work: Work, path: str, value: int) -> None:
    """Set a field of the header unless the layout gave it a value of its own."""
    view = work.header.view()
    assert view is not None
    if path not in work.header.origins:
        view.put(*view.find(path), value)


def _write(draft: Draft, target: int) -> None:
    if draft.style == "zeroed":
        draft.body[:] = bytes(len(draft.body))
    elif draft.chain is Chain.STANDARD:
        draft.body[0:2] = bytes((draft.id & 0xFF, target & 0xFF))
    else:
        draft.body[0:4] = (draft.id | draft.version << 16 | target << 20).to_bytes(4, "little")


def _stub(work: Work) -> None:
    """A hidden structure at 0x100 cannot be skipped: its header becomes id 0, version 0, next.

    Source: Linux vfio_ecap_init and QEMU vfio_add_ext_cap do the same; PCIe 6.0 7.9.28 (Null Capability).
    """
    for index, draft in enumerate(work.extended):
        if draft.offset == FIRST_EXTENDED and not draft.linked:
            following = next((d for d in work.extended[index + 1 :] if d.linked), None)
            draft.body[0:4] = ((following.offset if following else 0) << 20).to_bytes(4, "little")


def check(work: Work) -> None:
    """Walk both chains as a guest does; reports VPCI1306..1308, 1315 and VPCI1204."""
    _check_start(work)
    first = work.header.field(CAP_PTR)
    listed = work.header.field(STATUS_CAP_LIST)
    span = work.header.origins.get(CAP_PTR) or work.header.origins.get(STATUS_CAP_LIST) or work.header.span
    if bool(listed) != bool([d for d in work.standard if d.linked]):
        work.report.add(
            "VPCI1204",
            work.header.origins.get(STATUS_CAP_LIST, work.header.span),
            f"Capabilities List (status bit 4) is {listed}, but the layout lists "
            f"{len([d for d in work.standard if d.linked])} standard capabilities",
            note="PCIe 6.0 7.5.1.1.4: the bit says whether the capabilities pointer is valid",
        )
    _walk(work, Chain.STANDARD, first, [d for d in work.standard if d.linked], span)
    if work.extended:
        _walk(work, Chain.EXTENDED, FIRST_EXTENDED, work.extended, work.extended[0].span)


def _check_start(work: Work) -> None:
    linked = [draft for draft in work.extended if draft.linked]
    at_start = next((draft for draft in work.extended if draft.offset == FIRST_EXTENDED), None)
    if linked and at_start is None:
        work.report.add(
            "VPCI1306",
            work.at(linked[0]),
            f"no extended capability stands at {FIRST_EXTENDED:#x}; the first one is {linked[0].shown}",
            note="PCIe 6.0 7.6.3: the extended chain always begins at 100h",
            help="put one there, or keep the device's own at 0x100 as 'source: hidden, style: unlinked'",
        )
    elif linked and at_start is not None and work.extended[0] is not at_start:
        work.report.add(
            "VPCI1306",
            work.at(at_start),
            f"{at_start.shown} is where the extended chain begins, but it is not the first in the list",
            labels=[(work.extended[0].span, "listed first")],
            help="list it first",
        )


def _walk(work: Work, chain: Chain, first: int, expected: list[Draft], start: Span) -> None:
    mask, lowest = POINTER_MASK[chain], work.header.length if chain is Chain.STANDARD else FIRST_EXTENDED
    by_offset = {draft.offset: draft for draft in expected}
    seen: set[int] = set()
    pointer, span = first, start
    while pointer:
        target = pointer & mask
        if target < lowest:
            note = f"structures of the {chain} chain stand at {lowest:#x} or above"
            work.report.add("VPCI1315", span, f"pointer {pointer:#x} leads below {lowest:#x}", note=note)
            return
        if target in seen:
            work.report.add(
                "VPCI1307",
                span,
                f"the {chain} chain comes back to {target:#x}",
                note="QEMU 11.1 never returns from realize on such a chain",
                help="leave 'next' out: the order of the list is the chain",
            )
            return
        draft = by_offset.get(target)
        if draft is None:
            work.report.add(
                "VPCI1308",
                span,
                f"pointer {pointer:#x} leads to no structure of the layout",
                help="leave it out: the order of the list is the chain",
            )
            return
        seen.add(target)
        pointer = draft.body[1] if chain is Chain.STANDARD else int.from_bytes(draft.body[2:4], "little") >> 4
        span = work.at(draft, "next")
    missed = [draft for draft in expected if draft.offset not in seen and draft.linked]
    if missed and work.header.field(STATUS_CAP_LIST):
        work.report.add(
            "VPCI1308",
            missed[0].span,
            f"no pointer leads to {missed[0].shown}",
            help="leave 'next' and 'cap_ptr' out: the order of the list is the chain",
        )
