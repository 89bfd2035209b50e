"""Writes ids and next pointers, and checks that a guest that walks the chains finds what the layout lists."""

from __future__ import annotations

from dataclasses import dataclass

from ..catalog import Chain
from ..diagnostics import Span
from .check_space import astray
from .drafts import FIRST_EXTENDED, PCI_SIZE
from .work import NULL_OFFSET, Draft, Work

CAP_PTR = "cap_ptr"
STATUS_CAP_LIST = "status.cap_list"
POINTER_MASK = {Chain.STANDARD: 0xFC, Chain.EXTENDED: 0xFFC}  # the low two bits are reserved and ignored


def link(work: Work) -> None:
    """Write the header of every structure, the capabilities pointer and the Capabilities List bit."""
    standard, extended = _placed(work.standard), _placed(work.extended)
    linked = [draft for draft in standard if draft.linked]
    _set_header(work, CAP_PTR, linked[0].offset & 0xFF if linked else 0)
    _set_header(work, STATUS_CAP_LIST, 1 if linked else 0)
    for chain in (standard, extended):
        for index, draft in enumerate(chain):
            following = next((d for d in chain[index + 1 :] if d.linked or not draft.linked), None)
            target = following.offset if following else 0
            if draft.entry is not None and draft.entry.next is not None:
                target = draft.entry.next
            _write(draft, target)
    _stub(work)


def _placed(drafts: list[Draft]) -> list[Draft]:
    return [draft for draft in drafts if draft.offset != NULL_OFFSET]


def _set_header(work: Work, path: str, value: int) -> None:
    """Set a field of the header unless the layout gave it a value of its own."""
    view = work.header.view()
    assert view is not None
    if _stated(work, path) is None:
        view.put(*view.find(path), value)


def _stated(work: Work, path: str) -> Span | None:
    """Where the layout itself gives a field of the header, or the whole register."""
    origins = work.header.origins
    return origins.get(path) or origins.get(path.partition(".")[0])


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
    extended = _placed(work.extended)
    for index, draft in enumerate(extended):
        if draft.offset == FIRST_EXTENDED and not draft.linked:
            following = next((d for d in extended[index + 1 :] if d.linked), None)
            draft.body[0:4] = ((following.offset if following else 0) << 20).to_bytes(4, "little")


def credit(work: Work) -> None:
    """Let each pointer lead to the YAML that decided it: the entry that it points at. To be called after all checks."""
    for chain, names in ((work.standard, ("next",)), (work.extended, ("header.next",))):
        for index, draft in enumerate(chain):
            following = next((d for d in chain[index + 1 :] if d.linked or not draft.linked), None)
            stated = draft.entry is not None and draft.entry.next is not None
            where = work.at(draft, "next") if stated else work.at(following) if following is not None else None
            if where is not None:
                draft.origins.update(dict.fromkeys(names, where))
    first = next((draft for draft in work.standard if draft.linked), None)
    if first is not None:
        for path in (CAP_PTR, STATUS_CAP_LIST):
            work.header.origins.setdefault(path, work.at(first))


def check(work: Work) -> None:
    """Walk both chains as a guest does; reports VPCI1306..1308, 1315 and VPCI1204.

    A structure that stands where none can (check_space says so) ends a walk in silence: one mistake, one complaint.
    """
    linked = [draft for draft in _placed(work.standard) if draft.linked]
    header = work.header
    if bool(header.field(STATUS_CAP_LIST)) != bool(linked):
        _contradiction(work, linked)
    elif linked:
        stated = _stated(work, CAP_PTR)
        start = _Pointer(header.field(CAP_PTR), stated or linked[0].span, stated is not None)
        _walk(work, Chain.STANDARD, start, linked)
    extended = _placed(work.extended)
    if extended and work.size > PCI_SIZE and not _wrong_start(work, extended):
        _walk(work, Chain.EXTENDED, _Pointer(FIRST_EXTENDED, extended[0].span, False), extended)


