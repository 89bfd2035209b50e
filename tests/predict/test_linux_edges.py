"""Functions that are not as they should be: what Linux refuses, how much it uses, pointers that lead astray.

Source: Linux 7.2, drivers/vfio/pci/vfio_pci_config.c and vfio_pci_core.c (vfio_pci_core_register_device),
drivers/pci/probe.c (pci_cfg_space_size) and quirks.c.
"""

from __future__ import annotations

import pytest

from vpci_compile.stack import predict
from vpci_compile.stack.hardware import Hardware
from vpci_compile.stack.linux.lengths import KernelError

from .crafting import Made, check, kernel, raw, texts


def refused(made: Made, version: tuple[int, int] = (7, 2), **more: bool) -> str:
    with pytest.raises(KernelError) as caught:
        kernel(made, version, **more)
    return str(caught.value)


# -- how much of the space there is --------------------------------------------------------------------------------


def size(made: Made, **more: object) -> int:
    return kernel(made, **more).config.size  # type: ignore[arg-type]


def test_only_an_express_function_has_an_extended_space() -> None:
    assert size(Made().std(0x11, 0x40)) == 256
    assert size(Made().express()) == 4096
    assert size(Made(256).express()) == 256


def test_the_pci_core_looks_for_pci_express_at_aligned_places_alone() -> None:
    made = Made().std(0x11, 0x40)
    made.put(0x41, "53").put(0x50, "10 00 02 00").put(0x53, "10 00")
    assert size(made) == 4096  # it finds 0x50
    made = Made().std(0x11, 0x40).put(0x41, "53").put(0x53, "10 00")
    assert size(made) == 256


def test_an_id_of_ff_ends_the_search_of_the_pci_core() -> None:
    assert size(Made().std(0xFF, 0x40).express(0x50)) == 256
    assert size(Made().std(0xFE, 0x40).express(0x50)) == 4096


@pytest.mark.parametrize(("status", "expected"), [("00 00", 256), ("00 40", 4096), ("00 80", 4096), ("ff 3f", 256)])
def test_pci_x_266_and_533_have_an_extended_space(status: str, expected: int) -> None:
    assert size(Made().std(0x07, 0x40, "00 10 00 00" + status)) == expected


def test_a_host_bridge_has_one_without_a_capability() -> None:
    made = Made().std(0x11, 0x40).put(0x0A, "00 06")
    assert size(made) == 4096
    assert size(made.put(0x100, "ff ff ff ff")) == 256


def test_an_extended_space_of_ones_or_of_copies_is_none() -> None:
    assert size(Made().express().put(0x100, "ff ff ff ff")) == 256
    made = Made().express()
    for at in range(0x100, 0x1000, 0x100):
        made.put(at, "34 12 01 00")
    assert size(made) == 256
    assert size(made.put(0xF00, "00")) == 4096


@pytest.mark.parametrize("device", [0x4000, 0x5000, 0x6000, 0x6003])
def test_netronome_has_0x600_bytes(device: int) -> None:
    made = Made().put(0x00, f"ee 19 {device & 0xFF:02x} {device >> 8:02x}").express()
    view = kernel(made.ext(0x0F, 0x100).ext(0x18, 0x5F8))
    assert view.config.size == 0x600
    check(view, 0x100, value="0f 00 81 5f")
    assert "gives access to 0x600 of the 0x1000 bytes" in texts(view)


def test_a_virtual_function_of_netronome_has_0x600_bytes() -> None:
    made = Made().put(0x00, "ff ff ff ff").express()
    assert size(made, virtual=True, ids=(0x19EE, 0x6003)) == 0x600


def test_citrine_has_0xa0_bytes() -> None:
    made = Made(256).put(0x00, "14 10 8c 02").std(0x01, 0x98)
    view = kernel(made)
    assert view.config.size == 0xA0
    check(view, 0x98, value="01 00", emulated="00 ff")


def test_a_capability_behind_the_end_of_what_is_used() -> None:
    made = Made().put(0x00, "ee 19 00 60").express().ext(0x0F, 0x100).ext(0x18, 0x600)
    assert "0x600" in refused(made)  # the kernel's map has 0x600 bytes
    made = Made(256).put(0x00, "14 10 8c 02").std(0x01, 0x9C)
    assert "ends outside the space" in refused(made)
    made = Made(256).put(0x00, "14 10 8c 02").std(0x01, 0x40).std(0x11, 0xA0)
    assert "0xa0" in refused(made)


# -- PCI-X and the extended chain ----------------------------------------------------------------------------------


def test_pci_x_of_version_0_does_not_make_the_extended_chain_parsed() -> None:
    for command, parsed in (("00 00", False), ("00 10", True)):
        made = Made().std(0x07, 0x40, command + "00 00 00 40").ext(0x1B, 0x100).ext(0x0F, 0x110)
        view = kernel(made)
        assert view.config.size == 4096
        assert raw(view, 0x100, 0x1000) is not parsed


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [0x01, 0x81, 0x02])
def test_a_bridge_is_not_taken(kind: int) -> None:
    made = Made().express().put(0x0E, f"{kind:02x}")
    assert "header type" in refused(made)
    prediction = predict(Hardware(made.value), "linux-7.2")
    assert [one.offset for one in prediction.refusals] == [0x0E]


def test_a_multifunction_device_is_taken() -> None:
    check(kernel(Made().express().put(0x0E, "80")), 0x0E, value="80", emulated="00", forwarded="00")


@pytest.mark.parametrize("own", [0x05, 0x07])
def test_words_are_not_read_at_odd_places(own: int) -> None:
    assert "not aligned" in refused(Made().std(own, 0x41))
    kernel(Made().std(own, 0x42))


