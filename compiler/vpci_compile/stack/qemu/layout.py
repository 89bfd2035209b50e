"""What QEMU compares of a function as a layout describes it, when a migration comes in.

The layout says what is shown; QEMU's rule is the one of a device that it shows so (see `compared`).
"""

from __future__ import annotations

from itertools import pairwise

from ...ir import ROM_INDEX, BarKind, Function, Kind, Origin, Structure
from ..chains import Extended, Place, Standard
from ..incoming import Check
from ..linux.facts import Version
from ..pci import EXPRESS_SIZE, PASID, PCI_SIZE, ROM
from .compared import Masks
from .facts import qemu

_SMALLEST_BAR = 16
_GPUDIRECT = "gpudirect"


def layout_check(function: Function, release: Version, *, skip_vsc: bool) -> Check:
    """The masks of QEMU `release`; `skip_vsc`: its machine type does not compare vendor-specific bodies."""
    config = function.config
    masks = Masks(config.size)
    masks.header()
    for bar in function.bars:
        if bar.index == ROM_INDEX:
            masks.rom(config.number("writable", ROM, 4))
        else:
            masks.bar(bar.offset, 8 if bar.kind is BarKind.MEM64 else 4, bar.size or _SMALLEST_BAR)
    linked = [one for one in function.structures if one.source is not Origin.HIDDEN]
    standard = [one for one in linked if one.kind is Kind.STANDARD]
    rooms = _rooms(function, Kind.STANDARD, PCI_SIZE)
    own = {one.offset for one in standard if one.capability is not None and one.capability.name == _GPUDIRECT}
    kept = [Standard(one.id, one.offset, rooms[one.offset]) for one in standard if one.offset not in own]
    whole_pm = release < qemu().since["power-management"]
    masks.standard(kept, config.value, skip_vsc=skip_vsc, whole_pm=whole_pm)
    for one in standard:
        if one.offset in own:
            masks.claim(one.offset, one.length)
    if config.size > PCI_SIZE and function.guest.place != Place.CONVENTIONAL:
        _extended(masks, function, linked)
    return masks.check(config.value)


def _extended(masks: Masks, function: Function, linked: list[Structure]) -> None:
    rooms = _rooms(function, Kind.EXTENDED, EXPRESS_SIZE)
    shown = [one for one in linked if one.kind is Kind.EXTENDED]
    if all(one.offset != PCI_SIZE for one in shown):
        masks.stub(PCI_SIZE)
    masks.extended(Extended(one.id, one.version, one.offset, rooms[one.offset], 0) for one in shown)
    for one in shown:
        if one.id == PASID and one.source is Origin.SYNTHESIZED:
            masks.pasid(one.offset)


def _rooms(function: Function, kind: Kind, end: int) -> dict[int, int]:
    """Bytes from each structure of a chain to the next one, hidden ones included: so QEMU claims them."""
    starts = sorted(one.offset for one in function.structures if one.kind is kind)
    return {start: following - start for start, following in pairwise([*starts, end])}
