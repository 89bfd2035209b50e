"""What an access of a BAR comes to, in words: the same in `show`, the pictures and the reports."""

from __future__ import annotations

from typing import NamedTuple

from ...ir import ROM_INDEX, Bar, BarKind, Beyond, Enable, Function, Region

_UNITS = (("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10))
_BEYOND = {
    Beyond.ONES: "reads ones, drops writes",
    Beyond.ZEROS: "reads zeros, drops writes",
    Beyond.ERROR: "fails",
}
_ENABLE = {
    Enable.ENFORCE: "every access needs the {bit} enable bit",
    Enable.IGNORE: "the {bit} enable bit is ignored",
    Enable.FIRST_AFTER_RESET: "only the first access after a reset needs the {bit} enable bit",
}
_KINDS = {
    BarKind.MEM32: "32-bit memory",
    BarKind.MEM64: "64-bit memory",
    BarKind.IO: "I/O ports",
    BarKind.ROM: "expansion ROM",
}


ABOUT = {
    "kind": "kind",
    "size": "size that the guest finds",
    "reality": "real memory behind it",
    "beyond": "an access past it",
    "caching": "caching",
    "enable": "enable bit",
    "source": "source",
}
"""The columns of a table of BARs."""


class Words(NamedTuple):
    """One BAR, or one region: `reality` is the real length, `beyond` what an access past it does ("" with no tail)."""

    name: str
    kind: str
    size: str
    reality: str
    beyond: str
    caching: str
    enable: str
    source: str

    def behaviour(self) -> str:
        """All of it but name, kind and size, in one line."""
        real = {"all of it": "all of it real", "not stated": "real length not stated"}
        words = [
            real.get(self.reality, f"{self.reality} real, past it an access {self.beyond}"),
            self.caching,
            self.enable,
        ]
        return "; ".join(word for word in words if word)


def every(function: Function) -> list[Words]:
    """The BARs by index, then the regions."""
    bars = sorted(function.bars, key=lambda one: one.index)
    return [*map(of_bar, bars), *map(of_region, sorted(function.regions, key=lambda one: one.instead_of))]


def of_bar(bar: Bar) -> Words:
    """A BAR; what it cannot have (the caching of ports, a tail where all is memory) is ""."""
    tail = bar.size is not None and bar.length is not None and bar.length < bar.size
    ports = bar.kind is BarKind.IO
    return Words(
        "ROM" if bar.index == ROM_INDEX else f"BAR {bar.index}",
        _KINDS[bar.kind] + (", prefetchable" if bar.prefetchable else ""),
        shown_size(bar.size),
        shown_size(bar.length) if tail else "all of it" if bar.length is not None else "not stated",
        _BEYOND[bar.beyond] if tail else "",
        "" if ports else bar.caching.value,
        _rule(bar.enable, ports=ports) + (", and the ROM's own" if bar.kind is BarKind.ROM else ""),
        bar.source.value,
    )


def of_region(region: Region) -> Words:
    """A device-specific region: its size is exact, so there is no tail."""
    return Words(
        f"for BAR {region.instead_of}",
        f"VFIO region, type {region.type:#010x}, subtype {region.subtype}",
        shown_size(region.size),
        "all of it",
        "",
        region.caching.value,
        _rule(region.enable, ports=False),
        "region",
    )


def _rule(enable: Enable, *, ports: bool) -> str:
    return _ENABLE[enable].format(bit="I/O" if ports else "memory")


def share(one: Bar | Region) -> float | None:
    """How much of what the guest sizes is real memory: 0 to 1; None where nobody says."""
    if isinstance(one, Region):
        return 1.0
    return None if not one.size or one.length is None else min(1.0, one.length / one.size)


def shown_size(size: int | None) -> str:
    """A number of bytes for people: 16 MiB, 94.5 GiB, 24 bytes."""
    if size is None:
        return "size not stated"
    fitting = [(unit, size / (1 << shift)) for unit, shift in _UNITS if size >= 1 << shift]
    for unit, number in fitting:
        if float(f"{number:.6g}") == number:
            return f"{number:.6g} {unit}"
    return f"{size:#x} bytes ({fitting[0][1]:.2f} {fitting[0][0]})" if fitting else f"{size} bytes"
