"""Functions made to meet each rule of Linux and of QEMU, and random ones that no rule was thought of for.

What no capability covers is filled with bytes of a pattern, so that it shows where a view puts something else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache

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
    length = {1: {0: 0x14}.get(kind, 0x14)}.get(version, 0x3C)
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


_PLAIN: list[Standard] = [(0x40, PM, power_management()), (0x60, EXPRESS, express())]
_ALL_EXTENDED = [
    *(AER, VC, DSN, POWER, VSEC, ACS, ARI, ATS, SRIOV, MULTICAST, PRI, REBAR, DPA, TPH, LTR, PASID, L1SS, PTM, DVSEC),
    *(DOE, 0x05, 0x0C, 0x19, 0x1D, 0x25, 0x26, 0x2F, 0x30),
]
_HIDDEN = [*range(0x05, 0x08), 0x0A, 0x0C, 0x11, 0x14, 0x19, 0x1A, *range(0x1B, 0x23), *range(0x24, 0x32), 0x35, 0x3F]


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
    "sweep": lambda: build("sweep", _PLAIN, chain(EXTENDED, [DSN, 0x08, 0x09, *_HIDDEN, LTR, 0x1FF, 0x100, ATS], extended=True, gap=4)),
    "sweep-standard": lambda: build(
        "sweep-standard",
        [(0x40, EXPRESS, express())] + chain(0x80, [*range(0x02, 0x05), 0x06, *range(0x09, 0x10), 0x14, 0x15], extended=False),
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
    "out-of-order": lambda: _extended("out-of-order", (0x100, DSN), (0x800, ATS), (0x400, PASID), (0x200, LTR), (0x600, AER)),
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
        [(0x40, PM, power_management()), (0x50, MSI, msi()), (0x70, VPD, bytes(6)), (0x80, AF, AF_FLR), (0x90, 0x04, bytes(2))],
        size=CONVENTIONAL,
    ),
    "unaligned": lambda: build("unaligned", _PLAIN, [(0x100, DSN, words(1, 2)), (0x120, PASID, words(0x1406)), (0x140, ATS, words(0x20))],
                               changes=[(0x102, b"\x31\x12"), (0x122, b"\x21\x14")]),
    "short-rciep": lambda: build("short-rciep", [(0x40, EXPRESS, express(1, 9)), (0x60, AF, AF_FLR)], [(0x100, DSN, words(1, 2))]),
}  # fmt: skip

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
    """The same as a virtual function: it has no BARs, and says no ids of its own."""
    value = bytearray(image.value)
    value[0:4] = b"\xff" * 4
    value[0x10:0x28] = bytes(0x18)
    return Image(f"{image.name}-vf", bytes(value), (), virtual=True, ids=(0x1234, 0x5679))


# -- random functions ----------------------------------------------------------------------------------------------


def shuffled(seed: int) -> Image:
    """A function with chains of any order, of any ids, whose lengths need not be true; never a loop.

    A loop makes QEMU hang. There is no SR-IOV, DOE, VC or Enhanced Allocation, whose bodies would be
    random: Linux itself acts on them when it finds the function, and waits for it.
    """
    dice = random.Random(seed)
    value = bytearray(dice.randbytes(SIZE))
    # A quarter is zeros, as in real functions; the others show whatever is moved.
    for at in range(0, SIZE, 64):
        if dice.random() < 0.25:
            value[at : at + 64] = bytes(64)
    standard = _shuffled_standard(dice, value)
    value[:FIRST] = header(dice.choice((0x56781234, 0x268410DE, 0x10418086)), BARS, standard)
    value[0x3D] = dice.randrange(5)
    value[EXTENDED : EXTENDED + 4] = bytes(4)
    if dice.random() < 0.95:
        _shuffled_extended(dice, value)
    return Image(f"random-{seed}", bytes(value), BARS)


def _shuffled_standard(dice: random.Random, value: bytearray) -> list[int]:
    ids = [EXPRESS] * (dice.random() < 0.9) + [PM] * (dice.random() < 0.6) + [AF] * (dice.random() < 0.4)
    ids += dice.choices(
        [MSI, MSIX, VPD, VENDOR, SSVID, 0, 2, 4, 6, 7, 8, 0x0A, 0x0B, 0x0F, 0x12, 0x15, 0x7F, 0xFF], k=dice.randrange(7)
    )
    dice.shuffle(ids)
    crowded = dice.random() < 0.3  # capabilities may then begin inside others
    places: list[int] = []
    meant: list[int] = []
    taken: set[int] = set()
    seen: set[int] = set()
    for own in ids:
        body = _standard_body(dice, own)
        need = {EXPRESS: 0x34, PM: 8, MSIX: 12, MSI: 24}.get(own, 2 + len(body))
        for _ in range(50):
            at = dice.randrange(FIRST, CONVENTIONAL - 4, 4)
            if at + 2 + len(body) > CONVENTIONAL or at + need > CONVENTIONAL:
                continue
            if not taken & set(range(at, at + (4 if crowded and dice.random() < 0.3 else need))) and own not in seen - {
                VENDOR,
                SSVID,
            }:
                break
        else:
            continue
        seen.add(own)
        taken |= set(range(at, at + need))
        value[at : at + 2 + len(body)] = bytes([own, 0]) + body
        places.append(at)
        meant.append(own)
    for at, after in zip(places, [*places[1:], 0], strict=False):
        value[at + 1] = after
    return (
        places
        if [value[at] for at in places] == meant and _ends(value, places)
        else places[:1] and _only(value, places[0])
    )


def _standard_body(dice: random.Random, own: int) -> Body:
    if own == EXPRESS:
        kind = dice.choices((0, 9, 1, 4), (12, 4, 3, 1))[0]
        return express(dice.choices((2, 1, 3, 0), (12, 3, 1, 1))[0] or 2, kind, flr=dice.random() < 0.95)
    if own == PM:
        return dice.randbytes(2) + words(dice.getrandbits(32) & ~0x3 | 0x8)
    if own == MSI:
        return msi(wide=dice.random() < 0.7, masks=dice.random() < 0.5, vectors=dice.randrange(6))
    if own == MSIX:
        return msix() if dice.random() < 0.9 else msix(0xF000, 0xF800)
    if own == VENDOR:
        return vendor(dice.choice((0, 3, 4, 8, 0x10, 0x11, 0x14, 0x20, 0x60)))[: dice.randrange(2, 40)]
    return AF_FLR if own == AF else body_of(own, extended=False)


def _ends(value: bytearray, places: Sequence[int]) -> bool:
    """Whether the chain is the one that was meant: no later capability has overwritten a pointer."""
    return all(value[at + 1] == after for at, after in zip(places, [*places[1:], 0], strict=False))


def _only(value: bytearray, at: int) -> list[int]:
    value[at + 1] = 0
    return [at]


_RANDOM_IDS = [
    own for own in (*range(0x32), 0x35, 0xFE, 0x1FF, 0x100, 0x10D, 0xFFF0) if own not in (VC, 0x08, 0x09, SRIOV, DOE)
]


def _shuffled_extended(dice: random.Random, value: bytearray) -> None:
    places = [EXTENDED, *dice.sample(range(EXTENDED + 4, SIZE - 0x80, 4), dice.randrange(10))]
    if dice.random() < 0.3:  # neighbours that touch
        for at in list(places):
            if len(places) < 12 and dice.random() < 0.5:
                places.append(at + dice.choice((8, 12, 0x10, 0x14)))
    places = list(dict.fromkeys(at for at in places if at < SIZE - 0x80))
    visible = (AER, DSN, ATS, LTR, VSEC, DVSEC, DVSEC, ACS, POWER, PASID, L1SS)
    bodies = []
    for at in places:
        own = dice.choice(visible if dice.random() < 0.7 else _RANDOM_IDS)
        body = body_of(own, extended=True)
        if own in (VSEC, DVSEC):
            make = vsec if own == VSEC else dvsec
            length = dice.choice((0x0C, 0x10, 0x14, 0x20))
            body = make(length, dice.choices((length, dice.choice((0, 4, 7, 9, 0x30, 0x7E))), (3, 1))[0])
        bodies.append((at, own, body))
    for at, _, body in bodies:
        value[at + 4 : at + 4 + len(body)] = body
    # The headers come last: whatever lies inside another's body is still a capability.
    for (at, own, _), after in zip(bodies, [*places[1:], dice.choice((*(0,) * 20, 0x0C, 0x80))], strict=False):
        value[at : at + 4] = words((after | dice.choice((0, 0, 0, 1, 3))) << 20 | dice.randrange(4) << 16 | own)
