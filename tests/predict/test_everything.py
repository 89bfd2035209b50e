"""What holds of every prediction: of all captures at every place below every stack, and of random functions."""

from __future__ import annotations

import random
import time
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.lspci import capture_files
from vpci_compile.capture import read_all
from vpci_compile.host import read_device
from vpci_compile.stack import Hardware, Place, Prediction, predict

from .crafting import bar

STACKS = (
    *("linux-5.10", "linux-6.1", "linux-6.12", "linux-7.2", "qemu-11.1", "linux-7.2/qemu-11.1", "linux-6.1/qemu-7.2"),
    *("linux-7.2/cloud-hypervisor-53.0", "linux-7.2/crosvm-2026.8", "linux-7.2/firecracker-2026.8"),
)


def uncovered(value: bytes, prediction: Prediction) -> list[int]:
    """Bytes that a guest finds otherwise than they are, without a word of why."""
    shown = prediction.config.value
    told = bytearray(max(len(value), len(shown)))
    for one in prediction.changes:
        told[one.offset : one.offset + one.length] = b"\1" * one.length
    pairs = zip(value.ljust(len(shown), b"\0"), shown, strict=False)
    return [at for at, (own, guests) in enumerate(pairs) if own != guests and not told[at]]


def examine(hardware: Hardware, stack: str, place: Place) -> None:
    prediction = predict(hardware, stack, place)
    config = prediction.config
    masks = (config.value, config.emulated, config.writable, config.w1c, config.forwarded, config.compared)
    assert {len(mask) for mask in masks} == {config.size}
    if prediction.refusals:
        assert all(one.message and one.note for one in prediction.refusals)
        return
    emulated, writable = (int.from_bytes(mask, "little") for mask in (config.emulated, config.writable))
    assert not writable & ~emulated, "a copy that nobody reads is written"
    assert uncovered(hardware.value, prediction) == []
    assert all(one.offset >= 0 and one.length > 0 and one.text and one.source for one in prediction.changes)
    assert list(prediction.changes) == sorted(prediction.changes)
    # The device answers what is not emulated: the prediction has its bytes there (but for what is off before a reset).
    live = ~emulated & ((1 << 8 * config.size) - 1)
    differs = int.from_bytes(config.value, "little") ^ int.from_bytes(hardware.value[: config.size], "little")
    assert not differs & live & ~(0xFFFF << 32)


# -- captures ------------------------------------------------------------------------------------------------------


@cache
def functions() -> list[tuple[str, Hardware]]:
    """Every function of every capture, without its BARs."""
    return [
        (f"{path.name} {one.slot}", Hardware(one.data, (), one.virtual, one.ids))
        for path in capture_files()
        for one in read_all(path).captures
        if not one.blank
    ]


@pytest.mark.parametrize(
    ("stack", "place"),
    [(stack, place) for stack in STACKS for place in Place if "qemu" in stack or place is Place.PORT],
)
def test_every_capture_is_predicted(stack: str, place: Place) -> None:
    for name, hardware in functions():
        try:
            examine(hardware, stack, place)
        except AssertionError as error:
            raise AssertionError(name) from error


def test_our_own_captures_with_their_bars() -> None:
    for path in capture_files():
        if path.parent.name != "captures" or "shared" in path.parts or path.name == "q35-all.lspci":
            continue
        hardware = read_device(path, None, path.name).hardware
        for stack in STACKS:
            for place in Place:
                examine(hardware, stack, place)


# -- random functions ----------------------------------------------------------------------------------------------

STANDARD = [0x01, 0x03, 0x05, 0x07, 0x08, 0x09, 0x0D, 0x10, 0x11, 0x12, 0x13, 0x14, 0x00, 0xFF]
EXTENDED = [0, 1, 2, 3, 4, 0xB, 0xD, 0xE, 0xF, 0x10, 0x12, 0x13, 0x15, 0x16, 0x17, 0x18, 0x1B, 0x23, 0x2E, 0x101, 0x1FF]


