"""What a layout needs of a host beyond the configuration space, against what the host's capture says.

Source: linux/iommufd.h (IOMMU_GET_HW_INFO), linux/vfio.h (VFIO_DEVICE_FEATURE_MIGRATION, _DMA_LOGGING_START);
QEMU 11.1 hw/vfio/pci.c for what becomes of each.
"""

from __future__ import annotations

from ..capture import Capture
from ..diagnostics import Report
from ..ir import Function, Kind, Origin, Structure
from ..stack import Stack
from ..stack.linux.facts import linux

_PASID, _ATS = 0x001B, 0x000F
_ASK = "capture the host with 'vpci-compile capture --vfio'"


def check(function: Function, read: Capture, stack: Stack, report: Report) -> None:
    """Report what the host lacks (VPCI2113), and what it does not say (VPCI2114)."""
    if stack.kernel is None:
        return  # a vfio-user server: there is no host to ask
    _driver(function, read, report)
    _kernel(read, stack, report)
    for one in function.structures:
        if one.kind is not Kind.EXTENDED:
            continue
        if one.id == _PASID and one.source is Origin.SYNTHESIZED:
            _pasid(function, read, one, report)
        elif one.id == _ATS and one.source is Origin.COPIED:
            _ats(read, one, report)
    if function.migrates:
        _migration(function, read, report)


def _driver(function: Function, read: Capture, report: Report) -> None:
    if function.physical is None or not read.driver:
        return
    wanted, bound = (name.replace("_", "-") for name in (function.physical.driver, read.driver))
    if wanted != bound:
        report.add(
            "VPCI2114",
            function.origin,
            f"the layout needs the driver '{wanted}', and '{bound}' had the device when it was captured",
            help=f"bind it before the VMM starts: driverctl set-override {read.slot or 'BDF'} {wanted}",
        )


def _kernel(read: Capture, stack: Stack, report: Report) -> None:
    host = read.host
    if host is None or not host.kernel or stack.kernel is None:
        return
    own = tuple(int(part) for part in host.kernel.split("-")[0].split(".")[:2] if part.isdigit())
    if len(own) == 2 and own != stack.kernel:
        facts = linux()
        known = "" if facts.oldest <= own <= facts.newest else ", whose rules are not known"
        report.add(
            "VPCI2114",
            read.origin,
            f"the host runs Linux {host.kernel}{known}, and the stack names {stack.kernel[0]}.{stack.kernel[1]}",
            help=f"--stack linux-{own[0]}.{own[1]}/...",
        )


def _pasid(function: Function, read: Capture, one: Structure, report: Report) -> None:
    host = read.host
    if host is None or host.iommu is None:
        report.add(
            "VPCI2114",
            one.origin,
            "the capture does not say which PASID the host's IOMMU offers; the layout's is taken for granted",
            note="QEMU shows what the kernel reports: other widths and permissions are another function",
            help=_ASK,
        )
        return
    register = function.config.number("value", one.offset + 4, 2)
    width, execute, privileged = register >> 8 & 0x1F, bool(register & 0x2), bool(register & 0x4)
    iommu = host.iommu
    note = "IOMMU_GET_HW_INFO: out_max_pasid_log2, IOMMU_HW_CAP_PCI_PASID_EXEC, IOMMU_HW_CAP_PCI_PASID_PRIV"
    if not iommu.max_pasid_log2:
        message = "the layout has a PASID capability, and the host's IOMMU offers no PASID for the device"
        report.add("VPCI2113", one.origin, message, note=note, help="turn PASID on in the host, or take another one")
        return
    if width > iommu.max_pasid_log2:
        message = f"PASID of {width} bits, and the host offers {iommu.max_pasid_log2}"
        report.add(
            "VPCI2113",
            one.origin_of("cap", "max_width"),
            message,
            note=note,
            help="another host, or a smaller max_width",
        )
    for name, wanted, offered in (
        ("execute", execute, iommu.pasid_exec),
        ("privileged", privileged, iommu.pasid_priv),
    ):
        if wanted and not offered:
            message = f"PASID with {name} permission, and the host offers none"
            report.add("VPCI2113", one.origin, message, note=note, help="another host, or leave the permission out")


def _ats(read: Capture, one: Structure, report: Report) -> None:
    host = read.host
    if host is None or host.iommu is None:
        report.add(
            "VPCI2114",
            one.origin,
            "the capture does not say whether the host's IOMMU supports ATS",
            note="QEMU 11.1 ends with ats=on where the kernel says that it does not, and hides ATS with ats=auto",
            help=_ASK,
        )
    elif not host.iommu.ats:
        report.add(
            "VPCI2113",
            one.origin,
            "the layout shows ATS, and the host's kernel does not support it for the device",
            note="IOMMU_GET_HW_INFO: IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED",
            help="source: hidden (QEMU's ats=off), or another host",
        )


def _migration(function: Function, read: Capture, report: Report) -> None:
    host = read.host
    if host is None or host.migration is None:
        message = "the layout migrates, and the capture does not say whether the host's driver can"
        report.add("VPCI2114", function.origin, message, help=_ASK)
        return
    if "stop-copy" not in host.migration:
        report.add(
            "VPCI2113",
            function.origin,
            f"the layout migrates, and the driver '{read.driver or 'vfio-pci'}' of the host cannot",
            note="VFIO_DEVICE_FEATURE_MIGRATION: no STOP_COPY; QEMU then blocks the migration of the whole machine",
            help="bind a driver that migrates, or migration: {migrates: false}",
        )
    elif not host.dma_logging and not (host.iommu is not None and host.iommu.dirty_tracking):
        report.add(
            "VPCI2113",
            function.origin,
            "the layout migrates, and neither the device nor the host's IOMMU tracks which memory was written",
            note="VFIO_DEVICE_FEATURE_DMA_LOGGING_START, or IOMMU_HW_CAP_DIRTY_TRACKING; QEMU's default asks for one",
            help="another host, or enable-migration=on, which then counts all memory as written",
        )
