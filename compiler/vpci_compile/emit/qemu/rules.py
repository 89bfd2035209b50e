"""What QEMU's vfio-pci on Linux cannot show: each such thing is an error, never a silently different function."""

from __future__ import annotations

import re

from ...diagnostics import Report, Span
from ...ir import ROM_INDEX, Bar, Function, Kind, Origin, Structure, Style
from ..artifact import Options
from . import synthesis as qemu_synthesis
from .facts import CONVENTIONAL, PASID, PCIE, PORT, REBAR, ROOT, Case, is_gpudirect
from .kernel import check_chains, check_migration, check_read_as_zero

_MSI, _MSIX, _ATS = 0x05, 0x11, 0x0F
_CONVENTIONAL_BYTES = 256
_HOST = re.compile(r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[01][0-9a-fA-F]\.[0-7]")
_NO_TARGET = "targets: [] for the image and its header alone"


def check(function: Function, options: Options, report: Report) -> None:
    """Report everything in `function` that QEMU `options.qemu_version`, with Linux vfio-pci below it, cannot show.

    Reports VPCI1810..1827 (facts: schemas/stacks/).
    """
    case = Case(function, options, report)
    if not _check_device(case):
        return
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
    check_migration(case)
    check_chains(case)


# -- the function as a whole ---------------------------------------------------------------------------------------


def _check_device(case: Case) -> bool:
    function, report = case.function, case.report
    copied = any(s.source is not Origin.SYNTHESIZED for s in function.structures if s.kind is not Kind.HEADER)
    if function.physical is None and not copied and not any(b.source is Origin.COPIED for b in function.bars):
        report.add(
            "VPCI1822",
            function.origin,
            "vfio-pci needs a device, and nothing of this function is one's",
            help=f"physical: {{driver: vfio-pci}} if there is a device; else {_NO_TARGET}",
        )
        return False
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
    return True


def _header_span(function: Function, register: str, field: str = "") -> Span:
    for structure in function.structures:
        if structure.kind is Kind.HEADER:
            return structure.origin_of(register, field or register)
    return function.origin


def _check_place(case: Case) -> None:
    guest, report, origin = case.function.guest, case.report, case.function.origin
    where = f"{guest.segment:04x}:{guest.bus:02x}:{guest.device:02x}.{guest.function}"

    def refuse(why: str, way_out: str) -> None:
        report.add("VPCI1823", origin, f"guest address {where}, place '{guest.place}': {why}", help=way_out)

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
            "VPCI1826",
            function.origin,
            f"{guest.initiators} NUMA nodes, and no number for the first one",
            help="guest: {first_node: 1}",
        )
    elif guest.first_node + guest.initiators > qemu.nodes:
        last = guest.first_node + guest.initiators - 1
        case.report.add(
            "VPCI1826",
            function.origin,
            f"NUMA nodes {guest.first_node}..{last}: QEMU has nodes 0..{qemu.nodes - 1}",
            help=f"guest: {{first_node: N}} with N at most {qemu.nodes - guest.initiators}",
        )


# -- structures ----------------------------------------------------------------------------------------------------


def _check_synthesized(case: Case, structure: Structure) -> None:
    if structure.kind is Kind.EXTENDED and structure.id == PASID:
        qemu_synthesis.check_pasid(case, structure)
    elif is_gpudirect(case.function, structure):
        qemu_synthesis.check_gpudirect(case, structure)
    else:
        remade = structure.kind is Kind.STANDARD and structure.id in (_MSI, _MSIX)
        case.report.add(
            "VPCI1810",
            structure.origin,
            f"QEMU cannot synthesize '{structure.name}' at {structure.offset:#x}",
            note="QEMU's vfio-pci builds two structures of its own: PASID, and NVIDIA's GPUDirect clique capability",
            help="source: copied (QEMU makes it anew from the device's own)" if remade else _NO_TARGET,
        )


