"""What QEMU makes of a function, worked out by hand from hw/vfio/pci.c and pci-quirks.c, and from what 11.1.3 showed.

That QEMU itself does so is asked in tests/live and tests/stack.
"""

from __future__ import annotations

import pytest

from vpci_compile.ir import Bar, ConfigSpace
from vpci_compile.stack import (
    Hardware,
    Ids,
    OptionError,
    Pasid,
    Place,
    QemuOptions,
    View,
    device_image,
    predict,
)
from vpci_compile.stack.linux.facts import Version
from vpci_compile.stack.qemu.options import with_options
from vpci_compile.stack.qemu.view import qemu_view

from .crafting import Made, bar, check, texts

NVIDIA = "de 10 45 23"


def shown(made: Made, place: Place = Place.PORT, bars: tuple[Bar, ...] = (), **options: object) -> View:
    return qemu_view(device_image(made.value), bars, place, QemuOptions(**options))  # type: ignore[arg-type]


def refused(made: Made, bars: tuple[Bar, ...] = (), **options: object) -> str:
    with pytest.raises(OptionError) as caught:
        shown(made, bars=bars, **options)
    return str(caught.value)


def gpu() -> Made:
    return Made().put(0, NVIDIA).put(0x09, "00 02 03")


# -- x-nv-gpudirect-clique -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("clique", "octet"), [(0, "00"), (3, "18"), (15, "78")])
def test_the_clique_comes_last(clique: int, octet: str) -> None:
    view = shown(gpu().std(0x01, 0x40).express(0x60), clique=clique)
    check(view, 0xC8, value=f"09 00 08 50 32 50 {octet} 00", emulated="ff" * 8, writable="00" * 8, compared="ff" * 8)
    check(view, 0x61, value="c8")
    assert view.made == ((0xC8, 8, "GPUDirect capability"),)


def test_the_clique_goes_where_no_capability_starts() -> None:
    view = shown(gpu().std(0x11, 0xC8), clique=3)
    check(view, 0xD4, value="09 00 08 50 32 50 18 00")
    check(view, 0xC9, value="d4")
    # What only reaches over the place does not count, where its length is that up to the next one.
    view = shown(gpu().std(0x09, 0xC0, "20 11"), clique=3)
    check(view, 0xC0, value="09 c8 20 11 00 00 00 00 09 00 08 50 32 50 18 00")


def test_no_place_for_the_clique() -> None:
    made = gpu().std(0x11, 0xC8).std(0x09, 0xD4, "08")
    assert refused(made, clique=3) == "NVIDIA GPUDirect Clique ID: invalid config space"
    assert (
        refused(gpu().std(0x11, 0xC8), clique=3, version=(8, 0)) == "NVIDIA GPUDirect Clique ID: invalid config space"
    )


@pytest.mark.parametrize(
    ("own", "at", "body"),
    [(0x01, 0xC4, ""), (0x05, 0xC0, "00 00"), (0x05, 0xBC, "80 01"), (0x11, 0xC0, ""), (0x09, 0xCC, "08")],
)
def test_a_clique_over_what_has_a_length_of_its_own(own: int, at: int, body: str) -> None:
    # These are added with their own length, or begin inside of it: QEMU sees that the place is taken.
    assert "overlaps existing capability" in refused(gpu().std(own, at, body), clique=0)


@pytest.mark.parametrize(("own", "at", "body"), [(0x01, 0xC0, ""), (0x05, 0xB8, "80 00"), (0x11, 0xBC, "")])
def test_a_clique_right_behind_a_capability(own: int, at: int, body: str) -> None:
    check(shown(gpu().std(own, at, body), clique=0), 0xC8, value="09 00 08 50 32 50 00 00")


def test_the_clique_of_another_device() -> None:
    assert refused(Made().std(0x01, 0x40), clique=3) == "NVIDIA GPUDirect Clique ID: invalid device vendor"
    made = gpu().put(0x0B, "12").std(0x01, 0x40)
    assert refused(made, clique=3) == "NVIDIA GPUDirect Clique ID: unsupported PCI class code"
    # Both are those that QEMU shows.
    view = shown(Made().std(0x01, 0x40), clique=3, ids=Ids(vendor=0x10DE, class_code=0x030200))
    check(view, 0xC8, value="09 00 08 50 32 50 18 00")


