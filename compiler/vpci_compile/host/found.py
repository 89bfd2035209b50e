"""A function straight from its bytes: the structures that a guest's walk of both chains finds, and nothing else.

It needs no layout in between, and so it is what comparisons of many captures are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from .. import catalog
from ..capture import chains
from ..catalog import Chain, View
from ..diagnostics import Span
from ..ir import Bar, ConfigSpace, Function, Guest, Kind, Origin, Structure, Style

_HEADER_TYPE, _PCI_SIZE = 0x0E, 0x100
_UNKNOWN_BYTES = 4


def found(
    name: str, config: ConfigSpace, bars: Iterable[Bar], place: str, where: Callable[[int], Span], device: bytes
) -> Function:
    """The function whose guest sees `config`; `where` gives the span of a byte.

    What `device`, the function's own bytes, has linked and `config` has not is there as hidden.
    """
    header, *shown = structures(config.value, where)
    starts = {one.offset for one in shown}
    hidden = [
        replace(one, source=Origin.HIDDEN, style=Style.UNLINKED)
        for one in structures(device, where)[1:]
        if one.offset not in starts and one.end <= config.size
    ]
    return Function(
        name=name,
        version=1,
        about="",
        config=config,
        structures=(header, *hidden, *shown),
        bars=tuple(bars),
        regions=(),
        guest=Guest(place, 0, 0, 0, 0, 0, None),
        migrates=False,
        targets=(),
        physical=None,
        origin=where(0),
    )


def structures(data: bytes, where: Callable[[int], Span]) -> list[Structure]:
    """The header and the capabilities of both chains, called as `import` calls them: vndr, vndr2."""
    kind = data[_HEADER_TYPE] & 0x7F
    header = catalog.by_id(Chain.HEADER, kind if kind <= chains.CARDBUS else 0)
    assert header is not None
    length = View(header, b"").length
    rows = [Structure("header", Kind.HEADER, header.id, 0, 0, length, Origin.COPIED, None, header, where(0))]
    counts = {"header": 1}
    for chain, walk, end in (
        (Chain.STANDARD, chains.standard(data), min(_PCI_SIZE, len(data))),
        (Chain.EXTENDED, chains.extended(data), len(data)),
    ):
        starts = sorted(link.offset for link in walk.links)
        for link in walk.links:
            at = link.offset
            room = next((start for start in starts if start > at), end) - at
            body = data[at : at + room]
            known = catalog.identify(chain, link.id, body)
            length = min(View(known, body, room, header.id).length if known else _UNKNOWN_BYTES, room)
            stem = known.name if known is not None else f"cap{link.id:02x}"
            counts[stem] = count = counts.get(stem, 0) + 1
            name = stem if count == 1 else f"{stem}{count}"
            version = link.version if chain is Chain.EXTENDED else 0
            rows.append(
                Structure(name, Kind(chain.value), link.id, version, at, length, Origin.COPIED, None, known, where(at))
            )
    return rows
