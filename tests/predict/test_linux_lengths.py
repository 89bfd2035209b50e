"""How many bytes Linux takes for a capability: what lies behind them is raw.

Source: drivers/vfio/pci/vfio_pci_config.c (vfio_cap_len, vfio_ext_cap_len, vfio_vc_cap_len, vfio_msi_cap_len), and
PCI_CAP_EXP_ENDPOINT_SIZEOF_V2 in include/uapi/linux/pci_regs.h of 5.10, 6.1, 6.12 and 7.2.
"""

from __future__ import annotations

import pytest

from .crafting import NOW, Made, check, kernel, raw, read_only


def ends(made: Made, at: int, length: int, version: tuple[int, int] = NOW) -> None:
    """The bytes of the structure at `at` that have no register of their own, and the first one behind it."""
    view = kernel(made, version)
    assert not raw(view, at + length - 1, at + length), "too short"
    assert raw(view, at + length, at + length + 4), "too long"


@pytest.mark.parametrize(
    ("flags", "version", "length"),
    [
        ("02 00", (5, 10), 0x34), ("02 00", (6, 1), 0x32), ("02 00", (6, 12), 0x34), ("02 00", (7, 2), 0x34),
        ("01 00", (7, 2), 0x14), ("91 00", (7, 2), 0x0C), ("92 00", (7, 2), 0x2C), ("92 00", (6, 1), 0x2C),
        ("00 00", (7, 2), 0x34), ("03 00", (7, 2), 0x34), ("12 00", (7, 2), 0x34), ("11 00", (7, 2), 0x14),
    ],
)  # fmt: skip
def test_pci_express(flags: str, version: tuple[int, int], length: int) -> None:
    ends(Made().express(flags=flags), 0x40, length, version)


def test_the_first_pci_express_capability_says_how_long_all_are() -> None:
    made = Made().express(0x40, "01 00").std(0x10, 0x80, "92 00")
    ends(made, 0x40, 0x14)
    ends(made, 0x80, 0x14)


@pytest.mark.parametrize(
    ("own", "body", "length"),
    [
        (0x01, "", 8), (0x02, "", 12), (0x03, "", 8), (0x07, "00 00", 8), (0x07, "00 30", 24),
        (0x08, "00 20", 24), (0x08, "00 80", 24), (0x08, "00 00", 28), (0x08, "ff 1f", 28),
        (0x11, "", 12), (0x12, "10 00 0f 00", 16), (0x12, "10 00 0e 00", 8), (0x12, "10 00 ff 00", 16), (0x13, "", 6),
    ],
)  # fmt: skip
def test_standard(own: int, body: str, length: int) -> None:
    made = Made().std(own, 0x40, body)
    view = kernel(made)
    assert not raw(view, 0x40, 0x40 + min(length, 2))
    assert raw(view, 0x40 + length, 0x60)
    if length % 4 == 0:
        assert not raw(view, 0x40 + length - 4, 0x40 + length)


def test_a_vendor_capability_of_no_length_is_hidden() -> None:
    view = kernel(Made().std(0x09, 0x40, "00 aa").std(0x01, 0x50))
    check(view, 0x34, value="50")
    assert raw(view, 0x40, 0x50)


def test_a_vendor_capability_reaches_into_the_extended_space() -> None:
    made = Made().express().std(0x09, 0xF0, "18 aa").ext(0x0F, 0x100)
    view = kernel(made)
    check(view, 0xF0, emulated="ff ff 00 00", forwarded="ff" * 16)
    # What it has of the extended space is judged by the extended capability of its id, 9: read-only. But ATS is later.
    check(view, 0x100, value="0f 00 01 00", emulated="ff" * 4 + "00" * 4, forwarded="00" * 8)
    assert raw(view, 0x108, 0x200)
    made = Made().express().std(0x09, 0xF0, "18 aa")  # and nothing at 0x100
    view = kernel(made)
    check(view, 0x100, emulated="ff" * 4 + "00" * 4, forwarded="00" * 8)
    assert raw(view, 0x108, 0x200)


