"""What QEMU compares of a function that migrates in, and how it shows one at each place: masks by hand.

Source: hw/pci/pci.c (pci_init_cmask, pci_init_wmask, pci_add_capability), hw/pci/pcie.c, hw/vfio/pci.c; a bit counts
where it is in cmask, and in neither wmask nor w1cmask.
"""

from __future__ import annotations

import pytest

from vpci_compile.ir import Bar
from vpci_compile.stack import Place, QemuOptions, View, device_image
from vpci_compile.stack.qemu.view import qemu_view

from .crafting import Made, bar, check, texts

LINKS = "41 f4 45 00 40 00 11 10"
"""LNKCAP, LNKCTL, LNKSTA."""


def shown(made: Made, place: Place = Place.PORT, bars: tuple[Bar, ...] = (), **options: object) -> View:
    return qemu_view(device_image(made.value), bars, place, QemuOptions(**options))  # type: ignore[arg-type]


# -- compared ------------------------------------------------------------------------------------------------------


def test_the_header() -> None:
    view = shown(Made().std(0x01, 0x40))
    check(view, 0x00, compared="ff ff ff ff 00 00 10 00 ff ff ff ff 00 00 ff 00")
    check(view, 0x10, compared="00" * 0x24)
    check(view, 0x34, compared="ff 00 00 00 00 00 00 00 00 00 00 00")


def test_bars_are_compared_below_their_size() -> None:
    made = Made().put(0x10, "0c 00 00 00 00 00 00 00 01 00 00 00 00 00 00 fe")
    bars = (bar(0, "mem64", 1 << 34, prefetchable=True), bar(2, "io", 0x20), bar(3, "mem32", 0x10000))
    view = shown(made, bars=bars)
    check(view, 0x10, compared="ff ff ff ff 03 00 00 00 1f 00 00 00 ff ff 00 00 00 00 00 00 00 00 00 00")


def test_standard_capabilities() -> None:
    made = Made().std(0x01, 0x40).std(0x13, 0x50).std(0x11, 0x58, "02 00").std(0x09, 0x68, "10").express(0x80)
    made.std(0x05, 0xC0, "86 01").std(0x12, 0xE0)
    view = shown(made)
    check(view, 0x40, compared="ff ff ff ff fc ff ff ff" + "00" * 8)  # power state
    check(view, 0x50, compared="ff" * 8)
    check(view, 0x58, compared="ff ff ff 3f" + "ff" * 8 + "00" * 4)  # enable and function mask
    check(view, 0x68, compared="ff ff ff" + "00" * 0x15)  # skip-vsc-check
    check(view, 0x80, compared="ff" * 0x40)  # all up to the next one
    # 8 vectors, 64 bits, masks
    check(view, 0xC0, compared="ff ff 8e ff 03 00 00 00 00 00 00 00 00 00 ff ff 00 ff ff ff ff ff ff ff" + "00" * 8)
    check(view, 0xE0, compared="ff" * 0x20)


@pytest.mark.parametrize(
    ("control", "compared"),
    [
        ("00 00", "ff ff 8e ff 03 00 00 00 00 00"),
        ("80 00", "ff ff 8e ff 03 00 00 00 00 00 00 00 00 00"),
        ("00 01", "ff ff 8e ff 03 00 00 00 00 00 ff ff fe ff ff ff ff ff ff ff"),
        ("0a 01", "ff ff 8e ff 03 00 00 00 00 00 ff ff 00 00 00 00 ff ff ff ff"),
    ],
)
def test_msi(control: str, compared: str) -> None:
    check(shown(Made().std(0x05, 0x40, control)), 0x40, compared=compared + "00" * 8)


def test_a_vendor_capability_where_it_is_not_skipped() -> None:
    made = Made().std(0x09, 0x40, "10").std(0x01, 0x60)
    check(shown(made, skip_vsc=False), 0x40, compared="ff" * 0x20)
    check(shown(made), 0x40, compared="ff ff ff" + "00" * 0x1D)


