"""The verdict on two machines is what a real QEMU says when one migrates to the other, in every word."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from vpci_compile.stack.emulated.verdict import verdict

from .rig import Outcome, Side, migrate, probed, side

TABLE = Path(__file__).with_name("pairs.txt")


class Pair(NamedTuple):
    """A row of the table."""

    text: str
    sides: tuple[Side, Side]
    quick: bool


def pairs() -> list[Pair]:
    rows = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            text = line.removeprefix("*").strip()
            setup, *cells = (cell.strip() for cell in text.split("|"))
            one, other = (side(setup, cell) for cell in cells)
            rows.append(Pair(text, (one, other), line.startswith("*")))
    return rows


def predicted(source: Side, destination: Side) -> Outcome:
    found = verdict(probed(source), probed(destination))
    assert found.accepted is not None, found.lines
    return Outcome(found.accepted, found.lines)


def both_ways(pair: Pair) -> None:
    one, other = pair.sides
    for source, destination in ((one, other), (other, one)):
        assert predicted(source, destination) == migrate(source, destination), (source.devices, destination.devices)


@pytest.mark.parametrize("pair", [pair for pair in pairs() if pair.quick], ids=lambda pair: pair.text)
def test_a_few_pairs(pair: Pair) -> None:
    both_ways(pair)


@pytest.mark.stack
@pytest.mark.parametrize("pair", [pair for pair in pairs() if not pair.quick], ids=lambda pair: pair.text)
def test_every_pair(pair: Pair) -> None:
    both_ways(pair)


def test_the_table_has_each_row_once() -> None:
    texts = [pair.text for pair in pairs()]
    assert len(texts) == len(set(texts)) >= 80
