"""What variant drivers of Linux make of a function: numbers by hand from drivers/vfio/pci of Linux 7.2."""

from __future__ import annotations

import pytest

from vpci_compile import api
from vpci_compile.ir import Bar
from vpci_compile.stack import Hardware, Prediction, predict
from vpci_compile.stack.drivers import grace_bars

from .crafting import Made, bar, octets

GH200, GB200 = "de 10 42 23", "de 10 41 29"
MEMORY = 0x17FD800000  # of a GH200 with 96 GiB
GIB = 1 << 30
MIG_WORKS = "de 10 c0 00 03 00 01 00"
"""DVSEC 3 of NVIDIA, of 12 bytes, with bit 0 at 0x0a."""


def below(made: Made, driver: str, bars: tuple[Bar, ...] = (), stack: str = "linux-7.2", **more: object) -> Prediction:
    facts = {key.replace("_", "-"): str(value) for key, value in more.items() if key == "gpu_mem_size"}
    hardware = Hardware(made.value, bars, bool(more.get("virtual")), more.get("ids"))  # type: ignore[arg-type]
    return predict(hardware, stack, options={"driver": driver, **facts})


def gpu(ids: str, *, works: bool) -> Made:
    made = Made().put(0, ids).put(0x09, "00 02 03").express(0x40)
    for index in (0, 2, 4):
        made.put(0x10 + 4 * index, "0c 00 00 00 00 00 00 00")
    return made.ext(0x23, 0x100, MIG_WORKS if works else "de 10 c0 00 03 00 00 00")


PHYSICAL = tuple(
    bar(index, "mem64", size, prefetchable=True) for index, size in ((0, 16 << 20), (2, GIB), (4, 32 << 20))
)


@pytest.mark.parametrize(
    ("memory", "usable", "usable_bar", "reserved", "reserved_bar"),
    [
        (MEMORY, 0x17A0000000, 0x2000000000, 0x5D800000, 0x80000000),
        # 144 GiB: 0x2400000000 - 1 GiB is a multiple of 512 MiB, the rest 1 GiB
        (0x2400000000, 0x23C0000000, 0x4000000000, 0x40000000, 0x40000000),
        # the size of the BAR is rounded before the 512 MiB are: 64 GiB and a bit is a BAR of 128 GiB
        (65 * GIB + 0x10000, 64 * GIB, 128 * GIB, GIB + 0x10000, 2 * GIB),
        (65 * GIB, 64 * GIB, 64 * GIB, GIB, GIB),
        # one byte less than that is 512 MiB less to use, and they are reserved: 1.5 GiB - 1 in a BAR of 2 GiB
        (65 * GIB - 1, 0xFE0000000, 64 * GIB, 0x5FFFFFFF, 0x80000000),
    ],
)
def test_grace_hopper(memory: int, usable: int, usable_bar: int, reserved: int, reserved_bar: int) -> None:
    assert grace_bars(memory, has_mig_bug=True) == {2: (reserved_bar, reserved), 4: (usable_bar, usable)}
    found = below(gpu(GH200, works=False), "nvgrace-gpu-vfio-pci", PHYSICAL, gpu_mem_size=hex(memory))
    sizes = [(one.index, one.size, one.length) for one in found.bars]
    assert sizes == [(0, 16 << 20, None), (2, reserved_bar, reserved), (4, usable_bar, usable)]
    config = found.config
    assert octets(config, "value", 0x18, 16) == "0c 00 00 00 00 00 00 00 0c 00 00 00 00 00 00 00"
    masks = [((1 << 64) - size).to_bytes(8, "little").hex(" ") for size in (reserved_bar, usable_bar)]
    assert octets(config, "writable", 0x18, 16) == " ".join(masks)
    assert (octets(config, "emulated", 0x18, 16), octets(config, "forwarded", 0x18, 16)) == (
        " ".join(["ff"] * 16), " ".join(["00"] * 16),
    )  # fmt: skip


def test_grace_blackwell() -> None:
    memory = 184 * GIB
    found = below(gpu(GB200, works=True), "nvgrace_gpu_vfio_pci", PHYSICAL, gpu_mem_size=memory)
    assert [(one.index, one.size, one.length) for one in found.bars] == [
        (0, 16 << 20, None), (2, GIB, None), (4, 256 * GIB, memory),
    ]  # fmt: skip
    assert octets(found.config, "writable", 0x20, 8) == "00 00 00 00 c0 ff ff ff"


