"""Rules of single capabilities: MSI-X, power management, PCIe type and place, PASID, PRI, the GPUDirect clique."""

from __future__ import annotations

from dataclasses import dataclass

from ..catalog import Field, Place, marks
from ..diagnostics import Span
from ..ir import Bar, BarKind
from .bars import PAGE, shown_size
from .fields import counted
from .work import Draft, Work

ENTRY_BYTES = 16  # PCIe 6.0 7.7.2: an MSI-X table entry
PBA_BITS = 64  # the pending bit array is read in quadwords
MAX_PASID_WIDTH = 20  # PCIe 6.0 7.8.9.2
NVIDIA, DISPLAY = 0x10DE, 0x03
CLIQUE_OFFSETS = (0xC8, 0xD4)


def check(work: Work) -> None:
    """Report VPCI1501, 1502, 1504..1511."""
    msix = work.find("msix")
    if msix is not None:
        _msix(work, msix)
    power = work.find("pm")
    if power is not None and power.field("pmcsr.power_state"):
        work.report.add(
            "VPCI1505",
            power.origins.get("pmcsr.power_state", power.span),
            f"the function wakes up in D{power.field('pmcsr.power_state')}",
            note="PCIe 6.0 5.3.1.1: a function comes out of reset in D0; QEMU warns of one that it cannot bring there",
            help="pmcsr: {power_state: 0}",
        )
    _express(work)
    _pasid(work)
    _clique(work)
    _free_space(work)


@dataclass(frozen=True, slots=True)
class _Part:
    """The MSI-X table or its pending bit array: its register, its name for people, where it lies (bytes)."""

    register: str
    shown: str
    bir: int
    start: int
    length: int

    @property
    def end(self) -> int:
        """The byte after its last, from the BAR's start."""
        return self.start + self.length


