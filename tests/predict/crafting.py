"""Small functions made by hand, and what a layer shows of them, in hex."""

from __future__ import annotations

from vpci_compile.diagnostics import whole_file
from vpci_compile.ir import Bar, BarKind, Beyond, Caching, ConfigSpace, Enable, Origin
from vpci_compile.stack import Hardware, View
from vpci_compile.stack.linux.facts import Version
from vpci_compile.stack.linux.view import linux_view

NOW: Version = (7, 2)
ENDPOINT = "02 00"
"""PCI Express, version 2, type 0: an endpoint."""


class Made:
    """A function of zeros with the header of an endpoint; capabilities are linked in the order they are added."""

    def __init__(self, size: int = 4096) -> None:
        self.data = bytearray(size)
        self.put(0x00, "34 12 01 00")
        self.put(0x08, "00 00 00 ff")
        self._standard, self._extended = 0x34, 0

    def put(self, at: int, text: str) -> Made:
        octets = bytes.fromhex(text)
        self.data[at : at + len(octets)] = octets
        return self

    def std(self, own: int, at: int, body: str = "") -> Made:
        """A standard capability: `body` follows id and pointer."""
        self.data[0x06] |= 0x10
        self.data[self._standard] = at
        self._standard = at + 1
        self.data[at] = own
        return self.put(at + 2, body)

    def ext(self, own: int, at: int, body: str = "", version: int = 1) -> Made:
        """An extended capability: `body` follows the header."""
        if self._extended:
            self.data[self._extended + 2] |= (at & 0xF) << 4
            self.data[self._extended + 3] = at >> 4
        self._extended = at
        self.data[at : at + 4] = (own | version << 16).to_bytes(4, "little")
        return self.put(at + 4, body)

    def express(self, at: int = 0x40, flags: str = ENDPOINT) -> Made:
        """A PCI Express capability: without one the extended space is not looked at."""
        return self.std(0x10, at, flags)

    @property
    def value(self) -> bytes:
        return bytes(self.data)


def bar(index: int, kind: str, size: int | None, *, prefetchable: bool = False) -> Bar:
    return Bar(
        index, BarKind(kind), prefetchable, size, None, Origin.COPIED, Caching.UNCACHED, Beyond.ONES, Enable.ENFORCE,
        whole_file("test"),
    )  # fmt: skip


def kernel(
    made: Made,
    version: Version = NOW,
    *,
    bars: tuple[Bar, ...] = (),
    virtual: bool = False,
    ids: tuple[int, int] | None = None,
) -> View:
    """What Linux shows of it."""
    return linux_view(Hardware(made.value, bars, virtual, ids), version)


def octets(config: ConfigSpace, name: str, at: int, length: int) -> str:
    return bytes(getattr(config, name)[at : at + length]).hex(" ")


def check(view: View, at: int, **expected: str) -> None:
    """Compare runs of bytes that begin at `at`, by the name of the mask, in hex."""
    for name, text in expected.items():
        whole = bytes.fromhex(text)
        assert octets(view.config, name, at, len(whole)) == whole.hex(" "), f"{name} at {at:#x}"


def raw(view: View, first: int, end: int) -> bool:
    """Whether the device answers these bytes, and every write of them reaches it."""
    config, size = view.config, end - first
    return config.forwarded[first:end] == b"\xff" * size and not any(config.emulated[first:end])


def read_only(view: View, first: int, end: int) -> bool:
    """Whether the device answers these bytes, and no write of them reaches it."""
    config = view.config
    masks = (config.forwarded, config.emulated, config.writable)
    return not any(any(mask[first:end]) for mask in masks)


def texts(view: View) -> str:
    return "\n".join(f"{one.offset:#x}+{one.length} {one.text}" for one in view.changes)
