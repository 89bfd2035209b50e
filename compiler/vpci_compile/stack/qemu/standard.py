"""The standard capabilities of a function as QEMU's vfio-pci shows them (vfio_add_std_cap)."""

from __future__ import annotations

from ..chains import Place, Standard, express_is_hidden, msi_length
from ..pci import CAP_POINTER, ENDPOINT, EXPRESS, INTEGRATED, MSI, MSIX, number
from .draft import DWORD, Draft
from .facts import qemu
from .options import check_clique, clique_body, clique_place

_LINKS = ((0x10, 0x0C, "LNKCAP, LNKCTL and LNKSTA"), (0x2C, 0x2C, "LNKCAP2, LNKCTL2 and LNKSTA2"))
"""Registers of a link: the room that the capability needs for QEMU to write them, their place, their names."""


def rewrite(draft: Draft) -> None:
    """The standard capabilities, linked anew, those rewritten that QEMU answers for, and a GPUDirect one if asked."""
    chain = draft.chain
    # vfio_add_std_cap: the last one first; each is put before those that are there already.
    following = _clique(draft, chain) if draft.options.clique is not None else 0
    kept: list[Standard] = []
    for one in reversed(chain):
        # QEMU answers the pointer of one that it drops, too, and there a guest can write it.
        draft.put(one.offset + 1, 1, 0xFF, draft.image.value[one.offset + 1], 0xFF)
        if one.id == EXPRESS and not _express(draft, one):
            where = f"at {one.offset:#x}"
            text = f"unlinks the PCI Express capability {where}: it does not fit the place"
            draft.say(one.offset, one.room, text, "vfio_setup_pcie_cap")
            continue
        draft.put(one.offset + 1, 1, 0xFF, following)
        following = one.offset
        kept.insert(0, one)
    draft.put(CAP_POINTER, 1, 0xFF, following)
    for own, build in ((MSI, _msi), (MSIX, _msix)):
        first = next((one for one in kept if one.id == own), None)
        if first is not None:  # of a second one QEMU answers the pointer only
            build(draft, first)
    whole_pm = draft.options.version < qemu().since["power-management"]
    draft.masks.standard(kept, draft.image.value, skip_vsc=draft.options.skip_vsc, whole_pm=whole_pm)
    _relinked(draft, chain)


def _relinked(draft: Draft, chain: list[Standard]) -> None:
    for at in (CAP_POINTER, *(one.offset + 1 for one in chain)):
        if draft.value[at] != draft.image.value[at]:
            text = f"makes the pointer lead to {draft.value[at]:#x}; below it leads to {draft.image.value[at]:#x}"
            draft.say(at, 1, text, "vfio_add_std_cap")


def _clique(draft: Draft, chain: list[Standard]) -> int:
    assert draft.options.clique is not None
    at = clique_place(draft.options, draft.value, chain)
    value, place = draft.image.value, draft.place
    kept = [one for one in chain if one.id != EXPRESS or not express_is_hidden(value, one, place)]
    check_clique(value, at, kept)
    body = clique_body(draft.options.clique)
    draft.put(at, len(body), (1 << 8 * len(body)) - 1, int.from_bytes(body, "little"))
    draft.masks.claim(at, len(body))
    draft.made.append((at, len(body), "GPUDirect capability"))
    over = next((one for one in chain if one.offset < at < one.offset + one.room), None)
    text = f"puts the GPUDirect clique capability at {at:#x}"
    if over is not None:
        text += f", over what follows the capability at {over.offset:#x}"
    draft.say(at, len(body), text, "vfio_add_nv_gpudirect_cap")
    return at