@pytest.mark.parametrize("clique", [16, -1, 255])
def test_a_clique_out_of_range(clique: int) -> None:
    assert "valid range 0-15" in refused(gpu().std(0x01, 0x40), clique=clique)
    assert "valid range 0-15" in refused(gpu(), clique=clique)  # no chain, but the option is read all the same


# -- ids, multifunction, rombar ------------------------------------------------------------------------------------


def test_ids() -> None:
    ids = Ids(vendor=0xABCD, device=0x1234, subsystem_vendor=0xFFFF, subsystem=0x0001, class_code=0x120000)
    view = shown(Made().put(0x08, "a1").put(0x2C, "01 02 03 04"), ids=ids)
    check(view, 0x00, value="cd ab 34 12", emulated="ff" * 4, compared="ff" * 4)
    check(view, 0x08, value="a1 00 00 12", emulated="00 ff ff ff", compared="ff" * 4)
    check(view, 0x2C, value="ff ff 01 00", emulated="ff" * 4, compared="00" * 4)


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        (Ids(vendor=0xFFFF), "invalid PCI vendor ID provided"),
        (Ids(vendor=0x10000), "invalid PCI vendor ID provided"),
        (Ids(device=0x10000), "invalid PCI device ID provided"),
        (Ids(subsystem_vendor=0x10000), "invalid PCI subsystem vendor ID provided"),
        (Ids(subsystem=0x10000), "invalid PCI subsystem device ID provided"),
        (Ids(class_code=0x1000000), "invalid PCI class code provided"),
    ],
)
def test_ids_out_of_range(ids: Ids, text: str) -> None:
    assert refused(Made(), ids=ids) == text


def test_multifunction_is_an_option_alone() -> None:
    made = Made().put(0x0E, "80")
    check(shown(made), 0x0E, value="00", emulated="80", compared="ff")
    check(shown(Made(), multifunction=True), 0x0E, value="80", emulated="80")


def rom(made: Made, **options: object) -> View:
    """Below: a ROM of 64 KiB."""
    below = device_image(made.value)
    writable = bytearray(below.size)
    writable[0x30:0x34] = bytes.fromhex("01 00 ff ff")
    config = ConfigSpace(below.value, below.emulated, bytes(writable), below.w1c, below.forwarded, below.compared)
    return qemu_view(config, (), Place.PORT, QemuOptions(**options))  # type: ignore[arg-type]


def test_the_rom() -> None:
    made = Made().put(0x30, "00 00 10 fe")
    check(rom(made), 0x30, value="00" * 4, emulated="ff" * 4, writable="01 00 ff ff", compared="fe ff 00 00")
    check(rom(made, rombar=False), 0x30, value="00" * 4, emulated="ff" * 4, writable="00" * 4, compared="00" * 4)


# -- ATS, PASID, Resizable BAR and the others of the extended chain ------------------------------------------------


def ats() -> Made:
    return Made().express().ext(0x01, 0x100).ext(0x0F, 0x140, "20 00 00 80").ext(0x18, 0x150)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, True), ({"ats": "on"}, True), ({"ats": "off"}, False), ({"kernel_ats": False}, False),
        ({"ats": "off", "vfio_user": True}, True), ({"ats": "off", "version": (11, 0)}, True),
        ({"kernel_ats": False, "version": (10, 2)}, True),
    ],
)  # fmt: skip
def test_ats(options: dict[str, object], kept: bool) -> None:
    view = shown(ats(), **options)
    check(view, 0x100, value="01 00 01 14" if kept else "01 00 01 15")
    check(view, 0x140, value="0f 00 01 15 20 00 00 80")  # its bytes stay, whatever leads to it
    check(view, 0x140, compared=("ff" if kept else "00") * 16)


