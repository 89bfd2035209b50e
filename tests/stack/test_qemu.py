"""What a guest of a real QEMU finds of a function, through a real Linux, is what is predicted; so is what QEMU refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from vpci_compile import stack
from vpci_compile.stack import Place

from . import images, judged
from .compare import differences
from .hardware import Image
from .rig import Observed, Refused, Rig

pytestmark = pytest.mark.stack
_STACK = "linux-7.2/qemu-11.1"
_ENDLESS = "never comes to an end"
_ELSEWHERE = [*images.CRAFTED, *(f"random-{seed}" for seed in range(24))]


def _predicted(image: Image, state: bytes, place: Place, options: Mapping[str, str]) -> stack.Prediction:
    hardware = stack.Hardware(state, image.bars, image.virtual, image.ids)
    return stack.predict(hardware, _STACK, place, options)


def _wrong(
    rig: Rig, images: Sequence[Image], place: Place, options: Sequence[Mapping[str, str]] | None = None
) -> dict[str, object]:
    """Image by image, what is not as predicted."""
    wrong: dict[str, object] = {}
    shown: list[tuple[Image, Mapping[str, str]]] = []
    for image, more in zip(images, options or [{}] * len(images), strict=True):
        refusals = _predicted(image, image.value, place, more).refusals
        if not refusals:
            shown.append((image, more))
        elif not any(_ENDLESS in one.note for one in refusals):
            # By itself: a QEMU that aborts takes its other functions with it.
            (seen,) = rig.qemu([image], place, [more])
            if isinstance(seen, Observed):
                wrong[image.name] = f"shown, but predicted is: {refusals}"
    found = rig.qemu([image for image, _ in shown], place, [more for _, more in shown])
    for (image, more), seen in zip(shown, found, strict=True):
        if isinstance(seen, Refused):
            wrong[image.name] = f"refused: {seen.text}"
        elif different := differences(_predicted(image, seen.state, place, more).config, seen):
            wrong[image.name] = different
    return wrong


def _images(names: Sequence[str]) -> list[Image]:
    """Those that the kernel takes."""
    found = [judged.image(name) for name in names]
    hardware = [stack.Hardware(one.value, one.bars, one.virtual, one.ids) for one in found]
    return [
        one
        for one, below in zip(found, hardware, strict=True)
        if not stack.predict(below, "linux-7.2", Place.PORT, {}).refusals
    ]


@pytest.mark.parametrize("names", judged.portions(judged.names()), ids=judged.label)
def test_below_a_port(rig: Rig, names: Sequence[str]) -> None:
    assert _wrong(rig, _images(names), Place.PORT) == {}


@pytest.mark.parametrize("place", [Place.ROOT, Place.CONVENTIONAL])
@pytest.mark.parametrize("names", judged.portions(_ELSEWHERE), ids=judged.label)
def test_elsewhere(rig: Rig, names: Sequence[str], place: Place) -> None:
    assert _wrong(rig, _images(names), place) == {}
