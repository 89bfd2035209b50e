"""Both directions of a migration, on functions with bits turned anywhere: QEMU's rule decides, and order does not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from vpci_compile import api, capture
from vpci_compile.capture import Capture
from vpci_compile.diagnostics import Failed
from vpci_compile.diff import Answer
from vpci_compile.host import sides
from vpci_compile.host.sides import Side
from vpci_compile.stack import Place, incoming

CAPTURES = Path(__file__).parents[1] / "captures"
STACKS = ("linux-7.2/qemu-11.1", "linux-6.1/qemu-7.2", "linux-6.12/qemu-10.0", "linux-7.2/cloud-hypervisor-53.0")
HEADER_BITS = 8 * 0x40
ODDS = 0.5
DICE = st.randoms(use_true_random=False)


@cache
def functions() -> list[Capture]:
    return [
        one
        for path in sorted(CAPTURES.glob("*.lspci"))
        for one in capture.read_all(path, path.name).captures
        if shown(one, STACKS[0], Place.PORT) is not None
    ]


def shown(read: Capture, stack: str, place: Place) -> Side | None:
    try:
        return sides.of_capture(read, "a side", stack, place, {})
    except Failed:
        return None


def turned(read: Capture, dice: random.Random) -> Capture:
    octets = bytearray(read.data)
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        bit = dice.randrange(HEADER_BITS if dice.random() < ODDS else 8 * len(octets))
        octets[bit // 8] ^= 1 << bit % 8
    return replace(read, data=bytes(octets))


def pairs(dice: random.Random) -> Iterator[tuple[Side, Side]]:
    read, stack, place = dice.choice(functions()), dice.choice(STACKS), dice.choice([*Place])
    other = dice.choice(functions()) if dice.random() < ODDS / 2 else turned(read, dice)
    there = stack if dice.random() < ODDS else dice.choice(STACKS)
    two = shown(read, stack, place), shown(other, there, place if dice.random() < ODDS else dice.choice([*Place]))
    if two[0] is not None and two[1] is not None:
        yield two[0], two[1]


def said(answer: Answer) -> object:
    rows = [(one.kind, one.why, replace(one.difference, left_span=None, right_span=None)) for one in answer.findings]
    return answer.accepted, answer.words, answer.vmm, answer.notes, rows


@settings(max_examples=250, deadline=None)
@given(DICE)
def test_the_way_back_is_the_way_there_of_the_other_order(dice: random.Random) -> None:
    for source, destination in pairs(dice):
        found, other = api.migration(source, destination), api.migration(destination, source)
        assert said(found.back) == said(other.there)
        assert said(found.there) == said(other.back)


@settings(max_examples=250, deadline=None)
@given(DICE)
def test_the_verdict_is_that_of_the_rule(dice: random.Random) -> None:
    """get_pci_config_device, told of each byte: what it refuses stops a migration, in its words, wherever it is."""
    for source, destination in pairs(dice):
        ours, theirs = source.check, destination.check
        if ours is None or theirs is None:
            continue
        found = api.migration(source, destination).there
        refused = [*incoming.refused(theirs, ours.config)]
        assert found.accepted == (not refused and len(ours.config) == len(theirs.config))
        assert found.words == tuple(incoming.words(theirs, ours.config, at) for at in refused[:1])
