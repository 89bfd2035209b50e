"""Who answers each register below Linux, and what a guest's write does: masks by hand.

Source: drivers/vfio/pci/vfio_pci_config.c of Linux 7.2 (init_pci_cap_*_perm, vfio_*_config_write), and of 5.10 to 6.12
where a rule changed. `emulated`: the kernel's copy answers; `writable`: a write changes the copy; `forwarded`: it
reaches the device.
"""

from __future__ import annotations

import pytest

from .crafting import Made, bar, check, kernel, raw, read_only, texts

I40E = (
    *(0x1572, 0x1574, 0x1580, 0x1581, 0x1583, 0x1584, 0x1585, 0x1586, 0x1587, 0x1588, 0x1589, 0x158A, 0x158B),
    *(0x37D0, 0x37D1, 0x37D2),
)
X550 = 0x1563


# -- the header ----------------------------------------------------------------------------------------------------


def test_the_header() -> None:
    made = Made().put(0x00, "86 80 d3 10 06 05 b0 f9 03 00 00 02 10 40 80 c0").put(0x28, "11 22 33 44 55 66 77 88")
    made.put(0x35, "01 02 03 04 05 06 07 0b 01 fe ff").std(0x01, 0x40)
    view = kernel(made)
    check(
        view, 0x00,
        value="86 80 d3 10 06 05 b0 f9 03 00 00 02 10 40 80 c0",
        emulated="ff ff ff ff 00 04 10 00 00 00 00 00 00 00 00 00",
        writable="00 00 00 00 00 04 00 00 00 00 00 00 00 00 00 00",
        forwarded="00 00 00 00 ff fb 00 00 00 00 00 00 ff ff 00 ff",
    )  # fmt: skip
    assert read_only(view, 0x28, 0x30)  # CardBus CIS and subsystem
    check(
        view, 0x34,
        value="40 01 02 03 04 05 06 07 0b 01 fe ff",
        emulated="ff 00 00 00 00 00 00 00 ff ff 00 00",
        writable="00 00 00 00 00 00 00 00 ff 00 00 00",
        forwarded="00 00 00 00 00 00 00 00 00 00 00 00",
    )  # fmt: skip


def test_bars_have_the_kind_and_size_that_the_kernel_found() -> None:
    made = Made().put(0x10, "0c 00 00 80 30 00 00 00 01 e0 00 00 08 00 10 fe 00 00 00 fd ff ff ff ff")
    bars = (
        bar(0, "mem64", 0x4000, prefetchable=True), bar(2, "io", 0x20), bar(3, "mem32", 0x10000, prefetchable=True),
        bar(4, "mem32", 0x100000),
    )  # fmt: skip
    view = kernel(made, bars=bars)
    check(
        view, 0x10,
        # the register of BAR 5, which the host has not mapped, reads 0
        value="0c 00 00 80 30 00 00 00 01 e0 00 00 08 00 10 fe 00 00 00 fd 00 00 00 00",
        emulated="ff" * 24,
        writable="00 c0 ff ff ff ff ff ff e0 ff ff ff 00 00 ff ff 00 00 f0 ff 00 00 00 00",
        forwarded="00" * 24,
    )  # fmt: skip


def test_the_flags_of_a_bar_are_those_of_the_resource() -> None:
    # A VF's registers read 0; the kernel fills in what it knows from the PF.
    bars = (bar(0, "mem64", 0x4000, prefetchable=True), bar(3, "mem32", 0x1000))
    view = kernel(Made().express(), virtual=True, ids=(0x8086, 0x10CA), bars=bars)
    check(view, 0x10, value="0c 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00")
    check(view, 0x10, writable="00 c0 ff ff ff ff ff ff 00 00 00 00 00 f0 ff ff")


def test_a_bar_of_four_gigabytes_and_more_is_sized_in_its_upper_half() -> None:
    made = Made().put(0x10, "0c 00 00 00 40 17 00 00")
    view = kernel(made, bars=(bar(0, "mem64", 1 << 37, prefetchable=True),))
    check(view, 0x10, value="0c 00 00 00 40 17 00 00", writable="00 00 00 00 e0 ff ff ff")


def test_the_rom_keeps_its_enable_bit() -> None:
    made = Made().put(0x30, "01 08 10 fe")
    view = kernel(made, bars=(bar(6, "mem32", 0x10000),))
    check(view, 0x30, value="01 00 10 fe", emulated="ff" * 4, writable="01 00 ff ff", forwarded="00" * 4)
    check(kernel(made), 0x30, value="00 00 00 00", emulated="ff" * 4, writable="00" * 4, forwarded="00" * 4)


