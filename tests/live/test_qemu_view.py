"""What QEMU makes of an image, worked out by hand from its source; tests/live/test_verify.py asks QEMU itself."""

from __future__ import annotations

import pytest

from live import crafted
from vpci_compile import api
from vpci_compile.ir import ConfigSpace
from vpci_compile.live import Place, behaviour, qemu_view, verify
from vpci_compile.stack import Change, View


def _view(name: str, place: Place = Place.PORT) -> View:
    function = crafted.function(name) if name in crafted.NAMES else api.load(name).function
    alone = behaviour.standing_alone(function)
    return qemu_view(alone, function.bars, place, multifunction=verify.is_multifunction(function))


def _dword(config: ConfigSpace, at: int, of: str = "value") -> str:
    return f"{config.number(of, at, 4):08x}"


def _texts(changes: tuple[Change, ...]) -> list[str]:
    return [f"{one.offset:#x} {one.text}" for one in changes]


@pytest.mark.parametrize("name", ["minimal", "nvidia/gh200", "nvidia/h100-clique", "generic/sriov-vf-pasid"])
def test_a_layout_made_for_qemu_is_shown_as_it_is(name: str) -> None:
    config, changes, *_ = _view(name)
    assert changes == ()
    assert config.value == api.load(name).function.config.value


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        # A dropped head becomes an empty header that leads on; what is dropped elsewhere is only unlinked.
        ("ari first", {0x100: "14800000", 0x148: "ff81000f", 0xFF8: "0001001b"}),
        ("sr-iov in the middle", {0x100: "ff810001", 0x148: "ff810010", 0xFF8: "0001001b"}),
        ("sr-iov last", {0x100: "14810001", 0x148: "0001000f", 0xFF8: "00010010"}),
        ("ari alone", {0x100: "00000000"}),
        ("three dropped in a row", {0x100: "00000000", 0x148: "ff810000", 0xFF8: "00010010"}),
        ("out of order", {0x100: "ff810001", 0xFF8: "14810003", 0x148: "0001000f"}),
        ("no standard list", {0x100: "1481000e"}),
    ],
)
def test_the_extended_chain(name: str, heads: dict[int, str]) -> None:
    config = _view(name).config
    assert {at: _dword(config, at) for at in heads} == heads


def test_the_pointer_of_a_dropped_header_can_be_written() -> None:
    config, changes, *_ = _view("sr-iov in the middle")
    assert _dword(config, 0x148, "writable") == "ffc00000"
    assert _dword(config, 0x100, "writable") == "00000000"
    assert _texts(changes) == [
        "0x100 QEMU makes the pointer lead to 0xff8; below it leads to 0x148",
        "0x148 QEMU unlinks SR-IOV; its bytes can still be read at 0x148",
    ]


def test_on_a_conventional_bus_there_is_no_extended_space() -> None:
    config, changes, *_ = _view("ari first", Place.CONVENTIONAL)
    assert config.size == 256
    assert _dword(config, 0x34) == "0000009c"
    assert _texts(changes) == [
        "0x34 QEMU makes the pointer lead to 0x9c; below it leads to 0x60",
        "0x60 QEMU unlinks the PCI Express capability at 0x60: it does not fit the place",
        "0x100 QEMU gives the guest 256 of the 4096 bytes: the bus is a conventional one",
    ]


def test_rebar_offers_the_present_size_only() -> None:
    config = _view("rebar with sizes").config
    assert (_dword(config, 0x138), _dword(config, 0x13C)) == ("00200000", "00001120")
    assert _dword(config, 0x13C, "writable") == "00000000"


@pytest.mark.parametrize(
    ("name", "place", "flags"),
    [
        ("generic/sriov-vf-pasid", Place.PORT, 0x0002),
        ("generic/sriov-vf-pasid", Place.ROOT, 0x0092),
        ("integrated endpoint", Place.PORT, 0x0002),
        ("integrated endpoint", Place.ROOT, 0x0092),
        ("legacy endpoint", Place.PORT, 0x0012),
        ("express version 0", Place.PORT, 0x0001),
        ("express version 0", Place.ROOT, 0x0091),
        ("express version 3", Place.PORT, 0x0003),
    ],
)
def test_the_type_fits_the_place(name: str, place: Place, flags: int) -> None:
    assert _view(name, place).config.number("value", 0x62, 2) == flags


def test_the_root_bus_has_no_link() -> None:
    there, gone = _view("endpoint with a link").config, _view("endpoint with a link", Place.ROOT).config
    for at, value in ((0x6C, "00473d05"), (0x70, "10430000"), (0x8C, "0180003e"), (0x90, "00000005")):
        assert (_dword(there, at), _dword(gone, at)) == (value, "00000000")
        assert _dword(gone, at, "writable") == "00000000"


def test_a_legacy_endpoint_on_the_root_bus_loses_its_capability() -> None:
    config = _view("legacy endpoint", Place.ROOT).config
    assert config.value[0x34] == 0x9C
    assert _dword(config, 0x60) == "00129c10"  # its bytes stay, its pointer can be written
    assert _dword(config, 0x60, "writable") == "0000ff00"


def test_bars_have_no_address_yet() -> None:
    config, changes, *_ = _view("bars at addresses")
    bars = [_dword(config, at) for at in (0x10, 0x14, 0x18, 0x1C, 0x20, 0x24, 0x30)]
    assert bars == ["00000000", "00000001", "00000000", "00000000", "0000000c", "00000000", "00000000"]
    masks = [_dword(config, at, "writable") for at in (0x10, 0x14, 0x18, 0x1C, 0x20, 0x24, 0x30)]
    assert masks == ["fffff000", "ffffffc0", "00000000", "00000000", "00000000", "fffffffe", "fffff801"]
    assert [one.offset for one in changes] == [0x10, 0x30]


def test_multifunction_is_an_option_of_qemu() -> None:
    function = api.load("generic/sriov-vf-pasid").function
    alone = behaviour.standing_alone(function)
    alone_view, one_of_many = (qemu_view(alone, function.bars, Place.PORT, multifunction=on) for on in (False, True))
    assert alone_view.config.value[0x0E] == 0
    assert one_of_many.config.value[0x0E] == 0x80
    assert _texts(one_of_many.changes) == ["0xe QEMU sets header type bit 7 by its option multifunction=on"]
    assert _view("multifunction").changes == ()


def test_msi_is_built_anew() -> None:
    config, changes, *_ = _view("programmed msi")
    assert [_dword(config, at) for at in (0x48, 0x4C, 0x50, 0x54, 0x58)] == ["018a6005", *["00000000"] * 4]
    masks = [_dword(config, at, "writable") for at in (0x48, 0x4C, 0x50, 0x54, 0x58, 0x5C)]
    assert masks == ["00710000", "fffffffc", "ffffffff", "0000ffff", "ffffffff", "00000000"]
    assert [one.offset for one in changes] == [0x4A]


def test_msix_is_off() -> None:
    config, changes, *_ = _view("programmed msi-x")
    assert _dword(config, 0x9C) == "000a0011"
    assert _dword(config, 0x9C, "writable") == "c0000000"
    assert [one.offset for one in changes] == [0x9E]


def test_every_change_has_a_source() -> None:
    for name in crafted.NAMES:
        for place in Place:
            assert all(one.source.endswith(", executed") for one in _view(name, place).changes)
