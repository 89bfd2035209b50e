"""Functions made to meet each rule of Linux and of QEMU.

What no capability covers is filled with bytes of a pattern, so that it shows where a view puts something else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from .hardware import AF, EXPRESS, MSI, MSIX, PM, VPD, Image, standard_chain
from .parts import (
    ACS,
    AER,
    AF_FLR,
    ARI,
    ATS,
    CONVENTIONAL,
    DEBUG,
    DOE,
    DPA,
    DSN,
    DVSEC,
    EXTENDED,
    EXTENDED_ALLOCATION,
    L1SS,
    LTR,
    MULTICAST,
    PASID,
    POWER,
    PRI,
    PTM,
    REBAR,
    SIZE,
    SRIOV,
    SSVID,
    TPH,
    VC,
    VENDOR,
    VSEC,
    Standard,
    body_of,
    build,
    chain,
    dvsec,
    express,
    msi,
    msix,
    power_management,
    vendor,
    vsec,
    words,
)

_PLAIN: list[Standard] = [(0x40, PM, power_management()), (0x60, EXPRESS, express())]
_ALL_EXTENDED = [
    *(AER, VC, DSN, POWER, VSEC, ACS, ARI, ATS, SRIOV, MULTICAST, PRI, REBAR, DPA, TPH, LTR, PASID, L1SS, PTM, DVSEC),
    *(DOE, 0x05, 0x0C, 0x19, 0x1D, 0x25, 0x26, 0x2F, 0x30),
]
_STANDARD = [*range(0x02, 0x05), 0x06, *range(0x09, 0x10), 0x14, 0x15]
_HIDDEN = [*range(0x05, 0x08), 0x0A, 0x0C, 0x11, 0x14, 0x19, 0x1A, *range(0x1B, 0x23), *range(0x24, 0x32), 0x35, 0x3F]

_SWEPT = [DSN, 0x08, 0x09, *_HIDDEN, LTR, 0x1FF, 0x100, ATS]


def _all() -> Image:
    standard = [
        *((0x40, PM, power_management()), (0x48, MSI, msi()), (0x60, EXPRESS, express()), (0x9C, MSIX, msix())),
        *((0xA8, VPD, body_of(VPD, extended=False)), (0xB0, SSVID, body_of(SSVID, extended=False))),
        *((0xB8, VENDOR, vendor(0x0C)), (0xC4, AF, AF_FLR), (0xCC, 0x12, body_of(0x12, extended=False))),
        *((0xD4, EXTENDED_ALLOCATION, bytes(6)), (0xDC, DEBUG, b"\x00\x20\x00\x00"), (0xE4, 0x04, bytes(6))),
    ]
    return build("all", standard, chain(EXTENDED, _ALL_EXTENDED, extended=True, gap=4))


def _overlap() -> Image:
    """Capabilities inside one another: the later in the chain takes the bytes."""
    standard = [(0x40, PM, b"\x03\x00"), (0x44, VENDOR, vendor(8)), (0x60, EXPRESS, express())]
    extended = [(0x100, AER, body_of(AER, extended=True)), (0x110, DSN, words(1, 2)), (0x120, VSEC, vsec(0x10, 0x40))]
    return build("overlap", standard, [*extended, (0x130, LTR, words(5))])


def _vendor_lengths() -> Image:
    standard = [*_PLAIN, (0xA0, VENDOR, b"\x00\x11"), (0xB0, VENDOR, b"\x30\x22"), (0xF4, VENDOR, b"\x40\x33")]
    extended = [(0x100, AER, body_of(AER, extended=True)), (0x138, DSN, words(1, 2)), (0x200, VSEC, vsec(0x10, 0))]
    more = [(0x240, DVSEC, dvsec(0x10, 0x30)), (0x260, DVSEC, dvsec(0x10, 4)), (0x2A0, LTR, words(7))]
    return build("vndr-len", standard, [*extended, *more])


def _virtio() -> Image:
    """Capabilities of one id that touch: the kernel takes them for one."""
    standard = [(0x40, VENDOR, vendor(0x10)), (0x50, VENDOR, vendor(0x14)), (0x64, SSVID, words(0)[:2] + words(9))]
    standard += [(0x6C, VENDOR, vendor(0x10)), (0x7C, EXPRESS, express()), (0xC0, MSIX, msix())]
    extended = [(0x100, DVSEC, dvsec(0x14)), (0x114, DVSEC, dvsec(0x10)), (0x124, PASID, words(0x1406))]
    extended += [
        (0x12C, VSEC, vsec(0x10)),
        (0x13C, VSEC, vsec(0x10)),
        (0x14C, PTM, words(1, 0)),
        (0x160, ATS, words(0x20)),
    ]
    return build("virtio", standard, extended)


def _extended(name: str, *chained: tuple[int, int]) -> Image:
    return build(name, _PLAIN, [(at, own, body_of(own, extended=True)) for at, own in chained])


_CRAFTED: dict[str, Callable[[], Image]] = {
    "all": _all,
    "sweep": lambda: build("sweep", _PLAIN, chain(EXTENDED, _SWEPT, extended=True, gap=4)),
    "sweep-standard": lambda: build(
        "sweep-standard",
        [(0x40, EXPRESS, express()), *chain(0x80, _STANDARD, extended=False)],
        [(EXTENDED, ATS, words(0x20))],
    ),
    "first-hidden": lambda: _extended("first-hidden", (0x100, PASID), (0x120, ATS), (0x140, L1SS), (0x160, LTR)),
    "only-hidden": lambda: _extended("only-hidden", (0x100, PASID), (0x120, L1SS), (0x140, PTM)),
    "stub-ff": lambda: _extended("stub-ff", (0x100, 0x1FF), (0x120, ATS), (0x140, PASID), (0x160, LTR)),
    "stub-40": lambda: _extended("stub-40", (0x100, 0x40), (0x120, ATS), (0x140, PASID), (0x160, LTR)),
    "stub-alias": lambda: _extended("stub-alias", (0x100, 0x10D), (0x120, ATS), (0x140, PASID)),
    "null-first": lambda: _extended("null-first", (0x100, 0x00), (0x110, PASID), (0x120, ATS)),
    "id100-first": lambda: _extended("id100-first", (0x100, 0x100), (0x110, PASID), (0x120, ATS)),
    "idfe-first": lambda: _extended("idfe-first", (0x100, 0xFE), (0x110, PASID), (0x120, ATS)),
    "sriov-first": lambda: _extended("sriov-first", (0x100, SRIOV), (0x140, PASID), (0x150, ATS)),
    "ari-only": lambda: _extended("ari-only", (0x100, ARI)),
    "out-of-order": lambda: _extended("out-of-order", (0x100, DSN), (0x800, ATS), (0x400, PASID), (0x200, LTR)),
    "virtio": _virtio,
    "overlap": _overlap,
    "vndr-len": _vendor_lengths,
    "nopcie": lambda: build(
        "nopcie",
        [(0x40, PM, power_management()), (0x50, AF, AF_FLR), (0x60, MSI, msi(masks=False)), (0x80, VENDOR, vendor(9))],
        [(0x100, AER, body_of(AER, extended=True)), (0x140, PASID, words(0x1406))],
    ),
    "pciev1": lambda: build(
        "pciev1",
        [(0x40, PM, power_management()), (0x60, EXPRESS, express(1)), (0x80, AF, AF_FLR)],
        [(0x100, ATS, words(0x20)), (0x110, PASID, words(0x1406)), (0x120, DSN, words(1, 2))],
    ),
    "rciep": lambda: build(
        "rciep",
        [(0x40, MSI, msi(wide=False)), (0x60, EXPRESS, express(2, 9)), (0xA0, MSIX, msix())],
        [(0x100, ATS, words(0x20)), (0x110, PASID, words(0x1406)), (0x120, DSN, words(1, 2))],
    ),
    "legacy": lambda: build(
        "legacy",
        [(0x40, MSI, msi(wide=False, masks=False)), (0x60, EXPRESS, express(2, 1))],
        [(0x100, AER, body_of(AER, extended=True)), (0x140, ATS, words(0x20))],
    ),
    "allstd-hidden": lambda: build(
        "allstd-hidden",
        [(0x40, SSVID, words(0)[:2] + words(9)), (0x50, 0x0F, bytes(6)), (0x60, 0x15, bytes(6))],
        [(0x100, ATS, words(0x20)), (0x110, PASID, words(0x1406))],
    ),
    "no-chains": lambda: build("no-chains"),
    "no-extended": lambda: build("no-extended", _PLAIN, changes=[(0x100, bytes(4))]),
    "ones-extended": lambda: build("ones-extended", _PLAIN, changes=[(0x100, b"\xff" * (SIZE - 0x100))]),
    "conventional": lambda: build(
        "conventional",
        [(0x40, PM, power_management()), (0x50, MSI, msi()), (0x70, VPD, bytes(6)), (0x80, AF, AF_FLR)],
        size=CONVENTIONAL,
    ),
    "unaligned": lambda: build(
        "unaligned",
        _PLAIN,
        [(0x100, DSN, words(1, 2)), (0x120, PASID, words(0x1406)), (0x140, ATS, words(0x20))],
        changes=[(0x102, b"\x31\x12"), (0x122, b"\x21\x14")],
    ),
    "short-rciep": lambda: build(
        "short-rciep",
        [(0x40, EXPRESS, express(1, 9)), (0x60, AF, AF_FLR)],
        [(0x100, DSN, words(1, 2))],
    ),
}

CRAFTED = tuple(_CRAFTED)


@cache
def crafted(name: str) -> Image:
    """The function of that name."""
    return _CRAFTED[name]()


def nvidia(name: str, *places: int) -> Image:
    """A display controller of NVIDIA's, with vendor capabilities at `places`."""
    standard = [*_PLAIN, *((at, VENDOR, vendor(0x0C)) for at in places)]
    found = build(f"nvidia-{name}", standard, [(0x100, ATS, words(0x20))], ids=0x234210DE)
    return replace(found, value=found.value[:8] + words(0x030200A1) + found.value[12:])


def virtual(image: Image) -> Image:
    """The same as a virtual function: it says no ids of its own, and has neither BARs nor an MSI-X table in them.

    Linux would have to find room for the BARs of virtual functions, and unplugs the physical one where it does not.
    """
    value = bytearray(image.value)
    value[0:4] = b"\xff" * 4
    value[0x10:0x28] = bytes(0x18)
    for at, own in standard_chain(image.value):
        if own == MSIX:
            value[at], value[at + 2] = VENDOR, 0x0C
    return Image(f"{image.name}-vf", bytes(value), (), virtual=True, ids=(0x1234, 0x5679))