def test_extended_capabilities_up_to_the_next_one() -> None:
    made = Made().express().ext(0x03, 0x100).ext(0x0E, 0x120).ext(0x0B, 0x140).ext(0x23, 0x180)
    view = shown(made)
    check(view, 0x100, compared="ff" * 0x20 + "00" * 0x20 + "ff" * 0x40)
    check(view, 0x180, compared="ff" * 0xE80)


# -- places --------------------------------------------------------------------------------------------------------


def express(kind: int, *, version: int = 2, following: int = 0) -> Made:
    made = Made().express(0x40, f"{kind << 4 | version:02x} 00").put(0x4C, LINKS).put(0x6C, "0e 00 00 00 03 00 01 00")
    if following:
        made.std(0x13, following)
    return made


def test_an_endpoint() -> None:
    check(shown(express(0)), 0x40, value="10 00 02 00")
    check(shown(express(0)), 0x4C, value=LINKS, emulated="00" * 8)
    view = shown(express(0), Place.ROOT)
    check(view, 0x40, value="10 00 92 00", emulated="00 ff f0 00")
    check(view, 0x4C, value="00" * 8, emulated="ff" * 8)
    check(view, 0x6C, value="00" * 8, emulated="ff" * 8)


def test_what_there_is_room_for() -> None:
    # LNKCTL and more of the first, LNKCAP2 and more of the second: in bytes up to the next capability.
    rows = {0x50: ("00", "00"), 0x54: ("ff", "00"), 0x6C: ("ff", "00"), 0x70: ("ff", "ff")}
    for following, (first, second) in rows.items():
        view = shown(express(0, following=following), Place.ROOT)
        check(view, 0x4C, emulated=first * 4)
        check(view, 0x6E, emulated=second * 2)


def test_an_integrated_endpoint() -> None:
    view = shown(express(9))
    check(view, 0x40, value="10 00 02 00", emulated="00 ff f0 00")
    check(view, 0x4C, value="11 00 00 00 00 00 11 10", emulated="ff ff ff ff ff ff 00 00")
    check(shown(express(9), Place.ROOT), 0x40, value="10 00 92 00", emulated="00 ff 00 00")


def test_a_legacy_endpoint() -> None:
    made = express(1, following=0xA0).ext(0x0E, 0x100).ext(0x18, 0x140)
    check(shown(made), 0x34, value="40")
    view = shown(made, Place.ROOT)
    check(view, 0x34, value="a0")
    check(view, 0x40, value="10 a0 12 00", compared="00" * 0x40)
    check(view, 0x100, value="00 00 00 14")  # the extended chain is built anew all the same


def test_version_0_becomes_1() -> None:
    for place, octet in ((Place.PORT, "01"), (Place.ROOT, "91")):
        check(shown(express(0, version=0), place), 0x42, value=octet)


def test_a_conventional_bus() -> None:
    view = shown(express(0, following=0xA0).ext(0x0E, 0x100), Place.CONVENTIONAL)
    assert view.config.size == 256
    check(view, 0x34, value="a0")
    assert "gives the guest 256 of the 4096 bytes" in texts(view)


def test_without_a_chain_nothing_is_touched() -> None:
    view = shown(Made().ext(0x0E, 0x100).ext(0x10, 0x140))
    check(view, 0x06, emulated="00 00", compared="10 00")
    check(view, 0x34, emulated="00")
    check(view, 0x100, value="0e 00 01 14", emulated="00" * 4, compared="00" * 4)


def test_the_device_is_off_before_the_guest_sees_it() -> None:
    made = Made().put(0x04, "47 05")
    check(shown(made), 0x04, value="40 01", emulated="00 00")
    check(shown(made, vfio_user=True), 0x04, value="47 05")


def test_a_bar_of_unknown_size() -> None:
    made = Made().put(0x10, "0c 00 00 f0 01 00 00 00")
    unknown = (bar(0, "mem64", None),)
    check(shown(made, bars=unknown), 0x10, value="0c 00 00 00 00 00 00 00", writable="00" * 8)
    check(shown(made, bars=unknown, vfio_user=True), 0x10, value="00" * 8)
