"""How many bytes of configuration space Linux's vfio-pci takes for a capability, and for the space itself.

Source: Linux, drivers/vfio/pci/vfio_pci_config.c (vfio_cap_len, vfio_ext_cap_len, vfio_vc_cap_len, vfio_msi_cap_len,
init_pci_cap_msi_perm) and drivers/pci/probe.c (pci_cfg_space_size). Offsets and lengths in bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..hardware import Hardware
from ..pci import (
    CAP_LIST,
    CAP_POINTER,
    CLASS,
    EXPRESS,
    EXPRESS_SIZE,
    HEADER_END,
    INTEGRATED,
    PCI_SIZE,
    PCIX,
    STATUS,
    number,
)
from .facts import Linux, Row, Version

__all__ = ["Express", "KernelError", "Row", "config_size", "express", "extended", "msi_rows", "standard"]

_ONES = 0xFFFFFFFF
_WIDE, _MASKS = 0x80, 0x100  # message control of MSI: 64-bit addresses, per-vector masks
_MOST_HOPS = 48
_PCIX_VERSION = 0x3000
_HOST_BRIDGE = 0x0600
_OPENING = "vfio_config_init: opening the device fails, or worse"


class KernelError(Exception):
    """Opening the device fails, or the kernel writes outside its own tables; the text says why, `rule` where.

    `way_out` is what helps, if anything does.
    """

    def __init__(self, offset: int, text: str, rule: str = _OPENING, way_out: str = "") -> None:
        self.offset = offset
        self.rule = rule
        self.way_out = way_out
        super().__init__(text)


class Express(NamedTuple):
    """The PCI Express capability as the PCI core found it: version and device/port type."""

    version: int
    type: int


def express(device: bytes) -> Express | None:
    """The first PCI Express capability that the PCI core finds, or None (pci_find_capability)."""
    at = _find(device, EXPRESS)
    if at is None:
        return None
    flags = number(device, at + 2, 2)
    return Express(flags & 0xF, flags >> 4 & 0xF)


def _find(device: bytes, wanted: int) -> int | None:
    if not device[STATUS] & CAP_LIST:
        return None
    position = device[CAP_POINTER]
    for _ in range(_MOST_HOPS):
        if position < HEADER_END:
            return None
        position &= ~3
        own, following = device[position : position + 2] if position + 2 <= len(device) else (0xFF, 0)
        if own == 0xFF:
            return None
        if own == wanted:
            return position
        position = following
    return None


def config_size(hardware: Hardware, facts: Linux) -> int:
    """Bytes of the space that the kernel gives access to (pci_cfg_space_size; quirks.c)."""
    value = hardware.value
    clamped = facts.clamp(*(hardware.ids or (number(value, 0, 2), number(value, 2, 2))))
    if clamped is not None:
        return min(len(value), clamped)
    if hardware.virtual or len(value) <= PCI_SIZE:
        return len(value)
    reaches = number(value, CLASS + 1, 2) == _HOST_BRIDGE or express(value) is not None or _pcix_266(value)
    aliased = all(value[at : at + 4] == value[:4] for at in range(PCI_SIZE, min(len(value), EXPRESS_SIZE), PCI_SIZE))
    if not reaches or aliased or number(value, PCI_SIZE, 4) == _ONES:
        return PCI_SIZE
    return len(value)


def _pcix_266(value: bytes) -> bool:
    at = _find(value, PCIX)
    return at is not None and bool(number(value, at + 4, 4) & 0xC0000000)  # PCI_X_STATUS_266MHZ, _533MHZ


def standard(facts: Linux, version: Version, device: bytes, own: int, at: int, express: Express | None) -> int:
    """Bytes of the standard capability `own` at `at`; 0 where it is hidden."""
    row = facts.standard_row(own, version)
    if row is None:
        return 0
    if row.rule == "pcie":
        found = express or Express(0, 0)
        return facts.express_length(version, found.version, integrated=found.type == INTEGRATED)
    return row.length or _STANDARD[row.rule](device, at)


def extended(facts: Linux, version: Version, device: bytes, own: int, at: int) -> int:
    """Bytes of the extended capability `own` at `at`; 0 where it is hidden."""
    row = facts.extended_row(own, version)
    if row is None:
        return 0
    return row.length or _EXTENDED[row.rule](device, at)


def starts_extended_space(device: bytes, own: int, at: int) -> bool:
    """Whether the kernel looks at 0x100 when it finds this standard capability (vfio_cap_len)."""
    return own == EXPRESS or bool(own == PCIX and number(device, at + 2, 2) & _PCIX_VERSION)


def _read(device: bytes, at: int, offset: int, size: int) -> int:
    """A register of the capability at `at`, on which its length depends."""
    if at + offset + size > len(device):
        text = f"the register at {at + offset:#x} of the capability at {at:#x} cannot be read: the space ends before it"
        raise KernelError(at, text)
    return number(device, at + offset, size)


def _msi(device: bytes, at: int) -> int:
    control = _read(device, at, 2, 2)
    return 10 + (4 if control & _WIDE else 0) + (10 if control & _MASKS else 0)


def _pcix(device: bytes, at: int) -> int:
    return 24 if _read(device, at, 2, 2) >> 12 & 3 else 8


def _ht(device: bytes, at: int) -> int:
    return 24 if _read(device, at, 3, 1) & 0xE0 else 28


def _sata(device: bytes, at: int) -> int:
    return 16 if _read(device, at, 4, 1) & 0xF == 0xF else 8


def _vndr(device: bytes, at: int) -> int:
    return _read(device, at, 2, 1)


def _vendor_header(device: bytes, at: int) -> int:
    return _read(device, at, 4, 4) >> 20


def _vc(device: bytes, at: int) -> int:
    channels, tables = _read(device, at, 4, 1) & 7, _read(device, at, 8, 1)
    length = 0x10 + (1 + channels) * 0x0C
    phases = next((phases for bit, phases in ((0x8, 128), (0x4, 64), (0x2, 32)) if tables & bit), 0)
    return -(-length // 16) * 16 + phases // 2 if phases else length


def _acs(device: bytes, at: int) -> int:
    if not _read(device, at, 4, 1) & 0x20:  # PCI_ACS_EC
        return 8
    bits = _read(device, at, 5, 1)
    return 8 + ((bits + 31) // 32 * 32 if bits else 256) // 8


def _rebar(device: bytes, at: int) -> int:
    return 4 + 8 * (_read(device, at, 8, 1) >> 5)


def _dpa(device: bytes, at: int) -> int:
    return 16 + (_read(device, at, 4, 1) & 0x1F) + 1


def _tph(device: bytes, at: int) -> int:
    requester = _read(device, at, 4, 4)
    return 12 + 2 * (requester >> 16 & 0x7FF) + 2 if requester & 0x600 == 0x200 else 12


Rule = Callable[[bytes, int], int]
_STANDARD: dict[str, Rule] = {"msi": _msi, "pcix": _pcix, "ht": _ht, "sata": _sata, "vndr": _vndr}
_EXTENDED: dict[str, Rule] = {
    "vc": _vc, "vsec": _vendor_header, "dvsec": _vendor_header, "acs": _acs, "rebar": _rebar, "dpa": _dpa, "tph": _tph,
}  # fmt: skip


def msi_rows(control: int) -> list[Row]:
    """The registers of an MSI capability that depend on its form: upper address, data, masks."""
    wide, rows = bool(control & _WIDE), []
    if wide:
        rows.append(Row(8, 4, shadow=_ONES, write=_ONES))
    data = 12 if wide else 8
    rows.append(Row(data, 2, shadow=0xFFFF, write=0xFFFF))
    if control & _MASKS:
        rows += [Row(data + 4, 4, write=_ONES), Row(data + 8, 4, write=_ONES)]
    return rows
