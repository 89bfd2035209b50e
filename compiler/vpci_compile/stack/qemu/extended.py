"""The extended capabilities of a function as QEMU's vfio-pci shows them (vfio_add_ext_cap)."""

from __future__ import annotations

from itertools import zip_longest

from ..chains import Extended, Place, extended_chain
from ..pci import ARI, ATS, NEXT_MASK, NULL, PASID, PCI_SIZE, REBAR, SRIOV, number
from .draft import DWORD, Draft
from .facts import qemu

_PLACEHOLDER = 0xFFFF  # QEMU's own id at 0x100 while it builds the chain: one that stays is cleared
_REBAR_WIDEST = 27  # size code: 128 TiB
_PASID_LAST, _PASID_BYTES = 0xFF8, 8
_LENGTHS = {ARI: 8, SRIOV: 0x40, REBAR: 12, ATS: 8}
"""Bytes of those that it unlinks; of Resizable BAR at least."""
_NAMES = {ARI: "ARI", SRIOV: "SR-IOV", REBAR: "Resizable BAR", ATS: "ATS"}


def is_walked(draft: Draft) -> bool:
    """Whether QEMU looks at the extended chain: an express device on an express bus, with anything at 0x100."""
    return (
        draft.place is not Place.CONVENTIONAL
        and draft.image.size > PCI_SIZE
        and draft.image.number("value", PCI_SIZE, 4) != 0
    )


def rewrite(draft: Draft) -> None:
    """The extended capabilities, without those that QEMU hides (vfio_add_ext_cap), and a PASID one if asked."""
    kept: list[Extended] = []
    dropped: list[Extended] = []
    raw = extended_chain(draft.image.value)
    for one in raw:
        # QEMU answers the pointer of every header, of those too that it drops: there a guest can write it.
        draft.put(one.offset, 4, NEXT_MASK, one.next << 20, NEXT_MASK)
        (kept if _is_shown(draft, one) else dropped).append(one)
    _below_extended(draft, raw[-1].next)
    for one, following in zip_longest(kept, kept[1:]):
        draft.put(one.offset, 4, NEXT_MASK, (following.offset if following else 0) << 20)
    _first(draft, kept)
    draft.masks.extended(kept)
    if draft.options.pasid is not None and all(one.id != PASID for one in raw):
        _pasid(draft, kept)
    for one in dropped:
        if one.id != NULL:
            text = f"unlinks {_NAMES[one.id]}; its bytes can still be read at {one.offset:#x}"
            draft.say(one.offset, min(_LENGTHS[one.id], one.room), text, "vfio_add_ext_cap")
    for one in raw:
        if number(draft.value, one.offset, 4) != number(draft.image.value, one.offset, 4):
            leads = number(draft.value, one.offset, 4) >> 20
            text = f"makes the pointer lead to {leads:#x}; below it leads to {one.next:#x}"
            draft.say(one.offset, 4, text, "vfio_add_ext_cap")


def _below_extended(draft: Draft, position: int) -> None:
    """A pointer that leaves the extended space: QEMU walks on, and answers what it takes for pointers there."""
    seen: set[int] = set()
    while position and position < PCI_SIZE and position not in seen:
        seen.add(position)
        draft.put(position, 4, NEXT_MASK, number(draft.value, position, 4))
        position = number(draft.image.value, position, 4) >> 20 & 0xFFC


def _is_shown(draft: Draft, one: Extended) -> bool:
    if one.id == NULL or (one.id in _NAMES and qemu().hides_always(one.id, draft.options.version)):
        return False
    if one.id == ATS and not draft.options.vfio_user and draft.options.version >= qemu().since["ats"]:
        return draft.options.ats != "off" and draft.options.kernel_ats
    return one.id != REBAR or _rebar(draft, one)


def _first(draft: Draft, kept: list[Extended]) -> None:
    head = kept[0] if kept else None
    if head is not None and head.offset == PCI_SIZE and head.id != _PLACEHOLDER:
        # QEMU writes this header anew: the reserved bits of its pointer are 0. In others they are the function's.
        first = draft.image.number("value", PCI_SIZE, 4) & 0xFFFFF | (kept[1].offset << 20 if kept[1:] else 0)
        draft.put(PCI_SIZE, 4, DWORD, first)
        return
    # An empty header stands in for the dropped one, and leads on.
    draft.masks.stub(PCI_SIZE)
    following = next((one for one in kept if one.offset != PCI_SIZE), None)
    version = draft.image.number("value", PCI_SIZE, 4) & 0xF0000 if head and head.offset == PCI_SIZE else 0
    draft.put(PCI_SIZE, 4, DWORD, version | (following.offset << 20 if following else 0))


def _rebar(draft: Draft, one: Extended) -> bool:
    """Leave a resizable BAR the size that it has; False where QEMU gives up (vfio_setup_rebar_ecap)."""
    count = draft.image.number("value", one.offset + 8, 4) >> 5 & 7
    changed = False
    for index in range(count):
        at = one.offset + 4 + 8 * index
        control = draft.image.number("value", at + 4, 4)
        code = control >> 8 & 0x1F
        if code > _REBAR_WIDEST:
            return False
        changed |= draft.put(at, 4, DWORD, 1 << (code + 4))
        changed |= draft.put(at + 4, 4, DWORD, control & 0x1FE7)
    if changed:
        text = "offers of Resizable BAR only the present size, and it cannot be changed"
        draft.say(one.offset + 4, 8 * count, text, "vfio_setup_rebar_ecap")
    return True


def _pasid(draft: Draft, kept: list[Extended]) -> None:
    """Put a PASID capability into the chain (pcie_insert_capability); where it cannot be, none is shown."""
    assert draft.options.pasid is not None
    at = draft.options.pasid_at or _PASID_LAST
    # The chain always begins at 0x100, with a stub if nothing else.
    chain = [PCI_SIZE, *(one.offset for one in kept if one.offset != PCI_SIZE)]
    inside = any(start <= at < start + 4 for start in chain)
    if at % 4 or not PCI_SIZE <= at <= _PASID_LAST or inside:
        text = f"cannot place PASID at {at:#x}, says so, and shows none"
        draft.say(at & 0xFFF, 1, text, "pcie_insert_capability")
        return
    place = next((index for index, start in enumerate(chain) if start > at), len(chain))
    following = chain[place] if place < len(chain) else 0
    width, execute, privileged = draft.options.pasid
    body = PASID | 1 << 16 | following << 20 | (execute << 1 | privileged << 2 | width << 8) << 32
    draft.put(at, _PASID_BYTES, (1 << 64) - 1, body, 0x7 << 48)
    draft.made.append((at, _PASID_BYTES, "PASID capability"))
    before = chain[place - 1]
    draft.put(before, 4, NEXT_MASK, at << 20)
    draft.masks.pasid(at)
    draft.say(at, _PASID_BYTES, f"puts a PASID capability of its own at {at:#x}", "vfio_pci_synthesize_pasid_cap")
