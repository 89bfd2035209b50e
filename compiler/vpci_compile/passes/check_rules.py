"""Rules of single capabilities: MSI-X, power management, PCIe type and place, PASID, PRI, the GPUDirect clique."""

from __future__ import annotations

from ..catalog import Field, Place
from ..ir import Bar, BarKind
from .bars import shown_size
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
            note="PCI PM 1.2 3.2.4: a function is in D0 after reset; QEMU warns of one that cannot be brought there",
            help="pmcsr: {power_state: 0}",
        )
    _express(work)
    _pasid(work)
    _clique(work)
    _free_space(work)


def _msix(work: Work, msix: Draft) -> None:
    vectors = msix.field("ctrl.table_size") + 1
    parts = (
        ("table", msix.field("table.bir"), msix.field("table.offset") * 8, vectors * ENTRY_BYTES),
        ("pba", msix.field("pba.bir"), msix.field("pba.offset") * 8, (vectors + PBA_BITS - 1) // PBA_BITS * 8),
    )
    for name, bir, start, length in parts:
        span = msix.origins.get(name) or msix.origins.get(f"{name}.offset") or msix.span
        bar = next((bar for bar in work.bars if bar.index == bir), None)
        if bar is None or bar.kind in (BarKind.IO, BarKind.ROM):
            if work.layout.bars or work.layout.migration.migrates:
                what = "there is no such BAR" if bar is None else f"that is an {bar.kind} BAR"
                work.report.add(
                    "VPCI1501",
                    span,
                    f"the MSI-X {name} lies in BAR {bir}, but {what}",
                    note="PCIe 6.0 7.7.2.3: the BIR names the first register of a memory BAR",
                )
            continue
        _inside(work, msix, name, start, length, bar)
    (_, bir, start, length), (_, pba_bir, pba, pba_length) = parts
    if bir == pba_bir and start < pba + pba_length and pba < start + length:
        work.report.add(
            "VPCI1504",
            msix.origins.get("pba") or msix.span,
            f"the pending bit array (bar{pba_bir}+{pba:#x}) lies inside the table "
            f"(bar{bir}+{start:#x}, {vectors} vectors of {ENTRY_BYTES} bytes)",
            labels=[(msix.origins["table"], f"ends at {start + length:#x}")] if "table" in msix.origins else (),
            help=f"pba: bar{bir}+{(start + length + 0xFFF) // 0x1000 * 0x1000:#x}",
        )


def _inside(work: Work, msix: Draft, name: str, start: int, length: int, bar: Bar) -> None:
    limit = bar.length if bar.length is not None else bar.size
    if limit is None or start + length <= limit:
        return
    real = bar.size is not None and limit < bar.size
    work.report.add(
        "VPCI1502",
        msix.origins.get(name) or msix.origins.get(f"{name}.offset") or msix.span,
        f"the MSI-X {name} needs bar{bar.index}+{start:#x}..{start + length - 1:#x}, "
        f"{'the memory behind it' if real else 'the BAR'} ends at {limit:#x}",
        labels=[(bar.origin, f"{shown_size(limit)}{' of real memory' if real else ''}")],
        note="PCIe 6.0 7.7.2: 16 bytes a vector, and one pending bit each, in quadwords",
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
        work.report.add(
            "VPCI1506",
            span,
            f"a {kind} {problem[0]}",
            labels=[(work.tree.span_of("guest", "place"), "its place")] if "guest" in work.tree.keys else (),
            note=problem[1],
            help=problem[2],
        )


ENDPOINT, LEGACY, RCIEP = 0x0, 0x1, 0x9  # Device/Port Type, PCIe 6.0 7.5.3.2
BRIDGE_TYPES = (0x4, 0x5, 0x6, 0x7, 0x8)


def _type_problem(kind: int, place: str, header_type: int) -> tuple[str, str, str] | None:
    if header_type == 0 and kind in BRIDGE_TYPES:
        return (
            "has a type 1 header, this function has type 0",
            "PCIe 6.0 7.5.3.2: ports and bridges have a type 1 header",
            "type: endpoint",
        )
    if header_type != 0:
        return None
    if kind == RCIEP and place == "port":
        return (
            "cannot sit behind a port",
            "PCIe 6.0 1.3.2.3: an RCiEP is on the root bus; behind a port QEMU turns it into an endpoint",
            "guest: {place: root}, or type: endpoint",
        )
    if kind in (ENDPOINT, LEGACY) and place == "root":
        return (
            "cannot sit on the root bus",
            "PCIe 6.0 1.3.2.3: there QEMU turns an endpoint into an RCiEP with its link registers zero, "
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
        if not 1 <= width <= MAX_PASID_WIDTH:
            work.report.add(
                "VPCI1507",
                pasid.origins.get("cap.max_width", pasid.span),
                f"a PASID width of {width} bits",
                note=f"PCIe 6.0 7.8.9.2: 1 to {MAX_PASID_WIDTH} bits (0 is reserved); QEMU aborts above",
                help="max_width: 20",
            )
        if pcie is not None and not pcie.field("devcap2.ee_prefix"):
            work.report.add(
                "VPCI1508",
                pasid.span,
                "a PASID capability, but devcap2 does not announce End-End TLP prefixes",
                labels=[(pcie.span, "devcap2: {ee_prefix: 0}")],
                note="PCIe 6.0 7.8.9: the PASID is an End-End TLP prefix; Linux (pci_enable_pasid) refuses without",
                help="devcap2: {ee_prefix: 1} where the device says so; the port above must say it, too",
            )
    if pri is not None and ats is None:
        work.report.add(
            "VPCI1509",
            pri.span,
            "a page request interface, but no ATS capability",
            note="PCIe 6.0 10.4: PRI is an extension of ATS",
            help="add 'ats', or hide 'pri' as well",
        )


def _free_space(work: Work) -> None:
    for draft in work.extended:
        if draft.capability is None or draft.capability.name != "free-space":
            continue
        if not draft.field("hdr1.vendor") or "hdr2.id" not in draft.origins:
            work.report.add(
                "VPCI1512",
                draft.span,
                "a free-space structure needs a vendor and an id of yours",
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
            note="the capability is NVIDIA's, for display controllers; QEMU refuses it elsewhere",
        )
    if clique.offset not in CLIQUE_OFFSETS:
        work.report.add(
            "VPCI1510",
            work.at(clique),
            f"a GPUDirect clique at {clique.offset:#x}",
            note="NVIDIA's definition: 0xc8, or 0xd4 where a capability begins at 0xc8 (Turing and later)",
            help="at: 0xd4" if any(d.offset == CLIQUE_OFFSETS[0] for d in work.standard) else "at: 0xc8",
        )
    last = [draft for draft in work.standard if draft.linked][-1]
    if last is not clique:
        work.report.add(
            "VPCI1511",
            clique.span,
            "the GPUDirect clique is not the last capability of the chain",
            labels=[(last.span, "listed last")],
            note="NVIDIA's definition: the next pointer is 0",
            help="list it last",
        )
