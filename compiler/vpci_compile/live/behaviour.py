"""The function standing alone: VMM and device in one image.

A layout says of a copied structure that the device answers. Where there is no device, its part is played by the
catalogue: a field that a guest may write holds what is written, one that a 1 clears is cleared, all else is constant.
"""

from __future__ import annotations

from dataclasses import replace

from ..catalog import CLEARED, WRITABLE, Access
from ..ir import ConfigSpace, FieldAt, Function, Origin


def standing_alone(function: Function) -> ConfigSpace:
    """The image with every bit answered from it; bits of copied registers do what the catalogue says of them."""
    config = function.config
    writable, cleared = bytearray(config.writable), bytearray(config.w1c)
    for structure in function.structures:
        if structure.source is not Origin.COPIED:
            continue
        for one in function.fields(structure):
            target = writable if one.field.access in WRITABLE else cleared if one.field.access in CLEARED else None
            if target is not None:
                _add(target, one.bit, one.width, config.forwarded)
    whole = b"\xff" * config.size
    return replace(config, emulated=whole, writable=bytes(writable), w1c=bytes(cleared), forwarded=bytes(config.size))


def pulses(function: Function) -> bytes:
    """A mask of the bits that start something when a 1 is written, and read as 0 (Initiate FLR)."""
    mask = bytearray(function.config.size)
    for structure in function.structures:
        if structure.source is not Origin.HIDDEN:
            for one in function.fields(structure):
                if one.field.access is Access.WO:
                    _add(mask, one.bit, one.width, b"\xff" * len(mask))
    return bytes(mask)


def resets(function: Function) -> bytes:
    """A mask of the bits that reset the function when a 1 is written: Initiate FLR, where the function has it."""
    mask = bytearray(function.config.size)
    for structure in function.structures:
        named = structure.capability.name if structure.capability is not None else ""
        if named not in ("pcie", "af") or structure.source is Origin.HIDDEN or function.structures[0].id != 0:
            continue  # in a bridge the bit has another meaning
        flr = [one for one in function.fields(structure) if one.field.name == "flr"]
        starts = [one for one in flr if one.field.access is Access.WO]
        if any(_bits(function.config.value, one) for one in flr if one not in starts):
            for one in starts:
                _add(mask, one.bit, one.width, b"\xff" * len(mask))
    return bytes(mask)


def _bits(octets: bytes, one: FieldAt) -> int:
    end = (one.bit + one.width + 7) // 8
    return int.from_bytes(octets[one.bit // 8 : end], "little") >> one.bit % 8 & (1 << one.width) - 1


def _add(mask: bytearray, bit: int, width: int, allowed: bytes) -> None:
    """Set bits of a mask, those of `allowed` only; what lies outside the space is left out."""
    first, last = bit // 8, min((bit + width + 7) // 8, len(mask))
    if first < last:
        bits = ((1 << width) - 1) << bit % 8 & int.from_bytes(allowed[first:last], "little")
        old = int.from_bytes(mask[first:last], "little")
        mask[first:last] = (old | bits).to_bytes(last - first, "little")
