"""Functions made by hand, and a hypothesis strategy of random ones: what emitters are tested with.

The images are arbitrary bits: an emitter must be right for every image, not only for those that a layout can give.
"""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import strategies as st

from vpci_compile import catalog
from vpci_compile.catalog import Capability, Chain, View
from vpci_compile.diagnostics import Source, Span
from vpci_compile.ir import (
    MASKS,
    ROM_INDEX,
    Bar,
    BarKind,
    Beyond,
    Caching,
    ConfigSpace,
    Enable,
    Function,
    Guest,
    Kind,
    Origin,
    Region,
    Structure,
    Style,
)

_LINES = 60
LAYOUT = Source("some/folder/layout.yaml", "".join(f"line {n}\n" for n in range(1, _LINES + 1)))


def span(line: int = 1) -> Span:
    """A place in the made-up layout."""
    return Span(LAYOUT, line, 3, 4)


def config(size: int = 4096, seed: int = 0) -> ConfigSpace:
    """An image whose masks have runs, as real ones do, and some noise."""
    dice = random.Random(seed)

    def octets(noise: float) -> bytes:
        made = bytearray()
        while len(made) < size:
            length = dice.choice((1, 2, 4, 4, 16, 64))
            fill = dice.choice((0x00, 0xFF))
            made += bytes(dice.randrange(256) if dice.random() < noise else fill for _ in range(length))
        return bytes(made[:size])

    return ConfigSpace(octets(0.5), *(octets(0.2) for _ in MASKS))


def flat_config(size: int, value: int = 0, mask: int = 0) -> ConfigSpace:
    """An image of one byte value throughout, and one mask."""
    return ConfigSpace(bytes([value]) * size, *(bytes([mask]) * size for _ in MASKS))


def structure(
    kind: Kind,
    name: str,
    offset: int,
    length: int,
    *,
    capability: Capability | None = None,
    source: Origin = Origin.SYNTHESIZED,
    style: Style | None = None,
    line: int = 1,
    origins: dict[str, int] | None = None,
) -> Structure:
    """A structure; `origins` leads from field paths to line numbers."""
    return Structure(
        name=name,
        kind=kind,
        id=capability.id if capability else 0xAB,
        version=capability.version if capability else 0,
        offset=offset,
        length=length,
        source=source,
        style=style,
        capability=capability,
        origin=span(line),
        origins={path: span(at) for path, at in (origins or {}).items()},
    )


def known(chain: Chain, names: tuple[str, ...] = ()) -> list[Capability]:
    """The catalogue's capabilities of one chain: those of `names`, or all."""
    return [catalog.by_name(chain, name) for name in catalog.names(chain) if not names or name in names]


def bars() -> tuple[Bar, ...]:
    """One of each kind; BAR 2 has real memory that is no power of two."""
    plain = (Origin.COPIED, Caching.UNCACHED, Beyond.ONES, Enable.ENFORCE, span(20))
    return (
        Bar(0, BarKind.MEM32, False, 1 << 14, 1 << 14, *plain),
        Bar(1, BarKind.IO, False, 32, 32, *plain),
        Bar(
            2,
            BarKind.MEM64,
            True,
            1 << 37,
            0x17A0000000,
            Origin.SYNTHESIZED,
            Caching.WRITE_BACK,
            Beyond.ERROR,
            Enable.FIRST_AFTER_RESET,
            span(21),
        ),
        Bar(4, BarKind.MEM64, True, None, None, *plain),
        Bar(ROM_INDEX, BarKind.ROM, False, 1 << 16, 1 << 16, *plain),
    )


def regions() -> tuple[Region, ...]:
    """A region in place of BAR 4."""
    return (Region(4, 0x800010DE, 1, 0x17A0000000, Caching.WRITE_BACK, Enable.IGNORE, span(22)),)


def function(
    name: str = "example-nic-vf",
    space: ConfigSpace | None = None,
    structures: tuple[Structure, ...] | None = None,
    *,
    about: str = "a function made for tests",
    initiators: int = 0,
    segment: int = 0,
) -> Function:
    """A function over `space`, with the usual structures unless others are given."""
    space = space or example_config()
    return Function(
        name=name,
        version=3,
        about=about,
        config=space,
        structures=example_structures(space) if structures is None else structures,
        bars=bars(),
        regions=regions(),
        guest=Guest("port", segment, 1, 2, 3, initiators, 4 if initiators else None),
        migrates=True,
        targets=(),
        physical=None,
        origin=span(1),
    )


