"""The initial file system of the rig's guest: busybox, five modules, our client, and a QEMU with all it needs."""

from __future__ import annotations

import lzma
import os
import subprocess
from pathlib import Path

from vpci_compile.live import elf, initramfs

from .guest import digest

_HERE = Path(__file__).parent
_MODULES = (
    "virt/lib/irqbypass",
    "drivers/vfio/vfio",
    "drivers/vfio/vfio_iommu_type1",
    "drivers/vfio/pci/vfio-pci-core",
    "drivers/vfio/pci/vfio-pci",
    "drivers/pci/pci-pf-stub",
)
_INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox --install -s /bin
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
for module in {modules}; do insmod /modules/$module.ko; done
while [ ! -e /dev/vport0p1 ]; do usleep 20000; done
echo 0 > /sys/bus/pci/drivers_autoprobe
export QEMU_MODULE_DIR=/qemu/modules
exec 3<>/dev/vport0p1
echo hello >&3
sh <&3 >&3 2>&1
"""


def build(judges: Path, modules: Path, busybox: Path) -> Path:
    """The initial file system as a file, made once for the same ingredients."""
    client = _client(judges)
    qemu = _qemu(judges / "qemu")
    names = [Path(one).name for one in _MODULES]
    init = _INIT.format(modules=" ".join(names)).encode()
    files: dict[str, bytes | Path] = {"init": init, "bin/busybox": busybox, "bin/client": client, **qemu}
    stamps = [
        f"{name} {one.stat().st_size} {one.stat().st_mtime_ns}" for name, one in files.items() if isinstance(one, Path)
    ]
    path = judges / "stack" / f"initrd-{digest(init, str(modules).encode(), *map(str.encode, stamps))}"
    if not path.exists():
        for one, name in zip(_MODULES, names, strict=True):
            files[f"modules/{name}.ko"] = lzma.decompress((modules / "kernel" / f"{one}.ko.xz").read_bytes())
        octets = {name: one if isinstance(one, bytes) else one.read_bytes() for name, one in files.items()}
        for old in path.parent.glob("initrd-*"):  # they are large
            old.unlink(missing_ok=True)
        _keep(path, initramfs.pack(initramfs.file(*entry, executable=True) for entry in octets.items()))
    return path


def _client(judges: Path) -> Path:
    """Our program, compiled once for the same source."""
    source = _HERE / "client.c"
    path = judges / "stack" / f"client-{digest(source.read_bytes())}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        command = ["gcc", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", str(fresh), str(source)]
        subprocess.run(command, check=True, timeout=120)
        fresh.replace(path)
    return path


def _qemu(root: Path) -> dict[str, bytes | Path]:
    """A QEMU, the loader and libraries that it asks for, and the firmware of a q35 machine."""
    program = root / "usr/bin/qemu-system-x86_64"
    libraries = root / "usr/lib/x86_64-linux-gnu"
    return {
        "qemu/qemu": program,
        **{f"qemu/lib/{found.name}": found for _, found in elf.closure(program, libraries)},
        "qemu/modules/accel-qtest.so": libraries / "qemu/accel-qtest.so",
        "qemu/firmware/bios-256k.bin": root / "usr/share/seabios/bios-256k.bin",
        "qemu/firmware/kvmvapic.bin": root / "usr/share/qemu/kvmvapic.bin",
    }


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_bytes(data)
    fresh.replace(path)
