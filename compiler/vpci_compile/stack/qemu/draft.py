"""The configuration space that QEMU is building for a guest, while it builds it."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir import Bar, ConfigSpace
from ..chains import Place, standard_chain
from ..layers import Change, View
from ..pci import PCI_SIZE
from .compared import Masks
from .facts import qemu
from .options import QemuOptions, check, relocate

DWORD = 0xFFFFFFFF


class Draft:
    """What QEMU finds (`image`, with its `chain`), what it was told, and what it has made of both so far.

    `value` to `w1c` are the planes of the guest's configuration space, `masks` what QEMU compares of it, `changes` what
    it changed and why, `made` (offset, length, name) the structures that it adds.

    Raises:
        OptionError: QEMU refuses an option.
    """

    def __init__(self, below: ConfigSpace, bars: Sequence[Bar], place: Place, options: QemuOptions) -> None:
        self.image = below
        self.options = options
        self.place = place
        self.value = bytearray(below.value)
        self.emulated = bytearray(below.emulated)
        self.writable = bytearray(a & b for a, b in zip(below.writable, below.emulated, strict=True))
        self.w1c = bytearray(below.w1c)
        self.masks = Masks(below.size)
        self.changes: list[Change] = []
        self.made: list[tuple[int, int, str]] = []
        self.chain = standard_chain(below.value)
        check(options)
        self.relocated = relocate(options, below.value, bars, self.chain)
        self.bars = self.relocated.bars if self.relocated is not None else bars
        self._known = "executed" if qemu().is_executed(options.version) else "read"

    def put(self, offset: int, size: int, mask: int, value: int, writable: int = 0) -> bool:
        """QEMU answers the bits of `mask`; whether the guest finds other values in them than before."""
        size = min(size, len(self.value) - offset)
        if size <= 0:
            return False
        end, before = offset + size, self.value[offset : offset + size]
        for target, bits in ((self.value, value), (self.emulated, mask), (self.writable, writable), (self.w1c, 0)):
            old = int.from_bytes(target[offset:end], "little")
            target[offset:end] = ((old & ~mask | bits & mask) & (1 << 8 * size) - 1).to_bytes(size, "little")
        return self.value[offset:end] != before

    def say(self, offset: int, length: int, text: str, rule: str) -> None:
        """QEMU did `text` to these bytes; `rule` is the function of QEMU that does so."""
        self.changes.append(Change(offset, f"QEMU {text}", f"{rule}, {self._known}", length))

    def view(self) -> View:
        """What the guest finds of it at its place: of a conventional bus it sees 256 bytes."""
        size = min(self.image.size, PCI_SIZE) if self.place is Place.CONVENTIONAL else self.image.size
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
