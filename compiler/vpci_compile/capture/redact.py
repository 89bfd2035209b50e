"""Which bytes of a configuration space tell one unit from another: serial numbers, VPD, addresses of its ports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import chains
from .model import HEADER_BYTES

Found = tuple[int, int, str]  # first byte, byte after the last, what it is
_VPD, _DSN = 0x03, 0x03
_VPD_END, _DSN_END = 8, 12
_ADDRESS = re.compile(r"[0-9a-f]{2}(?:[:]?[0-9a-f]{2}){5}")
_GUID = re.compile(r"[0-9a-f]{4}(?::[0-9a-f]{4}){3}")


def addresses(folder: Path) -> set[bytes]:
    """The MAC addresses and InfiniBand GUIDs that a function of sysfs has."""
    found: set[bytes] = set()
    for pattern, form in (("net/*/address", _ADDRESS), ("infiniband/*/*_guid", _GUID)):
        for path in sorted(folder.glob(pattern)):
            try:
                text = path.read_text(encoding="ascii", errors="replace").strip().lower()
            except OSError:
                continue
            if form.fullmatch(text):
                found.add(bytes.fromhex(text.replace(":", "")))
    return {address for address in found if address.strip(b"\0") and address.strip(b"\xff")}


def ranges(data: bytes, known: Iterable[bytes]) -> list[Found]:
    """The ranges of `data` to take out; `known` are addresses that must not stand there in any form."""
    found = [*_structures(data)]
    for address in sorted(known):
        for form in _forms(address):
            at = data.find(form, HEADER_BYTES)
            while at >= 0:
                found.append((at, at + len(form), "mac-address"))
                at = data.find(form, at + 1)
    return joined(entry for entry in found if entry[0] < len(data))


def joined(found: Iterable[Found]) -> list[Found]:
    """The same ranges in order, each once, without those that lie in another."""
    kept: list[Found] = []
    for entry in sorted(set(found), key=lambda one: (one[0], -one[1], one[2])):
        if not kept or entry[1] > kept[-1][1]:
            kept.append(entry)
    return kept


def _structures(data: bytes) -> Iterator[Found]:
    """Registers whose contents are a unit's own; ids and pointers before them stay."""
    for link in chains.standard(data).links:
        if link.id == _VPD:
            yield link.offset + 2, min(link.offset + _VPD_END, len(data)), "vpd"
    for link in chains.extended(data).links:
        if link.id == _DSN:
            yield link.offset + 4, min(link.offset + _DSN_END, len(data)), "serial-number"


def _forms(address: bytes) -> Iterator[bytes]:
    """As it is, as an EUI-64 where it is a MAC address, and each of these backwards."""
    forms = [address]
    if len(address) == 6:
        forms += [address[:3] + middle + address[3:] for middle in (b"\xff\xfe", b"\xff\xff")]
    for form in forms:
        yield form
        yield form[::-1]