def _express(draft: Draft, one: Standard) -> bool:
    """Rewrite the PCI Express capability for its place; False where it is hidden (vfio_setup_pcie_cap)."""
    rule = "vfio_setup_pcie_cap"
    flags = draft.image.number("value", one.offset + 2, 2)
    kind = flags >> 4 & 0xF
    if express_is_hidden(draft.image.value, one, draft.place):
        return False
    if flags & 0xF == 0:
        draft.put(one.offset + 2, 1, 0x0F, 1)
        draft.say(one.offset + 2, 1, "shows version 1 of the PCI Express capability, whose version is 0", rule)
    if draft.place is Place.ROOT and kind == ENDPOINT:
        draft.put(one.offset + 2, 1, 0xF0, INTEGRATED << 4)
        draft.say(one.offset + 2, 1, "shows an endpoint as integrated, because it sits on the root bus", rule)
        for room, at, names in _LINKS:
            if one.room > room and draft.put(one.offset + at, 8, (1 << 64) - 1, 0):
                text = f"zeroes {names}, because the endpoint sits on the root bus"
                draft.say(one.offset + at, 8, text, rule)
    if draft.place is Place.PORT and kind == INTEGRATED:
        draft.put(one.offset + 2, 1, 0xF0, ENDPOINT << 4)
        draft.say(one.offset + 2, 1, "shows an integrated endpoint as one with a link, below a port", rule)
        draft.put(one.offset + 0x0C, 4, DWORD, 0x11)
        draft.put(one.offset + 0x10, 2, 0xFFFF, 0)
        text = "shows a link of one lane at 2.5 GT/s (LNKCAP, LNKCTL), because the function sits below a port"
        draft.say(one.offset + 0x0C, 6, text, rule)
    return True


def _msi(draft: Draft, one: Standard) -> None:
    # msi_init (hw/pci/msi.c): vectors, 64-bit addresses and masks are the function's; the rest is made anew.
    control = draft.image.number("value", one.offset + 2, 2)
    wide, masks, most = bool(control & 0x80), bool(control & 0x100), control >> 1 & 7
    at, length = one.offset, msi_length(draft.image.value, one)
    body = (1 << 8 * (length - 2)) - 1
    draft.put(at, 1, 0xFF, MSI)
    data = at + (12 if wide else 8)
    reserved = draft.image.number("value", data + 2, 2) << 8 * (data - at) if masks else 0  # msi_reset leaves them
    changed = draft.put(at + 2, length - 2, body, control & 0x18E | reserved)
    settable = (1 << most.bit_length()) - 1
    draft.put(at + 2, 2, 0x71, 0, 0x01 | settable << 4)
    draft.put(at + 4, 4, 0xFFFFFFFC, 0, 0xFFFFFFFC)
    if wide:
        draft.put(at + 8, 4, DWORD, 0, DWORD)
    draft.put(data, 2, 0xFFFF, 0, 0xFFFF)
    if masks:
        vectors = (1 << (1 << min(most, 5))) - 1
        draft.put(data + 4, 4, vectors, 0, vectors)
    if changed:
        text = "builds the MSI capability: what a guest had programmed, or its extensions, is gone"
        draft.say(at + 2, length - 2, text, "msi_init")


def _msix(draft: Draft, one: Standard) -> None:
    # msix_init (hw/pci/msix.c): table and PBA stay, the guest switches enable and mask.
    control = draft.image.number("value", one.offset + 2, 2)
    draft.put(one.offset, 1, 0xFF, MSIX)
    if draft.put(one.offset + 2, 2, 0xFFFF, control & 0x7FF, 0xC000):
        draft.say(one.offset + 2, 2, "answers for MSI-X: it is off and unmasked", "msix_init")
    moved = draft.relocated
    table, pba = (moved.table, moved.pba) if moved else (number(draft.image.value, one.offset + at, 4) for at in (4, 8))
    draft.put(one.offset + 4, 4, DWORD, table)
    draft.put(one.offset + 8, 4, DWORD, pba)
    if moved is not None:
        text = f"moves the MSI-X table to BAR {moved.table & 7}: x-msix-relocation={draft.options.relocation}"
        draft.say(one.offset + 4, 8, text, "vfio_pci_relocate_msix")