@pytest.mark.parametrize("own", [0x0000, 0x000E, 0x0010])
@pytest.mark.parametrize("version", [(7, 2), (8, 0), (9, 2), (11, 1)])
def test_what_every_release_hides(own: int, version: Version) -> None:
    view = shown(Made().express().ext(0x01, 0x100).ext(own, 0x140, "55").ext(0x18, 0x180), version=version)
    check(view, 0x100, value="01 00 01 18", emulated="ff" * 4)
    check(view, 0x140, value=f"{own:02x} 00 01 18 55", emulated="00 00 c0 ff 00", writable="00 00 c0 ff 00")


@pytest.mark.parametrize("own", [2, 3, 4, 8, 9, 0xB, 0xD, 0x13, 0x17, 0x19, 0x1B, 0x1D, 0x1E, 0x23, 0x2E, 0x30, 0x1234])
def test_what_no_release_hides(own: int) -> None:
    view = shown(Made().express().ext(0x01, 0x100).ext(own, 0x140).ext(0x18, 0x180))
    check(view, 0x100, value="01 00 01 14")
    check(view, 0x140, compared="ff" * 0x40)


def test_a_hidden_head() -> None:
    view = shown(Made().express().ext(0x0E, 0x100, "77").ext(0x18, 0x140))
    check(view, 0x100, value="00 00 00 14 77", emulated="ff ff ff ff 00", writable="00" * 5, compared="00" * 5)
    view = shown(Made().express().ext(0x0E, 0x100, "77"))
    check(view, 0x100, value="00 00 00 00 77")


def test_reserved_bits_of_pointers() -> None:
    """QEMU writes the first header anew, of the others only the pointer itself."""
    made = Made().express().ext(0x03, 0x100).ext(0x0F, 0x140).ext(0x18, 0x180).put(0x102, "31 14").put(0x142, "31 18")
    check(shown(made), 0x100, value="03 00 01 14", emulated="ff ff ff ff")
    check(shown(made), 0x140, value="0f 00 31 18", emulated="00 00 c0 ff")


REBAR = "f0 ff 0f 00 40 08 00 00 f0 03 00 00 02 04 00 00"
"""Two BARs: the first of 256 MiB, of up to 128 GiB; the second of 16 MiB."""


def test_resizable_bars() -> None:
    made = Made().express().ext(0x15, 0x100, REBAR).ext(0x18, 0x140)
    view = shown(made)
    check(view, 0x100, value="15 00 01 14 00 10 00 00 40 08 00 00 00 01 00 00 02 04 00 00")
    check(view, 0x104, emulated="ff" * 16, writable="00" * 16, compared="ff" * 16)
    check(shown(made, version=(8, 1)), 0x100, value="15 00 01 14 00 10 00 00")
    check(shown(made, version=(8, 0)), 0x100, value="00 00 00 14 f0 ff 0f 00")


def test_a_resizable_bar_that_is_too_large() -> None:
    body = "f0 ff 0f 00 20 1b 00 00"  # 27: 128 TiB is the most
    view = shown(Made().express().ext(0x15, 0x100, body).ext(0x18, 0x140))
    check(view, 0x100, value="15 00 01 14 00 00 00 80")
    body = "f0 ff 0f 00 40 08 00 00 f0 ff 0f 00 01 1c 00 00"
    view = shown(Made().express().ext(0x15, 0x100, body).ext(0x18, 0x140))
    # All is dropped, but what was rewritten before stays so.
    check(view, 0x100, value="00 00 00 14 00 10 00 00 40 08 00 00 f0 ff 0f 00 01 1c 00 00")


@pytest.mark.parametrize(
    ("at", "before", "following"), [(0, 0x140, 0), (0x120, 0x100, 0x140), (0x200, 0x140, 0), (0xFF8, 0x140, 0)]
)
def test_a_pasid_capability_of_its_own(at: int, before: int, following: int) -> None:
    view = shown(Made().express().ext(0x01, 0x100).ext(0x18, 0x140), pasid=Pasid(20, True, True), pasid_at=at)
    place = at or 0xFF8
    check(view, place, value=f"1b 00 {(following & 0xF) << 4 | 1:02x} {following >> 4:02x} 06 14 00 00")
    check(view, place, emulated="ff" * 8, writable="00 00 00 00 00 00 07 00", compared="ff ff ff ff ff ff f8 ff")
    assert view.config.number("value", before, 4) >> 20 == place


