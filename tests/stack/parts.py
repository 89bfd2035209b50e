"""What functions are put together from: bodies of capabilities, BARs, headers and chains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vpci_compile.diagnostics import whole_file
from vpci_compile.ir import Bar, BarKind, Beyond, Caching, Enable, Origin

from .hardware import AF, CAP_LIST, EXPRESS, MSI, MSIX, PM, STATUS, VPD, Image

SIZE, CONVENTIONAL = 4096, 256
POINTER, FIRST, EXTENDED = 0x34, 0x40, 0x100
VENDOR, SSVID, DEBUG, EXTENDED_ALLOCATION = 0x09, 0x0D, 0x0A, 0x14
AER, VC, DSN, POWER, VSEC, ACS, ARI, ATS, SRIOV = 0x01, 0x02, 0x03, 0x04, 0x0B, 0x0D, 0x0E, 0x0F, 0x10
MULTICAST, PRI, REBAR, DPA, TPH, LTR, PASID, L1SS, PTM, DVSEC, DOE = (
    *(0x12, 0x13, 0x15, 0x16, 0x17, 0x18),
    *(0x1B, 0x1E, 0x1F, 0x23, 0x2E),
)
BAR_SIZE = 0x10000

Body = bytes
Standard = tuple[int, int, Body]
"""Offset, id, and the bytes after the two of the header."""
Extended = tuple[int, int, Body]
"""Offset, id, and the bytes after the four of the header."""


def bar(index: int, kind: BarKind, size: int, *, prefetchable: bool = False) -> Bar:
    """A BAR with plain memory behind it."""
    return Bar(
        index=index,
        kind=kind,
        prefetchable=prefetchable,
        size=size,
        length=None,
        source=Origin.COPIED,
        caching=Caching.UNCACHED,
        beyond=Beyond.ONES,
        enable=Enable.ENFORCE,
        origin=whole_file(""),
    )


def words(*values: int) -> bytes:
    """Dwords."""
    return b"".join(value.to_bytes(4, "little") for value in values)


# -- bodies of capabilities ----------------------------------------------------------------------------------------


def express(version: int = 2, kind: int = 0, *, flr: bool = True) -> Body:
    """PCI Express: an endpoint with a link; `flr`: it can be reset by itself, which takes Linux 0.1 s instead of 1."""
    length = 0x14 if version == 1 else 0x3C
    body = (kind << 4 | version).to_bytes(2, "little")
    body += words(0x00008FC2 | flr << 28, 0x00002910, 0x00473D05, 0x10430040, 0, 0, 0, 0)  # up to 0x24
    body += words(0x0C00001F, 0x00000010, 0x0180003E, 0x00030005, 0xA5A5A5A5, 0x5A5A5A5A)  # the last two: slot 2
    return body[: length - 2]


def power_management() -> Body:
    return b"\xc3\xff" + words(0x00008108)  # D1, D2, all PME bits; PME enabled and seen, no soft reset


def msi(*, wide: bool = True, masks: bool = True, vectors: int = 2) -> Body:
    control = vectors << 1 | wide << 7 | masks << 8
    body = control.to_bytes(2, "little") + words(0xFEE01004, *((0x00000001,) if wide else ()), 0xABCD4021)
    return body + (words(0x0000000F, 0) if masks else b"")


def msix(table: int = 0x2000, pending: int = 0x3000) -> Body:
    return b"\x0a\x00" + words(table, pending)


AF_FLR = b"\x06\x03\x00\x00"  # length, transactions pending and FLR, control, status


def vendor(length: int) -> Body:
    return bytes([length]) + bytes((0x40 + number) & 0xFF for number in range(max(0, length - 3)))


def vsec(length: int, claimed: int | None = None) -> Body:
    head = (length if claimed is None else claimed) << 20 | 0x10042
    return words(head) + bytes(number & 0xFF for number in range(length - 8))


def dvsec(length: int, claimed: int | None = None) -> Body:
    head = (length if claimed is None else claimed) << 20 | 0x1ABCD
    return words(head) + b"\x07\x00" + bytes((0x80 + number) & 0xFF for number in range(length - 10))


_STANDARD_BODIES: dict[int, Body] = {
    PM: power_management(),
    VPD: b"\x00\x00" + words(0x11223344),
    MSI: msi(),
    0x07: b"\x02\x00" + words(0x0103FFF8),
    0x08: b"\x00\xe0" + words(1, 2, 3, 4, 5),
    VENDOR: vendor(0x0C),
    SSVID: b"\x00\x00" + words(0x00071AF4),
    EXPRESS: express(),
    MSIX: msix(),
    0x12: b"\x10\x00" + words(0x48),
    AF: AF_FLR,
}

_CHANNELS = words(0, 0, 0, 0, 0x800000FF, 0)
_EXTENDED_BODIES: dict[int, Body] = {
    AER: words(0x00100000, 0x02400000, 0x00462030, 0x2001, 0x6000, 0xE0, 1, 2, 3, 4, *(0x77777777,) * 6),
    VC: _CHANNELS,
    0x08: _CHANNELS,
    0x09: _CHANNELS,
    DSN: words(0x00112233, 0x44556677),
    POWER: words(2, 0x00040148, 1),
    VSEC: vsec(0x18),
    ACS: words(0x0000005F),
    ARI: words(0x00000100),
    ATS: words(0x00000020),
    SRIOV: bytes(0x3C),  # no virtual functions at all
    MULTICAST: bytes(0x24),
    PRI: words(0, 0x200, 0),
    REBAR: words(0x00003FF0, 0x00000020),
    DPA: words(3, 0, 0, 0x04030201),
    TPH: words(0x00000205, 0, 0x11112222, 0x33334444),
    LTR: words(0x10031003),
    PASID: words(0x00001406),
    L1SS: words(0x0028281F, 0x40650000, 0x28),
    PTM: words(0x00000001, 0),
    DVSEC: dvsec(0x14),
    DOE: words(0, 0, 0, 0, 0),
}


def body_of(own: int, *, extended: bool) -> Body:
    """A plausible body for any id."""
    bodies = _EXTENDED_BODIES if extended else _STANDARD_BODIES
    return bodies.get(own, words(0x0DDB0D1E) if extended else b"\x00\x00" + words(0x0DDB0D1E))


# -- whole functions -----------------------------------------------------------------------------------------------

BARS = (
    bar(0, BarKind.MEM64, BAR_SIZE, prefetchable=True),
    bar(2, BarKind.MEM32, 0x1000),
    bar(3, BarKind.IO, 32),
)


def build(
    name: str,
    standard: Sequence[Standard] = (),
    extended: Sequence[Extended] = (),
    *,
    size: int = SIZE,
    ids: int = 0x56781234,
    bars: tuple[Bar, ...] = BARS,
    changes: Iterable[tuple[int, bytes]] = (),
) -> Image:
    """Two chains in the order given; then bytes changed."""
    value = bytearray((0x30 + at * 7 + (at >> 8) * 13) & 0xFF | 1 for at in range(size))
    value[:FIRST] = header(ids, bars, [at for at, _, _ in standard])
    for (at, own, body), after in zip(standard, [*(one[0] for one in standard[1:]), 0], strict=False):
        value[at : at + 2 + len(body)] = bytes([own, after]) + body
    if size > EXTENDED:
        value[EXTENDED : EXTENDED + 4] = bytes(4)
    for (at, own, body), after in zip(extended, [*(one[0] for one in extended[1:]), 0], strict=False):
        value[at : at + 4 + len(body)] = words(after << 20 | 1 << 16 | own) + body
    for at, octets in changes:
        value[at : at + len(octets)] = octets
    return Image(name, bytes(value[:size]), bars)


def header(ids: int, bars: Sequence[Bar], standard: Sequence[int]) -> bytes:
    """A header of type 0, as after a reset."""
    value = bytearray(FIRST)
    value[0:4] = words(ids)
    value[8:12] = words(0xFF000002)
    if standard:
        value[STATUS], value[POINTER] = CAP_LIST, standard[0]
    for one in bars:
        if one.index < 6:
            value[one.offset] = {BarKind.IO: 1, BarKind.MEM64: 4}.get(one.kind, 0) | 8 * one.prefetchable
    value[0x2C:0x30] = words(0x00421AF4)
    value[0x3D] = 1
    return bytes(value)


def chain(first: int, ids: Sequence[int], *, extended: bool, gap: int = 0) -> list[tuple[int, int, Body]]:
    """Capabilities one after the other, each with `gap` bytes behind it."""
    found, at = [], first
    for own in ids:
        body = body_of(own, extended=extended)
        found.append((at, own, body))
        at += (4 if extended else 2) + len(body) + gap
        at += -at % 4
    return found
