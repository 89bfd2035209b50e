"""Configuration headers: what lspci prints of one, the catalogue reads the same."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from vpci_compile import catalog
from vpci_compile.catalog import Chain, View

from . import lspci, words_header
from .reader import Reader
from .test_lspci_standard import differ, put, tidy

ROUNDS = 200
DECODED: dict[str, Callable[[Reader], Iterator[str]]] = {
    "type0": words_header.type0, "type1": words_header.type1, "type2": words_header.type2,
}  # fmt: skip
TITLE = re.compile(
    r"\S+ (?P<class>\w{4}): (?P<vendor>\w{4}):(?P<device>\w{4})"
    r"(?: \(rev (?P<revision>\w\w)\))?(?: \(prog-if (?P<prog_if>\w\w)(?: \[.*\])?\))?"
)


def random_header(name: str, source: random.Random) -> bytes:
    """Random bits, but for what lspci refuses."""
    capability = catalog.by_name(Chain.HEADER, name)
    view = View(capability, bytearray(source.randbytes(256)))
    put(view, "header_type.layout", capability.id)
    put(view, "status.cap_list", 0)
    put(view, "class", {"type0": 0x0200, "type1": 0x0604, "type2": 0x0607}[name])
    if name == "type0":
        for i in range(6):
            put(view, f"bar{i}", source.choice([0, 1, 4, source.randrange(1 << 32)]))
            if not view.get(view.locate(f"bar{i}")) & 1:
                put(view, f"bar{i}.type", source.choice([0, 1, 2]) if i < 5 else 0)
    elif name == "type1":
        put(view, "bar0", 0)
        put(view, "bar1", 0)
        io, memory = source.choice([0, 1]), source.choice([0, 1])
        for end in ("base", "limit"):
            put(view, f"io_{end}.type", io)
            put(view, f"memory_{end}.type", 0)
            put(view, f"pref_memory_{end}.type", memory)
    else:
        put(view, "bar0", source.randrange(1 << 20) << 12)
        for register in ("memory_base0", "memory_limit0", "memory_base1", "memory_limit1"):
            put(view, register, source.randrange(1 << 20) << 12)
    return bytes(view.body)


@cache
def spaces() -> dict[str, bytes]:
    """The captures and the random headers, by name."""
    found = {capture.name: capture.config for capture in lspci.captures() if capture.layout in (0, 1, 2)}
    for name in DECODED:
        for number in range(ROUNDS):
            found[f"{name}-{number}"] = random_header(name, random.Random(f"{name}{number}"))
    return found


@cache
def shown() -> dict[str, lspci.Shown]:
    return lspci.show(spaces(), "-n")


def header(key: str) -> tuple[str, Reader]:
    """lspci's lines for a header, without those that say what is no part of it."""
    config = spaces()[key]
    capability = catalog.by_id(Chain.HEADER, config[0x0E] & 0x7F)
    assert capability is not None
    reader = Reader(View(capability, config[:128], header_type=capability.id), 0, "")
    count = {"type0": 6, "type1": 2}.get(capability.name, 0)
    drop = ["Capabilities:", *(f"Region {number}:" for number in words_header.halves(reader, count))]
    if capability.name == "type1":
        drop.append("Subsystem:")  # of the SSVID capability
    reader.theirs = tidy(" ".join(line for line in shown()[key].header if not line.startswith(tuple(drop))))
    return reader.theirs, reader


@pytest.mark.parametrize("name", ["captures", *DECODED])
def test_lines(name: str) -> None:
    lspci.require(of_captures=name == "captures")
    wrong: list[str] = []
    keys = [key for key in spaces() if (kind if (kind := key.partition("-")[0]) in DECODED else "captures") == name]
    for key in keys:
        theirs, reader = header(key)
        ours = tidy(" ".join(DECODED[reader.view.capability.name](reader)))
        if ours != theirs:
            wrong.append(key + differ(ours, theirs))
    assert keys
    assert not wrong, f"{len(wrong)} of {len(keys)}:\n" + "\n".join(wrong)


def test_ids_and_class() -> None:
    lspci.require(of_captures=False)
    for key in spaces():
        _, reader = header(key)
        title = TITLE.fullmatch(shown()[key].title)
        assert title, shown()[key].title
        for path, text in title.groupdict().items():
            if text is not None or path == "revision":
                assert reader.shown(path) == (text or "00"), f"{key} {path}"
