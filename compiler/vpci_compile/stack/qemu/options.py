"""What QEMU's vfio-pci can be told about a function, and what it makes of it before it builds the space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ...diagnostics import Span, whole_file
from ...ir import Bar, BarKind, Beyond, Caching, Enable, Origin
from ..chains import Standard, claimed
from ..linux.facts import Version
from ..pci import CLASS, MSIX, VNDR, number
from .facts import qemu

PAGE = 4096
_ENTRY, _MOST_32 = 16, 1 << 30


class Pasid(NamedTuple):
    """What the host's kernel reports of PASID (IOMMU_GET_HW_INFO): width in bits, and the two permissions."""

    width: int
    execute: bool
    privileged: bool


class Ids(NamedTuple):
    """The ids that QEMU shows instead of the function's; None: its own. `class_code` has 24 bits."""

    vendor: int | None = None
    device: int | None = None
    subsystem_vendor: int | None = None
    subsystem: int | None = None
    class_code: int | None = None


@dataclass(frozen=True, slots=True)
class QemuOptions:
    """A QEMU release, and what it is told of one function.

    `vfio_user`: the driver is vfio-user-pci, which has fewer options. `pasid`: what the host reports, where the machine
    has a vIOMMU with PASID and the function an iommufd; else None. `kernel_ats`: whether the kernel supports ATS.
    """

    version: Version = (11, 1)
    vfio_user: bool = False
    multifunction: bool = False
    ids: Ids = field(default_factory=Ids)
    clique: int | None = None
    ats: str = "auto"
    kernel_ats: bool = True
    relocation: str = "off"
    rombar: bool = True
    pasid: Pasid | None = None
    pasid_at: int = 0
    skip_vsc: bool = True


class OptionError(Exception):
    """QEMU refuses what it was told; `offset` is the byte it is about, the text is QEMU's own where it has one."""

    def __init__(self, offset: int, text: str, note: str = "") -> None:
        self.offset = offset
        self.note = note
        super().__init__(text)


_CLIQUES = 16
_RANGES = {
    "vendor": ("vendor ID", 0x00, 0xFFFE),
    "device": ("device ID", 0x02, 0xFFFF),
    "subsystem_vendor": ("subsystem vendor ID", 0x2C, 0xFFFF),
    "subsystem": ("subsystem device ID", 0x2E, 0xFFFF),
    "class_code": ("class code", CLASS, 0xFFFFFF),
}
"""What QEMU calls an id, where it stands, and the largest one that it takes."""
_CLIQUE_RULE = "vfio_add_nv_gpudirect_cap"


def check(options: QemuOptions) -> None:
    """Refuse values that QEMU refuses whatever the function is.

    Raises:
        OptionError: one is out of its range.
    """
    if options.clique is not None and not 0 <= options.clique < _CLIQUES:
        text = f"x-nv-gpudirect-clique={options.clique}: valid range 0-15"
        raise OptionError(0, text, "set_nv_gpudirect_clique_id")
    for name, value in options.ids._asdict().items():
        what, at, most = _RANGES[name]
        if value is not None and not 0 <= value <= most:
            raise OptionError(at, f"invalid PCI {what} provided", "vfio_pci_config_setup")


def clique_place(options: QemuOptions, value: bytes | bytearray, chain: Sequence[Standard]) -> int:
    """Where the GPUDirect capability goes: the first place at which no capability starts (pci-quirks.c).

    Raises:
        OptionError: the vendor or the class is not one that QEMU takes, or there is no place.
    """
    facts = qemu()
    if number(value, 0, 2) != facts.gpudirect_vendor:
        raise OptionError(0, "NVIDIA GPUDirect Clique ID: invalid device vendor", _CLIQUE_RULE)
    if value[CLASS + 2] != facts.gpudirect_base_class:
        raise OptionError(
            CLASS + 2, "NVIDIA GPUDirect Clique ID: unsupported PCI class code", "vfio_add_nv_gpudirect_cap"
        )
    taken = {one.offset for one in chain}
    for at, since in facts.gpudirect_places:
        if at not in taken and options.version >= since:
            return at
    raise OptionError(
        facts.gpudirect_places[0][0], "NVIDIA GPUDirect Clique ID: invalid config space", "vfio_add_nv_gpudirect_cap"
    )


def check_clique(value: bytes, at: int, kept: Sequence[Standard]) -> None:
    """Refuse a place in the middle of what QEMU adds after the clique (pci_add_capability), the last one first.

    Raises:
        OptionError: a capability has a length of its own that reaches over the place, or begins in it.
    """
    end = at + len(clique_body(0))
    for one in reversed(kept):
        room = min(one.room, at - one.offset) if one.offset < at else one.room
        length = claimed(value, one._replace(room=room))
        if one.offset < end and at < one.offset + length:
            text = f"failed to add PCI capability {one.id:#x}[{room:#x}]@{one.offset:#x}: overlaps existing capability"
            raise OptionError(one.offset, f"{text} 0x9 at {at:#x}, the GPUDirect clique", "vfio_add_std_cap")


def clique_body(clique: int) -> bytes:
    """The GPUDirect capability without its link: 8 bytes."""
    return bytes([VNDR, 0, 8]) + b"P2P" + (clique << 3).to_bytes(2, "little")


class Relocated(NamedTuple):
    """MSI-X in its new place: the BARs of the function, and the two dwords of the capability."""

    bars: tuple[Bar, ...]
    table: int
    pba: int


