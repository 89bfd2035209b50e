"""What Linux's vfio-pci shows of a function, and does with writes, is what is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from vpci_compile import stack

from . import images, judged
from .compare import differences
from .hardware import Image
from .rig import Observed, Refused, Rig

pytestmark = pytest.mark.stack
_STACK = "linux-7.2"
_IN_ALL_WIDTHS = {*images.CRAFTED, *(f"random-{seed}" for seed in range(48))}  # that takes its time


def _predicted(image: Image, state: bytes) -> stack.Prediction:
    return stack.predict(stack.Hardware(state, image.bars, image.virtual, image.ids), _STACK, stack.Place.PORT, {})


def _is_harmless(image: Image) -> bool:
    """Not one that makes the kernel write outside its own tables, which would end the guest for all."""
    return not any("or worse" in one.note for one in _predicted(image, image.value).refusals)


@pytest.mark.parametrize("names", judged.portions(judged.names()), ids=judged.label)
def test_as_predicted(rig: Rig, names: Sequence[str]) -> None:
    shown = [image for name in names if _is_harmless(image := judged.image(name))]
    wrong: dict[str, object] = {}
    widths = "421" if set(names) & _IN_ALL_WIDTHS else "4"
    for image, seen in zip(shown, rig.kernel(shown, widths=widths), strict=True):
        predicted = _predicted(image, image.value if isinstance(seen, Refused) else seen.state)
        if isinstance(seen, Refused) or predicted.refusals:
            if not isinstance(seen, Refused) or not predicted.refusals:
                wrong[image.name] = f"predicted: {predicted.refusals or 'taken'}; found: {seen}"
        elif different := differences(predicted.config, seen):
            wrong[image.name] = different
    assert wrong == {}


def test_hardly_anything_is_left_out() -> None:
    names = judged.names()
    assert sum(_is_harmless(judged.image(name)) for name in names) >= 0.99 * len(names)


@pytest.mark.parametrize("mask", ["value", "writable", "forwarded"])
def test_a_prediction_that_is_wrong_is_found_out(rig: Rig, mask: str) -> None:
    """One bit is enough."""
    image = judged.image("all")
    (seen,) = rig.kernel([image])
    assert isinstance(seen, Observed)
    config = _predicted(image, seen.state).config
    assert differences(config, seen) == []
    at = next(at for at in range(0x40, config.size) if config.emulated[at] == config.writable[at] == 0xFF)
    at = at if mask != "forwarded" else config.forwarded.index(0xFF, 0x40)
    octets = bytearray(getattr(config, mask))
    octets[at] ^= 0x10
    wrong = differences(replace(config, **{mask: bytes(octets)}), seen)
    assert wrong and all(f"{at & ~3:#05x}" in line for line in wrong)
