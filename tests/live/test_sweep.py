"""Every capability id that there is, and some that there are not, in each place of its chain: a real QEMU agrees."""

from __future__ import annotations

import pytest

from live import crafted
from live.crafted import NIC
from live.functions import taken
from live.judging import judged, wrong
from vpci_compile import api
from vpci_compile.ir import Function
from vpci_compile.live import Place
from vpci_compile.stack.pci import MSIX

# Between and around the two capabilities of the layout: PCI Express at 0x60, MSI-X at 0x9c.
_STANDARD = {"first": (0x34, 0x60), "middle": (0x61, 0x9C), "last": (0x9D, 0x00)}
"""Where the pointer to the capability at 0xb0 stands, and where its own leads."""
_DSN, _ATS = 0x03, 0x0F
# The headers of the chain, with "?" for the id in question: (id, place, where it leads).
_EXTENDED = {
    "first": (("?", 0x100, 0x148), (_ATS, 0x148, 0x200), (_DSN, 0x200, 0)),
    "middle": ((_DSN, 0x100, 0x148), ("?", 0x148, 0x200), (_ATS, 0x200, 0)),
    "last": ((_DSN, 0x100, 0x148), (_ATS, 0x148, 0x200), ("?", 0x200, 0)),
}
_BODY = bytes(0x21 + at for at in range(28))  # anything but zeros: what is dropped must stay readable


def _standard(own: int, place: str) -> dict[int, bytes]:
    pointer, following = _STANDARD[place]
    # Two bytes of flags that say little: no vectors of MSI, a length for a vendor's own.
    return {pointer: b"\xb0", 0xB0: bytes((own, following, 0x10, 0x00)) + _BODY}


def _extended(own: int, place: str) -> dict[int, bytes]:
    changes: dict[int, bytes] = {}
    for name, at, following in _EXTENDED[place]:
        number = own if isinstance(name, str) else name
        changes[at] = (following << 20 | 1 << 16 | number).to_bytes(4, "little") + _BODY
    return changes


def _named(changes: dict[int, bytes]) -> Function:
    return crafted.changed(api.load(NIC).function, changes)


@pytest.mark.parametrize("place", _STANDARD)
def test_standard_ids(place: str) -> None:
    functions = {own: _named(_standard(own, place)) for own in range(0x21)}
    shown = [own for own, function in functions.items() if taken([function], Place.PORT)]
    # Two MSI-X capabilities hang QEMU later (tests/live/test_refusals.py).
    assert set(functions) - set(shown) == {MSIX}
    assert wrong(judged([functions[own] for own in shown], Place.PORT)) == []


@pytest.mark.parametrize("place", _EXTENDED)
@pytest.mark.parametrize("ids", [range(0x21), range(0x21, 0x41)], ids=["to 0x20", "to 0x40"])
def test_extended_ids(place: str, ids: range) -> None:
    functions = [_named(_extended(own, place)) for own in ids]
    assert taken(functions, Place.PORT) == functions
    assert wrong(judged(functions, Place.PORT)) == []