def _check_hidden(case: Case, structure: Structure) -> None:
    at = f"'{structure.name}' at {structure.offset:#x}"
    if structure.style is Style.ZEROED:
        case.report.add(
            "VPCI1815",
            structure.origin,
            f"{at} is to read as zero: QEMU and Linux only unlink",
            note="no pointer leads to a hidden structure any more, and its bytes stay where they were",
            help="style: unlinked, if the guest may find the bytes at their offset",
        )
    if case.hider(structure.kind, structure.id, structure.offset, told=True):
        return
    if structure.kind is Kind.EXTENDED and structure.id == _ATS and case.qemu_walks:
        case.demand("ats", structure.origin, f"hide {at}")
        return
    case.report.add(
        "VPCI1814",
        structure.origin,
        f"{at} is hidden, and neither Linux vfio-pci nor {case.name} hides it",
        note=_why_shown(case, structure),
        help=f"source: copied, as the guest sees it; or {_NO_TARGET}",
    )


def _why_shown(case: Case, structure: Structure) -> str:
    if structure.kind is Kind.EXTENDED:
        if not case.qemu_walks:
            return "QEMU leaves the extended chain alone where the device has no standard capability"
        if not case.linux_parses_extended:
            return "Linux parses the extended chain only of a device with a PCI Express or PCI-X capability"
        if structure.id == REBAR:
            return "QEMU 4.1 to 8.0 hide it; from 8.1 on it is shown with the current size alone"
        return "QEMU hides SR-IOV and ARI, and from 11.1 on ATS; Linux the ids that it does not know how to share"
    if structure.id == PCIE:
        return "QEMU hides it from a legacy endpoint on the root bus, and on a conventional bus below an express root"
    return "QEMU hides no standard capability by its id; Linux those that it does not know how to share"


def _check_copied(case: Case, structure: Structure) -> None:
    if structure.kind is Kind.STANDARD and structure.id == PCIE:
        _check_express(case, structure)
        return
    who = case.hider(structure.kind, structure.id, structure.offset)
    if who:
        synthesized = structure.kind is Kind.EXTENDED and structure.id == PASID
        case.report.add(
            "VPCI1817" if who == "QEMU" else "VPCI1816",
            structure.origin,
            f"'{structure.name}' at {structure.offset:#x} is copied, and {who} hides it from every guest",
            note=f"{who} unlinks {structure.kind} capability {structure.id:#04x}",
            help="source: synthesized, QEMU 11.0 can" if synthesized else "source: hidden, style: unlinked",
        )
    elif structure.kind is Kind.EXTENDED and structure.id == REBAR:
        _check_resizable(case, structure)
    check_read_as_zero(case, structure)


def _check_express(case: Case, structure: Structure) -> None:
    guest, offset = case.function.guest, structure.offset
    number, version = case.number(offset + 2, 1) >> 4, case.number(offset + 2, 1) & 0xF
    span = structure.origin_of("flags", "type")
    if number not in case.qemu.types:
        case.report.add(
            "VPCI1818",
            span,
            f"PCI Express type {number}: QEMU refuses such a device",
            note=f"'assignment of PCIe type {number:#x} devices is not currently supported'",
            help=_NO_TARGET,
        )
    elif case.express_is_hidden and guest.place == CONVENTIONAL:
        case.report.add(
            "VPCI1818",
            span,
            "on a conventional bus below an express root QEMU shows no PCI Express capability",
            help="source: hidden, style: unlinked; or place: port",
        )
    elif (guest.place, number) in case.qemu.rewrites:
        case.report.add(
            "VPCI1818",
            span,
            f"PCI Express type {number}, place '{guest.place}': QEMU shows {case.qemu.rewrites[guest.place, number]}",
            help=[f"place: {ROOT if guest.place == PORT else PORT}, or describe what QEMU shows"],
        )
    if version == 0:
        case.report.add(
            "VPCI1818",
            structure.origin_of("flags", "version"),
            "PCI Express capability version 0: QEMU shows 1",
            help="fields: {flags.version: 1}",
        )


def _check_resizable(case: Case, structure: Structure) -> None:
    for index in range(case.number(structure.offset + 8, 1) >> 5):
        capability, control = (case.number(structure.offset + at + 8 * index, 4) for at in (4, 8))
        sizes = capability >> 4 | control >> 16 << 28
        current = control >> 8 & 0x3F
        if sizes and sizes != 1 << current:  # 0: the layout does not say
            case.report.add(
                "VPCI1817",
                structure.origin_of(f"cap{index}", "sizes"),
                f"resizable BAR {control & 7} offers several sizes: QEMU shows the current one alone",
                note="QEMU 8.1 and newer rewrite the capability so that a guest cannot resize",
                help=f"let its supported sizes be bit {current + 4} alone",
            )


