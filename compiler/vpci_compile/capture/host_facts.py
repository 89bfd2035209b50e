"""What sysfs says of a function and of its host, as the capture file has it."""

from __future__ import annotations

import mmap
import os
import re
from pathlib import Path
from typing import Any

from .model import full_slot
from .sysfs import ROM_LINE

_ATTRIBUTE_BYTES = 65_536
_MODULES = ("vfio", "vfio_iommu_type1", "vfio_pci", "vfio_pci_core")
_NOT_CONNECTED = 1 << 31  # IRQ_NOTCONNECTED of linux/interrupt.h
_LINE = re.compile(r"0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16})")


def host(sysfs: Path) -> dict[str, Any]:
    """The host, as far as it decides what a guest sees: never its name."""
    system = os.uname()
    return {
        "kernel": _printable(system.release)[:64],
        "architecture": _word(system.machine) or "unknown",
        "page_size": mmap.PAGESIZE,
        "parameters": {
            f"{module}.{path.name}": _printable(_text(path))[:64]
            for module in _MODULES
            for path in sorted((sysfs / "module" / module / "parameters").glob("[a-z]*"))
        },
    }


def function(folder: Path, slot: str) -> dict[str, Any]:
    """A function, without its bytes. What is not there is null: another kernel may not say it."""
    subsystem = [
        number for name in ("vendor", "device") if (number := _number(folder / f"subsystem_{name}")) is not None
    ]
    total = _decimal(folder / "sriov_totalvfs")
    node = _decimal(folder / "numa_node")
    return {
        "slot": slot,
        "vendor": f"{_number(folder / 'vendor') or 0:#06x}",
        "device": f"{_number(folder / 'device') or 0:#06x}",
        "class": f"{_number(folder / 'class') or 0:#08x}",
        "revision": _hex(_number(folder / "revision"), 4),
        "subsystem": ":".join(f"{number:04x}" for number in subsystem) if len(subsystem) == 2 else None,
        "driver": _word(_target(folder / "driver")),
        "physical_function": _slot(_target(folder / "physfn")),
        "sriov": None if total is None else {"total": total, "enabled": _decimal(folder / "sriov_numvfs") or 0},
        "numa_node": node if node is not None and 0 <= node <= 0xFFFF else None,
        "iommu_group": _index(_target(folder / "iommu_group")),
        "intx": _intx(folder),
        "reset_methods": [word for word in map(_word, _text(folder / "reset_method").split()[:16]) if word],
        "resources": _resources(_text(folder / "resource")),
    }


def bound_to_vfio(folder: Path, driver: str | None) -> bool:
    """Whether a vfio driver has the function: vfio-pci, or the variant driver of a vendor."""
    return "vfio" in (driver or "") or (folder / "vfio-dev").is_dir()


def _resources(text: str) -> list[dict[str, Any]]:
    """Six BARs and the ROM: how large they are, not where the host has them."""
    found = []
    for index, line in enumerate(text.splitlines()[: ROM_LINE + 1]):
        match = _LINE.fullmatch(line.strip().lower())
        if match is None:
            break
        start, end, flags = (int(one, 16) for one in match.groups())
        if flags and end >= start:
            found.append({"index": index, "size": f"{min(end - start + 1, (1 << 64) - 1):#x}", "flags": f"{flags:#x}"})
    return found


def _intx(folder: Path) -> bool | None:
    """Whether the function's pin has an interrupt, None where sysfs does not say.

    An interrupt is found only when a driver enables the function (seen on Linux 7.2: 0 before, and vfio has one). With
    MSI on, the kernel says that one instead.
    """
    number = _decimal(folder / "irq")
    if number is None or any(_text(path).strip() == "msi" for path in (folder / "msi_irqs").glob("[0-9]*")):
        return None
    if number == 0 and not _decimal(folder / "enable"):
        return None
    return 0 < number < _NOT_CONNECTED


def _text(path: Path) -> str:
    """An attribute's text, "" when it is not there or not for us."""
    try:
        with path.open("rb") as stream:
            return stream.read(_ATTRIBUTE_BYTES).decode("ascii", "replace")
    except (OSError, ValueError):
        return ""


def _number(path: Path) -> int | None:
    match = re.fullmatch(r"\s*0x([0-9a-fA-F]{1,6})\s*", _text(path))
    return int(match[1], 16) if match else None


def _decimal(path: Path) -> int | None:
    match = re.fullmatch(r"\s*(-?[0-9]{1,10})\s*", _text(path))
    return int(match[1]) if match else None


def _hex(number: int | None, width: int) -> str | None:
    return None if number is None else f"{number:#0{width}x}"


def _index(name: str) -> int | None:
    return int(name) if re.fullmatch(r"[0-9]{1,9}", name, re.ASCII) else None


def _target(link: Path) -> str:
    """The name of what a link leads to, "" where there is none."""
    try:
        return link.resolve().name if link.is_symlink() else ""
    except (OSError, RuntimeError):
        return ""


def _slot(name: str) -> str | None:
    named = full_slot(name)
    return None if named is None else named[0]


def _word(text: str) -> str | None:
    cleaned = re.sub(r"[^A-Za-z0-9_.:+/@~-]", "_", text.strip())[:64]
    return cleaned or None


def _printable(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", text.strip())
