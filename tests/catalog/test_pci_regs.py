"""Every macro of linux/pci_regs.h stands in the catalogue with the same number, and the other way round.

The catalogue says `linux: MACRO` at a register (its offset), a field (its mask), a value, a size or a capability (its
id). pci_regs_map.yaml says which capability a macro belongs to, and holds the few macros that are something else.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from vpci_compile import catalog, loader
from vpci_compile.catalog import Capability, Chain, Field, Register, View

from . import pci_regs

WRITTEN_FOR = 0x31  # PCI_EXT_CAP_ID_MAX of the header that the catalogue was written with


@cache
def rules() -> dict[str, Any]:
    plain = loader.load(Path(__file__).with_name("pci_regs_map.yaml")).plain()
    assert isinstance(plain, dict)
    return plain


@dataclass(frozen=True)
class Named:
    """A place of the catalogue that names a macro, and the numbers that the macro may have there."""

    capability: Capability
    place: str
    numbers: frozenset[int]
    field: Field | None = None


def views(capability: Capability) -> list[View]:
    """Views of many bodies: an offset that is an expression takes all its values."""
    return _views(capability.chain, capability.name)


@cache
def _views(chain: Chain, name: str) -> list[View]:
    capability = catalog.by_name(chain, name)
    dice = random.Random(1)
    bodies = [bytes(1024), b"\xff" * 1024, *(dice.randbytes(1024) for _ in range(30))]
    return [View(capability, body, header_type=header) for body in bodies for header in (0, 1, 2)]


def offsets(capability: Capability, register: Register) -> frozenset[int]:
    """All offsets at which the register, or the first of a repeated one, can stand."""
    if isinstance(register.at, int) and len(register.linux) < 2:
        return frozenset({register.at})
    suffixes = [""]
    if register.repeat:
        group = "" if register.repeat.each is None else "0_"
        suffixes = [f"{group}{register.repeat.first + index}" for index in range(len(register.linux))]
    return frozenset(view.locate(register.name + suffix).offset for suffix in suffixes for view in views(capability))


def placed(field: Field, value: int) -> frozenset[int]:
    return frozenset({value, value << field.low})


def everything() -> Iterator[tuple[str, Named]]:
    """(macro, place) for each `linux:` and each size of the catalogue."""
    for capability in catalog.everything():
        own = f"{capability.chain}/{capability.name}"
        if capability.linux:
            yield capability.linux, Named(capability, own, frozenset({capability.id}))
        for macro, size in (capability.sizes or {}).items():
            yield macro, Named(capability, f"{own} sizes", frozenset({size}))
        for register in capability.registers:
            where = f"{own}.{register.name}"
            for macro in register.linux:
                yield macro, Named(capability, where, offsets(capability, register))
            for field in register.fields:
                for macro in field.linux:
                    yield macro, Named(capability, f"{where}.{field.name}", frozenset({field.mask}), field)
                for value in field.values:
                    if value.linux:
                        place = f"{where}.{field.name}={value.name}"
                        yield value.linux, Named(capability, place, placed(field, value.value), field)


@cache
def named() -> dict[str, list[Named]]:
    found: dict[str, list[Named]] = defaultdict(list)
    for macro, place in everything():
        found[macro].append(place)
    return found


@cache
def find(place: str) -> tuple[Capability, Register, Field | None]:
    """The register and field that a place of the map means."""
    path, *rest = place.split(".")
    chain, _, name = path.partition("/")
    capability = catalog.by_name(Chain(chain), name)
    registers = {register.name: register for register in capability.registers}
    assert rest[0] in registers, f"pci_regs_map.yaml: there is no {place}"
    fields = {field.name: field for field in registers[rest[0]].fields}
    assert len(rest) < 2 or rest[1] in fields, f"pci_regs_map.yaml: there is no {place}"
    return capability, registers[rest[0]], fields[rest[1]] if len(rest) > 1 else None


def older() -> bool:
    """The header is older than the catalogue."""
    return pci_regs.macros()["PCI_EXT_CAP_ID_MAX"] < WRITTEN_FOR


def owners(macro: str) -> list[str]:
    table: dict[str, list[str]] = rules()["owners"]
    fitting = [prefix for prefix in table if macro.startswith(prefix)]
    return table[max(fitting, key=len)] if fitting else []


def owned(place: Named, macro: str) -> bool:
    chain, name = place.capability.chain.value, place.capability.name
    return any(owner in (chain, f"{chain}/{name}") for owner in owners(macro))


def equal(number: int, place: Named) -> bool:
    if number < 0:  # ~0xf: all the bits that the register has
        return any(own and number & ((1 << own.bit_length()) - 1) == own for own in place.numbers)
    return number in place.numbers


def shift(macro: str, number: int) -> str | None:
    """A _SHIFT macro is the lowest bit of the field whose mask or value has the rest of the name."""
    base = macro.removesuffix("_SHIFT")
    fields = [place.field for name in (base, f"{base}_MASK") for place in named().get(name, ()) if place.field]
    if not fields:
        similar = (places for name, places in named().items() if name.startswith(f"{base}_"))
        fields = [place.field for places in similar for place in places if place.field]
    return None if any(field.low == number for field in fields) else f"no field {base} with lowest bit {number}"


def special(macro: str, number: int) -> str | None:
    """The kinds of macro that the map lists; says what is wrong, or None."""
    if macro in rules()["unions"]:
        fields = [field.mask for field in find(rules()["unions"][macro])[1].fields if field.mask & number]
        return None if sum(fields) == number else f"{number:#x} cuts a field of {rules()['unions'][macro]}"
    if macro in rules()["parts"]:
        _, register, field = find(rules()["parts"][macro])
        whole = field.mask if field else (1 << 8 * int(register.bytes)) - 1
        part = number & whole
        return None if part and (number < 0 or part == number) else f"{number:#x} is no part of {whole:#x}"
    if macro in rules()["bytes"]:
        _, register, field = find(rules()["bytes"][macro])
        assert field is not None
        offset = int(register.at) + field.low // 8
        return None if offset == number else f"{number:#x}, but the field's byte is at {offset:#x}"
    if macro in rules()["dwords"]:
        start, place = rules()["dwords"][macro]
        _, register, field = find(place)
        mask = (field.mask if field else (1 << 8 * int(register.bytes)) - 1) << 8 * (int(register.at) - start)
        return None if mask == number else f"{number:#x}, but {place} is {mask:#x} of the dword at {start:#x}"
    return "unknown kind"


def from_block(number: int, macro: str, place: Named) -> bool:
    """The macro is the register's distance from its block's first register."""
    capability, block, _ = find(rules()["blocks"][macro])
    first = "0" if block.repeat and block.repeat.each is None else ""
    own = place.place.partition(".")[2]
    register = next(register for register in capability.registers if register.name == own)
    group = "" if register.repeat is None else "0" if register.repeat.each is None else "0_0"
    return all(
        view.locate(own + group).offset - view.locate(block.name + first).offset == number for view in views(capability)
    )


def wrong(macro: str, number: int) -> str | None:
    """What is wrong with one macro, or None."""
    places = named().get(macro, [])
    if older() and rules()["older"].get(macro) == number:
        return None
    if macro in rules()["exceptions"]:
        return f"is an exception, and yet named at {places[0].place}" if places else None
    if not owners(macro):
        return "belongs to no capability that pci_regs_map.yaml knows"
    if any(macro in rules()[kind] for kind in ("unions", "parts", "bytes", "dwords")):
        return special(macro, number)
    if not places:
        if macro.endswith("_SHIFT"):
            return shift(macro, number)
        return f"({number:#x}) is not named; it belongs to {', '.join(owners(macro))}"
    if not any(owned(place, macro) for place in places):
        return f"is named at {places[0].place} only, but belongs to {', '.join(owners(macro))}"
    for place in places:
        if macro in rules()["blocks"]:
            fits = from_block(number, macro, place)
        elif macro in rules()["in_byte"]:
            assert place.field is not None
            start = place.field.low // 8 * 8
            fits = any(candidate >> start == number for candidate in place.numbers if candidate >> start)
        else:
            fits = equal(number, place)
        if not fits:
            return f"is {number:#x}, but {place.place} says {', '.join(f'{own:#x}' for own in sorted(place.numbers))}"
    return None


def test_every_macro_is_in_the_catalogue() -> None:
    report = [f"{macro} {text}" for macro, number in pci_regs.macros().items() if (text := wrong(macro, number))]
    assert not report, f"{len(report)} macros of {pci_regs.path()}:\n" + "\n".join(report)


def test_macros_with_parameters_are_in_the_catalogue() -> None:
    """PCI_X_CMD_VERSION(x) takes a field out of a register: its bits are those of which the result depends."""
    report: list[str] = []
    for macro, function in pci_regs.functions().items():
        places = named().get(macro, [])
        if macro in rules()["exceptions"]:
            report += [f"{macro} is an exception, and yet named at {place.place}" for place in places]
            continue
        if not any(owned(place, macro) for place in places):
            report.append(f"{macro} is not named; it belongs to {', '.join(owners(macro)) or 'nothing known'}")
        for place in places:
            if macro in rules()["blocks"]:
                fits = from_block(function(0), macro, place)
            elif place.field is None:
                fits = function(0) in place.numbers
            else:
                fits = sum(1 << bit for bit in range(32) if function(1 << bit)) & place.field.mask in place.numbers
            if not fits:
                report.append(f"{macro} differs from {place.place}")
    assert not report, f"{len(report)} macros of {pci_regs.path()}:\n" + "\n".join(report)


def test_every_name_in_the_catalogue_is_in_the_header() -> None:
    known = pci_regs.macros().keys() | pci_regs.functions().keys()
    unknown = sorted(f"{macro} ({places[0].place})" for macro, places in named().items() if macro not in known)
    if older():
        pytest.skip(f"{pci_regs.path()} is older than the catalogue: it lacks {', '.join(unknown)}")
    assert not unknown, "\n".join(unknown)


def test_the_map_names_what_there_is() -> None:
    """An exception for a macro that is gone hides nothing, but it misleads."""
    if older():
        pytest.skip(f"{pci_regs.path()} is older than the map")
    known = pci_regs.macros().keys() | pci_regs.functions().keys()
    kinds = ("unions", "parts", "bytes", "dwords", "blocks", "in_byte", "exceptions")
    stale = [macro for kind in kinds for macro in rules()[kind] if macro not in known]
    unused = [prefix for prefix in rules()["owners"] if not any(macro.startswith(prefix) for macro in known)]
    assert stale + unused == []