def _check_left_out(case: Case) -> None:
    function = case.function
    own = function.physical.structures if function.physical else ()
    named = {(s.kind, s.offset) for s in function.structures if s.source is not Origin.SYNTHESIZED}
    for kind, number, offset, _ in own:
        if kind in (Kind.STANDARD, Kind.EXTENDED) and (kind, offset) not in named:
            if case.hider(kind, number, offset):
                continue
            case.report.add(
                "VPCI1827",
                function.origin,
                f"the device's {kind} capability {number:#04x} at {offset:#x} is not in the layout, and QEMU shows it",
                note="QEMU's guest sees every structure of the device that nothing hides",
                help="add it with source: copied",
            )


# -- BARs, regions, ids --------------------------------------------------------------------------------------------


def _check_bars(case: Case) -> None:
    function = case.function
    driver = case.linux.driver(function.physical.driver if function.physical else "vfio-pci")
    for bar in function.bars:
        if bar.source is not Origin.SYNTHESIZED:
            continue
        made = driver.bars.get(bar.index)
        if made is None:
            makers = [one.name for one in case.linux.drivers.values() if bar.index in one.bars]
            case.report.add(
                "VPCI1819",
                bar.origin,
                f"{_bar(bar)} is synthesized, and the driver '{driver.name}' makes none",
                note="QEMU shows the BARs that the VFIO driver reports and cannot add one",
                help=[f"physical: {{driver: {name}}}" for name in makers] or _NO_TARGET,
            )
            continue
        for difference in made.differences(bar):
            case.report.add("VPCI1819", bar.origin, f"{_bar(bar)}: the driver '{driver.name}' makes it {difference}")
    for region in function.regions:
        key = (region.type, region.subtype)
        why = case.linux.regions.get(key) or case.linux.regions.get((region.type, None))
        case.report.add(
            "VPCI1820",
            region.origin,
            f"no QEMU maps device-specific region {region.type:#x} subtype {region.subtype:#x} in place of BAR "
            f"{region.instead_of}",
            note=why or f"Linux {case.linux.release} has such regions for Intel graphics alone",
            help="describe a BAR with 'backing' (the driver then makes it), or " + _NO_TARGET,
        )


def _bar(bar: Bar) -> str:
    return "the expansion ROM" if bar.index == ROM_INDEX else f"BAR {bar.index}"


ID_PLACES = {
    "vendor": (0x00, 2),
    "device": (0x02, 2),
    "revision": (0x08, 1),
    "class": (0x09, 3),
    "subsystem_vendor": (0x2C, 2),
    "subsystem": (0x2E, 2),
}
"""Where the ids of a layout stand in a type 0 header: offset and bytes."""


def overrides(case: Case) -> dict[str, tuple[int, int]]:
    """The ids that QEMU must override: name to the guest's value and the value that the host shows."""
    physical = case.function.physical
    if physical is None:
        return {}
    driver = case.linux.driver(physical.driver)
    makes = any(bar.source is Origin.SYNTHESIZED and bar.index in driver.bars for bar in case.function.bars)
    shown = {**physical.ids, **(driver.ids if makes else {})}
    wanted = {name: case.number(*place) for name, place in ID_PLACES.items()}
    return {name: (wanted[name], shown[name]) for name in ID_PLACES if name in shown and shown[name] != wanted[name]}


def _check_ids(case: Case) -> None:
    for name, (value, own) in overrides(case).items():
        span = _header_span(case.function, name)
        option = case.qemu.overrides.get(name)
        if option is None or (name == "vendor" and value == 0xFFFF):
            case.report.add(
                "VPCI1821",
                span,
                f"{name} {value:#x}: the host shows {own:#x}, and QEMU cannot override it",
                note="QEMU refuses vendor id 0xffff" if option else f"QEMU's vfio-pci has no option for the {name}",
                help=f"{name}: {own:#x}",
            )
        else:
            case.demand(option, span, f"show {name} {value:#x}")
