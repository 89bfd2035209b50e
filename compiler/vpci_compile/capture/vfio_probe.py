"""Asking vfio what it would show a VMM: through iommufd where the host has it, else through group and container.

Nothing is bound, unbound or mapped. But opening a function resets it, as every start of a VMM does, and only one
program can have it open: a running guest keeps it, and is not disturbed. All calls go through `Kernel`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from . import vfio_abi as abi
from .model import MAX_SPACE

IOMMUFD = "/dev/iommu"
CONTAINER = "/dev/vfio/vfio"
NOIOMMU_GROUP = "vfio-noiommu"


class Kernel(Protocol):
    """The five calls that are made; each may raise OSError."""

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""

    def open(self, path: str) -> int:
        """A descriptor for reading and writing."""

    def close(self, descriptor: int) -> None:
        """Give it back."""

    def ioctl(self, descriptor: int, request: int, argument: int | bytearray) -> int:
        """The call's result; a buffer holds the reply afterwards."""

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        """At most `size` bytes from `offset`."""


class Linux:
    """The kernel that runs."""

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return os.path.exists(path)  # noqa: PTH110 - a device node, not a path to work with

    def open(self, path: str) -> int:
        """A descriptor for reading and writing."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def close(self, descriptor: int) -> None:
        """Give it back."""
        os.close(descriptor)

    def ioctl(self, descriptor: int, request: int, argument: int | bytearray) -> int:
        """The call's result; a buffer holds the reply afterwards."""
        if isinstance(argument, int):
            return fcntl.ioctl(descriptor, request, argument)
        result: int = fcntl.ioctl(descriptor, request, argument, True)
        return result

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        """At most `size` bytes from `offset`."""
        return os.pread(descriptor, size, offset)


class Refused(Exception):  # noqa: N818 - an answer, not a fault of the program
    """The kernel does not let us: `step` says at what, `way_out` what to do."""

    def __init__(self, step: str, reason: str, way_out: str = "") -> None:
        super().__init__(f"{step}: {reason}")
        self.way_out = way_out


