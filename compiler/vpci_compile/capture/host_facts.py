"""What sysfs says of a function and of its host, as the capture file has it."""

from __future__ import annotations

import mmap
import os
import re
from pathlib import Path
from typing import Any

from . import attributes
from .attributes import ROM_LINE, decimal, hexadecimal, target
from .model import full_slot

_MODULES = ("vfio", "vfio_iommu_type1", "vfio_pci", "vfio_pci_core")
_NOT_CONNECTED = 1 << 31  # IRQ_NOTCONNECTED of linux/interrupt.h


def host(sysfs: Path) -> dict[str, Any]:
    """The host, as far as it decides what a guest sees: never its name."""
    system = os.uname()
    return {
        "kernel": _printable(system.release)[:64],
        "architecture": _word(system.machine) or "unknown",
        "page_size": mmap.PAGESIZE,
        "parameters": {
            f"{module}.{path.name}": _printable(attributes.text(path))[:64]
            for module in _MODULES
            for path in sorted((sysfs / "module" / module / "parameters").glob("[a-z]*"))
        },
    }


def function(folder: Path, slot: str) -> dict[str, Any]:
    """A function, without its bytes. What is not there is null: another kernel may not say it."""
    subsystem = [
        number for name in ("vendor", "device") if (number := hexadecimal(folder / f"subsystem_{name}")) is not None
    ]
    total = decimal(folder / "sriov_totalvfs")
    node = decimal(folder / "numa_node")
    return {
        "slot": slot,
        "vendor": f"{hexadecimal(folder / 'vendor') or 0:#06x}",
        "device": f"{hexadecimal(folder / 'device') or 0:#06x}",
        "class": f"{hexadecimal(folder / 'class') or 0:#08x}",
        "revision": _hex(hexadecimal(folder / "revision"), 4),
        "subsystem": ":".join(f"{number:04x}" for number in subsystem) if len(subsystem) == 2 else None,
        "driver": _word(target(folder / "driver")),
        "physical_function": _slot(target(folder / "physfn")),
        "sriov": None if total is None else {"total": total, "enabled": decimal(folder / "sriov_numvfs") or 0},
        "numa_node": node if node is not None and 0 <= node <= 0xFFFF else None,
        "iommu_group": _index(target(folder / "iommu_group")),
        "intx": _intx(folder),
        "reset_methods": [word for word in map(_word, attributes.text(folder / "reset_method").split()[:16]) if word],
        "resources": _resources(attributes.text(folder / "resource")),
    }


def bound_to_vfio(folder: Path, driver: str | None) -> bool:
    """Whether a vfio driver has the function: vfio-pci, or the variant driver of a vendor."""
    return "vfio" in (driver or "") or (folder / "vfio-dev").is_dir()


def _resources(text: str) -> list[dict[str, Any]]:
    """Six BARs and the ROM: how large they are, not where the host has them."""
    found = []
    for index, line in enumerate(text.splitlines()[: ROM_LINE + 1]):
        said = attributes.resource(line)
        if said is None:
            break
        start, end, flags = said
        if flags and end >= start:
            found.append({"index": index, "size": f"{min(end - start + 1, (1 << 64) - 1):#x}", "flags": f"{flags:#x}"})
    return found


def _intx(folder: Path) -> bool | None:
    """Whether the function's pin has an interrupt, None where sysfs does not say.

    An interrupt is found only when a driver enables the function (seen on Linux 7.2: 0 before, and vfio has one). With
    MSI on, the kernel says that one instead.
    """
    number = decimal(folder / "irq")
    if number is None or any(attributes.text(path).strip() == "msi" for path in (folder / "msi_irqs").glob("[0-9]*")):
        return None
    if number == 0 and not decimal(folder / "enable"):
        return None
    return 0 < number < _NOT_CONNECTED


def _hex(number: int | None, width: int) -> str | None:
    return None if number is None else f"{number:#0{width}x}"


def _index(name: str) -> int | None:
    return int(name) if re.fullmatch(r"[0-9]{1,9}", name, re.ASCII) else None


def _slot(name: str) -> str | None:
    named = full_slot(name)
    return None if named is None else named[0]


def _word(text: str) -> str | None:
    cleaned = re.sub(r"[^A-Za-z0-9_.:+/@~-]", "_", text.strip())[:64]
    return cleaned or None


def _printable(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", text.strip())
