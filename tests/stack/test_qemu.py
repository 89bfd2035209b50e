"""What a guest of a real QEMU finds of a function, through a real Linux, is what is predicted; so is a refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from vpci_compile import stack
from vpci_compile.stack import Place

from . import images, judged
from .compare import differences
from .guest import PORTS
from .hardware import MSIX, Image, standard_chain
from .rig import Observed, Refused, Rig

pytestmark = pytest.mark.stack
_STACK = "linux-7.2/qemu-11.1"
_ENDLESS = "never comes to an end"
_ELSEWHERE = [*images.CRAFTED, *(f"random-{seed}" for seed in range(24))]


def _predicted(image: Image, state: bytes, place: Place, options: Mapping[str, str]) -> stack.Prediction:
    hardware = stack.Hardware(state, image.bars, image.virtual, image.ids)
    return stack.predict(hardware, _STACK, place, options)


def _label(image: Image, options: Mapping[str, str]) -> str:
    return " ".join([image.name, *(f"{key}={value}" for key, value in options.items())])


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
                wrong[_label(image, more)] = f"shown, but predicted is: {refusals}"
    found = rig.qemu([image for image, _ in shown], place, [more for _, more in shown])
    for (image, more), seen in zip(shown, found, strict=True):
        if isinstance(seen, Refused):
            wrong[_label(image, more)] = f"refused: {seen.text}"
        elif different := differences(_predicted(image, seen.state, place, more).config, seen, nested=True):
            wrong[_label(image, more)] = different
    return wrong


def _images(names: Sequence[str]) -> list[Image]:
    """Those that the kernel takes; none whose MSI-X is in BARs that Linux does not give it (judged._NO_CLASS)."""
    found = [judged.image(name) for name in names]
    hardware = [stack.Hardware(one.value, one.bars, one.virtual, one.ids) for one in found]
    return [
        one
        for one, below in zip(found, hardware, strict=True)
        if not stack.predict(below, "linux-7.2", Place.PORT, {}).refusals
        and (one.bars or all(own != MSIX for _, own in standard_chain(one.value)))
    ]


@pytest.mark.parametrize("names", judged.portions(judged.names()), ids=judged.label)
def test_below_a_port(rig: Rig, names: Sequence[str]) -> None:
    assert _wrong(rig, _images(names), Place.PORT) == {}


@pytest.mark.parametrize("place", [Place.ROOT, Place.CONVENTIONAL])
@pytest.mark.parametrize("names", judged.portions(_ELSEWHERE), ids=judged.label)
def test_elsewhere(rig: Rig, names: Sequence[str], place: Place) -> None:
    assert _wrong(rig, _images(names), place) == {}


# -- options -------------------------------------------------------------------------------------------------------

_CLIQUE = "x-nv-gpudirect-clique"
_MOVED = "x-msix-relocation"
_OPTIONS: list[tuple[Image, Mapping[str, str]]] = [
    *((images.nvidia("free"), {_CLIQUE: number}) for number in ("0", "3", "15")),
    (images.nvidia("taken", 0xC8), {_CLIQUE: "3"}),
    (images.nvidia("inside", 0xC0), {_CLIQUE: "7"}),
    (images.nvidia("both", 0xC8, 0xD4), {_CLIQUE: "3"}),
    (images.nvidia("free"), {_CLIQUE: "16"}),
    (images.crafted("rciep"), {_CLIQUE: "3"}),
    (images.crafted("rciep"), {_CLIQUE: "3", "x-pci-vendor-id": "0x10de", "x-pci-class-code": "0x030200"}),
    *((images.crafted("all"), {"ats": value}) for value in ("on", "off", "auto")),
    (images.crafted("rciep"), {"ats": "off"}),  # the first one
    (images.crafted("ari-only"), {"ats": "on"}),
    *(
        (images.crafted("virtio"), {_MOVED: value})
        for value in ("off", "auto", "bar0", "bar1", "bar2", "bar3", "bar4", "bar5")
    ),
    (images.crafted("nopcie"), {_MOVED: "bar0"}),  # no MSI-X
    *(
        (images.crafted("legacy"), {f"x-pci-{what}-id": "0xabcd"})
        for what in ("vendor", "device", "sub-vendor", "sub-device")
    ),
    (images.crafted("legacy"), {"x-pci-vendor-id": "0xffff"}),
    (images.crafted("legacy"), {"x-pci-sub-vendor-id": "0xffff", "x-pci-class-code": "0x123456"}),
    (images.crafted("legacy"), {"multifunction": "on", "rombar": "0", "skip-vsc-check": "off"}),
]


@pytest.mark.parametrize("place", [Place.PORT, Place.ROOT])
@pytest.mark.parametrize("start", range(0, len(_OPTIONS), PORTS))
def test_options(rig: Rig, start: int, place: Place) -> None:
    portion = _OPTIONS[start : start + PORTS]
    assert _wrong(rig, [image for image, _ in portion], place, [options for _, options in portion]) == {}