def test_what_the_host_reports_of_pasid() -> None:
    made = Made().express().ext(0x01, 0x100)
    check(shown(made, pasid=Pasid(16, False, False)), 0xFFC, value="00 10 00 00")
    check(shown(made, pasid=Pasid(8, False, True)), 0xFFC, value="04 08 00 00")


@pytest.mark.parametrize("at", [0x100, 0x140, 0x102, 0xFC, 0xFFC, 0x1000])
def test_a_place_that_pasid_cannot_have(at: int) -> None:
    view = shown(Made().express().ext(0x01, 0x100).ext(0x18, 0x140), pasid=Pasid(20, True, True), pasid_at=at)
    check(view, 0x140, value="18 00 01 00")
    assert "cannot place PASID" in texts(view)
    assert view.made == ()


def test_pasid_over_the_body_of_another() -> None:
    view = shown(Made().express().ext(0x01, 0x100, "11" * 0x20), pasid=Pasid(20, True, True), pasid_at=0x110)
    check(view, 0x108, value="11" * 8 + "1b 00 01 00 06 14 00 00" + "11" * 8)


def test_no_pasid_where_there_is_one_or_no_extended_space() -> None:
    own = Made().express().ext(0x01, 0x100).ext(0x1B, 0x140, "00 08 00 00")
    check(shown(own, pasid=Pasid(20, True, True)), 0x140, value="1b 00 01 00 00 08 00 00")
    check(shown(own, pasid=Pasid(20, True, True)), 0xFF8, value="00" * 8)
    check(shown(Made().express(), pasid=Pasid(20, True, True)), 0xFF8, value="00" * 8)


# -- options as they are written -----------------------------------------------------------------------------------


def test_options_in_words() -> None:
    words = {
        "x-pci-vendor-id": "0x10de", "x-pci-class-code": "0x030200", "x-nv-gpudirect-clique": "3", "ats": "OFF",
        "x-vpasid-cap-offset": "0xff8", "multifunction": "on", "rombar": "0", "skip-vsc-check": "off",
        "x-msix-relocation": "bar2",
    }  # fmt: skip
    wanted = QemuOptions(
        ids=Ids(vendor=0x10DE, class_code=0x030200), clique=3, ats="off", pasid_at=0xFF8, multifunction=True,
        rombar=False, skip_vsc=False, relocation="bar2",
    )  # fmt: skip
    assert with_options(QemuOptions(), words) == wanted


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("x-no-mmap", "on", "'x-no-mmap' is no option"),
        ("ats", "maybe", "ats: 'maybe' is none of auto, on, off"),
        ("x-msix-relocation", "bar6", "none of off, auto, bar0"),
        ("x-pci-vendor-id", "nvidia", "x-pci-vendor-id: 'nvidia' is no number"),
        ("rombar", "2", "rombar: '2' is none of"),
        ("x-nv-gpudirect-clique", "", "is no number"),
    ],
)
def test_options_that_are_none(name: str, value: str, text: str) -> None:
    with pytest.raises(ValueError, match="is no") as caught:
        with_options(QemuOptions(), {name: value})
    assert text in str(caught.value)


# -- x-msix-relocation ---------------------------------------------------------------------------------------------


def msix(entries: int) -> Made:
    return Made().std(0x11, 0xA0, f"{entries - 1:04x}"[2:] + f"{entries - 1:04x}"[:2] + "00 20 00 00 00 30 00 00")