def test_a_virtual_function() -> None:
    made = Made().put(0x00, "ff ff ff ff 04 00 10 00").put(0x2C, "86 80 0a 00").put(0x3C, "05 01").express()
    view = kernel(made, virtual=True, ids=(0x8086, 0x10CA))
    check(view, 0x00, value="86 80 ca 10 06 00", emulated="ff ff ff ff 02 04", writable="00 00 00 00 02 04")
    check(view, 0x04, forwarded="ff fb")  # memory enable is kept and passed on
    check(view, 0x3C, value="05 00", emulated="ff ff", writable="ff 00")
    assert read_only(view, 0x2C, 0x30)
    assert "8086:10ca" in texts(view)


@pytest.mark.parametrize("device", [*I40E, X550])
def test_a_device_whose_intx_is_broken_has_no_pin(device: int) -> None:
    made = Made().put(0x00, f"86 80 {device & 0xFF:02x} {device >> 8:02x}").put(0x3D, "01")
    check(kernel(made), 0x3D, value="00", emulated="ff", writable="00")


@pytest.mark.parametrize(("vendor", "device"), [(0x8086, 0x1582), (0x8086, 0x10D3), (0x8087, 0x1572)])
def test_others_keep_their_pin(vendor: int, device: int) -> None:
    made = Made().put(0x00, (vendor | device << 16).to_bytes(4, "little").hex()).put(0x3D, "02")
    check(kernel(made), 0x3D, value="02")


# -- standard capabilities -----------------------------------------------------------------------------------------

PM = "c3 ff 0b 81 40 55"


@pytest.mark.parametrize("version", [(5, 18), (6, 1), (6, 12), (7, 2)])
def test_power_management_says_nothing_of_pme(version: tuple[int, int]) -> None:
    check(
        kernel(Made().std(0x01, 0x40, PM), version), 0x40,
        value="01 00 c3 07 0b 00 40 55",
        emulated="00 ff 00 f8 00 81 00 00",
        writable="00 00 00 00 00 00 00 00",
        forwarded="00 00 00 00 ff 7e ff ff",
    )  # fmt: skip


@pytest.mark.parametrize("version", [(5, 10), (5, 17)])
def test_before_5_18_power_management_shows_pme(version: tuple[int, int]) -> None:
    check(
        kernel(Made().std(0x01, 0x40, PM), version), 0x40,
        value="01 00 c3 ff 0b 81 40 55",
        emulated="00 ff 00 00 00 00 00 00",
        forwarded="00 00 00 00 ff ff ff ff",
    )  # fmt: skip


def test_vital_product_data_is_read_by_the_kernel() -> None:
    view = kernel(Made().std(0x03, 0x40, "04 80 11 22 33 44"))
    check(
        view, 0x40, value="03 00 04 80 11 22 33 44", emulated="00 ff ff ff ff ff ff ff",
        writable="00 00 ff ff ff ff ff ff", forwarded="00" * 8,
    )  # fmt: skip


def test_pci_x() -> None:
    view = kernel(Made(256).std(0x07, 0x40, "02 10"))  # version 1: 24 bytes
    check(view, 0x40, emulated="00 ff 00 00", forwarded="00 00 ff ff 00 00 00 00 ff ff ff ff 00 00 00 00")
    assert read_only(view, 0x4C, 0x58)
    assert raw(view, 0x58, 0x100)
    view = kernel(Made(256).std(0x07, 0x40, "02 00"))  # version 0: 8 bytes
    check(view, 0x40, forwarded="00 00 ff ff 00 00 00 00")
    assert raw(view, 0x48, 0x100)


def test_pci_express() -> None:
    made = Made().express().put(0x44, "c1 8f 00 10 2f 29 1f 00").put(0x68, "3f 00")
    view = kernel(made)
    check(
        view, 0x40,
        value="10 00 02 00 c1 8f 00 10 2f 29 1f 00",
        emulated="00 ff 00 00 00 00 00 00 e0 f0 00 00",
        writable="00 00 00 00 00 00 00 00 e0 70 00 00",
        # read request size is in the copy, and reaches the device as well; phantom functions neither
        forwarded="00 00 00 00 00 00 00 00 1f 7d 00 00",
    )  # fmt: skip
    assert read_only(view, 0x4C, 0x68)
    check(view, 0x68, value="3f 00", emulated="00 00", forwarded="df ff 00 00")  # all but ARI
    assert read_only(view, 0x6A, 0x74)
    assert raw(view, 0x74, 0x100)  # slot registers 2, which the length of 0x34 leaves out


def test_advanced_features() -> None:
    view = kernel(Made().std(0x13, 0x40, "06 03 00 00 aa bb"))
    check(view, 0x40, value="13 00 06 03 00 00 aa bb", emulated="00 ff 00 00 01 00 00 00")
    check(view, 0x40, writable="00" * 8, forwarded="00 00 00 00 00 00 ff ff")