@dataclass(frozen=True, slots=True)
class Way:
    """Where a function is opened, as sysfs says: its device node, its group, and whether that has an IOMMU at all."""

    slot: str
    node: str = ""  # /dev/vfio/devices/vfio3
    group: int | None = None
    translated: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What vfio says of a function; `migration` and `dma_logging` are None where it would not say."""

    route: str
    device: abi.Device
    regions: tuple[abi.Region, ...]
    irqs: tuple[abi.Irq, ...]
    config: bytes
    migration: tuple[str, ...] | None
    dma_logging: bool | None
    iommu: abi.HwInfo | None


def way(folder: Path, slot: str) -> Way:
    """How the function of a sysfs folder is opened."""
    try:
        nodes = sorted(entry.name for entry in (folder / "vfio-dev").iterdir() if (entry / "dev").exists())
    except OSError:
        nodes = []
    group = folder / "iommu_group"
    number = group.resolve().name if group.exists() else ""
    try:
        translated = (group / "name").read_text(encoding="ascii", errors="replace").strip() != NOIOMMU_GROUP
    except OSError:  # most groups have no name
        translated = True
    node = f"/dev/vfio/devices/{nodes[0]}" if nodes else ""
    return Way(slot, node, int(number) if number.isascii() and number.isdigit() else None, translated)


def ask(kernel: Kernel, where: Way) -> Answer:
    """Open a function that is bound to a vfio driver, ask it everything, and close it.

    Raises:
        Refused: it cannot be opened, or what it answers cannot be understood.
    """
    with ExitStack() as stack:
        if where.node and kernel.exists(where.node) and kernel.exists(IOMMUFD):
            iommufd = _open(kernel, stack, IOMMUFD)
            descriptor = _open(kernel, stack, where.node)
            number = _bind(kernel, descriptor, iommufd)
            return _answers(kernel, "iommufd", descriptor, _hw_info(kernel, iommufd, number))
        if where.group is None:
            raise Refused("vfio", "the function has no device node and no group", "is the IOMMU on (intel_iommu=on)?")
        return _answers(kernel, *_through_group(kernel, stack, where, where.group), None)


# -- opening -------------------------------------------------------------------------------------------------------


def _open(kernel: Kernel, stack: ExitStack, path: str) -> int:
    with _step(f"open {path}"):
        descriptor = kernel.open(path)
    stack.callback(kernel.close, descriptor)
    return descriptor


def _bind(kernel: Kernel, device: int, iommufd: int) -> int:
    buffer = bytearray(abi.BIND_IOMMUFD.pack(abi.BIND_IOMMUFD.size, 0, iommufd, 0))
    with _step("VFIO_DEVICE_BIND_IOMMUFD"):
        kernel.ioctl(device, abi.DEVICE_BIND_IOMMUFD, buffer)
    number: int = abi.BIND_IOMMUFD.unpack(buffer)[3]
    return number


def _through_group(kernel: Kernel, stack: ExitStack, where: Way, group: int) -> tuple[str, int]:
    """The route's name, and the device's descriptor. What is opened later must be closed earlier."""
    container = _open(kernel, stack, CONTAINER)
    with _step("VFIO_GET_API_VERSION"):
        version = kernel.ioctl(container, abi.GET_API_VERSION, 0)
    if version != abi.API_VERSION:
        raise Refused("VFIO_GET_API_VERSION", f"version {version}, where {abi.API_VERSION} is known")
    holder = _open(kernel, stack, f"/dev/vfio/{'' if where.translated else 'noiommu-'}{group}")
    buffer = bytearray(abi.GROUP_STATUS.pack(abi.GROUP_STATUS.size, 0))
    with _step("VFIO_GROUP_GET_STATUS"):
        kernel.ioctl(holder, abi.GROUP_GET_STATUS, buffer)
    if not abi.GROUP_STATUS.unpack(buffer)[1] & abi.GROUP_VIABLE:
        raise Refused(
            f"group {group}",
            "not all of its functions are in the hands of vfio",
            f"see /sys/kernel/iommu_groups/{group}/devices; each must be bound to a vfio driver, or to none",
        )
    with _step("VFIO_GROUP_SET_CONTAINER"):
        kernel.ioctl(holder, abi.GROUP_SET_CONTAINER, bytearray(container.to_bytes(4, sys.byteorder)))
    with _step("VFIO_SET_IOMMU"):
        kinds = (abi.TYPE1V2_IOMMU, abi.TYPE1_IOMMU) if where.translated else (abi.NOIOMMU_IOMMU,)
        kind = next((one for one in kinds if kernel.ioctl(container, abi.CHECK_EXTENSION, one)), kinds[0])
        kernel.ioctl(container, abi.SET_IOMMU, kind)
    with _step("VFIO_GROUP_GET_DEVICE_FD"):
        device = kernel.ioctl(holder, abi.GROUP_GET_DEVICE_FD, bytearray(where.slot.encode() + b"\0"))
    stack.callback(kernel.close, device)
    return ("group" if where.translated else "noiommu"), device


@contextmanager
def _step(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(name, error.strerror or str(error), _WAY_OUT.get(error.errno or 0, "")) from None


_ROOT = "run it as root, or as a user who has rights on the device nodes under /dev/vfio (and on /dev/iommu)"
_WAY_OUT = {
    errno.EACCES: f"{_ROOT}; a VF whose PF is bound to vfio-pci needs the PF's token, and cannot be asked",
    errno.EPERM: _ROOT,
    errno.EBUSY: "another program has it open, a VMM perhaps: ask before the guest is started, or after it has ended",
    errno.ENOENT: "are the modules loaded? modprobe vfio-pci",
    errno.ENODEV: "has the function gone, or been given to another driver?",
}


# -- asking --------------------------------------------------------------------------------------------------------


def _answers(kernel: Kernel, route: str, device: int, iommu: abi.HwInfo | None) -> Answer:
    try:
        with _step("VFIO_DEVICE_GET_INFO"):
            info = abi.device(_asked(kernel, device, abi.DEVICE_GET_INFO, bytearray(abi.DEVICE_INFO.size)))
        with _step("VFIO_DEVICE_GET_REGION_INFO"):
            regions = tuple(_regions(kernel, device, min(info.regions, abi.MAX_INDEX)))
        with _step("VFIO_DEVICE_GET_IRQ_INFO"):
            irqs = tuple(_irqs(kernel, device, min(info.irqs, abi.MAX_INDEX)))
        with _step("reading the configuration space"):
            config = _config(kernel, device, regions)
        migration, logging = _migration(kernel, device), _logging(kernel, device)
    except abi.Malformed as error:
        raise Refused("the kernel's answer", str(error)) from None
    return Answer(route, info, regions, irqs, config, migration, logging, iommu)


def _asked(kernel: Kernel, descriptor: int, request: int, buffer: bytearray) -> bytes:
    """The reply to a request whose argument begins with its size; asked again where the kernel has more to say."""
    form = bytes(buffer)
    for _ in range(2):
        buffer[0:4] = len(buffer).to_bytes(4, sys.byteorder)
        kernel.ioctl(descriptor, request, buffer)
        needed = int.from_bytes(buffer[0:4], sys.byteorder)
        if needed <= len(buffer):
            break
        if needed > abi.MAX_REPLY:
            raise abi.Malformed(f"it asks for {needed:,} bytes to answer")
        buffer = bytearray(form.ljust(needed, b"\0"))
    return bytes(buffer)


def _regions(kernel: Kernel, device: int, count: int) -> Iterator[abi.Region]:
    for index in range(count):
        try:
            form = bytearray(abi.REGION_INFO.pack(0, 0, index, 0, 0, 0))
            yield abi.region(_asked(kernel, device, abi.DEVICE_GET_REGION_INFO, form))
        except OSError as error:
            if error.errno != errno.EINVAL:  # that one it has not: only display adapters have the VGA region
                raise


def _irqs(kernel: Kernel, device: int, count: int) -> Iterator[abi.Irq]:
    for index in range(count):
        try:
            form = bytearray(abi.IRQ_INFO.pack(0, 0, index, 0))
            yield abi.irq(_asked(kernel, device, abi.DEVICE_GET_IRQ_INFO, form))
        except OSError as error:
            if error.errno != errno.EINVAL:  # error and request interrupts are not everybody's
                raise


def _config(kernel: Kernel, device: int, regions: tuple[abi.Region, ...]) -> bytes:
    """The configuration space as vfio shows it, as far as it can be read."""
    region = next((one for one in regions if one.index == abi.CONFIG_REGION), None)
    size = min(region.size, MAX_SPACE) if region is not None else 0
    data = b""
    while region is not None and len(data) < size:
        more = kernel.read(device, size - len(data), region.offset + len(data))
        if not more:
            break
        data += more
    return data


def _migration(kernel: Kernel, device: int) -> tuple[str, ...] | None:
    """What the driver's migration can; () where it has none, None where it does not say."""
    size = abi.FEATURE.size + abi.FEATURE_MIGRATION.size
    flags = abi.FEATURE_GET | abi.FEATURE_ID_MIGRATION
    buffer = bytearray(abi.FEATURE.pack(size, flags).ljust(size, b"\0"))
    try:
        kernel.ioctl(device, abi.DEVICE_FEATURE, buffer)
    except OSError as error:
        return () if error.errno == errno.ENOTTY else None
    return abi.migration(bytes(buffer))


def _logging(kernel: Kernel, device: int) -> bool | None:
    """Whether the device itself logs what it writes; None where it does not say."""
    flags = abi.FEATURE_PROBE | abi.FEATURE_SET | abi.FEATURE_ID_DMA_LOGGING_START
    try:
        kernel.ioctl(device, abi.DEVICE_FEATURE, bytearray(abi.FEATURE.pack(abi.FEATURE.size, flags)))
    except OSError as error:
        return False if error.errno == errno.ENOTTY else None
    return True


def _hw_info(kernel: Kernel, iommufd: int, device: int) -> abi.HwInfo | None:
    """What the IOMMU says; None where the kernel is too old to be asked (before 6.6), or has nothing to say."""
    buffer = bytearray(abi.HW_INFO.pack(abi.HW_INFO.size, 0, device, 0, 0, 0, 0, 0))
    try:
        kernel.ioctl(iommufd, abi.IOMMU_GET_HW_INFO, buffer)
    except OSError:
        return None
    return abi.hw_info(bytes(buffer))