def example_config(size: int = 4096) -> ConfigSpace:
    """A plausible image: ids, a header that a guest can program, MSI at 0x60, PASID at the very end."""
    value, emulated, writable, w1c = (bytearray(size) for _ in range(4))
    value[0:16] = bytes.fromhex("b3151e10060010000000000200000000")
    emulated[:] = b"\xff" * size
    writable[4:6] = b"\x46\x04"
    w1c[6:8] = b"\x00\xf9"
    if size > 0x60:
        value[0x34] = 0x60
        value[0x60:0x64] = bytes.fromhex("05008001")
        writable[0x62] = 0x71
    if size > 0x100:
        value[0xFF8:0x1000] = bytes.fromhex("1b00010006140000")
        writable[0xFFE] = 0x07
    emulated[0x40:0x60] = bytes(len(emulated[0x40:0x60]))
    forwarded = bytes(byte ^ 0xFF for byte in emulated)
    compared = bytes(e & ~w & 0xFF for e, w in zip(emulated, writable, strict=True))
    return ConfigSpace(bytes(value), bytes(emulated), bytes(writable), bytes(w1c), forwarded, compared)


def example_structures(space: ConfigSpace) -> tuple[Structure, ...]:
    """Header, MSI, bytes in use, hidden structures of both styles, PASID at the end, and two that share a name."""
    made: list[Structure] = []
    for capability in known(Chain.HEADER, ("type0",)):
        origins = {"vendor": 4, "command": 5, "command.io": 6}
        made.append(structure(Kind.HEADER, "header", 0, 64, capability=capability, line=3, origins=origins))
    vendor_bytes = {"source": Origin.COPIED, "line": 8}
    made.append(structure(Kind.BYTES, "vendor-bytes", 0x40, 0x20, **vendor_bytes))  # type: ignore[arg-type]
    for capability in known(Chain.STANDARD, ("msi",)):
        length = View(capability, space.value[0x60:]).length
        made.append(structure(Kind.STANDARD, "msi", 0x60, length, capability=capability, line=10))
    made.append(structure(Kind.STANDARD, "vndr", 0x90, 16, line=11))
    made.append(structure(Kind.STANDARD, "vndr", 0xA0, 16, line=12))
    if space.size > 0x100:
        unlinked = {"source": Origin.HIDDEN, "style": Style.UNLINKED, "line": 14}
        zeroed = {"source": Origin.HIDDEN, "style": Style.ZEROED, "line": 15}
        made.append(structure(Kind.EXTENDED, "odd", 0x140, 24, **unlinked))  # type: ignore[arg-type]
        for capability in known(Chain.EXTENDED, ("pasid",)):
            hidden = structure(Kind.EXTENDED, "pasid-old", 0x200, 8, capability=capability, **zeroed)  # type: ignore[arg-type]
            made.append(hidden)
            made.append(structure(Kind.EXTENDED, "pasid", 0xFF8, 8, capability=capability, line=16))
    return tuple(made)


def crowded(size: int = 4096, seed: int = 1) -> Function:
    """Every capability of the catalogue packed into one space over random bytes, overlaps and all."""
    space = config(size, seed)
    dice = random.Random(seed)
    made: list[Structure] = []
    for chain, kind in ((Chain.HEADER, Kind.HEADER), (Chain.STANDARD, Kind.STANDARD), (Chain.EXTENDED, Kind.EXTENDED)):
        for capability in known(chain)[: 1 if chain is Chain.HEADER else None]:
            offset = _place(kind, size, dice)
            if offset is None:
                continue
            room = size - offset
            length = min(View(capability, space.value[offset:]).length, room)
            source = dice.choice((Origin.COPIED, Origin.SYNTHESIZED))
            name = "header" if kind is Kind.HEADER else capability.name
            line = dice.randint(1, _LINES)
            made.append(structure(kind, name, offset, length, capability=capability, source=source, line=line))
    return function("crowded", space, tuple(made))


def _place(kind: Kind, size: int, dice: random.Random) -> int | None:
    if kind is Kind.HEADER:
        return 0
    if kind is Kind.STANDARD:
        return dice.randrange(0x40, min(size, 256), 4) if size > 0x40 else None
    return dice.randrange(0x100, size, 4) if size > 0x100 else None


@st.composite
def functions(draw: st.DrawFn, sizes: tuple[int, ...] = (64, 256, 4096)) -> Function:
    """Random bits, and structures of the catalogue anywhere, also one over another and past the end of nothing."""
    size = draw(st.sampled_from(sizes))
    kind = draw(st.sampled_from(("noise", "zeros", "ones")))
    seed = draw(st.integers(0, 1 << 16))
    space = config(size, seed) if kind == "noise" else flat_config(size, *((0, 0) if kind == "zeros" else (255, 255)))
    packed = crowded(size, seed)
    chosen = draw(st.lists(st.sampled_from(packed.structures), max_size=6)) if packed.structures else []
    name = draw(st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,20}\Z"))
    about = draw(st.text(max_size=120))
    made = function(name, space, tuple(chosen), about=about, initiators=draw(st.integers(0, 8)))
    return replace(made, bars=made.bars[: draw(st.integers(0, 5))], regions=made.regions[: draw(st.integers(0, 1))])
