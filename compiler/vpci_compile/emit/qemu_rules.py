"""What QEMU's vfio-pci on Linux cannot show: each such thing is an error, never a silently different function."""

from __future__ import annotations

import re

from ..diagnostics import Report, Span
from ..ir import BarKind, Function, Kind, Origin, Structure, Style
from . import qemu_facts
from .artifact import Options
from .qemu_facts import release

MSI, PCIE, MSIX, VNDR = 0x05, 0x10, 0x11, 0x09
ATS, REBAR, PASID = 0x0F, 0x15, 0x1B
PORT, ROOT, CONVENTIONAL = "port", "root", "conventional"
_CONVENTIONAL_BYTES = 256
_GPUDIRECT_BYTES = 8
_P2P = b"P2P"
_HOST = re.compile(r"([0-9a-fA-F]{4,8}):[0-9a-fA-F]{2}:[01][0-9a-fA-F]\.[0-7]")
_UNLINKED_WAY_OUT = "style: unlinked, if the guest may find its bytes at the old offset"
_NO_TARGET = "targets: [] for the image and its header alone"


def check(function: Function, options: Options, report: Report) -> None:
    """Report everything in `function` that QEMU `options.qemu_version`, with Linux vfio-pci below it, cannot show.

    Reports VPCI1810..1829 (facts: schemas/targets/).
    """
    case = Case(function, options, report)
    _check_device(case)
    _check_place(case)
    for structure in function.structures:
        if structure.kind is Kind.HEADER:
            continue
        match structure.source:
            case Origin.SYNTHESIZED:
                _check_synthesized(case, structure)
            case Origin.HIDDEN:
                _check_hidden(case, structure)
            case Origin.COPIED:
                _check_copied(case, structure)
    _check_left_out(case)
    _check_bars(case)
    _check_ids(case)
    _check_nodes(case)


class Case:
    """A function and the release that must show it, with what several rules and the emitter ask."""

    def __init__(self, function: Function, options: Options, report: Report | None = None) -> None:
        self.function = function
        self.options = options
        self.version = options.qemu_version
        self.report = report or Report()
        self.qemu = qemu_facts.qemu()
        self.linux = qemu_facts.linux()
        own = function.physical.structures if function.physical else ()
        # What the device has itself: all that is not synthesized, and what the layout says of the device.
        standard = {s.id for s in function.structures if s.kind is Kind.STANDARD and s.source is not Origin.SYNTHESIZED}
        standard |= {number for kind, number, _, _ in own if kind is Kind.STANDARD}
        self.linux_parses_extended = bool(standard & self.linux.parses_extended_below)
        self.qemu_walks = bool(standard & self.linux.visible[Kind.STANDARD])

    @property
    def name(self) -> str:
        """ "QEMU 11.1"."""
        return f"QEMU {release(self.version)}"

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
                help=f"run QEMU {since} or newer, and say so by --qemu",
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

    def hider(self, kind: Kind, number: int, offset: int) -> str:
        """Who unlinks a structure of the device: "Linux vfio-pci", "QEMU", or "" where the guest gets to see it."""
        if kind is Kind.STANDARD:
            if number not in self.linux.visible[kind] or (number == VNDR and self.number(offset + 2, 1) == 0):
                return "Linux vfio-pci"
            return "QEMU" if number == PCIE and self.express_is_hidden else ""
        if kind is not Kind.EXTENDED:
            return ""
        if self.linux_parses_extended and number not in self.linux.visible[kind]:
            return "Linux vfio-pci"
        return "QEMU" if self.qemu_walks and self.qemu.hide(number, self.version) else ""

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


# -- the function as a whole ---------------------------------------------------------------------------------------


def _check_device(case: Case) -> None:
    function, report = case.function, case.report
    copied = any(s.source is not Origin.SYNTHESIZED for s in function.structures if s.kind is not Kind.HEADER)
    if function.physical is None and not copied and not any(b.source is Origin.COPIED for b in function.bars):
        report.add(
            "VPCI1822",
            function.origin,
            "vfio-pci needs a device, and nothing of this function is one's",
            help=[f"physical: {{driver: ...}} if there is a device; else {_NO_TARGET}"],
        )
    header_type = case.number(0x0E, 1) & 0x7F
    if header_type:
        report.add(
            "VPCI1822",
            _header_span(function, "header_type", "layout"),
            f"a type {header_type} header: Linux vfio-pci takes functions with a type 0 header only",
            note=f"Linux {case.linux.release} vfio_pci_core_register_device refuses bridges",
            help=_NO_TARGET,
        )
    case.demand("json", function.origin, "be given a device in JSON")
    if not _HOST.fullmatch(case.options.host_address):
        report.add(
            "VPCI1824",
            function.origin,
            f"host address {case.options.host_address!r} is not a PCI address",
            help="domain:bus:device.function in hex, as 'lspci -D' prints it: 0000:01:00.0",
        )


