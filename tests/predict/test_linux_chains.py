"""What Linux unlinks and how: each statement as a function made by hand, with the bytes that its guest finds.

Source: drivers/vfio/pci/vfio_pci_config.c of Linux 7.2 (vfio_cap_init, vfio_ecap_init, vfio_config_init).
"""

from __future__ import annotations

import pytest

from .crafting import Made, check, kernel, raw, read_only, texts

HIDDEN_STANDARD = (0x00, 0x04, 0x06, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x14, 0x15, 0x7F, 0xFE, 0xFF)
HIDDEN_EXTENDED = (
    *(0x0000, 0x0005, 0x0006, 0x0007, 0x000A, 0x000C, 0x0011, 0x0014, 0x0019, 0x001A, 0x001B, 0x001C, 0x001D, 0x001E),
    *(0x001F, 0x0020, 0x0021, 0x0022, 0x0024, 0x0025, 0x0026, 0x0027, 0x0028, 0x0029, 0x002A, 0x002B, 0x002C, 0x002D),
    *(0x002E, 0x002F, 0x0030, 0x0031, 0x0032, 0x00FF, 0x0123, 0x8001, 0xFFFF),
)
VISIBLE_EXTENDED = (1, 2, 3, 4, 8, 9, 0xD, 0xE, 0xF, 0x10, 0x12, 0x13, 0x15, 0x16, 0x17, 0x18)


@pytest.mark.parametrize("own", HIDDEN_STANDARD)
def test_a_hidden_standard_capability_is_led_around(own: int) -> None:
    made = Made().std(0x01, 0x40).std(own, 0x50, "de ad be ef").std(0x11, 0x60)
    view = kernel(made)
    check(view, 0x34, value="40", emulated="ff", writable="00", forwarded="00")
    check(view, 0x40, value="01 60", emulated="00 ff")
    # The header and the body of what is hidden: the device's, to read and to write.
    check(view, 0x50, value=f"{own:02x} 60 de ad be ef")
    assert raw(view, 0x50, 0x60)
    assert "0x41+1 Linux unlinks capability" in texts(view)


@pytest.mark.parametrize("own", [0x01, 0x02, 0x03, 0x05, 0x07, 0x08, 0x11, 0x12, 0x13])
def test_a_standard_capability_that_stays(own: int) -> None:
    view = kernel(Made().std(own, 0x40).std(0x11, 0x60))
    check(view, 0x34, value="40")
    check(view, 0x40, value=f"{own:02x} 60")


@pytest.mark.parametrize("own", HIDDEN_EXTENDED)
def test_a_hidden_extended_capability_is_led_around(own: int) -> None:
    made = Made().express().ext(0x03, 0x100).ext(own, 0x140, "de ad be ef", version=2).ext(0x18, 0x180)
    view = kernel(made)
    check(view, 0x100, value="03 00 01 18", emulated="ff ff ff ff", forwarded="00 00 00 00")
    check(view, 0x140, value=(own | 0x18020000).to_bytes(4, "little").hex(" ") + " de ad be ef")
    assert raw(view, 0x140, 0x180)


@pytest.mark.parametrize("own", VISIBLE_EXTENDED)
def test_an_extended_capability_that_stays(own: int) -> None:
    view = kernel(Made().express().ext(0x18, 0x100).ext(own, 0x140).ext(0x18, 0x900))
    check(view, 0x100, value="18 00 01 14")
    check(view, 0x140, value=f"{own:02x} 00 01 90", emulated="ff ff ff ff", writable="00 00 00 00")


def test_several_in_a_row_and_the_last_one() -> None:
    made = Made().std(0x0D, 0x40).std(0x04, 0x48).std(0x01, 0x50).std(0x14, 0x58).std(0x15, 0x5C)
    view = kernel(made)
    check(view, 0x34, value="50")
    check(view, 0x50, value="01 00")
    made = Made().express().ext(0x0F, 0x100).ext(0x1B, 0x108).ext(0x1E, 0x110)
    check(kernel(made), 0x100, value="0f 00 01 00")


def test_no_standard_capability_is_left() -> None:
    view = kernel(Made().std(0x0D, 0x40).std(0x14, 0x50).ext(0x0F, 0x100))
    check(view, 0x06, value="00", emulated="10")
    check(view, 0x34, value="00", emulated="ff")
    assert raw(view, 0x40, view.config.size)  # and without PCI Express the rest is not looked at


def test_without_a_capability_list_nothing_is_looked_at() -> None:
    made = Made().express().ext(0x1B, 0x100)
    made.data[0x06] &= 0xEF
    view = kernel(made)
    check(view, 0x34, value="40")
    assert raw(view, 0x40, view.config.size)


