"""What must be equal on both sides of a migration, in a canonical form, and the digest that names it.

The canonical form is one line of JSON (the size of the space, BARs and regions), the mask `compared`, and the compared
bits of each byte that has any, in their order. Equal forms are equal contracts and the other way round: JSON has one
spelling here and ends at its newline, its `size` says how long the mask is, and the mask how many bytes follow.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from itertools import compress
from typing import TYPE_CHECKING

from .config_space import ConfigSpace

if TYPE_CHECKING:
    from .function import Bar, Region


def head(size: int, compared: bytes, bars: Iterable[Bar], regions: Iterable[Region] = ()) -> bytes:
    """The canonical form up to the compared bits: what functions of one shape share."""
    document = {
        "size": size,
        "bars": [
            [bar.index, bar.kind, bar.prefetchable, bar.size, bar.length, bar.caching, bar.beyond, bar.enable]
            for bar in bars
        ],
        "regions": [[r.instead_of, r.type, r.subtype, r.size, r.caching, r.enable] for r in regions],
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode() + b"\n" + compared


def pinned(value: bytes, compared: bytes) -> bytes:
    """The compared bits: a byte for each byte of `compared` that is not 0."""
    pairs = zip(compress(value, compared), filter(None, compared), strict=True)
    return bytes(octet & mask for octet, mask in pairs)


def digest(config: ConfigSpace, bars: Iterable[Bar], regions: Iterable[Region] = ()) -> str:
    """sha256 over the canonical form, in hex."""
    form = head(config.size, config.compared, bars, regions) + pinned(config.value, config.compared)
    return hashlib.sha256(form).hexdigest()
