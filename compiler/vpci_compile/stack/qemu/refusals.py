"""What QEMU's vfio-pci and vfio-user-pci do not take, found before QEMU is started.

Some of it makes QEMU loop for ever or abort, with a message that names nothing of the function. Each rule was executed
with QEMU 11.1.3, and names what it said (hw/vfio/pci.c, hw/pci/pci.c, hw/pci/pcie.c, hw/pci/msix.c).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from ...ir import ROM_INDEX, Bar, BarKind, ConfigSpace
from ..chains import (
    Extended,
    Place,
    Standard,
    claimed,
    express_is_hidden,
    extended_chain,
    rom_writable,
    standard_chain,
)
from ..pci import (
    ARI,
    CAP_LIST,
    CAP_POINTER,
    ENDPOINT,
    EXPRESS,
    EXPRESS_SIZE,
    HEADER_END,
    HEADER_TYPE,
    INTEGRATED,
    LEGACY,
    MSI,
    MSIX,
    MULTIFUNCTION,
    NULL,
    PCI_SIZE,
    PM,
    ROM,
    SRIOV,
    STATUS,
)
from .facts import qemu
from .options import QemuOptions

_MSIX_ENTRY = 16
_MSIX_MOST = 2048 * _MSIX_ENTRY
_MSI_MOST = 5  # as a power of two
_BRIDGE_BARS = 2
_LEAST_EXTENDED = 8


class Refusal(NamedTuple):
    """Why QEMU does not take an image: the byte, what is wrong, what QEMU does or says, a way out if there is one."""

    offset: int
    message: str
    note: str
    help: str = ""


def refusals(config: ConfigSpace, bars: Sequence[Bar], place: Place, options: QemuOptions) -> list[Refusal]:
    """Everything for which QEMU would end, abort or hang; empty when it takes the function.

    A BAR without a size is one that is not there where a vfio-user server says so, else one that is just not known.
    `config.writable` says what writes to the ROM register leave, whoever answers it.
    """
    found = [*_registers(config, bars)]
    chain = standard_chain(config.value)
    whole_pm = options.version < qemu().since["power-management"]
    found.extend(_standard(config, chain, whole_pm=whole_pm))
    found.extend(_overlaps(config, chain, place, whole_pm=whole_pm))
    found.extend(refusal for one in chain if one.id == EXPRESS for refusal in _express(config, one))
    tables = [one for one in chain if one.id == MSIX]
    if len(tables) > 1:
        found.append(
            Refusal(
                tables[1].offset,
                f"there are two MSI-X capabilities, at {tables[0].offset:#x} and {tables[1].offset:#x}",
                "QEMU makes the memory of the table twice, and loops for ever once the BAR is mapped (msix_init)",
            )
        )
    msix = tables[0] if tables else None  # QEMU looks at the first one
    # x-msix-relocation is the way out of such places. No BAR at all: the capture does not know them, as a VF's.
    served = options.vfio_user
    if msix is not None and options.relocation == "off" and (bars or served):
        found.extend(_msix(config, msix, bars if served else _known(config, msix, bars)))
    if config.size > PCI_SIZE and config.number("value", PCI_SIZE, 4):
        rebuilt = bool(chain) and place is not Place.CONVENTIONAL
        found.extend(_extended(config, extended_chain(config.value), rebuilt=rebuilt))
    return found


def _registers(config: ConfigSpace, bars: Sequence[Bar]) -> Iterator[Refusal]:
    for bar in bars:
        if bar.size and bar.size & (bar.size - 1):
            yield Refusal(
                bar.offset,
                f"BAR {bar.index} has {bar.size:#x} bytes, no power of two",
                "QEMU aborts in pci_register_bar",
            )
    if config.value[HEADER_TYPE] & ~MULTIFUNCTION != 1:
        return
    later = [bar.offset for bar in bars if bar.size and _BRIDGE_BARS <= bar.index < ROM_INDEX]
    for offset in [*later, *([ROM] if rom_writable(config) else [])]:
        what = "its I/O limits are taken for an expansion ROM" if offset == ROM else "it has BARs that no bridge has"
        yield Refusal(
            offset,
            f"the function is a bridge, and {what}",
            "vfio-user-pci is for endpoints: QEMU aborts in pci_register_bar (hdr_type != PCI_HEADER_TYPE_BRIDGE)",
        )


def _standard(config: ConfigSpace, chain: list[Standard], *, whole_pm: bool) -> Iterator[Refusal]:
    listed = config.value[STATUS] & CAP_LIST
    at = chain[-1].offset + 1 if chain else CAP_POINTER
    leads = config.value[at] if listed else 0
    if any(one.offset == leads for one in chain):
        yield Refusal(at, f"the standard chain loops: back to {leads:#x}", "QEMU never comes to an end")
    elif leads and leads + 1 >= config.size:
        yield Refusal(at, f"a pointer leads to {leads:#x}, to the end of the space", "QEMU reads on, and may never end")
    if any(one.offset < HEADER_END for one in chain):
        yield Refusal(CAP_POINTER, "a capability stands in the header", "QEMU makes registers there read-only")
    for one in chain:
        control = config.number("value", one.offset + 2, 2)
        length = claimed(config.value, one, whole_pm=whole_pm) if one.id in (PM, MSI, MSIX) else 2
        if one.id == MSI and control >> 1 & 7 > _MSI_MOST:
            yield Refusal(
                one.offset + 2,
                f"the MSI capability has 2^{control >> 1 & 7} vectors, {1 << _MSI_MOST} are the most",
                "QEMU aborts in msi_init (nr_vectors <= PCI_MSI_VECTORS_MAX)",
            )
        if one.offset + length > PCI_SIZE:
            yield Refusal(
                one.offset,
                f"capability {one.id:#04x} at {one.offset:#x} needs {length} bytes and ends outside the space",
                "QEMU writes beyond its end",
            )


def _overlaps(config: ConfigSpace, chain: list[Standard], place: Place, *, whole_pm: bool) -> Iterator[Refusal]:
    """What pci_add_capability finds: QEMU adds the last one of the chain first, and rounds what it claims up to 4."""
    taken: dict[int, int] = {}
    for one in reversed(chain):
        if one.id == EXPRESS and express_is_hidden(config.value, one, place):
            continue
        length = claimed(config.value, one, whole_pm=whole_pm)
        over = next((taken[at] for at in range(one.offset, one.offset + length) if at in taken), None)
        if over is not None:
            yield Refusal(
                one.offset,
                f"capability {one.id:#04x} at {one.offset:#x} needs {length} bytes, and the one at {over:#x} is there",
                "QEMU says: overlaps existing capability",
            )
        taken.update(dict.fromkeys(range(one.offset, one.offset + (length + 3) // 4 * 4), one.offset))


def _express(config: ConfigSpace, one: Standard) -> Iterator[Refusal]:
    kind = config.number("value", one.offset + 2, 2) >> 4 & 0xF
    if kind not in (ENDPOINT, LEGACY, INTEGRATED):
        yield Refusal(
            one.offset + 2,
            f"the PCI Express capability is of type {kind:#x}: a port or a bridge",
            f"QEMU says: assignment of PCIe type {kind:#x} devices is not currently supported",
        )


_MSIX_SAYS = (
    "QEMU says: hardware reports invalid configuration, MSIX PBA outside of specified BAR, or: table & pba overlap, or "
    "they don't fit in BARs"
)


def _known(config: ConfigSpace, one: Standard, bars: Sequence[Bar]) -> list[Bar]:
    """The BARs, those of unknown size as large as the MSI-X structures in them need."""
    rows = {config.number("value", one.offset + at, 4) for at in (4, 8)}
    most = max(row & ~7 for row in rows) + _MSIX_MOST
    return [bar if bar.size else replace(bar, size=1 << most.bit_length()) for bar in bars]


def _msix(config: ConfigSpace, one: Standard, bars: Sequence[Bar]) -> Iterator[Refusal]:
    entries = (config.number("value", one.offset + 2, 2) & 0x7FF) + 1
    ranges: list[tuple[int, int, int]] = []
    nowhere: dict[int, list[str]] = {}
    for name, at, size in (("table", 4, entries * _MSIX_ENTRY), ("PBA", 8, (entries + 63) // 64 * 8)):
        held = config.number("value", one.offset + at, 4)
        index, start = held & 7, held & ~7
        bar = next((bar for bar in bars if bar.index == index and bar.size and index < ROM_INDEX), None)
        if bar is None or bar.size is None:
            nowhere.setdefault(index, []).append(name)
        elif bar.kind is BarKind.IO:
            yield Refusal(one.offset + at, f"the MSI-X {name} is in BAR {index}, an I/O BAR", _MSIX_SAYS)
        elif start + size > bar.size:
            where = f"{start:#x}..{start + size - 1:#x}"
            yield Refusal(one.offset + at, f"the MSI-X {name} at {where} ends outside BAR {index}", _MSIX_SAYS)
        ranges.append((index, start, start + size))
    for index, names in nowhere.items():
        what = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"
        way_out = f"give BAR {index} its size in the layout; the text of 'lspci -xxxx' does not have it"
        yield Refusal(one.offset, f"the MSI-X {what} in BAR {index}, which has no size", _MSIX_SAYS, way_out)
    (table, begins, ends), (pba, start, end) = ranges
    if table == pba and begins < end and start < ends:
        yield Refusal(one.offset + 8, "MSI-X table and PBA overlap", "QEMU says: table & pba overlap")


def _ends_below(config: ConfigSpace, position: int) -> bool:
    """Whether a walk that has left the extended space comes to an end there, over nothing but what QEMU drops."""
    seen: set[int] = set()
    while position:
        header = config.number("value", position, 4)
        if position >= PCI_SIZE or position in seen or header & 0xFFFF not in (NULL, ARI, SRIOV):
            return False
        seen.add(position)
        position = header >> 20 & 0xFFC
    return True


def _extended(config: ConfigSpace, chain: list[Extended], *, rebuilt: bool) -> Iterator[Refusal]:
    """QEMU looks for capabilities along the chain in any case, and builds it anew where `rebuilt`."""
    last = chain[-1]
    if last.next and any(one.offset == last.next for one in chain):
        yield Refusal(
            last.offset + 2, f"the extended chain loops: back to {last.next:#x}", "QEMU never comes to an end"
        )
    elif 0 < last.next < PCI_SIZE and not (rebuilt and _ends_below(config, last.next)):
        yield Refusal(
            last.offset + 2,
            f"a pointer of the extended chain leads to {last.next:#x}, below 0x100",
            "QEMU aborts in pcie_find_capability_list or pcie_add_capability",
        )
    for one in chain:
        if one.offset > EXPRESS_SIZE - _LEAST_EXTENDED or (rebuilt and one.room < _LEAST_EXTENDED):
            yield Refusal(
                one.offset,
                f"extended capability {one.id:#06x} at {one.offset:#x} has {one.room} bytes up to the next one, "
                f"{_LEAST_EXTENDED} are needed",
                "QEMU aborts in pcie_add_capability (size >= 8) or pcie_find_capability_list",
            )
