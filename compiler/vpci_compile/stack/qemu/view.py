"""What QEMU's vfio-pci, or its vfio-user-pci, makes of a function: the configuration space that the guest finds.

A pure function of the space below, the BARs, the place and the options. Each step is one rule of QEMU (hw/vfio/pci.c)
and names the function of QEMU that it is. In the result `emulated` marks what QEMU or a layer below answers; the other
bits are the device's. QEMU passes every write on, those to bits that it answers itself as well: `forwarded` stays what
it was below.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from ...ir import ROM_INDEX, Bar, ConfigSpace
from ..chains import (
    Extended,
    Place,
    Standard,
    express_is_hidden,
    extended_chain,
    msi_length,
    rom_writable,
    standard_chain,
)
from ..layers import Change, View
from ..pci import (
    ARI,
    ATS,
    BARS,
    BARS_END,
    BUS_MASTER,
    CAP_LIST,
    CAP_POINTER,
    CLASS,
    COMMAND,
    ENDPOINT,
    EXPRESS,
    HEADER_TYPE,
    INTEGRATED,
    IO_ENABLE,
    MEMORY_ENABLE,
    MSI,
    MSIX,
    MULTIFUNCTION,
    NEXT_MASK,
    NULL,
    PASID,
    PCI_SIZE,
    REBAR,
    ROM,
    SRIOV,
    STATUS,
    SUBSYSTEM,
    number,
)
from . import compared
from . import options as qemu_options
from .facts import qemu
from .options import QemuOptions

_DWORD = 0xFFFFFFFF
_PLACEHOLDER = 0xFFFF  # QEMU's own id at 0x100 while it builds the chain: one that stays is cleared
_REBAR_WIDEST = 27  # size code: 128 TiB
_PASID_LAST, _PASID_BYTES = 0xFF8, 8
_INTX_DISABLE = 0x400
_LINKS = ((0x10, 0x0C, "LNKCAP, LNKCTL and LNKSTA"), (0x2C, 0x2C, "LNKCAP2, LNKCTL2 and LNKSTA2"))
"""Registers of a link: the room that the capability needs for QEMU to write them, their place, their names."""
_LENGTHS = {ARI: 8, SRIOV: 0x40, REBAR: 12, ATS: 8}
"""Bytes of those that it unlinks; of Resizable BAR at least."""
_NAMES = {ARI: "ARI", SRIOV: "SR-IOV", REBAR: "Resizable BAR", ATS: "ATS"}


def qemu_view(below: ConfigSpace, bars: Sequence[Bar], place: Place, options: QemuOptions) -> View:
    """The configuration space that a guest finds at reset, of a function that QEMU shows at `place`.

    `below` is what QEMU finds: the kernel's view of the function, or a vfio-user server. It is one that QEMU takes
    (see refusals).

    Raises:
        OptionError: QEMU refuses an option.
    """
    return _Rewrite(below, bars, place, options).run()


class _Rewrite:
    def __init__(self, below: ConfigSpace, bars: Sequence[Bar], place: Place, options: QemuOptions) -> None:
        self.image = below
        self.options = options
        self.place = place
        self.value = bytearray(below.value)
        self.emulated = bytearray(below.emulated)
        self.writable = bytearray(a & b for a, b in zip(below.writable, below.emulated, strict=True))
        self.w1c = bytearray(below.w1c)
        self.masks = compared.Masks(below.size)
        self.changes: list[Change] = []
        self.made: list[tuple[int, int, str]] = []
        self.chain = standard_chain(below.value)
        qemu_options.check(options)
        moved = qemu_options.relocate(options, below.value, bars, self.chain)
        self.relocated = moved
        self.bars = moved.bars if moved is not None else bars
        facts = qemu()
        self.hidden = {number for number in _NAMES if facts.hides_always(number, options.version)} | {NULL}
        self.known = "executed" if facts.is_executed(options.version) else "read"

    def put(self, offset: int, size: int, mask: int, value: int, writable: int = 0) -> bool:
        """QEMU answers the bits of `mask`; whether the guest finds other values in them than are below."""
        size = min(size, len(self.value) - offset)
        if size <= 0:
            return False
        end, before = offset + size, self.value[offset : offset + size]
        for target, bits in ((self.value, value), (self.emulated, mask), (self.writable, writable), (self.w1c, 0)):
            old = int.from_bytes(target[offset:end], "little")
            target[offset:end] = ((old & ~mask | bits & mask) & (1 << 8 * size) - 1).to_bytes(size, "little")
        return self.value[offset:end] != before

    def say(self, offset: int, length: int, text: str, rule: str) -> None:
        self.changes.append(Change(offset, f"QEMU {text}", f"{rule}, {self.known}", length))

    def run(self) -> View:
        self._header()
        if self.chain:
            self._standard(self.chain)
            if self._walks_extended():
                self._extended()
        size = self._size()
        if size < self.image.size:
            text = f"gives the guest {size} of the {self.image.size} bytes: the bus is a conventional one"
            self.say(size, self.image.size - size, text, "pci_config_size")
        check = self.masks.check(bytes(self.value[:size]))
        config = ConfigSpace(
            value=check.config,
            emulated=bytes(self.emulated[:size]),
            writable=bytes(self.writable[:size]),
            w1c=bytes(self.w1c[:size]),
            forwarded=self.image.forwarded[:size],
            compared=check.compared,
        )
        # A server that gives a BAR no size has none.
        bars = tuple(bar for bar in self.bars if bar.size or not self.options.vfio_user)
        return View(config, tuple(sorted(self.changes)), bars, tuple(self.made), check)

    def _size(self) -> int:
        return min(self.image.size, PCI_SIZE) if self.place is Place.CONVENTIONAL else self.image.size

    # -- header ------------------------------------------------------------------------------------------------

    def _header(self) -> None:
        self.masks.header()
        self._command()
        multifunction = self.options.multifunction
        if self.put(HEADER_TYPE, 1, MULTIFUNCTION, MULTIFUNCTION if multifunction else 0):
            text = f"sets header type bit 7 by its option multifunction={'on' if multifunction else 'off'}"
            self.say(HEADER_TYPE, 1, text, "pci_init_multifunction")
        self._ids()
        zeroed = self.put(BARS, BARS_END - BARS, (1 << 8 * (BARS_END - BARS)) - 1, 0)
        for bar in self.bars:
            # A server that gives a BAR no size has none; of real hardware the size is just not known.
            if bar.index < ROM_INDEX and (bar.size or not self.options.vfio_user):
                self._bar(bar)
        if zeroed and self.value[BARS:BARS_END] != self.image.value[BARS:BARS_END]:
            text = "has registers of its own for the BARs: no address yet, and not the host's"
            self.say(BARS, BARS_END - BARS, text, "vfio_bar_register")
        rom = rom_writable(self.image) if self.options.rombar else 0
        if self.put(ROM, 4, _DWORD, 0, rom):
            what = "the expansion ROM has no address yet" if rom else "there is no expansion ROM"
            self.say(ROM, 4, f"has a ROM register of its own: {what}", "vfio_pci_size_rom")
        self.masks.rom(rom)
        if self.image.value[STATUS] & CAP_LIST and self.image.value[CAP_POINTER]:
            self.put(STATUS, 1, CAP_LIST, CAP_LIST)
            self.put(CAP_POINTER, 1, 0xFF, self.image.value[CAP_POINTER])

    def _command(self) -> None:
        """Before it resets a function QEMU turns it off (vfio_pci_pre_reset); a server's image is as after a reset."""
        if self.options.vfio_user:
            return
        held = number(self.image.value, COMMAND, 2)
        cleared = held & (IO_ENABLE | MEMORY_ENABLE | BUS_MASTER | _INTX_DISABLE)
        if cleared:
            self.value[COMMAND : COMMAND + 2] = (held & ~cleared).to_bytes(2, "little")
            self.say(COMMAND, 2, "turns the function off before it resets it", "vfio_pci_pre_reset")

    def _ids(self) -> None:
        ids = self.options.ids
        rows = (
            (0, 2, ids.vendor, "x-pci-vendor-id"),
            (2, 2, ids.device, "x-pci-device-id"),
            (SUBSYSTEM, 2, ids.subsystem_vendor, "x-pci-sub-vendor-id"),
            (SUBSYSTEM + 2, 2, ids.subsystem, "x-pci-sub-device-id"),
            (CLASS, 3, ids.class_code, "x-pci-class-code"),
        )
        for at, size, value, option in rows:
            if value is not None and self.put(at, size, (1 << 8 * size) - 1, value):
                self.say(at, size, f"shows what {option} says", "vfio_pci_config_setup")

    def _bar(self, bar: Bar) -> None:
        # vfio_bar_register: the type bits are the register's own, the size is the region's.
        moved = self.relocated is not None and bar.index == self.relocated.table & 7
        held = self.image.number("value", bar.offset, 4)
        if moved and self.relocated is not None and not self.relocated.table & ~7:  # a BAR that the option makes
            held = 0x8 | (0x4 if bar.kind.value == "mem64" else 0)
        kind = held & (0x3 if held & 1 else 0xF)
        size = 8 if kind & 0x5 == 0x4 and bar.index < 5 else 4
        writable = (1 << 8 * size) - bar.size if bar.size else 0
        self.put(bar.offset, size, (1 << 8 * size) - 1, kind, writable)
        self.masks.bar(bar.offset, size, bar.size or 16)

    # -- standard capabilities ---------------------------------------------------------------------------------

    def _standard(self, chain: list[Standard]) -> None:
        # vfio_add_std_cap: the last one first; each is put before those that are there already.
        following = self._clique(chain) if self.options.clique is not None else 0
        kept: list[Standard] = []
        for one in reversed(chain):
            # QEMU answers the pointer of one that it drops, too, and there a guest can write it.
            self.put(one.offset + 1, 1, 0xFF, self.image.value[one.offset + 1], 0xFF)
            if one.id == EXPRESS and not self._express(one):
                where = f"at {one.offset:#x}"
                text = f"unlinks the PCI Express capability {where}: it does not fit the place"
                self.say(one.offset, one.room, text, "vfio_setup_pcie_cap")
                continue
            self.put(one.offset + 1, 1, 0xFF, following)
            following = one.offset
            kept.insert(0, one)
        self.put(CAP_POINTER, 1, 0xFF, following)
        for own, build in ((MSI, self._msi), (MSIX, self._msix)):
            first = next((one for one in kept if one.id == own), None)
            if first is not None:  # of a second one QEMU answers the pointer only
                build(first)
        whole_pm = self.options.version < qemu().since["power-management"]
        self.masks.standard(kept, self.image.value, skip_vsc=self.options.skip_vsc, whole_pm=whole_pm)
        self._relinked(chain)

    def _relinked(self, chain: list[Standard]) -> None:
        for at in (CAP_POINTER, *(one.offset + 1 for one in chain)):
            if self.value[at] != self.image.value[at]:
                text = f"makes the pointer lead to {self.value[at]:#x}; below it leads to {self.image.value[at]:#x}"
                self.say(at, 1, text, "vfio_add_std_cap")

    def _clique(self, chain: list[Standard]) -> int:
        assert self.options.clique is not None
        at = qemu_options.clique_place(self.options, self.value, chain)
        value, place = self.image.value, self.place
        kept = [one for one in chain if one.id != EXPRESS or not express_is_hidden(value, one, place)]
        qemu_options.check_clique(value, at, kept)
        body = qemu_options.clique_body(self.options.clique)
        self.put(at, len(body), (1 << 8 * len(body)) - 1, int.from_bytes(body, "little"))
        self.masks.claim(at, len(body))
        self.made.append((at, len(body), "GPUDirect capability"))
        over = next((one for one in chain if one.offset < at < one.offset + one.room), None)
        text = f"puts the GPUDirect clique capability at {at:#x}"
        if over is not None:
            text += f", over what follows the capability at {over.offset:#x}"
        self.say(at, len(body), text, "vfio_add_nv_gpudirect_cap")
        return at

    def _express(self, one: Standard) -> bool:
        """Rewrite the PCI Express capability for its place; False where it is hidden (vfio_setup_pcie_cap)."""
        rule = "vfio_setup_pcie_cap"
        flags = self.image.number("value", one.offset + 2, 2)
        kind = flags >> 4 & 0xF
        if express_is_hidden(self.image.value, one, self.place):
            return False
        if flags & 0xF == 0:
            self.put(one.offset + 2, 1, 0x0F, 1)
            self.say(one.offset + 2, 1, "shows version 1 of the PCI Express capability, whose version is 0", rule)
        if self.place is Place.ROOT and kind == ENDPOINT:
            self.put(one.offset + 2, 1, 0xF0, INTEGRATED << 4)
            self.say(one.offset + 2, 1, "shows an endpoint as integrated, because it sits on the root bus", rule)
            for room, at, names in _LINKS:
                if one.room > room and self.put(one.offset + at, 8, (1 << 64) - 1, 0):
                    text = f"zeroes {names}, because the endpoint sits on the root bus"
                    self.say(one.offset + at, 8, text, rule)
        if self.place is Place.PORT and kind == INTEGRATED:
            self.put(one.offset + 2, 1, 0xF0, ENDPOINT << 4)
            self.say(one.offset + 2, 1, "shows an integrated endpoint as one with a link, below a port", rule)
            self.put(one.offset + 0x0C, 4, _DWORD, 0x11)
            self.put(one.offset + 0x10, 2, 0xFFFF, 0)
            text = "shows a link of one lane at 2.5 GT/s (LNKCAP, LNKCTL), because the function sits below a port"
            self.say(one.offset + 0x0C, 6, text, rule)
        return True

    def _msi(self, one: Standard) -> None:
        # msi_init (hw/pci/msi.c): vectors, 64-bit addresses and masks are the function's; the rest is made anew.
        control = self.image.number("value", one.offset + 2, 2)
        wide, masks, most = bool(control & 0x80), bool(control & 0x100), control >> 1 & 7
        at, length = one.offset, msi_length(self.image.value, one)
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
            text = "builds the MSI capability: what a guest had programmed, or its extensions, is gone"
            self.say(at + 2, length - 2, text, "msi_init")

    def _msix(self, one: Standard) -> None:
        # msix_init (hw/pci/msix.c): table and PBA stay, the guest switches enable and mask.
        control = self.image.number("value", one.offset + 2, 2)
        self.put(one.offset, 1, 0xFF, MSIX)
        if self.put(one.offset + 2, 2, 0xFFFF, control & 0x7FF, 0xC000):
            self.say(one.offset + 2, 2, "answers for MSI-X: it is off and unmasked", "msix_init")
        moved = self.relocated
        table, pba = (
            (moved.table, moved.pba) if moved else (number(self.image.value, one.offset + at, 4) for at in (4, 8))
        )
        self.put(one.offset + 4, 4, _DWORD, table)
        self.put(one.offset + 8, 4, _DWORD, pba)
        if moved is not None:
            text = f"moves the MSI-X table to BAR {moved.table & 7}: x-msix-relocation={self.options.relocation}"
            self.say(one.offset + 4, 8, text, "vfio_pci_relocate_msix")

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
        raw = extended_chain(self.image.value)
        for one in raw:
            # QEMU answers the pointer of every header, of those too that it drops: there a guest can write it.
            self.put(one.offset, 4, NEXT_MASK, one.next << 20, NEXT_MASK)
            (kept if self._is_shown(one) else dropped).append(one)
        self._below_extended(raw[-1].next)
        for one, following in zip_longest(kept, kept[1:]):
            self.put(one.offset, 4, NEXT_MASK, (following.offset if following else 0) << 20)
        self._first(kept)
        self.masks.extended(kept)
        if self.options.pasid is not None and all(one.id != PASID for one in raw):
            self._pasid(kept)
        for one in dropped:
            if one.id != NULL:
                text = f"unlinks {_NAMES[one.id]}; its bytes can still be read at {one.offset:#x}"
                self.say(one.offset, min(_LENGTHS[one.id], one.room), text, "vfio_add_ext_cap")
        for one in raw:
            if number(self.value, one.offset, 4) != number(self.image.value, one.offset, 4):
                leads = number(self.value, one.offset, 4) >> 20
                text = f"makes the pointer lead to {leads:#x}; below it leads to {one.next:#x}"
                self.say(one.offset, 4, text, "vfio_add_ext_cap")

    def _below_extended(self, position: int) -> None:
        """A pointer that leaves the extended space: QEMU walks on, and answers what it takes for pointers there."""
        seen: set[int] = set()
        while position and position < PCI_SIZE and position not in seen:
            seen.add(position)
            self.put(position, 4, NEXT_MASK, number(self.value, position, 4))
            position = number(self.image.value, position, 4) >> 20 & 0xFFC

    def _is_shown(self, one: Extended) -> bool:
        if one.id in self.hidden:
            return False
        if one.id == ATS and not self.options.vfio_user and self.options.version >= qemu().since["ats"]:
            return self.options.ats != "off" and self.options.kernel_ats
        return one.id != REBAR or self._rebar(one)

    def _first(self, kept: list[Extended]) -> None:
        head = kept[0] if kept else None
        if head is not None and head.offset == PCI_SIZE and head.id != _PLACEHOLDER:
            # QEMU writes this header anew: the reserved bits of its pointer are 0. In others they are the function's.
            first = self.image.number("value", PCI_SIZE, 4) & 0xFFFFF | (kept[1].offset << 20 if kept[1:] else 0)
            self.put(PCI_SIZE, 4, _DWORD, first)
            return
        # An empty header stands in for the dropped one, and leads on.
        self.masks.stub(PCI_SIZE)
        following = next((one for one in kept if one.offset != PCI_SIZE), None)
        version = self.image.number("value", PCI_SIZE, 4) & 0xF0000 if head and head.offset == PCI_SIZE else 0
        self.put(PCI_SIZE, 4, _DWORD, version | (following.offset << 20 if following else 0))

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
            text = "offers of Resizable BAR only the present size, and it cannot be changed"
            self.say(one.offset + 4, 8 * count, text, "vfio_setup_rebar_ecap")
        return True

    def _pasid(self, kept: list[Extended]) -> None:
        """Put a PASID capability into the chain (pcie_insert_capability); where it cannot be, none is shown."""
        assert self.options.pasid is not None
        at = self.options.pasid_at or _PASID_LAST
        # The chain always begins at 0x100, with a stub if nothing else.
        chain = [PCI_SIZE, *(one.offset for one in kept if one.offset != PCI_SIZE)]
        inside = any(start <= at < start + 4 for start in chain)
        if at % 4 or not PCI_SIZE <= at <= _PASID_LAST or inside:
            text = f"cannot place PASID at {at:#x}, says so, and shows none"
            self.say(at & 0xFFF, 1, text, "pcie_insert_capability")
            return
        place = next((index for index, start in enumerate(chain) if start > at), len(chain))
        following = chain[place] if place < len(chain) else 0
        width, execute, privileged = self.options.pasid
        body = PASID | 1 << 16 | following << 20 | (execute << 1 | privileged << 2 | width << 8) << 32
        self.put(at, _PASID_BYTES, (1 << 64) - 1, body, 0x7 << 48)
        self.made.append((at, _PASID_BYTES, "PASID capability"))
        before = chain[place - 1]
        self.put(before, 4, NEXT_MASK, at << 20)
        self.masks.pasid(at)
        self.say(at, _PASID_BYTES, f"puts a PASID capability of its own at {at:#x}", "vfio_pci_synthesize_pasid_cap")
