"""The header of a function as QEMU's vfio-pci answers for it."""

from __future__ import annotations

from ...ir import ROM_INDEX, Bar
from ..chains import rom_writable
from ..pci import (
    BARS,
    BARS_END,
    BUS_MASTER,
    CAP_LIST,
    CAP_POINTER,
    CLASS,
    COMMAND,
    HEADER_TYPE,
    INTX_DISABLE,
    IO_ENABLE,
    MEMORY_ENABLE,
    MULTIFUNCTION,
    ROM,
    STATUS,
    SUBSYSTEM,
    number,
)
from .draft import DWORD, Draft


def rewrite(draft: Draft) -> None:
    """The header as QEMU answers for it: its ids, BARs of its own, and no address yet."""
    draft.masks.header()
    _command(draft)
    multifunction = draft.options.multifunction
    if draft.put(HEADER_TYPE, 1, MULTIFUNCTION, MULTIFUNCTION if multifunction else 0):
        text = f"sets header type bit 7 by its option multifunction={'on' if multifunction else 'off'}"
        draft.say(HEADER_TYPE, 1, text, "pci_init_multifunction")
    _ids(draft)
    zeroed = draft.put(BARS, BARS_END - BARS, (1 << 8 * (BARS_END - BARS)) - 1, 0)
    for bar in draft.bars:
        # A server that gives a BAR no size has none; of real hardware the size is just not known.
        if bar.index < ROM_INDEX and (bar.size or not draft.options.vfio_user):
            _bar(draft, bar)
    if zeroed and draft.value[BARS:BARS_END] != draft.image.value[BARS:BARS_END]:
        text = "has registers of its own for the BARs: no address yet, and not the host's"
        draft.say(BARS, BARS_END - BARS, text, "vfio_bar_register")
    rom = rom_writable(draft.image) if draft.options.rombar else 0
    if draft.put(ROM, 4, DWORD, 0, rom):
        what = "the expansion ROM has no address yet" if rom else "there is no expansion ROM"
        draft.say(ROM, 4, f"has a ROM register of its own: {what}", "vfio_pci_size_rom")
    draft.masks.rom(rom)
    if draft.image.value[STATUS] & CAP_LIST and draft.image.value[CAP_POINTER]:
        draft.put(STATUS, 1, CAP_LIST, CAP_LIST)
        draft.put(CAP_POINTER, 1, 0xFF, draft.image.value[CAP_POINTER])


def _command(draft: Draft) -> None:
    """Before it resets a function QEMU turns it off (vfio_pci_pre_reset); a server's image is as after a reset."""
    if draft.options.vfio_user:
        return
    held = number(draft.image.value, COMMAND, 2)
    cleared = held & (IO_ENABLE | MEMORY_ENABLE | BUS_MASTER | INTX_DISABLE)
    if cleared:
        draft.value[COMMAND : COMMAND + 2] = (held & ~cleared).to_bytes(2, "little")
        draft.say(COMMAND, 2, "turns the function off before it resets it", "vfio_pci_pre_reset")


def _ids(draft: Draft) -> None:
    ids = draft.options.ids
    rows = (
        (0, 2, ids.vendor, "x-pci-vendor-id"),
        (2, 2, ids.device, "x-pci-device-id"),
        (SUBSYSTEM, 2, ids.subsystem_vendor, "x-pci-sub-vendor-id"),
        (SUBSYSTEM + 2, 2, ids.subsystem, "x-pci-sub-device-id"),
        (CLASS, 3, ids.class_code, "x-pci-class-code"),
    )
    for at, size, value, option in rows:
        if value is not None and draft.put(at, size, (1 << 8 * size) - 1, value):
            draft.say(at, size, f"shows what {option} says", "vfio_pci_config_setup")


def _bar(draft: Draft, bar: Bar) -> None:
    # vfio_bar_register: the type bits are the register's own, the size is the region's.
    moved = draft.relocated is not None and bar.index == draft.relocated.table & 7
    held = draft.image.number("value", bar.offset, 4)
    if moved and draft.relocated is not None and not draft.relocated.table & ~7:  # a BAR that the option makes
        held = 0x8 | (0x4 if bar.kind.value == "mem64" else 0)
    kind = held & (0x3 if held & 1 else 0xF)
    size = 8 if kind & 0x5 == 0x4 and bar.index < 5 else 4
    writable = (1 << 8 * size) - bar.size if bar.size else 0
    draft.put(bar.offset, size, (1 << 8 * size) - 1, kind, writable)
    draft.masks.bar(bar.offset, size, bar.size or 16)
