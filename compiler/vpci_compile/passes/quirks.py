"""What is known of the device behind the function beside its capabilities (schemas/quirks)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..catalog import quirks
from ..catalog.quirks import Ids, Quirk, QuirkKind
from ..diagnostics import Report, Span

_CXL_DEVICE = 0x1E98, 0  # vendor and id of the PCIe DVSEC for CXL Devices (CXL 3.1 8.1.3)
_ADD_ATS = "add {cap: ats, source: copied} where the device has it"

if TYPE_CHECKING:
    from ..ir import Physical
    from ..spec import DeviceLayout
    from .work import Work


def of_device(layout: DeviceLayout, physical: Physical | None) -> tuple[Quirk, ...]:
    """The quirks of the device behind a layout; none where there is no device.

    Raises:
        Failed: see catalog.quirks.of.
    """
    return () if physical is None else quirks.of(_ids(layout, physical))


def _ids(layout: DeviceLayout, physical: Physical) -> Ids:
    """The device's own ids, where the layout or its capture says them, else what the guest sees."""
    guest, own = layout.identity, physical.ids
    subsystem = (
        own.get("subsystem_vendor", guest.subsystem[0]),
        own.get("subsystem", guest.subsystem[1]),
    )
    return Ids(
        own.get("vendor", guest.vendor),
        own.get("device", guest.device),
        own.get("class", guest.class_code),
        own.get("revision", guest.revision),
        subsystem,
    )


def applied(found: tuple[Quirk, ...], span: Span, report: Report) -> None:
    """Name the quirks of a device (VPCI1330): `check`, `import`, `predict` and `baseline` say the same."""
    for quirk in found:
        report.add("VPCI1330", span, f"quirk {quirk.name}: {quirk.said}", note=f"source: {quirk.source}")


def check(work: Work) -> None:
    """Report VPCI1330, VPCI1332 and VPCI1334."""
    applied(work.quirks, work.tree.span_of("identity"), work.report)
    _coherent_cache(work)
    for quirk in work.quirks:
        if quirk.kind is QuirkKind.CONFIG_SIZE:
            _beyond(work, quirk)
        elif quirk.kind is QuirkKind.ATS_BROKEN:
            _ats(work, quirk, shown=True)
        elif quirk.kind is QuirkKind.ATS_REQUIRED:
            _ats(work, quirk, shown=False)


def _beyond(work: Work, quirk: Quirk) -> None:
    """A structure that stands where the device must not be read."""
    for draft in work.placed:
        if draft.linked and draft.source == "copied" and draft.end > quirk.size:
            work.report.add(
                "VPCI1332",
                work.at(draft),
                f"{draft.shown} is copied from where the device must not be read ({quirk.size:#x} on)",
                note=f"quirk {quirk.name}: {quirk.about} ({quirk.source})",
                help="take it out, or source: synthesized, where a VMM can build it",
            )


def _ats(work: Work, quirk: Quirk, *, shown: bool) -> None:
    """ATS that a guest finds and the host does not use, or that it needs and does not find."""
    ats = work.find("ats")
    if (ats is not None) is not shown:
        return
    says = "shows ATS, and Linux does not use that of this device" if shown else "has no ATS, and this device needs it"
    work.report.add(
        "VPCI1334",
        ats.span if ats is not None else work.tree.span_of("device"),
        f"the function {says}",
        note=f"quirk {quirk.name}: {quirk.about} ({quirk.source})",
        help="source: hidden, style: unlinked" if shown else _ADD_ATS,
    )


def _coherent_cache(work: Work) -> None:
    """A function with a coherent cache finds host memory by ATS alone, whoever made it (Linux pci_cxl_ats_required)."""
    for draft in work.extended:
        said = draft.linked and (draft.field("hdr1.vendor"), draft.field("hdr2.id")) == _CXL_DEVICE
        if said and draft.field("cxl_cap.cache") and work.find("ats") is None:
            work.report.add(
                "VPCI1334",
                work.at(draft),
                f"the function has no ATS, and {draft.shown} says that it caches host memory",
                note="CXL 4.0 3.2.5.13: requests of CXL.cache need host addresses, which ATS gives",
                help=_ADD_ATS,
            )
