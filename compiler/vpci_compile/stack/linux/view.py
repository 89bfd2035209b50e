"""What Linux's vfio-pci makes of a function: the configuration space as its file descriptor shows it.

The kernel keeps a map, which capability each byte belongs to, and a shadow copy of some registers (`vfio_config_init`);
from both follows who answers each bit and what a write does (`vfio_pci_config_rw_single`). Each step here is a step of
drivers/vfio/pci/vfio_pci_config.c; the tables are in schemas/stacks/linux.yaml.

Accesses are taken to be dwords. Narrower ones see the same, but for one byte: the id of a capability that another one
overlaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...ir import ROM_INDEX, Bar, BarKind, ConfigSpace
from ..hardware import Hardware
from ..layers import Change, View
from ..pci import (
    BARS,
    BARS_END,
    CAP_LIST,
    CAP_POINTER,
    COMMAND,
    HEADER_END,
    HEADER_TYPE,
    INTERRUPT_PIN,
    MEMORY_ENABLE,
    MSI,
    MULTIFUNCTION,
    NEXT_MASK,
    PCI_SIZE,
    PCIX,
    PM,
    ROM,
    STATUS,
    number,
)
from . import lengths
from .facts import Access, Linux, Version, linux
from .lengths import KernelError

_BASIC, _RAW = 0x00, 0xFF
"""Owners in the kernel's map: the header, and nobody. Every other byte holds the low 8 bits of a capability's id."""
_VIRTUAL = 0xFE
_ONES = 0xFFFFFFFF
_PLAIN = "vfio-pci"
_WORDS = (MSI, PCIX)
"""Standard capabilities of which the kernel reads a word to know their length: at an odd place it cannot."""
_MOST_STANDARD = (PCI_SIZE - HEADER_END) // 4
_BAR_IO, _BAR_WIDE, _BAR_PREFETCH = 0x1, 0x4, 0x8
_ROM_ENABLE, _ROM_LEAST = 0x1, 2048


def linux_view(hardware: Hardware, version: Version, driver: str = "", *, takes_denied: bool = False) -> View:
    """The space that the descriptor of a vfio-pci device shows, below Linux `version`.

    `driver` is the VFIO driver that has it, vfio-pci if ""; `takes_denied`: it was loaded with disable_denylist=1.
    `value` is what is read right after opening; `forwarded` bits of a write reach the device.

    Raises:
        KernelError: the kernel does not open this device, or corrupts its own memory.
    """
    if is_denied(hardware, version, driver) and not takes_denied:
        vendor, device = _ids(hardware)
        text = f"{vendor:04x}:{device:04x} exists in vfio-pci device denylist, driver probing disallowed"
        way_out = "where vfio-pci is loaded with disable_denylist=1: --option disable_denylist=1"
        raise KernelError(0, text, "vfio_pci_is_denylisted", way_out)
    return _Shadow(hardware, linux(), version).view()


def is_denied(hardware: Hardware, version: Version, driver: str = "") -> bool:
    """Whether the driver does not take the device unless it is loaded with disable_denylist=1."""
    return driver.replace("_", "-") in ("", _PLAIN) and linux().is_denied(*_ids(hardware), version)


def _ids(hardware: Hardware) -> tuple[int, int]:
    return hardware.ids or (number(hardware.value, 0, 2), number(hardware.value, 2, 2))


class _Shadow:
    """The map and the shadow copy, as `vfio_config_init` leaves them, and what follows for each byte."""

    def __init__(self, hardware: Hardware, facts: Linux, version: Version) -> None:
        self.hardware = hardware
        self.facts = facts
        self.version = version
        self.size = lengths.config_size(hardware, facts)
        self.device = hardware.value[: self.size].ljust(self.size, b"\0")
        self.map = bytearray([_BASIC]) * HEADER_END + bytearray([_RAW]) * (self.size - HEADER_END)
        self.shadow = bytearray(self.size)
        self.shadow[:HEADER_END] = self.device[:HEADER_END]
        self.changes: list[Change] = []
        self.express = lengths.express(self.device)
        self.msi_control: int | None = None
        self.emulated, self.writable, self.forwarded = (bytearray(self.size) for _ in range(3))

    def say(self, offset: int, length: int, text: str, rule: str) -> None:
        self.changes.append(Change(offset, f"Linux {text}", self.facts.sure(self.version, rule), length))

    # -- vfio_config_init ------------------------------------------------------------------------------------------

    def view(self) -> View:
        self._is_endpoint()
        self._virtual_function()
        if self._standard():
            self._extended()
        self._access()
        self._base_addresses()
        value = bytes(
            shadow & mask | live & ~mask & 0xFF
            for shadow, mask, live in zip(self.shadow, self.emulated, self.device, strict=True)
        )
        config = ConfigSpace(
            value=value,
            emulated=bytes(self.emulated),
            writable=bytes(self.writable),
            w1c=bytes(self.size),
            forwarded=bytes(self.forwarded),
            compared=bytes(self.size),
        )
        if self.size < len(self.hardware.value):
            text = f"gives access to {self.size:#x} of the {len(self.hardware.value):#x} bytes"
            self.say(self.size, len(self.hardware.value) - self.size, text, "pci_cfg_space_size")
        return View(config, tuple(sorted(self.changes)))

    def _is_endpoint(self) -> None:
        kind = self.device[HEADER_TYPE] & ~MULTIFUNCTION
        if kind:
            text = f"the header type is {kind:#x}, a bridge's: vfio-pci takes endpoints alone"
            rule = "vfio_pci_core_register_device: the driver does not bind to the device"
            raise KernelError(HEADER_TYPE, text, rule)

    def _virtual_function(self) -> None:
        ids = self.hardware.ids
        if self.hardware.virtual:
            if ids is not None:
                self.shadow[0:4] = ids[0].to_bytes(2, "little") + ids[1].to_bytes(2, "little")
                self.say(0, 4, f"shows {ids[0]:04x}:{ids[1]:04x}: the registers of a VF read ffff", "vfio_config_init")
            self.shadow[COMMAND] |= MEMORY_ENABLE
            self.say(COMMAND, 1, "shows memory as enabled: a VF has no such bit", "vfio_basic_config_read")
        vendor, device = number(self.shadow, 0, 2), number(self.shadow, 2, 2)
        if self.shadow[INTERRUPT_PIN] and (self.hardware.virtual or self.facts.has_no_intx(vendor, device)):
            self.shadow[INTERRUPT_PIN] = 0
            self.say(INTERRUPT_PIN, 1, "shows no interrupt pin: INTx of this function is not used", "vfio_config_init")

    def _standard(self) -> bool:
        """Walk the standard chain (vfio_cap_init); whether the extended one is to be walked."""
        if not self.device[STATUS] & CAP_LIST:
            return False
        before, position = CAP_POINTER, self.device[CAP_POINTER]
        found, extended = 0, False
        for _ in range(_MOST_STANDARD):
            if not position:
                break
            if position + 1 >= self.size:
                raise KernelError(position, self._beyond(position))
            own, following = self.device[position], self.device[position + 1]
            length = self._standard_length(own, position)
            if lengths.starts_extended_space(self.device, own, position):
                extended = self.size > PCI_SIZE and number(self.device, PCI_SIZE, 4) != 0
            if not length:
                self.shadow[before] = following
                where = f"at {position:#x}: the pointer at {before:#x} leads to {following:#x}"
                self.say(before, 1, f"unlinks capability {own:#04x} {where}", "vfio_cap_init")
            else:
                self._claim(own, position, length)
                if own == PM:
                    self._start_at_zero("pm", position)
                before, found = position + 1, found + 1
            position = following
        if not found:
            self.shadow[STATUS] &= ~CAP_LIST & 0xFF
            self.say(STATUS, 1, "shows no capability list: nothing of it is left", "vfio_cap_init")
        return extended

    def _beyond(self, position: int) -> str:
        if self.size < PCI_SIZE and self.size == len(self.hardware.value):
            return f"only {self.size} bytes were captured, and a pointer leads to {position:#x}: capture it as root"
        return f"a pointer leads to {position:#x}, to the end of the space"

    def _standard_length(self, own: int, position: int) -> int:
        if own > self.facts.last_standard:
            return 0
        length = lengths.standard(self.facts, self.version, self.device, own, position, self.express)
        if own in _WORDS and position % 2:
            name = self.facts.name(own, extended=False)
            raise KernelError(position, f"the {name} capability at {position:#x} is not aligned: opening fails")
        if own == MSI and self.msi_control is None:
            self.msi_control = number(self.device, position + 2, 2)
        return length

    def _extended(self) -> None:
        """Walk the extended chain (vfio_ecap_init)."""
        before: int | None = None
        position, found = PCI_SIZE, 0
        for _ in range((self.size - PCI_SIZE) // 4):
            if position < PCI_SIZE:
                break
            if position >= self.size:
                raise KernelError(position, f"a pointer leads to {position:#x}, behind the {self.size:#x} bytes in use")
            header = number(self.device, position, 4)
            own, following = header & 0xFFFF, header >> 20 & 0xFFC
            length = 0
            if own <= self.facts.last_extended:
                length = lengths.extended(self.facts, self.version, self.device, own, position)
            if not length and before is not None:
                held = number(self.shadow, before, 4) & ~NEXT_MASK & _ONES | following << 20
                self.shadow[before : before + 4] = held.to_bytes(4, "little")
                where = f"at {position:#x}: the header at {before:#x} leads to {following:#x}"
                self.say(before, 4, f"unlinks extended capability {own:#06x} {where}", "vfio_ecap_init")
                position = following
                continue
            hidden = not length
            self._claim(own & 0xFF, position, length or 4)
            if hidden:
                held = number(self.shadow, position, 4) & NEXT_MASK
                self.shadow[position : position + 4] = held.to_bytes(4, "little")
                text = f"keeps the pointer of extended capability {own:#06x}, the first one, and hides its id"
                self.say(position, 4, text, "vfio_ecap_init")
            found += not hidden
            before, position = position, following
        if not found:
            self.shadow[PCI_SIZE : PCI_SIZE + 4] = bytes(4)
            self.say(PCI_SIZE, 4, "shows no extended capability: nothing of the list is left", "vfio_ecap_init")

    def _claim(self, owner: int, position: int, length: int) -> None:
        end = position + length
        if end > self.size:
            raise KernelError(
                position,
                f"capability {owner:#04x} at {position:#x} is {length:#x} bytes long and ends outside the space",
            )
        if position < HEADER_END:
            text = f"takes registers of the header for those of capability {owner:#04x} at {position:#x}"
            self.say(position, min(end, HEADER_END) - position, text, "vfio_cap_init")
        self.map[position:end] = bytes([owner]) * length
        self.shadow[position:end] = self.device[position:end]

    def _start_at_zero(self, name: str, position: int) -> None:
        for row in self.facts.registers(name, self.version):
            if row.zero:
                at = position + row.at
                held = number(self.shadow, at, row.size) & ~row.zero
                self.shadow[at : at + row.size] = held.to_bytes(row.size, "little")

    # -- vfio_pci_config_rw_single ---------------------------------------------------------------------------------

    def _access(self) -> None:
        for position, count in self._pieces():
            self._piece(position, count)
        for first, length, why in self._explained():
            changed = any(
                (self.shadow[at] ^ self.device[at]) & self.emulated[at] for at in range(first, first + length)
            )
            if changed:
                self.say(first, length, f"answers in part: {why}", "init_pci_cap_perm")

    def _pieces(self) -> Iterator[tuple[int, int]]:
        """Dword accesses as the kernel chops them: aligned, and inside one capability."""
        position = 0
        while position < self.size:
            same = 1
            while (position + same) % 4 and self.map[position + same] == self.map[position]:
                same += 1
            count = 4 if same >= 4 else 2 if same >= 2 and position % 2 == 0 else 1
            yield position, count
            position += count

    def _start(self, position: int) -> int:
        """Where the capability of a byte begins: neighbours of one id count as one (vfio_find_cap_start)."""
        owner, lowest = self.map[position], PCI_SIZE if position >= PCI_SIZE else HEADER_END
        if owner == _BASIC:
            return 0
        while position - 1 >= lowest and self.map[position - 1] == owner:
            position -= 1
        return position

    def _piece(self, position: int, count: int) -> None:
        owner = self.map[position]
        end = position + count
        if owner == _RAW:
            self.forwarded[position:end] = b"\xff" * count
            return
        if owner == _VIRTUAL:
            self.emulated[position:end] = self.writable[position:end] = b"\xff" * count
            return
        extended = position >= PCI_SIZE
        offset = position - self._start(position)
        header = owner == _BASIC and not extended
        access = self.facts.access(owner, self.version, extended=extended, header=header)
        if access is Access.TABLE:
            name = "header" if header else self.facts.name(owner, extended=extended)
            for at in range(count):
                self._table(name, offset + at, position + at)
            return
        if extended:
            answered = count if offset < 4 else 0
        elif position < HEADER_END:
            answered = 0
        else:
            answered = min(2, count) if offset == 0 and count > 1 else int(offset == 1)
        self.emulated[position : position + answered] = b"\xff" * answered
        if access is Access.RAW_WRITE:
            self.forwarded[position:end] = b"\xff" * count

    def _table(self, name: str, offset: int, position: int) -> None:
        for row in self._rows(name):
            if row.at <= offset < row.at + row.size:
                shift = 8 * (offset - row.at)
                shadow, write, passes = (mask >> shift & 0xFF for mask in (row.shadow, row.write, row.passes))
                self.emulated[position] |= shadow
                self.writable[position] |= shadow & write
                self.forwarded[position] |= write & ~shadow & 0xFF | passes
                zero = row.zero >> shift & 0xFF
                self.shadow[position] &= ~zero & 0xFF
        if self.hardware.virtual and name == "header" and offset == COMMAND:
            self.emulated[position] |= MEMORY_ENABLE
            self.writable[position] |= MEMORY_ENABLE

    def _rows(self, name: str) -> Sequence[lengths.Row]:
        rows = self.facts.registers(name, self.version)
        if name == "msi" and self.msi_control is not None:
            return (*rows, *lengths.msi_rows(self.msi_control))
        return rows

    def _explained(self) -> Iterator[tuple[int, int, str]]:
        """(first byte, bytes, why) of every register with a reason to be told."""
        for position in range(self.size):
            owner = self.map[position]
            if owner in (_RAW, _VIRTUAL) or (position >= HEADER_END and self._start(position) != position):
                continue
            if 0 < position < HEADER_END:
                continue
            extended = position >= PCI_SIZE
            name = "header" if position == 0 else self.facts.name(owner, extended=extended)
            for row in self.facts.registers(name, self.version):
                if row.why and position + row.at + row.size <= self.size:
                    yield position + row.at, row.size, row.why

    # -- vfio_bar_fixup --------------------------------------------------------------------------------------------

    def _base_addresses(self) -> None:
        before = bytes(self.shadow[:HEADER_END])
        rows = (self.shadow, self.emulated, self.writable)
        taken = {at: [row[at] for row in rows] for at in range(BARS, ROM + 4) if self.map[at] != _BASIC}
        self.emulated[BARS:BARS_END] = b"\xff" * (BARS_END - BARS)
        held = bytes(self.shadow[BARS:BARS_END])
        self.shadow[BARS:BARS_END] = bytes(BARS_END - BARS)
        for bar in self.hardware.bars:
            if bar.index < ROM_INDEX:
                self._bar(bar, held)
        self.emulated[ROM : ROM + 4] = b"\xff" * 4
        rom = next((bar for bar in self.hardware.bars if bar.index == ROM_INDEX), None)
        # One of unknown size counts as the smallest. What QEMU sizes must not depend on where the host had put it.
        mask = _ONES & -(rom.size or _ROM_LEAST) | _ROM_ENABLE if rom is not None else 0
        value = number(self.shadow, ROM, 4) & mask
        self.shadow[ROM : ROM + 4] = value.to_bytes(4, "little")
        self.writable[ROM : ROM + 4] = mask.to_bytes(4, "little")
        for at, octets in taken.items():  # by a capability that stands in the header
            for row, octet in zip(rows, octets, strict=True):
                row[at] = octet
        for first, length, what in ((BARS, BARS_END - BARS, "the BARs"), (ROM, 4, "the expansion ROM")):
            if before[first : first + length] != self.shadow[first : first + length]:
                self.say(
                    first,
                    length,
                    f"has registers of its own for {what}: size and kind are those that it found",
                    "vfio_bar_fixup",
                )

    def _bar(self, bar: Bar, held: bytes) -> None:
        at = bar.offset - BARS
        flags = {BarKind.IO: _BAR_IO, BarKind.MEM64: _BAR_WIDE}.get(bar.kind, 0) | _BAR_PREFETCH * bar.prefetchable
        size = 8 if bar.kind is BarKind.MEM64 else 4
        # Without a known size the register is shown as it was captured.
        mask = (1 << 8 * size) - (bar.size or 16)
        value = int.from_bytes(held[at : at + size], "little") & mask | flags
        self.shadow[bar.offset : bar.offset + size] = value.to_bytes(size, "little")
        self.writable[bar.offset : bar.offset + size] = (mask if bar.size else 0).to_bytes(size, "little")