@pytest.mark.parametrize(
    ("own", "at"),
    [(0x01, 0xFD8), (0x03, 0xFF8), (0x0E, 0xFFC), (0x10, 0xFC4), (0x02, 0xFF0), (0x17, 0xFF8), (0x0D, 0xFFC - 4 + 4)],
)
def test_an_extended_capability_that_ends_outside_the_space(own: int, at: int) -> None:
    refused(Made().express().ext(0x18, 0x100).ext(own, at))


@pytest.mark.parametrize(("own", "at"), [(0x0B, 0xFFC), (0x23, 0xFFC), (0x15, 0xFF8), (0x15, 0xFFC), (0x16, 0xFFC)])
def test_a_register_outside_the_space_cannot_be_read(own: int, at: int) -> None:
    assert "cannot be read" in refused(Made().express().ext(0x18, 0x100).ext(own, at))


def test_a_hidden_one_at_the_end_is_fine() -> None:
    view = kernel(Made().express().ext(0x18, 0x100).ext(0x1B, 0xFFC))
    check(view, 0x100, value="18 00 01 00")
    view = kernel(Made().express().ext(0x18, 0x100).ext(0x0F, 0xFF8))
    check(view, 0xFF8, value="0f 00 01 00", emulated="ff" * 4)


def test_a_standard_capability_that_ends_outside_a_small_space() -> None:
    assert "ends outside the space" in refused(Made(256).std(0x11, 0xF8))
    kernel(Made(4096).express().std(0x11, 0xF8))
    assert "end of the space" in refused(Made(256).std(0x11, 0x40).put(0x41, "ff"))


def test_a_capture_of_the_header_alone_is_too_little() -> None:
    text = refused(Made(64).put(0x06, "10 00").put(0x34, "c8"))
    assert "only 64 bytes" in text
    assert kernel(Made(64)).config.size == 64


# -- astray --------------------------------------------------------------------------------------------------------


def test_an_unaligned_standard_capability() -> None:
    made = Made().std(0x0D, 0x40).std(0x11, 0x51, "00 80").std(0x09, 0x63, "08").express(0x72)
    view = kernel(made)
    check(view, 0x34, value="51")
    # A read of one byte at its first place finds the device's id, which is the same.
    check(view, 0x51, value="11 63", emulated="00 ff 00 00")
    check(view, 0x63, value="09 72", emulated="00 ff 00 00")
    check(view, 0x72, value="10 00 02 00", emulated="00 ff 00 00")


def test_a_pointer_back_into_the_chain_ends_after_48_steps() -> None:
    made = Made().std(0x11, 0x40).std(0x01, 0x50).put(0x51, "40")
    check(kernel(made), 0x50, value="01 40")
    made = Made().express().ext(0x18, 0x100).ext(0x0F, 0x110).put(0x112, "01 10")  # to 0x100
    check(kernel(made), 0x110, value="0f 00 01 10")


def test_each_lap_of_an_extended_loop_undoes_what_was_hidden() -> None:
    # 0x100 -> PTM (hidden) -> 0x120 -> 0x100: the header at 0x100 is copied anew in each of 960 steps, then rewritten.
    made = Made().express().ext(0x18, 0x100).ext(0x1F, 0x110).ext(0x0F, 0x120).put(0x122, "01 10")
    check(kernel(made), 0x100, value="18 00 01 12")  # 960 is a multiple of 3: the last step was 0x120
    made = Made().express().ext(0x18, 0x100).ext(0x1F, 0x110).ext(0x0F, 0x120).ext(0x03, 0x130).ext(0x0E, 0x140)
    made.ext(0x12, 0x180).ext(0x13, 0x1C0).put(0x1C2, "01 10")
    check(kernel(made), 0x100, value="18 00 01 11")  # 960 = 137 * 7 + 1: the last step was 0x100


def test_a_capability_in_the_header() -> None:
    # The map of the kernel says by byte who owns it: a capability takes the header's registers away from it.
    made = Made().put(0x28, "11 00 07 80").std(0x01, 0x40).put(0x41, "28")
    view = kernel(made)
    check(view, 0x28, value="11 00 07 80", emulated="00" * 12, writable="00" * 12, forwarded="00" * 12)
    made = Made().put(0x28, "09 00 04").std(0x01, 0x40).put(0x41, "28")
    check(kernel(made), 0x28, emulated="00" * 4, forwarded="ff" * 4)
    assert "0x28+4 Linux takes registers of the header for those of capability 0x09" in texts(kernel(made))


def test_a_second_msi_capability_has_the_registers_of_the_first() -> None:
    # Both are as long as they say; the masks were made for the first one.
    made = Made().std(0x05, 0x40, "80 00").std(0x05, 0x60, "00 00").std(0x11, 0x80)
    view = kernel(made)
    check(view, 0x40, emulated="00 ff ff 00 ff ff ff ff ff ff ff ff ff ff 00 00")
    check(view, 0x60, emulated="00 ff ff 00 ff ff ff ff ff ff 00 00")
    made = Made().std(0x05, 0x40, "00 00").std(0x05, 0x60, "80 00")
    check(kernel(made), 0x60, emulated="00 ff ff 00 ff ff ff ff ff ff 00 00 00 00", forwarded="00 00 8e" + "00" * 11)


def test_a_chain_of_ones() -> None:
    # A pointer to 0xfc, which reads ones: 0xff, then what stands at 0xff and 0x100.
    made = Made().express().put(0x41, "fc").put(0xFC, "ff ff ff 0f").put(0x100, "00 00 00 00")
    view = kernel(made)
    check(view, 0x41, value="00")
    assert raw(view, 0xFC, 0x1000)