def _msix(work: Work, msix: Draft) -> None:
    vectors = msix.field("ctrl.table_size") + 1
    quads = (vectors + PBA_BITS - 1) // PBA_BITS
    table = _part(msix, "table", "MSI-X table", vectors * ENTRY_BYTES)
    pba = _part(msix, "pba", "pending bit array", quads * PBA_BITS // 8)
    for part in (table, pba):
        bar = next((bar for bar in work.bars if bar.index == part.bir), None)
        if bar is not None and bar.kind not in (BarKind.IO, BarKind.ROM):
            _inside(work, msix, part, bar, vectors)
        elif work.find("ea") is not None:
            continue  # Enhanced Allocation gives a function BARs that no register shows
        elif work.layout.bars or work.layout.migration.migrates:
            _no_bar(work, msix, part, bar)
    if table.bir == pba.bir and table.start < pba.end and pba.start < table.end:
        stated = {"table", "table.offset", "pba", "pba.offset"} & msix.origins.keys()
        behind = (table.end + PAGE - 1) // PAGE * PAGE
        work.report.add(
            "VPCI1504",
            _place(msix, "pba"),
            f"the pending bit array is at {_at(pba)}, inside the MSI-X table"
            if stated
            else "the layout does not say where the MSI-X table and the pending bit array are: both at bar0+0x0",
            labels=[(_place(msix, "table"), f"{counted(vectors, 'vector')}: {_at(table)}")] if stated else (),
            note="PCIe 6.0 7.7.2: table and pending bit array do not overlap; QEMU refuses such a device",
            help=f"pba: bar{pba.bir}+{behind:#x}" if stated else f"fields: {{table: bar0+0x0, pba: bar0+{behind:#x}}}",
        )


def _part(msix: Draft, register: str, shown: str, length: int) -> _Part:
    return _Part(register, shown, msix.field(f"{register}.bir"), msix.field(f"{register}.offset") * 8, length)


def _at(part: _Part) -> str:
    return f"bar{part.bir}+{part.start:#x}..{part.end - 1:#x}"


def _place(msix: Draft, register: str, field: str = "offset") -> Span:
    origins = msix.origins
    return origins.get(f"{register}.{field}") or origins.get(register) or msix.span


def _no_bar(work: Work, msix: Draft, part: _Part, bar: Bar | None) -> None:
    below = next((one for one in work.bars if one.kind is BarKind.MEM64 and one.index == part.bir - 1), None)
    what = "there is no such BAR" if bar is None else "that is an io BAR"
    if below is not None:
        what = f"that is the upper half of BAR {below.index}"
    able = [str(one.index) for one in work.bars if one.kind in (BarKind.MEM32, BarKind.MEM64)]
    work.report.add(
        "VPCI1501",
        _place(msix, part.register, "bir"),
        f"the {part.shown} lies in BAR {part.bir}, but {what}",
        labels=[(bar.origin, "io")] if bar is not None else [(below.origin, "mem64")] if below is not None else (),
        note="PCIe 6.0 7.7.2.3, 7.7.2.4: the BIR names the first register of a memory BAR, 0 to 5",
        help=f"memory BARs here: {', '.join(able)}" if able else "give the memory BAR under 'bars'",
    )


def _inside(work: Work, msix: Draft, part: _Part, bar: Bar, vectors: int) -> None:
    limit = bar.length if bar.length is not None else bar.size
    if limit is None or part.end <= limit:
        return
    real = bar.size is not None and limit < bar.size
    work.report.add(
        "VPCI1502",
        _place(msix, part.register),
        f"the {part.shown} is at {_at(part)}, but {'the memory behind the BAR' if real else 'the BAR'} "
        f"ends at {limit - 1:#x}",
        labels=[(bar.origin, f"{shown_size(limit)}{' of real memory' if real else ''}")],
        note=f"PCIe 6.0 7.7.2: 16 bytes a vector, and one pending bit each, in quadwords; here {vectors}",
        help="move it, have fewer vectors (ctrl.table_size), or a larger BAR",
    )


def _express(work: Work) -> None:
    pcie = work.find("pcie")
    if pcie is None:
        return
    view = pcie.view()
    assert view is not None
    kind = view.decode(*_known(view.find("flags.type")))
    raw, place = pcie.field("flags.type"), work.layout.guest.place
    span = pcie.origins.get("flags.type", pcie.span)
    problem = _type_problem(raw, place, work.layout.identity.header_type)
    if problem:
        guest = work.tree.find(["guest"])
        about_place = "place:" in problem[2] and isinstance(guest.value, dict) and "place" in guest.keys
        named = f"PCI Express type {raw}" if raw in RESERVED_TYPES else f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"
        work.report.add(
            "VPCI1506",
            span,
            f"{named} {problem[0]}",
            labels=[(guest.span_of("place"), "its place")] if about_place else (),
            note=problem[1],
            help=problem[2],
        )


ENDPOINT, LEGACY, RCIEP, RCEC = 0x0, 0x1, 0x9, 0xA  # Device/Port Type, PCIe 6.0 7.5.3.2
BRIDGE_TYPES = (0x4, 0x5, 0x6, 0x7, 0x8)
RESERVED_TYPES = (0x2, 0x3, 0xB, 0xC, 0xD, 0xE, 0xF)


def _type_problem(kind: int, place: str, header_type: int) -> tuple[str, str, str] | None:
    """(what is wrong, the law, the way out), or None."""
    if kind in RESERVED_TYPES:
        return "is reserved", "PCIe 6.0 7.5.3.2 lists the types", "type: endpoint"
    if header_type == 0 and kind in BRIDGE_TYPES:
        return (
            "has a type 1 header, this function has type 0",
            "PCIe 6.0 7.5.3.2: ports and bridges have a type 1 header",
            "type: endpoint, or identity: {header_type: 1} with a bridge's class",
        )
    if header_type == 1 and kind not in BRIDGE_TYPES:
        return (
            "has a type 0 header, this function has type 1",
            "PCIe 6.0 7.5.3.2: only ports and bridges have a type 1 header",
            "type: root-port, upstream-port, downstream-port, pcie-to-pci-bridge or pci-to-pcie-bridge",
        )
    if header_type != 0:
        return None
    if kind in (RCIEP, RCEC) and place == "port":
        return (
            "cannot sit behind a port",
            "PCIe 6.0 1.3.2.3: it is part of the root complex; QEMU turns an RCiEP behind a port into an endpoint",
            "guest: {place: root}, or type: endpoint",
        )
    if kind in (ENDPOINT, LEGACY) and place == "root":
        return (
            "cannot sit on the root bus",
            "PCIe 6.0 1.3.2.3: only an RCiEP does; QEMU makes an endpoint one, with its link registers zero, "
            "and hides the capability of a legacy endpoint",
            "guest: {place: port}, or type: rciep",
        )
    return None


def _known(found: tuple[Place, Field | None]) -> tuple[Place, Field]:
    assert found[1] is not None
    return found[0], found[1]


def _pasid(work: Work) -> None:
    pasid, ats, pri, pcie = (work.find(name) for name in ("pasid", "ats", "pri", "pcie"))
    if pasid is not None:
        width = pasid.field("cap.max_width")
        if width > MAX_PASID_WIDTH:
            work.report.add(
                "VPCI1507",
                pasid.origins.get("cap.max_width", pasid.span),
                f"a PASID width of {width} bits",
                note=f"PCIe 6.0 7.8.9.2: 0 to {MAX_PASID_WIDTH} bits; QEMU 11.0 aborts above",
                help=f"max_width: {MAX_PASID_WIDTH}",
            )
        if pcie is not None and not pcie.field("devcap2.ee_prefix"):
            work.report.add(
                "VPCI1508",
                pasid.span,
                "a PASID capability, but devcap2 does not announce End-End TLP prefixes",
                labels=[(pcie.origins.get("devcap2.ee_prefix", pcie.span), "devcap2.ee_prefix is 0")],
                note="PCIe 6.0 6.20: a PASID travels in an End-End TLP prefix; Linux refuses (pci_enable_pasid)",
                help="devcap2: {ee_prefix: 1}, where the device has it; every port above must have it, too",
            )
    if pri is not None and ats is None:
        work.report.add(
            "VPCI1509",
            pri.span,
            "a page request interface, but no ATS capability",
            note="PCIe 6.0 10.4: a page request makes a translation possible that ATS then fetches",
            help="add 'ats' to 'extended', or hide 'pri' as well",
        )


def _free_space(work: Work) -> None:
    for draft in work.extended:
        if draft.capability is None or draft.capability.name not in marks.SHAPES.values():
            continue
        if not draft.field("hdr1.vendor") or "hdr2.id" not in draft.origins:
            work.report.add(
                "VPCI1512",
                draft.span,
                f"a {draft.capability.name} structure needs a vendor and an id of yours",
                note="no such DVSEC is defined anywhere; the numbers must be ones that you may give out",
                help="fields: {vendor: 0x1234, id: 0x0001, length: 0xc00}",
            )


def _clique(work: Work) -> None:
    clique = work.find("gpudirect")
    if clique is None:
        return
    identity = work.layout.identity
    if identity.vendor != NVIDIA or identity.class_code >> 16 != DISPLAY:
        work.report.add(
            "VPCI1510",
            clique.span,
            f"a GPUDirect clique on {identity.vendor:04x}:{identity.device:04x} with class {identity.class_code:#08x}",
            note="the capability is NVIDIA's, for display controllers (class 03xxxx); QEMU refuses it elsewhere",
            help="take it out",
        )
    if clique.offset not in CLIQUE_OFFSETS:
        work.report.add(
            "VPCI1510",
            work.at(clique),
            f"a GPUDirect clique at {clique.offset:#x}",
            note="NVIDIA's definition: it stands at 0xc8, or at 0xd4 where a capability of the device begins at 0xc8",
            help="at: 0xd4" if any(d.offset == CLIQUE_OFFSETS[0] for d in work.standard) else "at: 0xc8",
        )
    last = [draft for draft in work.standard if draft.linked][-1]
    if last is not clique:
        work.report.add(
            "VPCI1511",
            clique.span,
            "the GPUDirect clique is not the last capability of the chain",
            labels=[(last.span, "listed last")],
            note="NVIDIA's definition: its next pointer is 0; QEMU adds it at the end",
            help="list it last under 'capabilities'",
        )