def _contradiction(work: Work, linked: list[Draft]) -> None:
    listed = work.header.field(STATUS_CAP_LIST)
    count = f"{len(linked)} standard capabilit{'y' if len(linked) == 1 else 'ies'}" if linked else "no capability"
    work.report.add(
        "VPCI1204",
        _stated(work, STATUS_CAP_LIST) or work.header.span,
        f"status.cap_list is {listed}, but the chain has {count}",
        labels=[(linked[0].span, "a guest does not look for it")] if linked else (),
        note="PCIe 6.0 7.5.1.1.4: bit 4 of the status register says whether there is a list of capabilities",
        help="leave 'status.cap_list' out: it follows from 'capabilities'",
    )


def _wrong_start(work: Work, extended: list[Draft]) -> bool:
    linked = [draft for draft in extended if draft.linked]
    at_start = next((draft for draft in extended if draft.offset == FIRST_EXTENDED), None)
    if not linked or extended[0] is at_start:
        return False
    if at_start is None:
        if not astray(work, linked[0]):
            work.report.add(
                "VPCI1306",
                work.at(linked[0]),
                f"no extended capability stands at {FIRST_EXTENDED:#x}; the first one is {linked[0].shown}",
                note="PCIe 6.0 7.6.1: the extended chain always begins at 100h",
                help="put one there, or keep the device's own at 0x100 as 'source: hidden, style: unlinked'",
            )
        return True
    work.report.add(
        "VPCI1306",
        work.at(at_start),
        f"{at_start.shown} is where the extended chain begins, but it is not the first in the list",
        labels=[(extended[0].span, "listed first")],
        note="PCIe 6.0 7.6.1: the extended chain always begins at 100h",
        help="list it first",
    )
    return True


@dataclass(frozen=True, slots=True)
class _Pointer:
    """A pointer of a chain: its value, where that comes from, and whether the layout itself states it."""

    value: int
    span: Span
    stated: bool


_POINTER_LAW = {
    Chain.STANDARD: "PCIe 6.0 7.5.1.1.11: capabilities stand behind the header",
    Chain.EXTENDED: "PCIe 6.0 7.6.3: a next pointer is 000h or greater than 0FFh",
}
_LEAVE_OUT = "leave 'next' and 'cap_ptr' out: the order of the list is the chain"


def _walk(work: Work, chain: Chain, pointer: _Pointer, expected: list[Draft]) -> None:
    mask, lowest = POINTER_MASK[chain], work.header.length if chain is Chain.STANDARD else FIRST_EXTENDED
    by_offset: dict[int, Draft] = {}
    lost: set[int] = set()  # where another check complains already: a walk says nothing new there
    for draft in expected:
        if by_offset.setdefault(draft.offset, draft) is not draft or astray(work, draft):
            lost.add(draft.offset & mask)
    seen: dict[int, Draft] = {}
    stated = pointer if pointer.stated else None
    while pointer.value:
        target = pointer.value & mask
        if target in lost:
            return
        if target < lowest:
            work.report.add(
                "VPCI1315",
                pointer.span,
                f"pointer {pointer.value:#x} leads below {lowest:#x}",
                note=_POINTER_LAW[chain],
                help=_LEAVE_OUT,
            )
            return
        if target in seen:
            work.report.add(
                "VPCI1307",
                pointer.span,
                f"the {chain} chain comes back to {target:#x}",
                labels=[(work.at(seen[target]), "the chain was here already")],
                note="a guest that follows it never ends; QEMU 11.1 never returns from realize",
                help=_LEAVE_OUT,
            )
            return
        found = by_offset.get(target)
        if found is None:
            known = ", ".join(f"{offset:#x} ({one.name})" for offset, one in sorted(by_offset.items()))
            work.report.add(
                "VPCI1308",
                pointer.span,
                f"pointer {pointer.value:#x} leads to no structure of the layout",
                note=f"structures of the {chain} chain: {known}",
                help=_LEAVE_OUT,
            )
            return
        seen[target] = found
        value = found.body[1] if chain is Chain.STANDARD else int.from_bytes(found.body[2:4], "little") >> 4
        pointer = _Pointer(value, work.at(found, "next"), found.entry is not None and found.entry.next is not None)
        stated = pointer if pointer.stated else stated
    missed = [draft for draft in expected if draft.offset not in seen and draft.linked]
    if missed and not lost:
        work.report.add(
            "VPCI1308",
            stated.span if stated else missed[0].span,
            f"no pointer leads to {missed[0].shown}",
            labels=[(missed[0].span, "a guest does not find it")] if stated else (),
            help=_LEAVE_OUT,
        )