@pytest.mark.parametrize(
    ("own", "body", "length"),
    [
        (0x01, "", 0x2C), (0x03, "", 12), (0x04, "", 16), (0x0E, "", 8), (0x0F, "", 8), (0x10, "", 0x40),
        (0x12, "", 40), (0x13, "", 16), (0x18, "", 8),
        (0x02, "00 00 00 00 00 00 00 00", 0x1C), (0x02, "07 00 00 00 00 00 00 00", 0x70),
        (0x02, "00 00 00 00 02 00 00 00", 0x30), (0x02, "01 00 00 00 04 00 00 00", 0x50),
        (0x02, "01 00 00 00 0e 00 00 00", 0x70), (0x08, "00 00 00 00 08 00 00 00", 0x60),
        (0x09, "02 00 00 00 01 00 00 00", 0x34),
        (0x0D, "1f 00", 8), (0x0D, "20 01", 12), (0x0D, "20 20", 12), (0x0D, "20 21", 16), (0x0D, "20 00", 40),
        (0x15, "00 00 00 00 20 00 00 00", 12), (0x15, "00 00 00 00 c0 00 00 00", 52), (0x15, "", 4),
        (0x16, "03 00 00 00", 20), (0x16, "1f 00 00 00", 48),
        (0x17, "00 00 00 00", 12), (0x17, "00 02 03 00", 20), (0x17, "00 04 03 00", 12),
    ],
)  # fmt: skip
def test_extended(own: int, body: str, length: int) -> None:
    view = kernel(Made().express().ext(0x18, 0x100).ext(own, 0x200, body))
    check(view, 0x200, emulated="ff" * 4)
    last = (length + 3) // 4 * 4 - 4
    if last >= 4 and own not in (0x01, 0x04):
        assert read_only(view, 0x204, 0x200 + length)
    assert raw(view, 0x200 + length, 0x280)


@pytest.mark.parametrize("own", [0x0B, 0x23])
def test_vendor_structures_have_the_length_that_they_say(own: int) -> None:
    # They are raw before their end and behind it; but one that begins right there has no header of its own.
    for length, emulated in ((0x0F, "ff" * 4), (0x10, "00" * 4), (0x0C, "ff" * 4)):
        body = f"34 12 {length << 4 & 0xFF:02x} {length >> 4:02x}"
        made = Made().express().ext(own, 0x100, body).ext(own, 0x110, "34 12 c0 00")
        check(kernel(made), 0x110, emulated=emulated)


@pytest.mark.parametrize("own", [0x0B, 0x23])
def test_vendor_structures_without_a_length_are_hidden(own: int) -> None:
    view = kernel(Made().express().ext(0x18, 0x100).ext(own, 0x200, "00 00 0f 00").ext(0x0F, 0x300))
    check(view, 0x100, value="18 00 01 30")


def test_rebar_of_no_bars_is_four_bytes() -> None:
    view = kernel(Made().express().ext(0x15, 0x100, "f0 03 00 00 00 00 00 00"))
    check(view, 0x100, emulated="ff" * 4, forwarded="00" * 4 + "ff" * 8)


# -- neighbours and overlaps ---------------------------------------------------------------------------------------


def test_neighbours_of_one_id_count_as_one() -> None:
    # virtio: the second header is read from the device, so what was unlinked behind it stays linked for the guest.
    made = Made().std(0x09, 0x40, "10").std(0x09, 0x50, "14").std(0x0D, 0x64).std(0x11, 0x70)
    view = kernel(made)
    check(view, 0x40, value="09 50", emulated="ff ff")
    check(view, 0x50, value="09 64", emulated="00 00")
    assert raw(view, 0x50, 0x70)


def test_extended_neighbours_of_one_id_count_as_one() -> None:
    made = Made().express().ext(0x23, 0x100, "de 10 c0 00").ext(0x23, 0x10C, "de 10 c0 00")
    made.ext(0x1B, 0x124).ext(0x18, 0x140)
    view = kernel(made)
    check(view, 0x100, emulated="ff" * 4)
    assert raw(view, 0x10C, 0x118)
    check(view, 0x10C, value="23 00 41 12")  # leads to 0x124: PASID is hidden, and found all the same


def test_a_gap_keeps_neighbours_apart() -> None:
    made = Made().std(0x09, 0x40, "0c").std(0x09, 0x50, "10").std(0x0D, 0x64).std(0x11, 0x70)
    check(kernel(made), 0x50, value="09 70", emulated="ff ff")


def test_of_two_that_overlap_the_later_one_has_the_bytes() -> None:
    made = Made().std(0x09, 0x40, "20").std(0x01, 0x50, "c3 ff 08 00 00 00")
    view = kernel(made)
    check(view, 0x40, emulated="ff ff 00 00")
    check(view, 0x50, value="01 00 c3 07", emulated="00 ff 00 f8 00 81 00 00")
    # What is left of the first one begins anew, as if it had a header here.
    check(view, 0x58, emulated="ff ff 00 00 00 00 00 00", forwarded="ff" * 8)
    assert raw(view, 0x60, 0x100)


def test_of_two_that_overlap_in_the_extended_space_too() -> None:
    made = Made().express().ext(0x0B, 0x100, "01 00 00 04").ext(0x0F, 0x120)
    view = kernel(made)
    check(view, 0x120, emulated="ff" * 4 + "00" * 4, forwarded="00" * 8)
    check(view, 0x128, emulated="ff" * 4 + "00" * 4, forwarded="ff" * 0x18)
    assert raw(view, 0x140, 0x200)


def test_bytes_of_nobody_are_the_devices() -> None:
    view = kernel(Made().std(0x01, 0x40).std(0x11, 0x60))
    for first, end in ((0x48, 0x60), (0x6C, 0x100)):
        assert raw(view, first, end)
