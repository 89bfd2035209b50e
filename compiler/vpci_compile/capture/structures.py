"""The structures of a captured configuration space, with their lengths."""

from __future__ import annotations

from .. import catalog
from ..catalog import Chain, View
from ..ir import Kind
from . import chains

PCI_SIZE = 0x100
HEADER_TYPE = 0x0E


def structures(data: bytes) -> list[tuple[Kind, int, int, int]]:
    """(kind, id, offset, length in bytes) of every capability that a walk of both chains finds.

    The length is the catalogue's rule on the captured bytes, cut at the next structure; an unknown id has its header.
    """
    rows: list[tuple[Kind, int, int, int]] = []
    for chain, walk, end in (
        (Chain.STANDARD, chains.standard(data), min(PCI_SIZE, len(data))),
        (Chain.EXTENDED, chains.extended(data), len(data)),
    ):
        starts = sorted(link.offset for link in walk.links)
        for link in walk.links:
            room = next((start for start in starts if start > link.offset), end) - link.offset
            known = catalog.by_id(chain, link.id)
            body = data[link.offset : link.offset + room]
            length = (
                View(known, body, room, data[HEADER_TYPE] & 0x7F).length if known is not None else chain.header_bytes
            )
            rows.append((Kind(chain.value), link.id, link.offset, min(length, room)))
    return rows
