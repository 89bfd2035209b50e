"""What decides a migration beside the bytes of the configuration space: drivers, IOMMUs, machine types, addresses.

Source: QEMU 11.1 hw/vfio/migration.c (vfio_migration_realize, vfio_block_multiple_devices_migration,
vfio_viommu_preset), hw/arm/smmuv3-accel.c, migration/vmstate.c and migration/savevm.c; the texts are QEMU's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..diff import NOT_STATED, Difference, Finding, bar_name
from ..diff import Kind as Means
from ..ir import Guest
from ..stack import QEMU, migrates
from .sides import Side

_VIOMMU = {
    "on": "Migration is currently not supported with vIOMMU enabled",
    "smmuv3-accel": "Migration not supported with SMMUv3 accelerator mode enabled",
}
_NO_MIGRATION = "VFIO migration is not supported in kernel"
_NO_TRACKING = "VFIO device doesn't support device and IOMMU dirty tracking"
_NO_P2P = "Multiple VFIO devices migration is supported only if all of them support P2P migration"


def findings(source: Side, destination: Side) -> Iterator[Finding]:
    """Refusals and risks that no byte shows, for a migration from `source` to `destination`."""
    yield from _programs(source, destination)
    if destination.stack.vmm == QEMU:
        yield from _machines(source, destination)
        yield from _addresses(source, destination)
    for side in _both(source, destination):
        yield from _host(side)


_BAR = re.compile(r"(bar[0-5]|rom)(\.\w+)?")
_NAMED = ("config_size", "guest", "host", "machine", "viommu", "vmm")
_REGION = re.compile(r"region[0-5]")


def knows(path: str) -> bool:
    """Whether a path can be that of a difference outside the structures of a configuration space."""
    first = path.partition(".")[0]
    return bool(_BAR.fullmatch(path) or _REGION.fullmatch(path)) or first in _NAMED


def of_memory(one: Difference, destination: Side) -> Finding | None:
    """What a difference of BARs or regions means that no compared bit shows; None for one of something else."""
    if _BAR.fullmatch(one.path):
        if NOT_STATED in (one.left, one.right):
            return Finding(Means.UNKNOWN, one, "one side does not say it")
        why = "of a BAR the type bits alone are compared, and no size" if destination.check is not None else ""
        return Finding(Means.VISIBLE, one, why)
    if _REGION.fullmatch(one.path):
        if one.left and one.right:
            return Finding(Means.VISIBLE, one, "nobody compares regions")
        why = "breaking: the guest has mapped a BAR on one side, and a device-specific region on the other"
        return Finding(Means.REJECTED, one, why)
    return None


def notes(source: Side, destination: Side) -> Iterator[str]:
    """What is to be said of the whole, beside findings."""
    for side in _both(source, destination):
        if side.unread:
            yield f"{side.name} is as it says itself: nothing of it depends on {', '.join(side.unread)}"
        if side.is_layout and not side.function.migrates:
            yield f"{side.name} says 'migrates: false': nothing promises that its fields stay as they are"
        if side.is_layout and not side.function.targets:
            yield f"{side.name} names no target: it may describe a device, and not what a VMM shows (see --raw)"
    unsized = [bar for bar in source.function.bars if bar.size is None]
    others = {bar.index for bar in destination.arriving.bars if bar.size is None}
    names = ", ".join(bar_name(bar.index) for bar in unsized if bar.index in others)
    if names:
        yield f"no side says the size of {names}: whether it is the same is not known"


def _both(source: Side, destination: Side) -> tuple[Side, ...]:
    """Both sides; one, where it is a side of its own."""
    return (source,) if source.name == destination.name else (source, destination)


def _finding(kind: Means, path: str, title: str, left: str, right: str, reason: str) -> Finding:
    return Finding(kind, Difference(path, title, None, left, right, None, None), reason)


def _programs(source: Side, destination: Side) -> Iterator[Finding]:
    ours, theirs = source.stack.vmm, destination.stack.vmm
    if ours != theirs:
        yield _finding(Means.REJECTED, "vmm", "VMM", ours, theirs, "one VMM does not read the state of another")
    elif not migrates(destination.stack):
        reason = f"{theirs} migrates no function of vfio"
        yield _finding(Means.REJECTED, "vmm", "VMM", ours, theirs, reason)


def _machines(source: Side, destination: Side) -> Iterator[Finding]:
    ours, theirs = (side.options.get("machine", "") for side in (source, destination))
    if ours != theirs and ours and theirs:
        words = f"Machine type received is '{ours}' and local is '{theirs}'"
        yield _finding(Means.REJECTED, "machine", "Machine type", ours, theirs, words)


def _addresses(source: Side, destination: Side) -> Iterator[Finding]:
    if not (source.is_layout and destination.is_layout):
        return
    ours, theirs = source.function.guest, destination.function.guest
    if ours[:5] != theirs[:5]:
        reason = "QEMU finds a function's state by its guest address"
        if ours.place == "root":
            reason = f"Unknown section or instance '{_address(ours)}/vfio' 0"
        left, right = (f"{_address(one)}, place {one.place}" for one in (ours, theirs))
        yield _finding(Means.REJECTED, "guest.address", "Guest address", left, right, reason)


def _address(guest: Guest) -> str:
    return f"{guest.segment:04x}:{guest.bus:02x}:{guest.device:02x}.{guest.function:x}"


def _host(side: Side) -> Iterator[Finding]:
    """What a host, or the machine around the function, forbids: QEMU blocks the migration before it starts."""
    if side.stack.vmm != QEMU:
        return
    viommu = side.options.get("viommu", "on" if side.options.get("viommu-pasid") == "on" else "off")
    if viommu in _VIOMMU:
        yield _finding(Means.REJECTED, "viommu", f"vIOMMU of {side.name}", viommu, viommu, _VIOMMU[viommu])
    host = side.capture.host if side.capture is not None else None
    if host is None or host.migration is None or side.capture is None:
        return
    driver = side.capture.driver or "no driver"
    title = f"Driver of {side.name}"
    if "stop-copy" not in host.migration:
        yield _finding(Means.REJECTED, "host.migration", title, driver, driver, _NO_MIGRATION)
        return
    if host.dma_logging is False and host.iommu is not None and not host.iommu.dirty_tracking:
        yield _finding(Means.REJECTED, "host.dirty_tracking", title, "none", "none", _NO_TRACKING)
    if "p2p" not in host.migration:
        reason = f"refused once the machine has a second such device: {_NO_P2P}"
        yield _finding(Means.UNSTABLE, "host.p2p", title, "no P2P", "no P2P", reason)
