"""Made-up hosts: a /sys with functions, and a kernel that answers vfio's calls from what it was given."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vpci_compile.capture import vfio_abi as abi
from vpci_compile.capture.collect import Taken, take

SYSFS = Path(__file__).parent / "captures/sysfs"


class Host:
    """A /sys that is built up function by function."""

    def __init__(self, folder: Path) -> None:
        self.sysfs = folder
        self.devices = folder / "bus/pci/devices"
        self.devices.mkdir(parents=True)

    def add(self, slot: str, config: bytes | None = None, *, like: str = "e1000e", **attributes: str) -> Path:
        """A function; an attribute "a/b" is a file in a folder, one with "->" a link to what follows."""
        folder = self.devices / slot
        shutil.copytree(SYSFS / like, folder)
        if config is not None:
            (folder / "config").write_bytes(config)
        for name, text in attributes.items():
            self.set(slot, name.replace("__", "/"), text)
        return folder

    def set(self, slot: str, name: str, text: str) -> None:
        path = self.devices / slot / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("->"):
            target = self.sysfs / text[2:]
            target.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)
        else:
            path.write_text(f"{text}\n")

    def bind(self, slot: str, driver: str = "vfio-pci", group: int = 7, node: int | None = 3) -> None:
        self.set(slot, "driver", f"->bus/pci/drivers/{driver}")
        self.set(slot, "iommu_group", f"->kernel/iommu_groups/{group}")
        if node is not None:
            self.set(slot, f"vfio-dev/vfio{node}/dev", "511:0")

    def take(self, *slots: str, vfio: FakeKernel | None = None, redacted: bool = False) -> Taken:
        return take(slots or None, vfio=vfio, redacted=redacted, sysfs=self.sysfs)


@dataclass
class Region:
    """A region as the fake kernel has it: `caps` are (id, contents)."""

    size: int
    flags: int = 3
    caps: Sequence[tuple[int, bytes]] = ()


@dataclass
class FakeKernel:
    """Answers as vfio does, checks what it is asked, and refuses at one path or request where told."""

    config: bytes = b""
    regions: Mapping[int, Region] = field(default_factory=dict)
    irqs: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    caps: Sequence[tuple[int, bytes]] = ()
    migration: int | None = None
    logging: bool = False
    hw: tuple[int, int, int] | None = None  # type, max_pasid_log2, capabilities
    paths: Sequence[str] = ("/dev/iommu", "/dev/vfio/devices/vfio3")
    refuse: Mapping[str | int, int] = field(default_factory=dict)  # path or request to errno
    viable: bool = True
    opened: list[str] = field(default_factory=list)
    slot: str = "0000:01:00.0"
    device_id: int = 42

    def __post_init__(self) -> None:
        self._descriptors: dict[int, str] = {}
        self._next = 100
        self._bound = self._container_set = self._iommu_set = False

    @property
    def all_closed(self) -> bool:
        return not self._descriptors

    def exists(self, path: str) -> bool:
        return path in self.paths

    def open(self, path: str) -> int:
        self.opened.append(path)
        self._refuse(path)
        if path not in self.paths:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self._descriptor(path)

    def _descriptor(self, what: str) -> int:
        self._next += 1
        self._descriptors[self._next] = what
        return self._next

    def close(self, descriptor: int) -> None:
        del self._descriptors[descriptor]

    def _refuse(self, what: str | int) -> None:
        number = self.refuse.get(what)
        if number is not None:
            raise OSError(number, os.strerror(number))

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        assert self._is_device(descriptor)
        self._refuse("read")
        at = offset - (7 << 40)
        assert 0 <= at < len(self.config)
        return self.config[at : at + min(size, 1000)]

    def _is_device(self, descriptor: int) -> bool:
        name = self._descriptors[descriptor]
        return (name.startswith("/dev/vfio/devices/") and self._bound) or name == "device"

    def ioctl(self, descriptor: int, request: int, argument: int | bytearray) -> int:
        self._refuse(request)
        name = self._descriptors[descriptor]
        if isinstance(argument, int):
            return self._plain(name, request, argument)
        size = int.from_bytes(argument[0:4], sys.byteorder)
        if request == abi.IOMMU_GET_HW_INFO:
            return self._hw_info(name, argument)
        if request == abi.DEVICE_BIND_IOMMUFD:
            assert name.startswith("/dev/vfio/devices/")
            _, flags, iommufd, _ = struct.unpack("=IIiI", argument)
            assert flags == 0 and self._descriptors[iommufd] == "/dev/iommu"
            argument[12:16] = struct.pack("=I", self.device_id)
            self._bound = True
            return 0
        if request == abi.GROUP_GET_STATUS:
            argument[4:8] = struct.pack("=I", int(self.viable))
            return 0
        if request == abi.GROUP_SET_CONTAINER:
            assert self._descriptors[int.from_bytes(argument, sys.byteorder)] == "/dev/vfio/vfio"
            self._container_set = True
            return 0
        if request == abi.GROUP_GET_DEVICE_FD:
            assert self._iommu_set and argument == f"{self.slot}\0".encode()
            return self._descriptor("device")
        assert self._is_device(descriptor) and size == len(argument)
        if request == abi.DEVICE_FEATURE:
            return self._feature(argument)
        argument[:] = self._info(request, argument)[: len(argument)].ljust(len(argument), b"\0")
        return 0

    def _plain(self, name: str, request: int, argument: int) -> int:
        assert name == "/dev/vfio/vfio"
        if request == abi.SET_IOMMU:
            assert self._container_set
            self._iommu_set = True
        return int(request == abi.CHECK_EXTENSION and argument in (3, 8))

    def _hw_info(self, name: str, argument: bytearray) -> int:
        assert name == "/dev/iommu" and self._bound
        size, flags, device, length, pointer, kind, pasid, capabilities = struct.unpack("=IIIIQIB3xQ", argument)
        assert (size, flags, device, length, pointer, kind) == (40, 0, self.device_id, 0, 0, 0)
        if self.hw is None:
            raise OSError(errno.ENOTTY, "no such call")
        kind, pasid, capabilities = self.hw
        argument[:] = struct.pack("=IIIIQIB3xQ", 40, 0, device, 12, 0, kind, pasid, capabilities)
        return 0

    def _feature(self, argument: bytearray) -> int:
        (flags,) = struct.unpack_from("=I", argument, 4)
        number, how = flags & 0xFFFF, flags & ~0xFFFF
        if number == 1 and how == 1 << 16 and self.migration is not None:
            argument[8:16] = struct.pack("=Q", self.migration)
            return 0
        if number == 6 and how == 1 << 18 | 1 << 17 and self.logging:
            return 0
        raise OSError(errno.ENOTTY, "no such feature")

    def _info(self, request: int, argument: bytearray) -> bytes:
        if request == abi.DEVICE_GET_INFO:
            flags = 3 | (0x80 if self.caps else 0)
            counts = (max(self.regions, default=-1) + 1, max(self.irqs, default=-1) + 1)
            return _with_caps(24, self.caps, len(argument), lambda size, at: struct.pack(
                "=IIIIII", size, flags, *counts, at, 0))  # fmt: skip
        index = struct.unpack_from("=I", argument, 8)[0]
        if request == abi.DEVICE_GET_REGION_INFO:
            if index not in self.regions:
                raise OSError(errno.EINVAL, "Invalid argument")
            one = self.regions[index]
            flags = one.flags | (8 if one.caps else 0)
            return _with_caps(32, one.caps, len(argument), lambda size, at: struct.pack(
                "=IIIIQQ", size, flags, index, at, one.size, index << 40))  # fmt: skip
        assert request == abi.DEVICE_GET_IRQ_INFO
        if index not in self.irqs:
            raise OSError(errno.EINVAL, "Invalid argument")
        return struct.pack("=IIII", 16, self.irqs[index][0], index, self.irqs[index][1])


def _with_caps(fixed: int, caps: Sequence[tuple[int, bytes]], room: int, head: object) -> bytes:
    """A reply and its chain; where there is no room for the chain, what size would do."""
    chain, at = b"", fixed
    for left, (number, contents) in zip(range(len(caps) - 1, -1, -1), caps, strict=True):
        length = 8 + len(contents)
        following = at + length if left else 0
        chain += struct.pack("=HHI", number, 1, following) + contents
        at += length
    fits = room >= fixed + len(chain)
    made: bytes = head(fixed + len(chain), fixed if caps and fits else 0)  # type: ignore[operator]
    return made + (chain if fits else b"")


def answering(config: bytes, **changes: object) -> FakeKernel:
    """A function with a BAR, a configuration space, MSI-X and all that can be asked."""
    given: dict[str, object] = {
        "config": config,
        "regions": {
            0: Region(0x20000, 7, [(3, b"")]),
            2: Region(1 << 37, 15, [(1, struct.pack("=IIQQQQ", 2, 0, 0, 0x1000, 0x3000, 0x5000)), (9, b"new!")]),
            7: Region(len(config)),
            9: Region(0x2000, 1, [(2, struct.pack("=II", 0x80008086, 1))]),
        },
        "irqs": {0: (7, 1), 1: (9, 8), 2: (9, 5), 4: (9, 1)},
        "caps": [(5, struct.pack("=II", 3, 0))],
        "migration": 3,
        "logging": True,
        "hw": (1, 20, 0x7),
    }
    return FakeKernel(**{**given, **changes})  # type: ignore[arg-type]
