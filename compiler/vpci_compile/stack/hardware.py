"""What stands below a stack: a function as it answers by itself."""

from __future__ import annotations

from typing import NamedTuple

from ..ir import Bar


class Hardware(NamedTuple):
    """A physical function: the bytes it answers with, from offset 0, and its BARs.

    `virtual`: an SR-IOV virtual function, whose ids read ffff; `ids` are then (vendor, device) by the kernel.
    """

    value: bytes
    bars: tuple[Bar, ...] = ()
    virtual: bool = False
    ids: tuple[int, int] | None = None
