"""What is known of QEMU's vfio-pci and of Linux below it (`schemas/stacks/`), and what follows for one function."""

from __future__ import annotations

from ...diagnostics import Report, Span
from ...ir import Function, Kind, Origin, Structure
from ...stack.linux.facts import linux
from ...stack.qemu.facts import qemu, release
from ..artifact import Options

PCIE = 0x10
VNDR = 0x09  # the one capability whose body QEMU does not compare (skip-vsc-check)
ATS, REBAR, PASID = 0x0F, 0x15, 0x1B
PORT, ROOT, CONVENTIONAL = "port", "root", "conventional"
_P2P = b"P2P"


class Case:
    """A function and the release that must show it, with what several rules and the emitter ask."""

    def __init__(self, function: Function, options: Options, report: Report | None = None) -> None:
        self.function = function
        self.options = options
        self.version = options.qemu_version
        self.report = report or Report()
        self.qemu = qemu()
        self.linux = linux()
        own = function.physical.structures if function.physical else ()
        # What the device has itself: all that is not synthesized, and what the layout says of the device.
        standard = {s.id for s in function.structures if s.kind is Kind.STANDARD and s.source is not Origin.SYNTHESIZED}
        standard |= {number for kind, number, _, _ in own if kind is Kind.STANDARD}
        self.linux_parses_extended = bool(standard & self.linux.parses_extended_below)
        self.qemu_walks = bool(standard & self.linux.visible[Kind.STANDARD])
        self._empty = {
            s.offset
            for s in function.structures
            if (s.kind, s.id, s.source) == (Kind.STANDARD, VNDR, Origin.COPIED) and not self.number(s.offset + 2, 1)
        }

    @property
    def name(self) -> str:
        """The release in words: QEMU 11.1."""
        return f"QEMU {release(self.version)}"

    @property
    def driver(self) -> str:
        """The VFIO driver below, as modules are not called: vfio-pci."""
        physical = self.function.physical
        return physical.driver.replace("_", "-") if physical else "vfio-pci"

    @property
    def is_denied(self) -> bool:
        """Whether the driver does not take the device unless it is told to."""
        own = self.function.physical.ids if self.function.physical else {}
        vendor, device = (own.get(key, self.number(at, 2)) for key, at in (("vendor", 0), ("device", 2)))
        return self.driver == "vfio-pci" and self.linux.is_denied(vendor, device, self.linux.newest)

    def number(self, offset: int, size: int) -> int:
        """`size` bytes of the image at `offset`."""
        return self.function.config.number("value", offset, size)

    def has(self, option: str) -> bool:
        """Whether the release has an option, object or behaviour."""
        return self.version >= self.qemu.since[option]

    def demand(self, option: str, span: Span, what: str) -> None:
        """Report VPCI1811 where the release lacks `option`, by which it would do `what`."""
        if not self.has(option):
            since = release(self.qemu.since[option])
            self.report.add(
                "VPCI1811",
                span,
                f"{self.name} cannot {what}: that needs QEMU {since} or newer",
                note=f"'{option}' came with QEMU {since}",
                help=f"run QEMU {since} or newer, and compile for it",
            )

    @property
    def express(self) -> Structure | None:
        """The device's PCI Express capability."""
        rows = self.function.structures
        return next(
            (s for s in rows if (s.kind, s.id) == (Kind.STANDARD, PCIE) and s.source is not Origin.SYNTHESIZED), None
        )

    @property
    def express_is_hidden(self) -> bool:
        """Whether QEMU unlinks the PCI Express capability because of where the function sits."""
        guest, express = self.function.guest, self.express
        if express is None:
            return False
        if guest.place == CONVENTIONAL:
            return guest.bus > 0  # below an express root; on a machine that is conventional all the way it stays
        return guest.place == ROOT and (self.number(express.offset + 2, 1) >> 4) == 1

    def hider(self, kind: Kind, number: int, offset: int, *, told: bool = False) -> str:
        """Who unlinks a structure of the device: "Linux vfio-pci", "QEMU", or "" where the guest gets to see it.

        `told`: QEMU is given the option that hides it, where there is one.
        """
        if kind is Kind.STANDARD:
            if number not in self.linux.visible[kind] or offset in self._empty:
                return "Linux vfio-pci"
            return "QEMU" if number == PCIE and self.express_is_hidden else ""
        if kind is not Kind.EXTENDED:
            return ""
        if self.linux_parses_extended and number not in self.linux.visible[kind]:
            return "Linux vfio-pci"
        rule = self.qemu.hide(number, self.version) if self.qemu_walks else None
        return "QEMU" if rule and (told or not rule.option) else ""

    def shows(self, number: int, source: Origin) -> Structure | None:
        """The first extended structure with this id and source."""
        rows = self.function.structures
        return next((s for s in rows if (s.kind, s.id, s.source) == (Kind.EXTENDED, number, source)), None)

    def extended_chain(self) -> list[int]:
        """Offsets of the extended chain as the guest walks it; ends at a loop."""
        found: list[int] = []
        offset = 0x100
        while 0x100 <= offset < self.function.config.size and offset not in found:
            found.append(offset)
            offset = self.number(offset, 4) >> 20 & 0xFFC
        return found


def is_gpudirect(function: Function, structure: Structure) -> bool:
    """Whether a structure is the GPUDirect P2P clique capability: a vendor capability with "P2P" in bytes 3..5."""
    if structure.kind is not Kind.STANDARD or structure.id != VNDR:
        return False
    named = structure.capability is not None and structure.capability.name == "gpudirect"
    return named or function.config.value[structure.offset + 3 : structure.offset + 6] == _P2P


def clique(function: Function, structure: Structure) -> int:
    """The clique of a GPUDirect capability, 0..15 (bits 6..3 of the word at 6)."""
    return function.config.number("value", structure.offset + 6, 2) >> 3 & 0xF
