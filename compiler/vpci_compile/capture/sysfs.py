"""A device folder as Linux shows it under /sys/bus/pci/devices, or a copy of one.

`config` must be there; of `resource`, `vendor`, `device`, `uevent` and the link `driver`, what is there is used.
"""

from __future__ import annotations

from pathlib import Path

from ..diagnostics import Failed, whole_file
from ..loader import open_to_read, read_bytes
from . import attributes
from .attributes import ROM_LINE, hexadecimal, resolved_name, target
from .model import HEADER_BYTES, MAX_SPACE, BarFact, Draft, full_slot

_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\n\r"

# IORESOURCE_* of linux/ioport.h
_IO, _MEM, _PREFETCH, _MEM_64 = 0x100, 0x200, 0x2000, 0x100000
_ROM_SHADOW = 2


def is_device(folder: Path) -> bool:
    """Whether a folder is (a copy of) one device's. One whose `config` is a text (that of git) is not."""
    try:
        with open_to_read(folder / "config") as stream:
            start = stream.read(HEADER_BYTES)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True  # who reads it is told why that cannot be
    return not start or bool(start.translate(None, _PRINTABLE))


def devices(folder: Path, limit: int) -> list[Path]:
    """The device folders in a folder, by name; at most `limit` entries are looked at. Raises OSError."""
    return [entry for entry, _ in zip(sorted(folder.iterdir()), range(limit), strict=False) if is_device(entry)]


def read_device(folder: Path, shown: str) -> Draft:
    """One function from its folder.

    Raises:
        Failed: VPCI1001 when `config` cannot be read, VPCI1005 when it is far too long for a configuration space.
    """
    draft = Draft("", whole_file(f"{shown}/config"))
    draft.put(0, read_bytes(folder / "config", f"{shown}/config", limit=16 * MAX_SPACE))
    events = dict(line.split("=", 1) for line in attributes.text(folder / "uevent").splitlines() if "=" in line)
    for name in (resolved_name(folder), folder.name, events.get("PCI_SLOT_NAME", "")):
        named = full_slot(name)
        if named is not None and named[1]:
            draft.slot = named[0]
    link = folder / "driver"
    draft.driver = (target(link) if link.is_symlink() else events.get("DRIVER", ""))[:64]
    vendor, device = hexadecimal(folder / "vendor"), hexadecimal(folder / "device")
    if vendor is not None and device is not None:
        draft.ids = (vendor, device)
    resource = attributes.text(folder / "resource")
    if resource:
        _resources(draft, resource, f"{shown}/resource")
    return draft


def try_device(folder: Path, shown: str) -> Draft:
    """As `read_device`; what makes it fail is left in the report of a function without bytes."""
    try:
        return read_device(folder, shown)
    except Failed as failed:
        named = full_slot(folder.name)
        draft = Draft(named[0] if named else "", whole_file(shown))
        draft.report.diagnostics.extend(failed.diagnostics)
        return draft


def _resources(draft: Draft, text: str, shown: str) -> None:
    """Six BARs and the expansion ROM; the lines after them are an SR-IOV function's VF BARs and bridge windows."""
    for index, line in enumerate(text.splitlines()[: ROM_LINE + 1]):
        said = attributes.resource(line)
        if said is None:
            draft.report.add(
                "VPCI1712",
                whole_file(shown),
                f"line {index + 1} is not 'start end flags' in hex; BAR sizes from here on are not known",
            )
            return
        start, end, flags = said
        fact = bar_fact(index, end - start + 1, flags)
        if fact is not None:
            draft.bars.append(fact)


def bar_fact(index: int, size: int, flags: int) -> BarFact | None:
    """What a line of `resource` says; None where nothing is implemented, or a ROM's copy in main memory is meant."""
    if not flags & (_IO | _MEM) or size < 1 or (index == ROM_LINE and flags & _ROM_SHADOW):
        return None
    prefetchable = index != ROM_LINE and bool(flags & _PREFETCH)
    return BarFact(index, size, io=bool(flags & _IO), prefetchable=prefetchable, wide=bool(flags & _MEM_64))
