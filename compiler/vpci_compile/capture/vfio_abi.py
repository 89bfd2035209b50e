"""What linux/vfio.h and linux/iommufd.h define, as far as a capture asks: request numbers, structures, flags.

Everything here is bytes in and values out; `vfio_probe` makes the calls. A test compiles a C program against the
headers and compares every number.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

# _IO(type, number) of asm-generic/ioctl.h; these architectures say "no argument" by another bit.
_NO_ARGUMENT = 0x20000000 if platform.machine().startswith(("ppc", "mips", "sparc", "alpha")) else 0


def _request(kind: str, number: int) -> int:
    return _NO_ARGUMENT | ord(kind) << 8 | number


GET_API_VERSION = _request(";", 100)
CHECK_EXTENSION = _request(";", 101)
SET_IOMMU = _request(";", 102)
GROUP_GET_STATUS = _request(";", 103)
GROUP_SET_CONTAINER = _request(";", 104)
GROUP_GET_DEVICE_FD = _request(";", 106)
DEVICE_GET_INFO = _request(";", 107)
DEVICE_GET_REGION_INFO = _request(";", 108)
DEVICE_GET_IRQ_INFO = _request(";", 109)
DEVICE_FEATURE = _request(";", 117)
DEVICE_BIND_IOMMUFD = _request(";", 118)
IOMMU_GET_HW_INFO = _request(";", 0x8A)

API_VERSION = 0
TYPE1_IOMMU, TYPE1V2_IOMMU, NOIOMMU_IOMMU = 1, 3, 8
GROUP_VIABLE = 1

GROUP_STATUS = struct.Struct("=II")  # argsz, flags
BIND_IOMMUFD = struct.Struct("=IIiI")  # argsz, flags, iommufd, out_devid; a token may follow, that nobody here has
DEVICE_INFO = struct.Struct("=IIIII4x")  # argsz, flags, num_regions, num_irqs, cap_offset
REGION_INFO = struct.Struct("=IIIIQQ")  # argsz, flags, index, cap_offset, size, offset
IRQ_INFO = struct.Struct("=IIII")  # argsz, flags, index, count
FEATURE = struct.Struct("=II")  # argsz, flags; the feature's data follow
FEATURE_MIGRATION = struct.Struct("=Q")  # flags
HW_INFO = struct.Struct("=IIIIQIB3xQ")  # size, flags, dev_id, data_len, data_uptr, type, max_pasid_log2, capabilities
CAP_HEADER = struct.Struct("=HHI")  # id, version, next
SPARSE_HEADER = struct.Struct("=II")  # nr_areas, reserved
SPARSE_AREA = struct.Struct("=QQ")  # offset, size
REGION_TYPE = struct.Struct("=II")  # type, subtype
ATOMIC_COMP = struct.Struct("=II")  # flags, reserved

FEATURE_GET, FEATURE_SET, FEATURE_PROBE = 1 << 16, 1 << 17, 1 << 18
FEATURE_ID_MIGRATION, FEATURE_ID_DMA_LOGGING_START = 1, 6

DEVICE_FLAGS = {"reset": 1 << 0, "pci": 1 << 1, "caps": 1 << 7}
REGION_FLAGS = {"read": 1 << 0, "write": 1 << 1, "mmap": 1 << 2, "caps": 1 << 3}
IRQ_FLAGS = {"eventfd": 1 << 0, "maskable": 1 << 1, "automasked": 1 << 2, "noresize": 1 << 3}
MIGRATION = {"stop-copy": 1 << 0, "p2p": 1 << 1, "pre-copy": 1 << 2}
HW_CAPABILITIES = {"dirty-tracking": 1 << 0, "pasid-exec": 1 << 1, "pasid-priv": 1 << 2, "ats-not-supported": 1 << 3}
ATOMICS = {"32": 1 << 0, "64": 1 << 1, "128": 1 << 2}
HW_TYPES = {0: "none", 1: "intel-vtd", 2: "arm-smmuv3", 3: "tegra241-cmdqv", 4: "amd"}

INFO_CAP_ATOMIC_COMP = 5
CAP_SPARSE_MMAP, CAP_TYPE, CAP_MSIX_MAPPABLE = 1, 2, 3
CONFIG_REGION = 7
REGION_NAMES = ("bar0", "bar1", "bar2", "bar3", "bar4", "bar5", "rom", "config", "vga")
IRQ_NAMES = ("intx", "msi", "msix", "err", "req")

MAX_REPLY = 65_536  # bytes that the kernel may ask us for
MAX_INDEX = 256  # regions or interrupts of one function
_MAX_CAPS = 64
_U64 = 64


@dataclass(frozen=True, slots=True)
class Device:
    """What VFIO_DEVICE_GET_INFO says; `atomics` are the widths of AtomicOps that the root bus completes."""

    flags: tuple[str, ...]
    regions: int
    irqs: int
    atomics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Region:
    """What VFIO_DEVICE_GET_REGION_INFO says; `areas` are the (offset, size) of a sparse mmap, None without one."""

    index: int
    flags: tuple[str, ...]
    size: int
    offset: int
    areas: tuple[tuple[int, int], ...] | None = None
    type: tuple[int, int] | None = None
    msix_mappable: bool = False
    others: tuple[int, ...] = ()  # ids of capabilities that are not known here


@dataclass(frozen=True, slots=True)
class Irq:
    """What VFIO_DEVICE_GET_IRQ_INFO says."""

    index: int
    flags: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class HwInfo:
    """What IOMMU_GET_HW_INFO says; no PASID where `max_pasid_log2` is 0."""

    type: str
    max_pasid_log2: int
    capabilities: tuple[str, ...]


class Malformed(ValueError):  # noqa: N818 - an answer, not a fault of the program
    """A reply that is none: too short, or its capabilities lead outside."""


def words(value: int, known: Mapping[str, int]) -> tuple[str, ...]:
    """The names of the bits that are set; one that nobody named is "bit9"."""
    names = [name for name, mask in known.items() if value & mask]
    rest = value & ~sum(known.values())
    return (*names, *(f"bit{bit}" for bit in range(_U64) if rest >> bit & 1))


def device(reply: bytes) -> Device:
    """Decode a struct vfio_device_info and its capabilities."""
    _, flags, regions, irqs, first = _unpack(DEVICE_INFO, reply, 0)
    atomics: tuple[str, ...] = ()
    for number, at in _capabilities(reply, first if flags & DEVICE_FLAGS["caps"] else 0, DEVICE_INFO.size):
        if number == INFO_CAP_ATOMIC_COMP:
            atomics = words(_unpack(ATOMIC_COMP, reply, at)[0], ATOMICS)
    return Device(_without_caps(words(flags, DEVICE_FLAGS)), regions, irqs, atomics)


def region(reply: bytes) -> Region:
    """Decode a struct vfio_region_info and its capabilities."""
    _, flags, index, first, size, offset = _unpack(REGION_INFO, reply, 0)
    found = Region(index, _without_caps(words(flags, REGION_FLAGS)), size, offset)
    for number, at in _capabilities(reply, first if flags & REGION_FLAGS["caps"] else 0, REGION_INFO.size):
        if number == CAP_SPARSE_MMAP:
            count, _ = _unpack(SPARSE_HEADER, reply, at)
            if count > MAX_REPLY // SPARSE_AREA.size:
                raise Malformed(f"a sparse mmap of {count} areas")
            start = at + SPARSE_HEADER.size
            areas = (_unpack(SPARSE_AREA, reply, start + SPARSE_AREA.size * n) for n in range(count))
            found = replace(found, areas=tuple((offset, size) for offset, size in areas))
        elif number == CAP_TYPE:
            kind, subtype = _unpack(REGION_TYPE, reply, at)
            found = replace(found, type=(kind, subtype))
        elif number == CAP_MSIX_MAPPABLE:
            found = replace(found, msix_mappable=True)
        else:
            found = replace(found, others=(*found.others, number))
    return found


def irq(reply: bytes) -> Irq:
    """Decode a struct vfio_irq_info."""
    _, flags, index, count = _unpack(IRQ_INFO, reply, 0)
    return Irq(index, words(flags, IRQ_FLAGS), count)


def migration(reply: bytes) -> tuple[str, ...]:
    """Decode the reply to VFIO_DEVICE_FEATURE_MIGRATION."""
    return words(_unpack(FEATURE_MIGRATION, reply, FEATURE.size)[0], MIGRATION)


def hw_info(reply: bytes) -> HwInfo:
    """Decode a struct iommu_hw_info."""
    _, _, _, _, _, kind, pasid, capabilities = _unpack(HW_INFO, reply, 0)
    return HwInfo(HW_TYPES.get(kind, f"type{kind}"), pasid, words(capabilities, HW_CAPABILITIES))


def name_of(index: int, names: tuple[str, ...], other: str) -> str:
    """What an index of vfio-pci is called; those behind the fixed ones are the driver's own."""
    return names[index] if index < len(names) else f"{other}{index}"


def _without_caps(found: tuple[str, ...]) -> tuple[str, ...]:
    """That a reply carries capabilities is about the reply, not about the device."""
    return tuple(name for name in found if name != "caps")


def _unpack(form: struct.Struct, reply: bytes, at: int) -> tuple[int, ...]:
    if at + form.size > len(reply):
        raise Malformed(f"{len(reply)} bytes, where {at + form.size} are needed")
    return form.unpack_from(reply, at)


def _capabilities(reply: bytes, first: int, least: int) -> Iterator[tuple[int, int]]:
    """(id, where the contents start) of each capability in a chain of vfio_info_cap_header."""
    at = first
    for _ in range(_MAX_CAPS):
        if not at:
            return
        if at < least:
            raise Malformed(f"a capability at {at:#x}, inside the reply's fixed part")
        number, _, following = _unpack(CAP_HEADER, reply, at)
        yield number, at + CAP_HEADER.size
        at = following
    raise Malformed("capabilities that follow each other without end")
