"""What QEMU's vfio-user-pci makes of an image: the configuration space that the guest finds.

A pure function of the image, the BARs and the place. Each step is one rule of QEMU (hw/vfio/pci.c) with its source:
a function of QEMU, and "executed" where QEMU 11.1.3 was seen doing it, byte for byte, in tests/live.

In the result `emulated` marks what QEMU answers itself; the other bits are the server's, and so are their masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import zip_longest
from typing import NamedTuple

from ..ir import ROM_INDEX, Bar, ConfigSpace

HEADER_END, PCI_SIZE, EXPRESS_SIZE = 0x40, 256, 4096
STATUS, HEADER_TYPE, BARS, BARS_END, ROM, CAP_POINTER = 0x06, 0x0E, 0x10, 0x28, 0x30, 0x34
CAP_LIST, MULTIFUNCTION = 0x10, 0x80
COMMAND = 0x04
PM, MSI, EXPRESS, MSIX = 0x01, 0x05, 0x10, 0x11
NULL, ARI, SRIOV, REBAR = 0x0000, 0x000E, 0x0010, 0x0015
ENDPOINT, LEGACY, INTEGRATED = 0x0, 0x1, 0x9
NEXT_MASK = 0xFFC00000
_ROM_MASK = 0xFFFFF800
_DWORD = 0xFFFFFFFF
_PLACEHOLDER = 0xFFFF  # QEMU's own id at 0x100 while it builds the chain: one that stays is cleared
_REBAR_WIDEST = 27  # size code: 128 TiB


class Place(StrEnum):
    """Where the function sits in the guest: below a root port, on the root bus, or on a conventional bus."""

    PORT = "port"
    ROOT = "root"
    CONVENTIONAL = "conventional"


class Change(NamedTuple):
    """One thing that QEMU does to the image: where (first byte), what, and how we know."""

    offset: int
    text: str
    source: str


class View(NamedTuple):
    """What the guest finds, and why it is not the image."""

    config: ConfigSpace
    changes: tuple[Change, ...]


class Standard(NamedTuple):
    """A structure of the standard chain: id, first byte, bytes up to the next one."""

    id: int
    offset: int
    room: int


class Extended(NamedTuple):
    """A structure of the extended chain, as it is linked: `next` is where its header leads."""

    id: int
    version: int
    offset: int
    room: int
    next: int


def standard_chain(config: ConfigSpace) -> list[Standard]:
    """The standard chain as QEMU walks it; ends at a loop."""
    found: list[tuple[int, int]] = []
    if config.size < HEADER_END or not config.value[STATUS] & CAP_LIST:
        return []
    offset = config.value[CAP_POINTER]  # QEMU takes pointers as they are; a guest ignores the low two bits
    while offset and offset + 1 < config.size and offset not in [at for _, at in found]:
        found.append((config.value[offset], offset))
        offset = config.value[offset + 1]
    ends = sorted([at for _, at in found] + [PCI_SIZE])
    return [Standard(number, at, next(end for end in ends if end > at) - at) for number, at in found]


def extended_chain(config: ConfigSpace) -> list[Extended]:
    """The extended chain as QEMU walks it; ends at a loop, or where a pointer leads below the extended space."""
    rows: dict[int, int] = {}
    offset = PCI_SIZE
    while offset >= PCI_SIZE and offset + 4 <= config.size and offset not in rows:
        rows[offset] = config.number("value", offset, 4)
        offset = rows[offset] >> 20 & 0xFFC
    ends = [*sorted(rows), EXPRESS_SIZE]
    return [
        Extended(row & 0xFFFF, row >> 16 & 0xF, at, next(end for end in ends if end > at) - at, row >> 20 & 0xFFC)
        for at, row in rows.items()
    ]


def express_is_hidden(config: ConfigSpace, one: Standard, place: Place) -> bool:
    """Whether QEMU unlinks this PCI Express capability: it does not fit the place (vfio_setup_pcie_cap)."""
    is_legacy = config.number("value", one.offset + 2, 2) >> 4 & 0xF == LEGACY
    return place is Place.CONVENTIONAL or (place is Place.ROOT and is_legacy)


def rom_writable(config: ConfigSpace) -> int:
    """The bits of the ROM's register that a guest can write, as QEMU finds them out; 0: there is no ROM.

    vfio_pci_size_rom writes ones to all but the low bits, and takes the size from what comes back.
    """
    held, writable = (config.number(name, ROM, 4) for name in ("value", "writable"))
    back = (held & ~writable | writable) & _ROM_MASK
    return back | 1 if back else 0


def qemu_view(config: ConfigSpace, bars: Sequence[Bar], place: Place, *, multifunction: bool = False) -> View:
    """The configuration space that a guest finds at reset, of a function that vfio-user-pci shows at `place`.

    `config` answers every bit itself (see behaviour); `multifunction` is QEMU's option of that name. The image is one
    that QEMU takes (see refusals).
    """
    return _Rewrite(config, bars, place).run(multifunction)


class _Rewrite:
    def __init__(self, config: ConfigSpace, bars: Sequence[Bar], place: Place) -> None:
        self.image = config
        self.bars = bars
        self.place = place
        self.value = bytearray(config.value)
        self.emulated = bytearray(config.size)
        self.writable = bytearray(config.writable)
        self.w1c = bytearray(config.w1c)
        self.changes: list[Change] = []

    def put(self, offset: int, size: int, mask: int, value: int, writable: int = 0) -> bool:
        """QEMU answers the bits of `mask`; whether the guest finds other values in them than the image has."""
        size = min(size, len(self.value) - offset)
        if size <= 0:
            return False
        end, before = offset + size, self.value[offset : offset + size]
        for target, bits in ((self.value, value), (self.emulated, mask), (self.writable, writable), (self.w1c, 0)):
            old = int.from_bytes(target[offset:end], "little")
            target[offset:end] = ((old & ~mask | bits & mask) & (1 << 8 * size) - 1).to_bytes(size, "little")
        return self.value[offset:end] != before

    def say(self, offset: int, text: str, source: str) -> None:
        self.changes.append(Change(offset, text, source))

    def run(self, multifunction: bool) -> View:
        self._header(multifunction)
        chain = standard_chain(self.image)
        if chain:
            self._standard(chain)
            if self._walks_extended():
                self._extended()
        size = self._size()
        if size < self.image.size:
            text = f"the guest reaches {size} of the {self.image.size} bytes: the bus is a conventional one"
            self.say(size, text, "pci_config_size, executed")
        config = ConfigSpace(
            value=bytes(self.value[:size]),
            emulated=bytes(self.emulated[:size]),
            writable=bytes(self.writable[:size]),
            w1c=bytes(self.w1c[:size]),
            forwarded=bytes(255 - octet for octet in self.emulated[:size]),
            compared=self.image.compared[:size],
        )
        return View(config, tuple(sorted(self.changes)))

    def _size(self) -> int:
        return min(self.image.size, PCI_SIZE) if self.place is Place.CONVENTIONAL else self.image.size

    # -- header ------------------------------------------------------------------------------------------------

    def _header(self, multifunction: bool) -> None:
        bit = MULTIFUNCTION if multifunction else 0
        if self.put(HEADER_TYPE, 1, MULTIFUNCTION, bit):
            self.say(
                HEADER_TYPE,
                f"header type bit 7 is QEMU's option multifunction={_on(multifunction)}",
                "pci_init_multifunction, executed",
            )
        zeroed = self.put(BARS, BARS_END - BARS, (1 << 8 * (BARS_END - BARS)) - 1, 0)
        for bar in self.bars:
            if bar.index < ROM_INDEX and bar.size:
                self._bar(bar)
        if zeroed and self.value[BARS:BARS_END] != self.image.value[BARS:BARS_END]:
            self.say(
                BARS,
                "the BARs have no address yet: QEMU answers, and the host's address is left out",
                "vfio_bar_register, executed",
            )
        rom = rom_writable(self.image)
        if self.put(ROM, 4, _DWORD, 0, rom):
            self.say(ROM, "the expansion ROM has no address yet", "vfio_pci_size_rom, executed")
        if self.image.value[STATUS] & CAP_LIST and self.image.value[CAP_POINTER]:
            self.put(STATUS, 1, CAP_LIST, CAP_LIST)
            self.put(CAP_POINTER, 1, 0xFF, self.image.value[CAP_POINTER])

    def _bar(self, bar: Bar) -> None:
        # vfio_bar_register: the type bits are the register's own, the size is the region's.
        held = self.image.number("value", bar.offset, 4)
        kind = held & (0x3 if held & 1 else 0xF)
        size = 8 if kind & 0x5 == 0x4 and bar.index < 5 else 4
        assert bar.size is not None
        self.put(bar.offset, size, (1 << 8 * size) - 1, kind, (1 << 8 * size) - bar.size)

    # -- standard capabilities ---------------------------------------------------------------------------------

    def _standard(self, chain: list[Standard]) -> None:
        # vfio_add_std_cap: the last one first; each is put before those that are there already.
        kept: list[Standard] = []
        following = 0
        for one in reversed(chain):
            # QEMU answers the pointer of one that it drops, too, and there a guest can write it.
            self.put(one.offset + 1, 1, 0xFF, self.image.value[one.offset + 1], 0xFF)
            if one.id == EXPRESS and not self._express(one):
                self.say(
                    one.offset,
                    "the PCI Express capability is unlinked: it does not fit the place",
                    "vfio_setup_pcie_cap, executed",
                )
                continue
            self.put(one.offset + 1, 1, 0xFF, following)
            following = one.offset
            kept.insert(0, one)
        self.put(CAP_POINTER, 1, 0xFF, following)
        for number, build in ((MSI, self._msi), (MSIX, self._msix)):
            first = next((one for one in kept if one.id == number), None)
            if first is not None:  # of a second one QEMU answers the pointer only
                build(first)

    def _express(self, one: Standard) -> bool:
        """Rewrite the PCI Express capability for its place; False where it is hidden (vfio_setup_pcie_cap)."""
        flags = self.image.number("value", one.offset + 2, 2)
        kind = flags >> 4 & 0xF
        if express_is_hidden(self.image, one, self.place):
            return False
        if flags & 0xF == 0:
            self.put(one.offset + 2, 1, 0x0F, 1)
            self.say(
                one.offset + 2, "the PCI Express capability's version 0 is shown as 1", "vfio_setup_pcie_cap, executed"
            )
        if self.place is Place.ROOT and kind == ENDPOINT:
            self.put(one.offset + 2, 1, 0xF0, INTEGRATED << 4)
            if one.room > 0x10:
                self.put(one.offset + 0x0C, 8, (1 << 64) - 1, 0)
            if one.room > 0x30:
                self.put(one.offset + 0x2C, 8, (1 << 64) - 1, 0)
            self.say(
                one.offset,
                "on the root bus an endpoint is shown as integrated, with no link",
                "vfio_setup_pcie_cap, executed",
            )
        if self.place is Place.PORT and kind == INTEGRATED:
            self.put(one.offset + 2, 1, 0xF0, ENDPOINT << 4)
            self.put(one.offset + 0x0C, 4, _DWORD, 0x11)
            self.put(one.offset + 0x10, 2, 0xFFFF, 0)
            self.say(
                one.offset,
                "behind a port an integrated endpoint is shown as endpoint, x1 at 2.5 GT/s",
                "vfio_setup_pcie_cap, executed",
            )
        return True

    def _msi(self, one: Standard) -> None:
        # msi_init (hw/pci/msi.c): vectors, 64-bit addresses and masks are the image's; the rest is made anew.
        control = self.image.number("value", one.offset + 2, 2)
        wide, masks, most = bool(control & 0x80), bool(control & 0x100), control >> 1 & 7
        at = one.offset
        length = 10 + (10 if masks else 0) + (4 if wide else 0)
        body = (1 << 8 * (length - 2)) - 1
        self.put(at, 1, 0xFF, MSI)
        data = at + (12 if wide else 8)
        reserved = self.image.number("value", data + 2, 2) << 8 * (data - at) if masks else 0  # msi_reset leaves them
        changed = self.put(at + 2, length - 2, body, control & 0x18E | reserved)
        settable = (1 << most.bit_length()) - 1
        self.put(at + 2, 2, 0x71, 0, 0x01 | settable << 4)
        self.put(at + 4, 4, 0xFFFFFFFC, 0, 0xFFFFFFFC)
        if wide:
            self.put(at + 8, 4, _DWORD, 0, _DWORD)
        self.put(data, 2, 0xFFFF, 0, 0xFFFF)
        if masks:
            vectors = (1 << (1 << min(most, 5))) - 1
            self.put(data + 4, 4, vectors, 0, vectors)
        if changed:
            self.say(
                at + 2,
                "QEMU builds the MSI capability: what a guest had programmed, or its extensions, is gone",
                "msi_init, executed",
            )

    def _msix(self, one: Standard) -> None:
        # msix_init (hw/pci/msix.c): table and PBA stay, the guest switches enable and mask.
        control = self.image.number("value", one.offset + 2, 2)
        self.put(one.offset, 1, 0xFF, MSIX)
        changed = self.put(one.offset + 2, 2, 0xFFFF, control & 0x7FF, 0xC000)
        for at in (4, 8):
            held = self.image.number("value", one.offset + at, 4)
            changed |= self.put(one.offset + at, 4, _DWORD, held)
        if changed:
            self.say(one.offset + 2, "MSI-X is off and unmasked: QEMU answers for it", "msix_init, executed")

    # -- extended capabilities ---------------------------------------------------------------------------------

    def _walks_extended(self) -> bool:
        # vfio_add_ext_cap: an express device on an express bus, with anything at 0x100.
        return (
            self.place is not Place.CONVENTIONAL
            and self.image.size > PCI_SIZE
            and self.image.number("value", PCI_SIZE, 4) != 0
        )

    def _extended(self) -> None:
        kept: list[Extended] = []
        dropped: list[Extended] = []
        for one in extended_chain(self.image):
            # QEMU answers the pointer of every header, of those too that it drops: there a guest can write it.
            self.put(one.offset, 4, NEXT_MASK, one.next << 20, NEXT_MASK)
            shown = one.id not in (NULL, ARI, SRIOV) and (one.id != REBAR or self._rebar(one))
            (kept if shown else dropped).append(one)
        for one, following in zip_longest(kept, kept[1:]):
            self.put(one.offset, 4, NEXT_MASK, (following.offset if following else 0) << 20)
        head = kept[0] if kept else None
        if head is not None and head.offset == PCI_SIZE and head.id != _PLACEHOLDER:
            first = self.image.number("value", PCI_SIZE, 4) & ~NEXT_MASK | (kept[1].offset << 20 if kept[1:] else 0)
            self.put(PCI_SIZE, 4, _DWORD, first)
        else:  # an empty header stands in for the dropped one, and leads on
            following = next((one for one in kept if one.offset != PCI_SIZE), None)
            version = self.image.number("value", PCI_SIZE, 4) & 0xF0000 if head and head.offset == PCI_SIZE else 0
            self.put(PCI_SIZE, 4, _DWORD, version | (following.offset << 20 if following else 0))
        for one in dropped:
            if one.id != NULL:
                name = {ARI: "ARI", SRIOV: "SR-IOV", REBAR: "Resizable BAR"}[one.id]
                self.say(
                    one.offset,
                    f"{name} is unlinked; its bytes can still be read at {one.offset:#x}",
                    "vfio_add_ext_cap, executed",
                )

    def _rebar(self, one: Extended) -> bool:
        """Leave a resizable BAR the size that it has; False where QEMU gives up (vfio_setup_rebar_ecap)."""
        count = self.image.number("value", one.offset + 8, 4) >> 5 & 7
        changed = False
        for index in range(count):
            at = one.offset + 4 + 8 * index
            control = self.image.number("value", at + 4, 4)
            code = control >> 8 & 0x1F
            if code > _REBAR_WIDEST:
                return False
            changed |= self.put(at, 4, _DWORD, 1 << (code + 4))
            changed |= self.put(at + 4, 4, _DWORD, control & 0x1FE7)
        if changed:
            self.say(
                one.offset,
                "Resizable BAR: only the present size is offered, and it cannot be changed",
                "vfio_setup_rebar_ecap, executed",
            )
        return True


def _on(flag: bool) -> str:
    return "on" if flag else "off"
