"""What Linux's vfio-pci shows of a function, and does with writes, is what is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from vpci_compile import stack

from . import judged
from .compare import differences
from .hardware import Image
from .rig import Observed, Refused, Rig

pytestmark = pytest.mark.stack
_STACK = "linux-7.2"


def _predicted(image: Image, state: bytes) -> stack.Prediction:
    return stack.predict(stack.Hardware(state, image.bars, image.virtual, image.ids), _STACK, stack.Place.PORT, {})


@pytest.mark.parametrize("names", judged.portions(judged.names()), ids=judged.label)
def test_as_predicted(rig: Rig, names: Sequence[str]) -> None:
    images = [judged.image(name) for name in names]
    # What the kernel does not take, or what makes it write outside its own tables, would end the guest for all.
    taken = [image for image in images if not _predicted(image, image.value).refusals]
    wrong: dict[str, object] = {}
    for image, seen in zip(taken, rig.kernel(taken), strict=True):
        if isinstance(seen, Refused):
            wrong[image.name] = f"refused: {seen.text}"
        elif different := differences(_predicted(image, seen.state).config, seen):
            wrong[image.name] = different
    assert wrong == {}


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
