"""Collecting functions of the host that this runs on into one capture file.

sysfs alone, but for `vfio`: then functions that are bound to a vfio driver are opened, too. Nothing is changed there
but what opening does: the kernel resets a function whenever vfio opens it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..diagnostics import Diagnostic, Report, Severity, failure, whole_file
from ..loader import unreadable
from . import hex_rows, host_facts, host_file, redact, vfio_abi, vfio_probe
from .model import HEADER_BYTES, MAX_SPACE, full_slot

SYSFS = Path("/sys")
_DEVICES = "bus/pci/devices"
_MAX_LISTED = 20


@dataclass(frozen=True, slots=True)
class Taken:
    """A capture file, and what is to be said of it; `complete` when everything that was asked for is in it."""

    text: str
    slots: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing was left out: a warning names what was."""
        return all(one.severity is Severity.NOTE for one in self.diagnostics)


@dataclass(slots=True)
class _Function:
    """One function on its way into the file."""

    slot: str
    folder: Path
    facts: dict[str, Any]
    config: bytes
    answer: vfio_probe.Answer | None = None
    taken_out: list[redact.Found] = field(default_factory=list)


def take(
    slots: Sequence[str] | None,
    *,
    vfio: vfio_probe.Kernel | None = None,
    redacted: bool = False,
    sysfs: Path = SYSFS,
) -> Taken:
    """The functions at `slots`, or all of the host's for None; with `vfio`, through that kernel.

    Raises:
        Failed: VPCI1001 (no sysfs), VPCI1702 (no such function).
    """
    report = Report()
    root = sysfs / _DEVICES
    folders = _folders(root, slots)
    functions = [*_functions(folders, report)]
    _say_headers(functions, report)
    if vfio is not None:
        _ask(functions, vfio, report, everything=slots is None)
    if redacted:
        known = {address for folder in folders.values() for address in redact.addresses(folder)}
        for one in functions:
            views = [one.config, *([one.answer.config] if one.answer is not None else [])]
            one.taken_out = redact.joined(entry for view in views for entry in redact.ranges(view, known))
    text = host_file.text(host_facts.host(sysfs), map(_document, functions))
    return Taken(text, tuple(one.slot for one in functions), tuple(report.sorted()))


# -- which ones ----------------------------------------------------------------------------------------------------


def _folders(root: Path, slots: Sequence[str] | None) -> dict[str, Path]:
    """Slot to folder of what is wanted, in the order of the slots."""
    try:
        entries = sorted(root.iterdir())
    except OSError as error:
        raise unreadable(str(root), error) from None
    named = {full[0]: entry for entry in entries if (full := full_slot(entry.name)) is not None}
    there = dict(sorted(named.items(), key=lambda item: _order(item[0])))
    if slots is None:
        if not there:
            raise failure("VPCI1702", whole_file(str(root)), "this host shows no PCI function")
        return there
    wanted = {_wanted(slot, there, root) for slot in slots}
    return {slot: folder for slot, folder in there.items() if slot in wanted}


def _order(slot: str) -> tuple[int, str]:
    """A domain can have more than four digits."""
    domain, _, rest = slot.partition(":")
    return int(domain, 16), rest


def _wanted(slot: str, there: Iterable[str], root: Path) -> str:
    named = full_slot(slot)
    if named is None:
        message, way_out = f"'{slot}' is not a slot", "write it as lspci does: 3d:00.0 or 0000:3d:00.0"
        raise failure("VPCI1702", whole_file(str(root)), message, help=way_out)
    if named[0] not in there:
        listed = [*there]
        more = f" and {len(listed) - _MAX_LISTED} more" if len(listed) > _MAX_LISTED else ""
        way_out = f"there are {', '.join(listed[:_MAX_LISTED])}{more}" if listed else "this host shows no PCI function"
        raise failure("VPCI1702", whole_file(str(root)), f"no function at '{slot}' on this host", help=way_out)
    return named[0]


# -- bytes ---------------------------------------------------------------------------------------------------------


def _functions(folders: Mapping[str, Path], report: Report) -> Iterator[_Function]:
    for slot, folder in folders.items():
        try:
            with (folder / "config").open("rb") as stream:
                config = stream.read(MAX_SPACE)
        except OSError as error:
            report.add(
                "VPCI1726",
                whole_file(str(folder / "config")),
                f"{slot} is not in the capture: its configuration space cannot be read: {error.strerror}",
            )
            continue
        if len(config) < HEADER_BYTES:
            report.add(
                "VPCI1726",
                whole_file(str(folder / "config")),
                f"{slot} is not in the capture: of its configuration space {len(config)} bytes could be read",
            )
            continue
        yield _Function(slot, folder, host_facts.function(folder, slot), config)


