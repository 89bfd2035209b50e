"""The image as a dump that `lspci -F` reads, with the lines of `lspci -vv` that say how large the BARs are."""

from __future__ import annotations

from collections.abc import Iterator

from ..ir import Bar, BarKind, Function
from .artifact import Artifact, Options
from .sizes import size


def emit(function: Function, options: Options) -> list[Artifact]:
    """NAME.lspci: the function at its place in the guest, its BARs, all bytes of its space in rows of 16."""
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
    return [Artifact(f"{function.name}.lspci", ("\n".join([head, *_bars(function.bars), *rows]) + "\n").encode())]


def _bars(bars: tuple[Bar, ...]) -> Iterator[str]:
    """A line for each BAR of known size, as pciutils' show_bases and show_rom write it. No BAR has an address yet."""
    for bar in sorted(bars, key=lambda one: one.index):
        if bar.size is None:
            continue
        width = "64-bit" if bar.kind is BarKind.MEM64 else "32-bit"
        prefetchable = "prefetchable" if bar.prefetchable else "non-prefetchable"
        what = {
            BarKind.IO: f"Region {bar.index}: I/O ports at <unassigned>",
            BarKind.ROM: "Expansion ROM at <unassigned> [disabled]",
        }.get(bar.kind, f"Region {bar.index}: Memory at <unassigned> ({width}, {prefetchable})")
        yield f"\t{what} [size={size(bar.size)}]"
