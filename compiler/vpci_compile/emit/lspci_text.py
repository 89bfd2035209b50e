"""The image as a dump that `lspci -F` reads."""

from __future__ import annotations

from ..ir import Function
from .artifact import Artifact, Options


def emit(function: Function, options: Options) -> list[Artifact]:
    """NAME.lspci: the function at its place in the guest, all bytes of its space in rows of 16."""
    guest, config = function.guest, function.config
    slot = f"{guest.bus:02x}:{guest.device:02x}.{guest.function:x}"
    if guest.segment:
        slot = f"{guest.segment:04x}:{slot}"
    ids = f"{config.number('value', 0x00, 2):04x}:{config.number('value', 0x02, 2):04x}"
    head = f"{slot} Class {config.number('value', 0x0A, 2):04x}: {ids}"
    revision = config.number("value", 0x08, 1)
    if revision:
        head += f" (rev {revision:02x})"
    rows = [f"{at:02x}: {config.value[at : at + 16].hex(' ')}" for at in range(0, config.size, 16)]
    return [Artifact(f"{function.name}.lspci", ("\n".join([head, *rows]) + "\n").encode())]