def _header_span(function: Function, register: str, field: str = "") -> Span:
    for structure in function.structures:
        if structure.kind is Kind.HEADER:
            return structure.origin_of(register, field or register)
    return function.origin


def _check_place(case: Case) -> None:
    guest, report, origin = case.function.guest, case.report, case.function.origin
    where = f"{guest.segment:04x}:{guest.bus:02x}:{guest.device:02x}.{guest.function}"

    def refuse(why: str, way_out: str) -> None:
        report.add("VPCI1823", origin, f"guest address {where} on a '{guest.place}' place: {why}", help=way_out)

    if guest.segment:
        refuse("QEMU has segment 0 only", "leave the segment out of guest.address")
    if guest.place == PORT:
        if guest.bus == 0:
            refuse("bus 00 is the root bus, a bus behind a port has a higher number", "address: 01:00.0")
        if guest.device:
            refuse("a port leads to device 00 alone", f"address: {guest.bus:02x}:00.{guest.function}")
    elif guest.place == ROOT:
        if guest.bus:
            refuse("the root bus is bus 00", f"address: 00:{guest.device or 4:02x}.{guest.function}")
    elif case.function.config.size > _CONVENTIONAL_BYTES:
        report.add(
            "VPCI1823",
            origin,
            f"on a conventional bus a guest reaches {_CONVENTIONAL_BYTES} bytes of configuration space, "
            f"the layout has {case.function.config.size}",
            help="place: port, or config_size: 256 and no extended capabilities",
        )
    if guest.place != PORT and guest.bus == 0 and guest.device == 0:
        refuse("the host bridge of QEMU's machines is there", "address: 00:04.0")


def _check_nodes(case: Case) -> None:
    function, qemu = case.function, case.qemu
    guest = function.guest
    if not guest.initiators:
        return
    case.demand("acpi-generic-initiator", function.origin, "make a function an ACPI generic initiator")
    if case.has("acpi-generic-initiator") and not case.has("generic-initiator-byte-order"):
        case.report.add(
            "VPCI1825",
            function.origin,
            f"{case.name} writes bus and device of a generic initiator in the wrong order",
            note="fixed in QEMU 9.2 and in late releases of 9.0 and 9.1; a guest then finds no device at the address",
            help="run QEMU 9.2 or newer, or a 9.0.x or 9.1.x that has the fix",
        )
    if guest.first_node is None:
        case.report.add(
            "VPCI1827",
            function.origin,
            f"{guest.initiators} NUMA nodes, and no number for the first one",
            help="guest: {first_node: 1}",
        )
    elif guest.first_node + guest.initiators > qemu.nodes:
        last = guest.first_node + guest.initiators - 1
        case.report.add(
            "VPCI1827",
            function.origin,
            f"NUMA nodes {guest.first_node}..{last}: QEMU has nodes 0..{qemu.nodes - 1}",
            help=f"guest: {{first_node: N}} with N at most {qemu.nodes - guest.initiators}",
        )


# -- structures ----------------------------------------------------------------------------------------------------


def _check_synthesized(case: Case, structure: Structure) -> None:
    from . import qemu_synthesis

    if structure.kind is Kind.EXTENDED and structure.id == PASID:
        qemu_synthesis.check_pasid(case, structure)
    elif is_gpudirect(case.function, structure):
        qemu_synthesis.check_gpudirect(case, structure)
    else:
        remade = structure.kind is Kind.STANDARD and structure.id in (MSI, MSIX)
        case.report.add(
            "VPCI1810",
            structure.origin,
            f"QEMU cannot synthesize {_a(structure)} at {structure.offset:#x}",
            note="QEMU's vfio-pci builds two structures of its own: PASID, and NVIDIA's GPUDirect clique capability",
            help="source: copied (QEMU makes it anew from the device's own)" if remade else _NO_TARGET,
        )
