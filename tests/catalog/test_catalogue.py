"""The files of schemas/pci are sound: they load, say no nonsense, and read any bytes without failing."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vpci_compile import catalog
from vpci_compile.catalog import Capability, Chain, Place, Register, View

from .lspci import ROOT

ALL = [(chain, name) for chain in Chain for name in catalog.names(chain)]
BY_NAME = pytest.mark.parametrize(("chain", "name"), ALL, ids=[f"{chain}-{name}" for chain, name in ALL])
FILES = sorted((ROOT / "schemas/pci").glob("*/*.yaml"))
IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
OWN_NAMES = {"i", "n", "here", "raw", "room", "header_type", "u8", "u16", "u32", "min", "max", "most", "past"}

# Registers that stand where the structure's own bytes say, so that senseless bytes can put them anywhere.
ANYWHERE = {
    ("extended", "vc"): {"vc_arb", "port_arb"},
    ("extended", "vc9"): {"vc_arb", "port_arb"},
    ("extended", "mfvc"): {"vc_arb", "func_arb"},
    ("extended", "ide"): set[str](),
}


def size_of(body_seed: int, size: int) -> bytes:
    """Bytes from a seed; the seeds 0 and 1 are all zeros and all ones."""
    return {0: bytes(size), 1: b"\xff" * size}.get(body_seed) or random.Random(body_seed).randbytes(size)


def view_of(capability: Capability, seed: int, size: int, header_type: int) -> View:
    body = bytearray(size_of(seed, size))
    if capability.chain is Chain.STANDARD:
        body[0:1] = bytes([capability.id])
    elif capability.chain is Chain.EXTENDED:
        body[0:2] = capability.id.to_bytes(2, "little")
    return View(capability, body, header_type=header_type)


def rules(capability: Capability) -> Iterator[str]:
    """Every expression of a capability, those inside `show` included."""
    rows: list[int | str | None] = [capability.length]
    for register in capability.registers:
        rows += [register.at, register.bytes, register.when or None, register.implemented or None]
        if register.repeat:
            rows += [register.repeat.count, register.repeat.stride, register.repeat.each]
        for field in register.fields:
            rows += [hole.partition(":")[0] for hole in re.findall(r"\{([^{}]*)\}", field.show)]
    yield from (row for row in rows if isinstance(row, str))


def test_there_are_all_files() -> None:
    assert catalog.names(Chain.HEADER) == ["type0", "type1", "type2"]
    standard = {catalog.by_name(Chain.STANDARD, name).id for name in catalog.names(Chain.STANDARD)}
    assert standard == set(range(0x01, 0x16))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_file_name_and_lines(path: Path) -> None:
    digits = 4 if path.parent.name == "extended" else 2
    assert re.fullmatch(rf"[0-9a-f]{{{digits}}}-[a-z0-9-]+(\.[a-z0-9-]+)?", path.stem)
    long = [number for number, line in enumerate(path.read_text("utf-8").splitlines(), 1) if len(line) > 120]
    assert not long, f"lines longer than 120 columns: {long}"


@BY_NAME
def test_names_are_unique_and_plain(chain: Chain, name: str) -> None:
    capability = catalog.by_name(chain, name)
    assert capability.title and capability.clause
    names = [register.name for register in capability.registers]
    assert len(set(names)) == len(names)
    for register in capability.registers:
        assert IDENTIFIER.fullmatch(register.name), register.name
        assert register.title, f"{register.name} has no title"
        assert all(re.fullmatch(r"(PCI|HT|CXL)_\w+", macro) for macro in register.linux), register.linux
        for field in register.fields:
            where = f"{register.name}.{field.name}"
            assert IDENTIFIER.fullmatch(field.name), where
            assert field.title or field.name == register.name, f"{where} has no title"
            assert field.default < 1 << field.width or register.blob, where
            values = [named.value for named in field.values]
            assert len(set(values)) == len(values), where
            assert len({named.name for named in field.values}) == len(values), where
            assert all(0 <= value < 1 << field.width for value in values), where


@BY_NAME
def test_expressions_name_registers_that_exist(chain: Chain, name: str) -> None:
    capability = catalog.by_name(chain, name)
    view = View(capability, bytes(64))
    for rule in rules(capability):
        tree = ast.parse(rule.strip(), mode="eval")
        inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                assert isinstance(node.value, ast.Name)
                place, field = view.find(f"{node.value.id}.{node.attr}")
                assert field is not None and not place.register.blob, rule
            elif isinstance(node, ast.Name) and id(node) not in inner and node.id not in OWN_NAMES:
                assert view.locate(node.id).register.name == node.id, rule


@BY_NAME
def test_names_of_values_encode(chain: Chain, name: str) -> None:
    for register in catalog.by_name(chain, name).registers:
        for field in register.fields:
            if register.blob:
                continue
            encode = catalog.encoder(field)
            assert [encode(named.name) for named in field.values] == [named.value for named in field.values]
            highest = (1 << field.width) - 1
            assert encode(highest * field.scale + field.bias) == highest
            with pytest.raises(ValueError, match=field.name):
                encode((highest + 1) * field.scale + field.bias)


def overlaps(view: View) -> list[str]:
    anywhere = ANYWHERE.get((view.capability.chain.value, view.capability.name), set())
    taken: dict[int, str] = {}
    found: list[str] = []
    for place in view.places():
        if place.register.name in anywhere:
            continue
        for offset in range(place.offset, place.offset + place.size):
            if offset in taken:
                found.append(f"{place.name} and {taken[offset]} at {offset:#x}")
                break
            taken[offset] = place.name
    return found


@BY_NAME
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.sampled_from([4, 16, 64, 256, 1024]), header_type=st.integers(0, 2))
@example(seed=0, size=256, header_type=0)
@example(seed=0, size=256, header_type=1)
@example(seed=1, size=1024, header_type=0)
@example(seed=1, size=1024, header_type=1)
def test_any_bytes_can_be_read(chain: Chain, name: str, seed: int, size: int, header_type: int) -> None:
    view = view_of(catalog.by_name(chain, name), seed, size, header_type)
    length = view.length
    assert chain.header_bytes <= length <= 4096
    anywhere = ANYWHERE.get((chain.value, name), set())
    for place in view.places():
        assert place.offset >= 0 and (place.size > 0 or place.register.blob), place.name
        if place.register.name not in anywhere:
            assert place.offset + place.size <= length, f"{place.name} ends beyond the structure's {length:#x} bytes"
        for field in place.register.fields:
            assert isinstance(view.decode(place, field), str)
    assert overlaps(view) == []


@BY_NAME
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), header_type=st.integers(0, 1))
def test_paths_lead_back_and_fields_can_be_written(chain: Chain, name: str, seed: int, header_type: int) -> None:
    view = view_of(catalog.by_name(chain, name), seed, 512, header_type)
    before = bytes(view.body)
    places: dict[str, Place] = {place.name: place for place in view.places()}
    for path in view.known_paths():
        place, field = view.find(path)
        assert place == places[path.partition(".")[0]]
        if place.offset + place.size <= len(view.body):
            view.put(place, field, view.get(place, field))
    assert bytes(view.body) == before


def covered(register: Register) -> int:
    return sum(field.mask for field in register.fields)


def test_writable_bits_have_an_owner_that_changes_them() -> None:
    """In a header or a control register that the guest writes, nobody may expect the host's value to stay."""
    command = catalog.by_name(Chain.HEADER, "type0").registers[2]
    assert command.name == "command" and covered(command) == 0x07FF
    assert {field.changes for field in command.fields} == {catalog.Changes.HOST}
