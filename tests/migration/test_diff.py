"""`diff` of two probed machines agrees with a real migration, and names what is refused."""

from __future__ import annotations

import pytest

from vpci_compile import api
from vpci_compile.diff import Kind
from vpci_compile.host.machines import Probed

from .rig import migrate, probed
from .test_pairs import Pair, pairs


def agrees(pair: Pair) -> None:
    sides = [Probed(name, probed(one)) for name, one in zip("ab", pair.sides, strict=True)]
    found = api.migration(*sides)
    for answer, (source, destination) in zip(found, (pair.sides, pair.sides[::-1]), strict=True):
        real = migrate(source, destination)
        assert (answer.accepted, answer.words) == (real.accepted, real.lines)
        assert bool(answer.of(Kind.REJECTED)) == (not real.accepted)
        assert all(one.difference.path for one in answer.findings)


@pytest.mark.parametrize("pair", [pair for pair in pairs() if pair.quick], ids=lambda pair: pair.text)
def test_a_few_pairs(pair: Pair) -> None:
    agrees(pair)


@pytest.mark.stack
@pytest.mark.parametrize("pair", [pair for pair in pairs() if not pair.quick], ids=lambda pair: pair.text)
def test_every_pair(pair: Pair) -> None:
    agrees(pair)


def test_a_machine_is_like_itself() -> None:
    for pair in [pair for pair in pairs() if pair.quick]:
        side = Probed("a", probed(pair.sides[0]))
        for answer in api.migration(side, side):
            assert answer.accepted and not answer.differences
