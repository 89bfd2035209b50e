"""Virtual functions: what Linux makes of them beside what it makes of all others, and what QEMU shows of that."""

from __future__ import annotations

import pytest

from vpci_compile import stack
from vpci_compile.stack import Place

from . import images, shuffle
from .compare import differences
from .hardware import Image
from .rig import Refused, Rig

pytestmark = pytest.mark.stack

_CRAFTED = ("sweep", "first-hidden", "only-hidden", "virtio", "pciev1", "out-of-order", "legacy")
_RANDOM = range(7)
_PORTIONS = {
    "crafted": [images.virtual(images.crafted(name)) for name in _CRAFTED],
    "random": [images.virtual(shuffle.shuffled(seed)) for seed in _RANDOM],
}


@pytest.mark.parametrize("name", _PORTIONS)
@pytest.mark.parametrize("software", ["linux-7.2", "linux-7.2/qemu-11.1"])
def test_virtual_functions(rig: Rig, name: str, software: str) -> None:
    def predicted(image: Image, state: bytes) -> stack.Prediction:
        hardware = stack.Hardware(state, image.bars, image.virtual, image.ids)
        return stack.predict(hardware, software, Place.PORT, {})

    shown = [image for image in _PORTIONS[name] if not predicted(image, image.value).refusals]
    found = rig.kernel(shown) if software == "linux-7.2" else rig.qemu(shown)
    wrong: dict[str, object] = {}
    for image, seen in zip(shown, found, strict=True):
        if isinstance(seen, Refused):
            wrong[image.name] = f"refused: {seen.text}"
        elif different := differences(predicted(image, seen.state).config, seen, nested="qemu" in software):
            wrong[image.name] = different
    assert wrong == {}