def _say_headers(functions: Sequence[_Function], report: Report) -> None:
    """The kernel gives the first 64 bytes to anybody, the rest to root alone."""
    short = [one for one in functions if len(one.config) == HEADER_BYTES]
    if not short:
        return
    names = ", ".join(one.slot for one in short[:_MAX_LISTED])
    more = f" and {len(short) - _MAX_LISTED} more" if len(short) > _MAX_LISTED else ""
    report.add(
        "VPCI1726",
        whole_file(str(short[0].folder / "config")),
        f"only the {HEADER_BYTES}-byte header could be read of {names}{more}",
        note="the kernel shows the rest to root alone (CAP_SYS_ADMIN)",
        help="run it as root: sudo vpci-compile capture ...",
    )


# -- vfio ----------------------------------------------------------------------------------------------------------


def _ask(functions: Sequence[_Function], kernel: vfio_probe.Kernel, report: Report, *, everything: bool) -> None:
    """Ask vfio about the functions that it has. Who wants all of a host means those alone."""
    asked = 0
    for one in functions:
        span = whole_file(str(one.folder))
        if not host_facts.bound_to_vfio(one.folder, one.facts["driver"]):
            if not everything:
                driver = one.facts["driver"]
                state = f"bound to {driver}" if driver else "bound to no driver"
                message = f"vfio was not asked about {one.slot}: it is {state}"
                way_out = f"bind it first: driverctl set-override {one.slot} vfio-pci; nothing is bound from here"
                report.add("VPCI1727", span, message, help=way_out)
            continue
        asked += 1
        try:
            one.answer = vfio_probe.ask(kernel, vfio_probe.way(one.folder, one.slot))
        except vfio_probe.Refused as refused:
            report.add("VPCI1728", span, f"vfio does not answer about {one.slot}: {refused}", help=refused.way_out)
            continue
        if one.answer.iommu is None:
            message = f"the IOMMU in front of {one.slot} was not asked: {_NO_IOMMUFD[one.answer.route]}"
            report.add("VPCI1729", span, message)
    if everything and not asked:
        message = "vfio was not asked: no function of this host is bound to a vfio driver"
        report.add("VPCI1727", whole_file(str(functions[0].folder.parent)) if functions else whole_file(""), message)


_NO_IOMMUFD = {
    "iommufd": "iommufd does not say (IOMMU_GET_HW_INFO came with Linux 6.6)",
    "group": "this host has the function in a group (no /dev/iommu, or no device node), and a group does not say",
    "noiommu": "there is none",
}


# -- the document --------------------------------------------------------------------------------------------------


def _document(one: _Function) -> dict[str, Any]:
    """What the file has of a function."""
    unknown = [(first, end) for first, end, _ in one.taken_out]
    return {
        **one.facts,
        "redacted": [{"range": f"{first:#x}..{end - 1:#x}", "what": what} for first, end, what in one.taken_out],
        "config": hex_rows.write(one.config, unknown),
        "vfio": None if one.answer is None else _vfio(one.answer, unknown),
    }


def _vfio(answer: vfio_probe.Answer, unknown: Iterable[hex_rows.Range]) -> dict[str, Any]:
    iommu = answer.iommu
    return {
        "route": answer.route,
        "flags": [*answer.device.flags],
        "atomics": [*answer.device.atomics],
        "regions": [_region(region) for region in answer.regions],
        "irqs": [
            {
                "index": irq.index,
                "name": vfio_abi.name_of(irq.index, vfio_abi.IRQ_NAMES, "irq"),
                "count": irq.count,
                "flags": [*irq.flags],
            }
            for irq in answer.irqs
        ],
        "migration": None if answer.migration is None else [*answer.migration],
        "dma_logging": answer.dma_logging,
        "iommu": None
        if iommu is None
        else {
            "type": iommu.type,
            "max_pasid_log2": iommu.max_pasid_log2,
            "capabilities": [*iommu.capabilities],
        },
        "config": hex_rows.write(answer.config, unknown),
    }


def _region(region: vfio_abi.Region) -> dict[str, Any]:
    areas, kind = region.areas, region.type
    return {
        "index": region.index,
        "name": vfio_abi.name_of(region.index, vfio_abi.REGION_NAMES, "region"),
        "size": f"{region.size:#x}",
        "flags": [*region.flags],
        "mmap": None if areas is None else [{"offset": f"{at:#x}", "size": f"{size:#x}"} for at, size in areas],
        "type": None if kind is None else {"type": f"{kind[0]:#x}", "subtype": f"{kind[1]:#x}"},
        "msix_mappable": region.msix_mappable,
        "others": [*region.others],
    }
