"""Extended capabilities: where lspci decodes one, the catalogue reads the same.

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
from . import words_extended as words
from .reader import Reader
from .words_dvsec import dvsec

ROUNDS = 40  # random structures for each capability
NEWEST = (3, 15)  # of the lspci versions whose words are known here

DECODED: dict[str, Callable[[Reader], Iterator[str]]] = {
    "aer": words.aer, "vc": words.vc, "dsn": words.dsn, "rcld": words.rcld, "rcec": words.rcec, "vc9": words.vc,
    "vsec": words.vsec, "acs": words.acs, "ari": words.ari, "ats": words.ats, "sriov": words.sriov,
    "mcast": words.mcast, "pri": words.pri, "rebar": words.rebar, "tph": words.tph, "ltr": words.ltr,
    "secpci": words.secpci, "pasid": words.pasid, "dpc": words.dpc, "l1ss": words.l1ss, "ptm": words.ptm,
    "dvsec": dvsec, "vf-rebar": words.rebar, "pl16": words.pl16, "lmr": words.lmr, "pl32": words.pl32,
    "doe": words.doe, "dev3": words.dev3, "ide": words.ide, "pl64": words.pl64,
}  # fmt: skip

# lspci names these and decodes nothing of them.
NAMED = {
    "pwr": "Power Budgeting <?>", "rcilc": "Root Complex Internal Link <?>",
    "mfvc": "Multi-Function Virtual Channel <?>", "rcrb": "Root Complex Register Block <?>",
    "cac": "Extended Capability ID 0xc", "mriov": "Multi-Root I/O Virtualization <?>",
    "amd": "Extended Capability ID 0x14", "dpa": "Dynamic Power Allocation <?>", "pmux": "Protocol Multiplexing <?>",
    "lnr": "LN Requester <?>", "mpcie": "PCI Express over M_PHY <?>", "frs": "FRS Queueing <?>",
    "rtr": "Readiness Time Reporting <?>", "dlf": "Data Link Feature <?>", "hierarchy-id": "Hierarchy ID <?>",
    "npem": "Native PCIe Enclosure Management <?>", "altproto": "Extended Capability ID 0x2b",
    "sfi": "Extended Capability ID 0x2c", "shadow": "Extended Capability ID 0x2d",
}  # fmt: skip

# Values that make lspci read beyond its tables, overflow, or leave the capability: (register.field, highest value).
LINUX_NEWEST = 0x31  # PCI_EXT_CAP_ID_MAX of Linux 7.2
LIMITS: dict[str, dict[str, int]] = {
    "ltr": {"snoop.scale": 5, "nosnoop.scale": 5},
    "rcld": {"self.entries": 5, "self.type": 2},
    "rcec": {"bitmap": 0x7FFFFFFF},  # a run up to device 31 has no end in lspci's text
    "mcast": {"cap.window_size": 30, "overlay.size": 30},
    "dev3": {"status.initial_width": 4},
    "ide": {"cap.streams": 2},
    "vsec": {"vsec.length": 0x200},
    "rebar": {"ctrl0.nbars": 6, **{f"ctrl{i}.size": 43 for i in range(6)}},
}
LIMITS["vf-rebar"] = LIMITS["rebar"]
# DVSECs of CXL by id: lengths, and fields of which lspci decodes eight values.
LENGTHS = {0: (0x38, 0x3C), 2: (0x2C,), 3: (0x28,), 4: (0x10,), 5: (0x10,), 7: (0x20,), 8: (0x14, 0x24), 9: (0x10,)}
SCALES = {4: ("gpf_phase1.timeout_scale", "gpf_phase2.timeout_scale"), 5: ("gpf_duration.time_scale",)}


def rounds(name: str) -> int:
    return ROUNDS if name in DECODED else 1


def put(view: View, path: str, value: int) -> None:
    place, field = view.find(path)
    view.put(place, field, value)


def random_structure(name: str, source: random.Random) -> bytes:
    """Random bits, but for what lspci cannot take."""
    capability = catalog.by_name(Chain.EXTENDED, name)
    view = View(capability, bytearray(source.randbytes(0x400)))
    put(view, "header.id", capability.id)
    put(view, "header.version", source.choice([1, 2]))
    put(view, "header.next", 0)
    if name == "dvsec":
        number = source.choice(list(LENGTHS))
        length = source.choice(LENGTHS[number])
        revision = 2 if number == 7 else source.choice([1, 3])
        for path, value in (("vendor", 0x1E98), ("length", length), ("revision", revision)):
            put(view, f"hdr1.{path}", value)
        put(view, "hdr2.id", number)
        if number == 0:
            for i in (1, 2):
                put(view, f"range_size{i}.media_type", source.choice([0, 1, 2]))
                put(view, f"range_size{i}.memory_class", source.choice([0, 1, 2]))
                put(view, f"range_size{i}.interleave", source.randrange(8))
                put(view, f"range_base{i}", source.randrange(16) << 28)
        for path in SCALES.get(number, ()):
            put(view, path, source.randrange(8))
        if number == 9:
            put(view, "mld_lds", source.randrange(20))
    for path, highest in LIMITS.get(name, {}).items():
        put(view, path, source.randrange(1 if name.endswith("rebar") else 0, highest + 1))
    return bytes(view.body)


@cache
def random_spaces() -> dict[str, bytes]:
    """Config spaces with one random structure each, at 0x100; every other one is a root port."""
    spaces: dict[str, bytes] = {}
    for name in (*DECODED, *NAMED):
        for number in range(rounds(name)):
            source = random.Random(f"{name}{number}")
            space = bytearray(4096)
            space[0x06], space[0x34] = 0x10, 0x40
            space[0x40:0x44] = (0x10, 0, 0x42 if number % 2 else 0x02, 0)  # PCI Express, port type in bits 7..4
            body = random_structure(name, source)
            space[0x100 : 0x100 + len(body)] = body
            spaces[f"{name}-{number}"] = bytes(space)
    return spaces


def ours(name: str, body: bytes, offset: int, header_type: int, theirs: str) -> str:
    view = View(catalog.by_name(Chain.EXTENDED, name), bytearray(body), len(body), header_type)
    return tidy(" ".join(DECODED[name](Reader(view, offset, theirs)))) if name in DECODED else NAMED[name]


def tidy(text: str) -> str:
    return re.sub(r" (?=[,:] |: CXL)", "", " ".join(text.split()))


@pytest.mark.parametrize("name", [*DECODED, *NAMED])
def test_random_structures(name: str) -> None:
    lspci.require()
    shown = random_text()
    for number in range(rounds(name)):
        key = f"{name}-{number}"
        (block,) = (block for block in shown[key].blocks if block.extended)
        theirs = tidy(block.text)
        body = random_spaces()[key][0x100:]
        if name in NAMED and lspci.version()[:2] > NEWEST:
            pytest.skip("this lspci is newer than the words known here; it may decode more")
        assert ours(name, body, 0x100, 0, theirs) == theirs, key


@cache
def random_text() -> dict[str, lspci.Shown]:
    return lspci.show(random_spaces())


def test_captures() -> None:
    """Every extended capability of every capture that the catalogue knows."""
    lspci.require()
    wrong: list[str] = []
    compared = 0
    for capture in lspci.captures():
        shown = lspci.decoded()[capture.name]
        for structure in lspci.structures(capture.config):
            known = catalog.by_id(Chain.EXTENDED, structure.id) if structure.chain == "extended" else None
            block = shown.block(structure) if known else None
            if known is None or block is None or (known.name in NAMED and lspci.version()[:2] > NEWEST):
                continue
            if known.id > LINUX_NEWEST and known.name not in DECODED:
                continue  # added after Linux 7.2: write lspci's words for it where lspci has some
            theirs = tidy(block.text)
            compared += 1
            # lspci does not stop where a structure ends
            body = capture.config[structure.offset :]
            text = ours(known.name, body, structure.offset, capture.layout, theirs)
            if text != theirs:
                wrong.append(f"{capture.name} {structure.offset:#x} {known.name}\n  ours   {text}\n  theirs {theirs}")
    assert not wrong, "\n".join(wrong)
    assert compared > 30
