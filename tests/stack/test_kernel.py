"""What Linux's vfio-pci shows of a function, and does with writes, is what is predicted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from vpci_compile import stack

from . import judged
from .compare import differences
from .hardware import Image
from .rig import Refused, Rig

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