# -- a hidden capability at 0x100 ----------------------------------------------------------------------------------


def test_a_hidden_head_leaves_a_stub() -> None:
    view = kernel(Made().express().ext(0x1B, 0x100, "00 14 00 00", version=1).ext(0x0F, 0x140))
    check(view, 0x100, value="00 00 00 14", emulated="ff" * 4, writable="00" * 4, forwarded="00" * 4)
    check(view, 0x104, value="00 14 00 00")
    assert raw(view, 0x104, 0x140)
    assert raw(view, 0x148, 0x1000)


def test_a_stub_and_nothing_behind_it() -> None:
    view = kernel(Made().express().ext(0x1B, 0x100).ext(0x1E, 0x108))
    check(view, 0x100, value="00 00 00 00", emulated="ff" * 4, forwarded="00" * 4)
    assert raw(view, 0x104, 0x1000)
    assert "nothing of the list is left" in texts(view)


def test_a_stub_leads_around_what_is_hidden_behind_it() -> None:
    made = Made().express().ext(0x19, 0x100, version=1).ext(0x1B, 0x110).ext(0x0F, 0x120).ext(0x1E, 0x130)
    view = kernel(made)
    check(view, 0x100, value="00 00 00 12")
    check(view, 0x120, value="0f 00 01 00")


def test_a_stub_whose_id_ends_with_ff_is_none() -> None:
    # 0xff is what the kernel's map has for bytes of nobody: the device's header stays, and can be written.
    made = Made().express().ext(0x01FF, 0x100).ext(0x1B, 0x110).ext(0x0F, 0x120)
    view = kernel(made)
    check(view, 0x100, value="ff 01 01 11")
    assert raw(view, 0x100, 0x120)


def test_a_stub_whose_id_ends_with_fe_can_be_written() -> None:
    made = Made().express().ext(0x01FE, 0x100).ext(0x1B, 0x110).ext(0x0F, 0x120)
    view = kernel(made)
    check(view, 0x100, value="00 00 00 12", emulated="ff" * 4, writable="ff" * 4, forwarded="00" * 4)


@pytest.mark.parametrize("own", [0x0000, 0x0100, 0x4200])
def test_a_stub_whose_id_ends_with_00_is_none(own: int) -> None:
    # The map has 0 for the header, so the device's own dword is read, and what it leads to stays linked.
    view = kernel(Made().express().ext(own, 0x100).ext(0x1B, 0x110).ext(0x0F, 0x120))
    check(view, 0x100, value=f"00 {own >> 8:02x} 01 11", emulated="00" * 4)
    assert read_only(view, 0x100, 0x104)


@pytest.mark.parametrize(("own", "forwarded"), [(0x0140, "00" * 4), (0x010B, "ff" * 4), (0x0223, "ff" * 4)])
def test_a_stub_has_the_rights_of_the_id_that_it_ends_with(own: int, forwarded: str) -> None:
    view = kernel(Made().express().ext(own, 0x100).ext(0x0F, 0x120))
    check(view, 0x100, value="00 00 00 12", emulated="ff" * 4, forwarded=forwarded)


# -- where nothing is parsed ---------------------------------------------------------------------------------------


def test_without_pci_express_extended_capabilities_are_not_parsed() -> None:
    # A virtual function has all 4096 bytes, whatever is in them.
    made = Made().std(0x11, 0x40).ext(0x1B, 0x100).ext(0x0F, 0x110)
    view = kernel(made, virtual=True, ids=(0x8086, 0x0444))
    assert view.config.size == 4096
    check(view, 0x100, value="1b 00 01 11")
    assert raw(view, 0x100, 0x1000)


def test_a_zero_at_0x100_ends_the_search() -> None:
    made = Made().express().put(0x110, "1b 00 01 00")
    view = kernel(made)
    assert view.config.size == 4096
    assert raw(view, 0x100, 0x1000)


def test_an_extended_pointer_below_0x100_ends_the_chain() -> None:
    made = Made().express().ext(0x0F, 0x100).put(0x103, "04")
    check(kernel(made), 0x100, value="0f 00 01 04")
    made = Made().express().ext(0x0F, 0x100).ext(0x1B, 0x110).put(0x113, "04")
    check(kernel(made), 0x100, value="0f 00 01 04")  # and the pointer of what is hidden is taken over


def test_the_low_bits_of_extended_pointers_do_not_count() -> None:
    made = Made().express().ext(0x0F, 0x100).ext(0x1B, 0x110).ext(0x18, 0x120)
    made.put(0x112, "31 12")  # bits 1..0 set: 0x123
    view = kernel(made)
    check(view, 0x100, value="0f 00 01 12")
    check(view, 0x120, value="18 00 01 00")
