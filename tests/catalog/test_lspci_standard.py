"""Standard capabilities: where lspci decodes one, the catalogue reads the same.

For each capability a function writes lspci's whole text from the catalogue's fields, and the two texts must be equal,
so no word of lspci is left out. It runs over the captures, and over structures of random bits, which reach what no
capture has.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from vpci_compile import catalog
from vpci_compile.catalog import Chain, View

from . import lspci
from . import words_standard as words
from .reader import Reader
from .words_pcie import pcie

ROUNDS = 200  # random structures for each capability
AT = 0x40
NEWEST = (3, 15)  # of the lspci versions whose words are known here

DECODED: dict[str, Callable[[Reader], Iterator[str]]] = {
    "pm": words.pm, "agp": words.agp, "slotid": words.slotid, "msi": words.msi, "pcix": words.pcix, "ht": words.ht,
    "vndr": words.vndr, "debug": words.debug, "ssvid": words.ssvid, "pcie": pcie, "msix": words.msix,
    "sata": words.sata, "af": words.af, "ea": words.ea,
}  # fmt: skip

# lspci names these and decodes nothing of them.
NAMED = {
    "vpd": "Vital Product Data Not readable", "cpci-hotswap": "CompactPCI hot-swap <?>",
    "cpci-resource": "CompactPCI central resource control <?>", "shpc": "Hot-plug capable", "agp3": "AGP3 <?>",
    "secdev": "Secure device <?>",
}  # fmt: skip

# What lspci reads out of vendor-specific capabilities is the vendor's, not PCI's.
VENDORS = ("Vendor Specific Information: VirtIO:", "Vendor Specific Information: Intel")
UNKNOWN = {"fpb": "lspci does not know it"}


def put(view: View, path: str, value: int) -> None:
    place, field = view.find(path)
    view.put(place, field, value)


def random_structure(name: str, source: random.Random, header_type: int) -> bytes:
    """Random bits, but for what lspci cannot take."""
    capability = catalog.by_name(Chain.STANDARD, name)
    view = View(capability, bytearray(source.randbytes(0x80)), header_type=header_type)
    put(view, "id", capability.id)
    put(view, "next", 0)
    if name == "pcie":
        put(view, "flags.version", source.choice([1, 2]))
        put(view, "flags.type", source.choice([0, 1, 4, 5, 6, 7, 8, 9, 10]))
        put(view, "lnkcap.speed", source.randrange(8))  # of 8, lspci thinks it were 128 GT/s
        put(view, "lnksta.speed", source.randrange(8))
        put(view, "lnkctl2.speed", source.randrange(8))
    elif name == "ht":
        put(view, "type", source.choice([0, 0x20, source.randrange(8, 32) << 3]) | source.randrange(8))
    elif name == "ea":
        put(view, "num_ent", 4)
        for i in range(4):
            put(view, f"ent{i}.size", 4)  # behind shorter entries lspci reads what it did not fetch, and stops
            for path, known in (("primary", range(8)), ("secondary", range(8))):
                put(view, f"ent{i}.{path}", source.choice([*known, 0xFD, 0xFE, 0xFF]))
    return bytes(view.body)


@cache
def random_spaces() -> dict[str, bytes]:
    """Config spaces with one random structure each; every other one belongs to a bridge."""
    spaces: dict[str, bytes] = {}
    for name in (*DECODED, *NAMED):
        for number in range(ROUNDS):
            source = random.Random(f"{name}{number}")
            space = bytearray(256)
            space[0x06], space[0x34], space[0x0E] = 0x10, AT, number % 2
            space[0x13] = number & 2  # with and without a memory BAR
            body = random_structure(name, source, number % 2)
            space[AT : AT + len(body)] = body
            spaces[f"{name}-{number}"] = bytes(space)
    return spaces


@cache
def random_text() -> dict[str, lspci.Shown]:
    return lspci.show(random_spaces(), "-n")


def ours(name: str, body: bytes, offset: int, header_type: int, theirs: str) -> str:
    view = View(catalog.by_name(Chain.STANDARD, name), body, len(body), header_type)
    return tidy(" ".join(DECODED[name](Reader(view, offset, theirs)))) if name in DECODED else NAMED[name]


def tidy(text: str) -> str:
    return re.sub(r" (?=[,;])", "", " ".join(text.split()))


def differ(ours: str, theirs: str) -> str:
    """Where two texts part."""
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    start = max(0, at - 60)
    return f"\n  ours   ...{ours[start : at + 60]}\n  theirs ...{theirs[start : at + 60]}"


def test_every_capability_has_words() -> None:
    by_id = (catalog.by_id(Chain.STANDARD, number) for number in range(256))
    assert {*DECODED, *NAMED, *UNKNOWN} == {capability.name for capability in by_id if capability}


@pytest.mark.parametrize("name", [*DECODED, *NAMED])
def test_random_structures(name: str) -> None:
    lspci.require(of_captures=False)
    if name in NAMED and lspci.version()[:2] > NEWEST:
        pytest.skip("a newer lspci may decode what this one only names")
    for round_ in range(ROUNDS):
        key = f"{name}-{round_}"
        theirs = tidy(random_text()[key].blocks[0].text)
        body = random_spaces()[key][AT:]
        text = ours(name, body, AT, round_ % 2, theirs)
        assert text == theirs, key + differ(text, theirs)


def test_captures() -> None:
    """Every standard capability of every capture that the catalogue knows."""
    lspci.require()
    wrong: list[str] = []
    compared = 0
    for capture in lspci.captures():
        shown = lspci.decoded("-n")[capture.name]
        for structure in lspci.structures(capture.config):
            known = catalog.by_id(Chain.STANDARD, structure.id) if structure.chain == "standard" else None
            block = shown.block(structure) if known else None
            if known is None or block is None or (known.name in NAMED and lspci.version()[:2] > NEWEST):
                continue
            theirs = tidy(block.text)
            if theirs.startswith(VENDORS) or known.name in UNKNOWN:
                continue
            compared += 1
            # lspci does not stop where a structure ends
            text = ours(known.name, capture.config[structure.offset :], structure.offset, capture.layout, theirs)
            if text != theirs:
                wrong.append(f"{capture.name} {structure.offset:#x} {known.name}{differ(text, theirs)}")
    assert not wrong, f"{len(wrong)} of {compared}:\n" + "\n".join(wrong)
    assert compared > 50
