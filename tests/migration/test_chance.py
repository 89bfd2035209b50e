"""The verdict holds for devices and properties that were drawn by chance, too: the same ones every time."""

from __future__ import annotations

import random

import pytest

from vpci_compile.live.qtest import QemuError

from .chance import draw, wrong

SEEDS = range(40)


@pytest.mark.stack
@pytest.mark.parametrize("seed", SEEDS)
def test_a_pair_drawn_by_chance(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(20):  # QEMU does not make every device with every property
        pair = draw(dice)
        try:
            assert not list(wrong(pair))
        except QemuError:
            continue
        return
    pytest.fail("QEMU makes none of twenty pairs")