def relocate(options: QemuOptions, value: bytes, bars: Sequence[Bar], chain: Sequence[Standard]) -> Relocated | None:
    """What `x-msix-relocation` does (vfio_pci_relocate_msix); None where it is off, or there is no MSI-X.

    Raises:
        OptionError: QEMU refuses the BAR.
    """
    msix = next((one for one in chain if one.id == MSIX), None)
    if options.relocation == "off" or msix is None:
        return None
    at = msix.offset
    if options.relocation == "auto":
        ids = f"{number(value, 0, 2):04x}:{number(value, 2, 2):04x}"
        raise OptionError(at, f"No automatic MSI-X relocation available for device {ids}", "vfio_pci_relocate_msix")
    index = int(options.relocation.removeprefix("bar"))
    # A server that gives a BAR no size has none; of real hardware the size is just not known.
    by_index = {bar.index: bar for bar in bars if bar.size or not options.vfio_user}
    bar, below = by_index.get(index), by_index.get(index - 1)
    if bar is not None and bar.kind is BarKind.IO:
        raise OptionError(at, f"Invalid MSI-X relocation BAR {index}, I/O port BAR", "vfio_pci_relocate_msix")
    if bar is None and below is not None and below.kind is BarKind.MEM64:
        text = f"Invalid MSI-X relocation BAR {index}, consumed by 64-bit BAR {index - 1}"
        raise OptionError(at, text, "vfio_pci_relocate_msix")
    if bar is not None and not bar.size:
        text = f"x-msix-relocation doubles a BAR, and the size of BAR {index} is not known: take another capture"
        raise OptionError(at, text, "vfio_pci_relocate_msix")
    if bar is not None and bar.size and bar.size > _MOST_32 and bar.kind is not BarKind.MEM64:
        text = f"Invalid MSI-X relocation BAR {index}, no space to extend 32-bit BAR"
        raise OptionError(at, text, "vfio_pci_relocate_msix")
    entries = (number(value, at + 2, 2) & 0x7FF) + 1
    needed = _power(-(-(entries * _ENTRY + -(-entries // 64) * 8) // PAGE) * PAGE)
    if bar is None:
        wide = index < 5 and index + 1 not in by_index
        made = Bar(
            index, BarKind.MEM64 if wide else BarKind.MEM32, True, needed, None, Origin.SYNTHESIZED,
            Caching.UNCACHED, Beyond.ONES, Enable.ENFORCE, bars[0].origin if bars else _nowhere(),
        )  # fmt: skip
        table = 0
    else:
        size = max((bar.size or 0) * 2, needed * 2)
        made, table = replace(bar, size=size, length=None), size // 2
    rest = [one for one in bars if one.index != index]
    return Relocated((*rest, made), table | index, table + entries * _ENTRY | index)


def _nowhere() -> Span:
    return whole_file("x-msix-relocation")


def _power(size: int) -> int:
    return 1 << (size - 1).bit_length()


_BOOLEANS = {"on": True, "yes": True, "true": True, "1": True, "off": False, "no": False, "false": False, "0": False}
_IDS = {
    "x-pci-vendor-id": "vendor",
    "x-pci-device-id": "device",
    "x-pci-sub-vendor-id": "subsystem_vendor",
    "x-pci-sub-device-id": "subsystem",
    "x-pci-class-code": "class_code",
}


OPTIONS = (
    *_IDS, "x-nv-gpudirect-clique", "x-vpasid-cap-offset", "ats", "x-msix-relocation", "multifunction", "rombar",
    "skip-vsc-check",
)  # fmt: skip
"""The options that change the configuration space, or what is compared of it."""


def with_options(base: QemuOptions, words: Mapping[str, str]) -> QemuOptions:
    """`base` with options as QEMU spells them.

    Raises:
        ValueError: an option that is not known here, or a value that it cannot have; the text says which.
    """
    changed: dict[str, object] = {}
    ids = base.ids._asdict()
    for name, text in words.items():
        if name in _IDS:
            ids[_IDS[name]] = _integer(name, text)
        elif name == "x-nv-gpudirect-clique":
            changed["clique"] = _integer(name, text)
        elif name == "x-vpasid-cap-offset":
            changed["pasid_at"] = _integer(name, text)
            if not 0 <= _integer(name, text) <= 0xFFFF:
                raise ValueError(f"{name}: '{text}' is outside 0..0xffff (uint16)")
        elif name in ("multifunction", "rombar", "skip-vsc-check"):
            key = {"skip-vsc-check": "skip_vsc"}.get(name, name)
            changed[key] = _one_of(name, text, _BOOLEANS)
        elif name == "ats":
            changed["ats"] = _one_of(name, text, {one: one for one in ("auto", "on", "off")})
        elif name == "x-msix-relocation":
            places = ["off", "auto", *(f"bar{index}" for index in range(6))]
            changed["relocation"] = _one_of(name, text, {one: one for one in places})
        else:
            raise ValueError(f"'{name}' is no option of vfio-pci that changes the configuration space")
    return replace(base, ids=Ids(**ids), **changed)  # type: ignore[arg-type]


def switch(name: str, text: str) -> bool:
    """An option that is on or off.

    Raises:
        ValueError: it is neither.
    """
    return bool(_one_of(name, text, _BOOLEANS))


def _integer(name: str, text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise ValueError(f"{name}: '{text}' is no number") from None


def _one_of(name: str, text: str, known: Mapping[str, object]) -> object:
    if text.lower() not in known:
        raise ValueError(f"{name}: '{text}' is none of {', '.join(known)}")
    return known[text.lower()]
