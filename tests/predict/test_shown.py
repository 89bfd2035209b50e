"""Predictions by shape, which `diff` takes, against predictions one by one: the same, whatever came before."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpci_compile import capture
from vpci_compile.capture import Capture
from vpci_compile.diagnostics import whole_file
from vpci_compile.fleet.conditions import below
from vpci_compile.host.shown import Predictions
from vpci_compile.stack import Place, Prediction

CAPTURES = Path(__file__).parents[1] / "captures"
STACKS = ("linux-7.2/qemu-11.1", "linux-6.1/qemu-7.2", "linux-7.2/cloud-hypervisor-53.0")
OPTIONS: tuple[dict[str, str], ...] = ({}, {"rombar": "0"})
HEADER, ROM, DWORD = 0x40, 0x30, 4
AT_ONCE = 8
NOWHERE = whole_file("")


@cache
def functions() -> list[Capture]:
    files = sorted(CAPTURES.glob("*.lspci"))
    return [one for path in files for one in capture.read_all(path, path.name).captures]


def said(made: Prediction) -> object:
    """All that a side of a migration takes; a BAR's line is that of the capture, which `diff` knows by itself."""
    refusals = [one.message for one in made.refusals]
    return made.config, made.check, refusals, made.made, [replace(one, origin=NOWHERE) for one in made.bars]


def turned(read: Capture, dice: random.Random) -> Capture:
    octets = bytearray(read.data)
    for _ in range(dice.choice((0, 1, 2, 16))):
        at = dice.randrange(dice.choice((HEADER, len(octets))))
        octets[at] ^= 1 << dice.randrange(8)
    at = dice.randrange(0x10, ROM + DWORD, DWORD)
    if dice.random() < 0.25:
        octets[at : at + DWORD] = dice.choice((bytes(DWORD), b"\xff" * DWORD, b"\0\0\0\x90"))
    return replace(read, data=bytes(octets))


@pytest.mark.parametrize("stack", STACKS)
@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_kept_prediction_is_the_prediction(stack: str, dice: random.Random) -> None:
    words = dice.choice(OPTIONS) if "qemu" in stack else {}
    where = below(stack, dice.choice([*Place]), words)
    kept, read = Predictions(where), dice.choice(functions())
    for one in (turned(read, dice) for _ in range(AT_ONCE)):
        assert said(kept.of(one)) == said(where.predict(one))


@pytest.mark.parametrize("stack", STACKS)
def test_addresses_of_the_rom(stack: str) -> None:
    """A kernel shows the ROM's address to a VMM that asks for it: each function has its own."""
    where = below(stack, Place.PORT, {})
    read = next(one for one in functions() if one.name.startswith("igb.lspci"))
    held = (bytes(DWORD), b"\1\0\0\0", b"\0\0\0\x10", b"\1\0\0\x90", b"\0\0\0\x90", b"\0\xf8\xff\xff", b"\xff" * DWORD)
    for order in permutations(held, 2):
        kept = Predictions(where)
        for one in (replace(read, data=read.data[:ROM] + rom + read.data[ROM + DWORD :]) for rom in order):
            assert said(kept.of(one)) == said(where.predict(one))