def image(seed: int) -> bytes:
    """A function with chains: mostly sound ones, some that lead astray; bodies of random bytes."""
    dice = random.Random(seed)
    size = dice.choice([64, 256, 4096, 4096, 4096])
    data = bytearray(dice.randbytes(size) if dice.random() < 0.5 else bytes(size))
    data[0:4] = bytes.fromhex(dice.choice(["34 12 01 00", "ee 19 00 60", "14 10 8c 02", "86 80 72 15", "de 10 45 23"]))
    data[0x0E] = dice.choice([0, 0, 0, 0x80, 1])
    data[0x06] = dice.choice([0x10, 0x10, 0x10, 0x00])
    unaligned = dice.random() < 0.1
    places = [at & (0xFF if unaligned else 0xFC) for at in dice.sample(range(0x40, 0xFC), dice.randrange(0, 7))]
    link(data, places, 0x34, dice)
    if size == 4096 and dice.random() < 0.9:
        heads = [0x100, *(at & 0xFFC for at in dice.sample(range(0x104, 0xFFC), dice.randrange(0, 9)))]
        heads = heads if dice.random() < 0.2 else sorted(set(heads))
        for at, following in zip(heads, [*heads[1:], dice.choice([0, 0, 0, 0, 0x100, 0x80, 0xFFC])], strict=True):
            own = dice.choice(EXTENDED)
            data[at : at + 4] = (own | 1 << 16 | following << 20).to_bytes(4, "little")
    return bytes(data)


def link(data: bytearray, places: list[int], pointer: int, dice: random.Random) -> None:
    if len(data) < 256:
        data[pointer] = places[0] if places else 0
        return
    for at in places:
        data[pointer] = at
        data[at] = dice.choice(STANDARD)
        if data[at] == 0x10:
            data[at + 2] = dice.choice([0x02, 0x92, 0x12, 0x01, 0x42])
        pointer = at + 1
    if pointer < len(data):
        data[pointer] = dice.choice([0, 0, 0, 0, 0, 0x40, 0x20, 0xFF])


BARS = (bar(0, "mem64", 0x4000, prefetchable=True), bar(2, "io", 0x20), bar(3, "mem32", 0x1000), bar(6, "mem32", 0x800))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**64), st.sampled_from(STACKS), st.sampled_from(list(Place)), st.booleans(), st.booleans())
def test_a_random_function(seed: int, stack: str, place: Place, virtual: bool, bars: bool) -> None:
    hardware = Hardware(image(seed), BARS if bars else (), virtual, (0x19EE, 0x6003) if virtual else None)
    examine(hardware, stack, place)
    assert predict(hardware, stack, place) == predict(hardware, stack, place)


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=64, max_size=64) | st.binary(min_size=256, max_size=256), st.sampled_from(STACKS))
def test_random_bytes(value: bytes, stack: str) -> None:
    examine(Hardware(value), stack, Place.PORT)


OPTIONS = {
    "driver": ["vfio-pci", "nvgrace-gpu-vfio-pci", "virtio-vfio-pci", "hisi_acc_vfio_pci", ""],
    "gpu-mem-size": ["0x1800000000", "17", "many", ""],
    "x-nv-gpudirect-clique": ["0", "15", "16", "-1", "x"],
    "x-vpasid-cap-offset": ["0", "0x100", "0xff8", "0xffff", "-4"],
    "ats": ["on", "off", "auto", "2"],
    "x-msix-relocation": ["bar0", "bar5", "auto", "off", "bar9"],
    "x-pci-vendor-id": ["0x10de", "0xffff", "-1", "65536"],
    "x-pci-class-code": ["0x030200", "0xffffffff"],
    "viommu-pasid": ["on", "off", "perhaps"],
    "machine": ["9.0", "11.1", "q35", "9"],
    "multifunction": ["on", "maybe"],
    "x_nv_gpudirect_clique": ["3", "256", "x"],
    "restored": ["on", "off", "2"],
}


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 50),
    st.sampled_from(STACKS),
    st.dictionaries(st.sampled_from(list(OPTIONS)), st.integers(0, 4), max_size=3),
)
def test_random_options(seed: int, stack: str, chosen: dict[str, int]) -> None:
    words = {name: OPTIONS[name][index % len(OPTIONS[name])] for name, index in chosen.items()}
    try:
        predict(Hardware(image(seed), BARS), stack, Place.PORT, words)
    except ValueError as error:
        assert "unpack" not in str(error)
        assert "literal" not in str(error)
        assert any(name in str(error) for name in words)


def test_a_prediction_is_quick() -> None:
    hardware = Hardware(image(4), BARS)
    predict(hardware, "linux-7.2/qemu-11.1")
    taken = []
    for _ in range(5):
        start = time.process_time()
        predict(hardware, "linux-7.2/qemu-11.1")
        taken.append(time.process_time() - start)
    assert min(taken) < 0.5, "5 ms are usual"