def test_without_the_property_the_function_is_as_it_is() -> None:
    found = below(gpu(GH200, works=False), "nvgrace-gpu-vfio-pci", PHYSICAL)
    assert found.bars == PHYSICAL


def test_the_shipped_layout_has_the_driver_s_bars() -> None:
    found = below(gpu(GH200, works=False), "nvgrace-gpu-vfio-pci", PHYSICAL, gpu_mem_size=hex(MEMORY))
    layout = api.load("nvidia/gh200").function
    promised = {one.index: (one.size, one.length, one.caching, one.beyond, one.enable) for one in layout.bars}
    made = {one.index: (one.size, one.length, one.caching, one.beyond, one.enable) for one in found.bars}
    assert {index: made[index] for index in (2, 4)} == {index: promised[index] for index in (2, 4)}


@pytest.mark.parametrize(("text", "said"), [("many", "no number"), ("0x1000", "too few"), ("0", "too few")])
def test_a_size_that_is_none(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        below(gpu(GH200, works=False), "nvgrace-gpu-vfio-pci", PHYSICAL, gpu_mem_size=text)


def test_the_size_is_for_that_driver() -> None:
    with pytest.raises(ValueError, match="gpu-mem-size is a fact for driver=nvgrace-gpu-vfio-pci"):
        below(gpu(GH200, works=False), "vfio-pci", PHYSICAL, gpu_mem_size=MEMORY)


# -- virtio --------------------------------------------------------------------------------------------------------


def virtio() -> Made:
    return Made().put(0x00, "ff ff ff ff 04").put(0x08, "01 00 00 02").put(0x2C, "f4 1a 00 11").express(0x40)


def test_a_virtio_function_of_old() -> None:
    bars = (bar(2, "mem64", 0x1000),)
    found = below(virtio(), "virtio-vfio-pci", bars, virtual=True, ids=(0x1AF4, 0x1041))
    config = found.config
    assert octets(config, "value", 0x00, 4) == "f4 1a 00 10"
    assert octets(config, "value", 0x08, 4) == "00 00 00 02"
    assert octets(config, "value", 0x10, 4) == "01 00 00 00"
    assert octets(config, "writable", 0x10, 4) == "e0 ff ff ff"
    assert octets(config, "value", 0x2C, 4) == "f4 1a 01 00"
    assert config.writable[0x04] & 1
    assert config.emulated[0x04] & 1
    assert config.forwarded[0x04] & 1
    assert [(one.index, one.kind.value, one.size) for one in found.bars] == [(0, "io", 32), (2, "mem64", 0x1000)]


@pytest.mark.parametrize(
    ("ids", "bars", "virtual"),
    [
        ((0x1AF4, 0x1042), (bar(2, "mem64", 0x1000),), True),
        ((0x1AF4, 0x1041), (bar(0, "mem64", 0x1000),), True),
        ((0x1AF4, 0x1041), (bar(2, "mem64", 0x1000),), False),
    ],
)
def test_other_virtio_functions_stay(ids: tuple[int, int], bars: tuple[Bar, ...], virtual: bool) -> None:
    made = virtio()
    if not virtual:
        made.put(0, "f4 1a 41 10")
    found = below(made, "virtio_vfio_pci", bars, virtual=virtual, ids=ids)
    assert octets(found.config, "value", 0x08, 1) == "01"
    assert found.bars == bars


# -- hisilicon -----------------------------------------------------------------------------------------------------


def test_half_of_bar_2_is_for_the_migration() -> None:
    bars = (bar(0, "mem64", 0x10000), bar(2, "mem64", 0x10000), bar(4, "mem64", 0x4000))
    made = Made().put(0x00, "ff ff ff ff").express(0x40)
    found = below(made, "hisi_acc_vfio_pci", bars, virtual=True, ids=(0x19E5, 0xA251))
    assert [one.size for one in found.bars] == [0x10000, 0x8000, 0x4000]
    # The kernel's own copy of the register still has the whole; QEMU goes by the region.
    assert octets(found.config, "writable", 0x18, 4) == "00 00 ff ff"
    found = below(made, "hisi_acc_vfio_pci", bars, "linux-7.2/qemu-11.1", virtual=True, ids=(0x19E5, 0xA251))
    assert octets(found.config, "writable", 0x18, 4) == "00 80 ff ff"