@pytest.mark.parametrize(
    ("entries", "size", "place", "made_of", "table", "pba"),
    [
        # table of 3 * 16 bytes, pending bits of 8: one page; the BAR there is doubled
        (3, 0x4000, "bar0", 0x8000, "00 40 00 00", "30 40 00 00"),
        # 2048 * 16 + 256 bytes: 9 pages, 16 as a power of two; twice that is more than twice the BAR
        (2048, 0x4000, "bar0", 0x20000, "00 00 01 00", "00 80 01 00"),
        (256, 0x1000, "bar0", 0x4000, "00 20 00 00", "00 30 00 00"),
    ],
)
def test_msix_moves_behind_what_is_in_a_bar(
    entries: int, size: int, place: str, made_of: int, table: str, pba: str
) -> None:
    view = shown(msix(entries).put(0x10, "04 00 00 00"), bars=(bar(0, "mem64", size),), relocation=place)
    check(view, 0xA4, value=table + pba, emulated="ff" * 8)
    assert [(one.index, one.size) for one in view.bars] == [(0, made_of)]
    mask = (1 << 64) - made_of
    check(view, 0x10, writable=mask.to_bytes(8, "little").hex())


@pytest.mark.parametrize(
    ("place", "others", "register", "kind"),
    [
        ("bar2", (), "0c 00 00 00 00 00 00 00", "mem64"),
        ("bar4", (), "0c 00 00 00 00 00 00 00", "mem64"),
        ("bar5", (), "08 00 00 00", "mem32"),
        ("bar2", (bar(3, "mem32", 0x1000),), "08 00 00 00", "mem32"),
    ],
)
def test_msix_gets_a_bar_of_its_own(place: str, others: tuple[Bar, ...], register: str, kind: str) -> None:
    index = int(place[3])
    view = shown(msix(11), bars=(bar(0, "mem64", 0x4000), *others), relocation=place)
    check(view, 0xA4, value=f"{index:02x} 00 00 00 {0xB0 | index:02x} 00 00 00")
    check(view, 0x10 + 4 * index, value=register)
    made = next(one for one in view.bars if one.index == index)
    assert (made.kind.value, made.prefetchable, made.size) == (kind, True, 0x1000)


@pytest.mark.parametrize(
    ("place", "bars", "text"),
    [
        ("auto", (), "No automatic MSI-X relocation available for device 1234:0001"),
        ("bar1", (bar(1, "io", 0x20),), "Invalid MSI-X relocation BAR 1, I/O port BAR"),
        ("bar1", (bar(0, "mem64", 0x1000),), "Invalid MSI-X relocation BAR 1, consumed by 64-bit BAR 0"),
        ("bar0", (bar(0, "mem32", 2 << 30),), "Invalid MSI-X relocation BAR 0, no space to extend 32-bit BAR"),
    ],
)
def test_bars_that_msix_cannot_move_to(place: str, bars: tuple[Bar, ...], text: str) -> None:
    assert refused(msix(3), bars, relocation=place) == text


def test_a_bar_of_unknown_size_cannot_be_doubled() -> None:
    assert "size of BAR 0" in refused(msix(3), (bar(0, "mem64", None),), relocation="bar0")
    assert "consumed by 64-bit BAR 0" in refused(msix(3), (bar(0, "mem64", None),), relocation="bar1")


def test_without_msix_there_is_nothing_to_move() -> None:
    view = shown(Made().std(0x01, 0x40), bars=(bar(0, "mem64", 0x1000),), relocation="auto")
    assert [one.size for one in view.bars] == [0x1000]


@pytest.mark.parametrize(("release", "refused"), [("7.2", False), ("9.2", False), ("10.0", True), ("11.1", True)])
def test_power_management_has_a_length_of_its_own_since_10_0(release: str, refused: bool) -> None:
    """Executed with 7.2 and 10.0: a capability 4 bytes after it is in the way of the newer one alone."""
    made = Made().std(0x01, 0x80, "03 00").std(0x11, 0x84, "00 00 00 00 00 00 00 08 00 00")
    prediction = predict(Hardware(made.value, ()), f"linux-7.2/qemu-{release}")
    assert bool(prediction.refusals) == refused


def test_msix_moves_into_a_bar_whose_register_reads_zero() -> None:
    """Executed with 11.1.3: what is there keeps its kind, 32-bit and not prefetchable."""
    view = shown(msix(3), bars=(bar(0, "mem32", 0x4000), bar(2, "mem32", 0x1000)), relocation="bar2")
    check(view, 0x18, value="00 00 00 00", writable="00 e0 ff ff")