@pytest.mark.parametrize("own", [0x02, 0x08, 0x11, 0x12])
def test_other_standard_capabilities_are_read_only(own: int) -> None:
    view = kernel(Made().std(own, 0x40, "07 80 02 00 00 00 02 20 00 00"))
    check(view, 0x40, emulated="ff ff", writable="00 00", forwarded="00 00")
    assert read_only(view, 0x42, 0x48)


def test_a_vendor_capability_takes_raw_writes() -> None:
    view = kernel(Made().std(0x09, 0x40, "10 aa bb"))
    check(view, 0x40, value="09 00 10 aa bb", emulated="ff ff 00 00 00", writable="00" * 5, forwarded="ff" * 16)


@pytest.mark.parametrize(
    ("control", "length"), [("00 00", 10), ("80 00", 14), ("00 01", 20), ("80 01", 24), ("8a 01", 24)]
)
def test_msi(control: str, length: int) -> None:
    rows = {
        10: ("ff ff", "00 00"),
        14: ("ff ff ff ff ff ff", "00 00 00 00 00 00"),
        20: ("ff ff 00 00" + "00" * 8, "00 00 00 00" + "ff" * 8),
        24: ("ff ff ff ff ff ff 00 00" + "00" * 8, "00" * 8 + "ff" * 8),
    }
    shadow, forwarded = rows[length]
    view = kernel(Made().std(0x05, 0x40, control))
    check(view, 0x40, emulated="00 ff ff 00 ff ff ff ff" + shadow)
    # Enable and the number of vectors are forced to 0; what the device says of itself can be overwritten.
    check(view, 0x40, writable="00 00 8e 00 ff ff ff ff" + shadow)
    check(view, 0x40, forwarded="00 00 8e 00 00 00 00 00" + forwarded)
    assert raw(view, 0x40 + length, 0x60)


# -- extended capabilities -----------------------------------------------------------------------------------------


def test_advanced_error_reporting() -> None:
    made = Made().express().ext(0x01, 0x100, "ff" * 0x44, version=2)
    view = kernel(made)
    uncorrectable, correctable = "31 f0 ff 03", "c1 f1 00 00"
    check(view, 0x100, value="01 00 02 00" + "ff" * 0x44, emulated="ff ff ff ff" + "00" * 0x28, writable="00" * 0x2C)
    check(view, 0x100, forwarded="00" * 4 + uncorrectable * 3 + correctable * 2 + "40 01 00 00" + "00" * 16)
    assert raw(view, 0x12C, 0x200)  # root registers and TLP prefix log


def test_power_budgeting_cannot_select() -> None:
    view = kernel(Made().express().ext(0x04, 0x100))
    check(view, 0x100, emulated="ff" * 4 + "00" * 12, forwarded="00 " * 8 + "ff 00 00 00 00 00 00 00 ff")


@pytest.mark.parametrize("own", [2, 3, 8, 9, 0xD, 0xE, 0xF, 0x10, 0x12, 0x13, 0x16, 0x17, 0x18])
def test_other_extended_capabilities_are_read_only(own: int) -> None:
    view = kernel(Made().express().ext(own, 0x100, "00 00 00 80"))
    check(view, 0x100, value=f"{own:02x} 00 01 00 00 00 00 80", emulated="ff" * 4, writable="00" * 4)
    check(view, 0x100, forwarded="00" * 4)
    assert read_only(view, 0x104, 0x108)


@pytest.mark.parametrize(("own", "header"), [(0x0B, "34 12 01 01"), (0x23, "de 10 00 01")])
def test_vendor_extended_capabilities_take_raw_writes(own: int, header: str) -> None:
    view = kernel(Made().express().ext(own, 0x100, header + "55 66"))
    check(view, 0x100, value=f"{own:02x} 00 01 00 {header} 55 66", emulated="ff" * 4 + "00" * 12)
    check(view, 0x100, writable="00" * 16, forwarded="ff" * 0x20)


@pytest.mark.parametrize("version", [(5, 10), (6, 1), (6, 3)])
def test_before_6_4_a_dvsec_is_hidden(version: tuple[int, int]) -> None:
    made = Made().express().ext(0x0F, 0x100).ext(0x23, 0x110, "de 10 00 01").ext(0x18, 0x140)
    check(kernel(made, version), 0x100, value="0f 00 01 14")
    check(kernel(made, (6, 4)), 0x100, value="0f 00 01 11")


def test_before_6_4_the_stub_of_a_dvsec_takes_no_writes() -> None:
    made = Made().express().ext(0x23, 0x100, "de 10 00 01").ext(0x18, 0x140)
    check(kernel(made, (6, 1)), 0x100, value="00 00 00 14", emulated="ff" * 4, forwarded="00" * 4)
