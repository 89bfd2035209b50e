"""Random functions, for which no rule was thought of."""

from __future__ import annotations

import random
from collections.abc import Sequence

from .hardware import AF, EXPRESS, MSI, MSIX, PM, VPD, Image
from .parts import (
    ACS,
    AER,
    AF_FLR,
    ATS,
    BARS,
    CONVENTIONAL,
    DOE,
    DSN,
    DVSEC,
    EXTENDED,
    FIRST,
    L1SS,
    LTR,
    PASID,
    POWER,
    SIZE,
    SRIOV,
    SSVID,
    VC,
    VENDOR,
    VSEC,
    Body,
    body_of,
    dvsec,
    express,
    header,
    msi,
    msix,
    vendor,
    vsec,
    words,
)


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
