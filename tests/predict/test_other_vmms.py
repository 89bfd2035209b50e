"""What cloud-hypervisor, crosvm and Firecracker show: bytes by hand, from what was read in their sources."""

from __future__ import annotations

import pytest

from vpci_compile.ir import Bar
from vpci_compile.stack import Hardware, Prediction, predict

from .crafting import Made, bar, octets

CLOUD, CROSVM, FIRECRACKER = "cloud-hypervisor-53.0", "crosvm-2026.8", "firecracker-2026.8"
ALL = (CLOUD, CROSVM, FIRECRACKER)


def below(made: Made, vmm: str, bars: tuple[Bar, ...] = (), **words: str) -> Prediction:
    return predict(Hardware(made.value, bars), f"linux-7.2/{vmm}", options=words)


def value(found: Prediction, at: int, length: int) -> str:
    return octets(found.config, "value", at, length)


def chained() -> Made:
    """PM and PCI Express; AER, SR-IOV, ARI, Resizable BAR and ATS."""
    made = Made().std(0x01, 0x40).express(0x50).ext(0x01, 0x100).ext(0x10, 0x160, "aa" * 0x3C)
    return made.ext(0x0E, 0x1A0, "bb" * 4).ext(0x15, 0x1B0, "f0 03 00 00 20 04 00 00").ext(0x0F, 0x1C0)


def test_cloud_hypervisor_makes_ids_null() -> None:
    found = below(chained(), CLOUD)
    assert value(found, 0x100, 4) == "01 00 01 16"
    assert value(found, 0x160, 6) == "00 00 01 1a aa aa"
    assert value(found, 0x1A0, 6) == "00 00 01 1b bb bb"
    assert value(found, 0x1B0, 12) == "00 00 01 1c f0 03 00 00 20 04 00 00"
    assert value(found, 0x1C0, 4) == "0f 00 01 00"


@pytest.mark.parametrize("made", [Made().express(0x50), Made().std(0x01, 0x40)])
def test_cloud_hypervisor_hides_nothing_without_power_management(made: Made) -> None:
    found = below(made.ext(0x0E, 0x100), CLOUD)
    size = found.config.size
    assert size == 256 or value(found, 0x100, 4) == "0e 00 01 00"


def test_cloud_hypervisor_s_clique_has_one_place() -> None:
    found = below(chained(), CLOUD, x_nv_gpudirect_clique="3")
    assert value(found, 0xD4, 8) == "09 00 08 50 32 50 18 00"
    assert value(found, 0x51, 1) == "d4"
    assert found.made == ((0xD4, 8, "GPUDirect capability"),)
    # Over whatever stands there, and as large as a byte.
    made = chained().std(0x09, 0xD0, "20 11 22 33 44 55 66 77 88 99")
    found = below(made, CLOUD, x_nv_gpudirect_clique="16")
    assert value(found, 0xD0, 12) == "09 d4 20 11 09 00 08 50 32 50 80 00"
    assert "over the capability at 0xd0" in "".join(one.text for one in found.changes)


@pytest.mark.parametrize("text", ["256", "-1", "x", ""])
def test_a_clique_that_is_none(text: str) -> None:
    assert below(chained(), CLOUD, x_nv_gpudirect_clique=text).refusals


def test_cloud_hypervisor_forgets_its_patches_at_a_restore() -> None:
    found = below(chained(), CLOUD, x_nv_gpudirect_clique="3", restored="on")
    assert value(found, 0x160, 4) == "10 00 01 1a"
    assert value(found, 0x1B0, 4) == "15 00 01 1c"
    assert value(found, 0xD4, 8) == "00 00 00 00 00 00 00 00"
    assert value(found, 0x51, 1) == "00"
    assert found.made == ()


def test_cloud_hypervisor_moves_the_msix_table() -> None:
    bars = (bar(0, "mem64", 0x4000),)
    made = Made().put(0x10, "04").std(0x11, 0x40, "1f 00 00 28 00 00 00 30 00 00").express(0x60)
    found = below(made, CLOUD, bars)
    assert [one.size for one in found.bars] == [0x8000]
    assert value(found, 0x44, 8) == "00 40 00 00 00 50 00 00"
    assert octets(found.config, "writable", 0x10, 4) == "00 80 ff ff"
    aligned = Made().put(0x10, "04").std(0x11, 0x40, "1f 00 00 20 00 00 00 30 00 00").express(0x60)
    assert [one.size for one in below(aligned, CLOUD, bars).bars] == [0x4000]


def test_one_function_alone() -> None:
    made = chained().put(0x0E, "80")
    assert value(below(made, CLOUD), 0x0E, 1) == "00"
    assert value(below(made, CROSVM), 0x0E, 1) == "80"


def test_crosvm_unlinks_and_zeroes() -> None:
    found = below(chained(), CROSVM)
    assert value(found, 0x100, 4) == "01 00 01 1c"
    assert value(found, 0x160, 0x40) == " ".join(["00"] * 0x40)
    assert value(found, 0x1A0, 8) == " ".join(["00"] * 8)
    assert value(found, 0x1B0, 12) == " ".join(["00"] * 12)
    assert value(found, 0x1C0, 4) == "0f 00 01 00"
    for first, end in ((0x160, 0x1A8), (0x1B0, 0x1BC)):
        assert not any(found.config.forwarded[first:end])


def test_crosvm_keeps_the_place_of_the_first_one() -> None:
    made = Made().express(0x50).ext(0x0E, 0x100, "bb" * 4).ext(0x10, 0x140, "aa").ext(0x0F, 0x1C0)
    found = below(made, CROSVM)
    assert value(found, 0x104, 4) == "00 00 00 00"
    assert octets(found.config, "value", 0x100, 2) == "0c 00"
    assert value(found, 0x1C0, 4) == "0f 00 01 00"
    assert found.config.number("value", 0x100, 4) >> 20 == 0x1C0, "SR-IOV is led around, from the stub"


def test_crosvm_leads_around_several_in_a_row() -> None:
    found = below(chained(), CROSVM)
    assert found.config.number("value", 0x100, 4) >> 20 == 0x1C0


def test_crosvm_has_no_io_bars() -> None:
    made = Made().put(0x10, "01 e0 00 00").express(0x50)
    assert value(below(made, CROSVM, (bar(0, "io", 0x20),)), 0x10, 4) == "00 00 00 00"
    assert value(below(made, CLOUD, (bar(0, "io", 0x20),)), 0x10, 4) == "01 00 00 00"


def test_crosvm_answers_for_power_management() -> None:
    found = below(Made().std(0x01, 0x40, "03 00 00 81").express(0x50), CROSVM)
    assert value(found, 0x40, 8) == "01 50 03 c8 00 00 00 00"


def test_firecracker_zeroes_and_does_not_unlink() -> None:
    found = below(chained(), FIRECRACKER)
    assert value(found, 0x100, 4) == "01 00 01 16"
    assert value(found, 0x160, 8) == "00 00 01 1a 00 00 00 00"
    assert value(found, 0x1A0, 8) == "00 00 01 1b 00 00 00 00"
    assert value(found, 0x1B0, 12) == "00 00 01 1c 00 00 00 00 00 00 00 00"
    assert not any(found.config.forwarded[0x164:0x1A0])


def test_firecracker_has_neither_io_bars_nor_a_rom() -> None:
    made = Made().put(0x10, "01 e0 00 00").put(0x30, "01 00 00 fe").express(0x50)
    found = below(made, FIRECRACKER, (bar(0, "io", 0x20), bar(6, "mem32", 0x10000)))
    assert value(found, 0x10, 4) == "00 00 00 00"
    assert value(found, 0x30, 4) == "00 00 00 00"


@pytest.mark.parametrize("vmm", ALL)
def test_an_option_of_another_vmm(vmm: str) -> None:
    with pytest.raises(ValueError, match="'ats' is no option of"):
        below(chained(), vmm, ats="off")


@pytest.mark.parametrize("vmm", ALL)
def test_msix_is_off_and_its_table_size_stays(vmm: str) -> None:
    found = below(Made().std(0x11, 0x40, "1f c0 00 00 00 00 00 10 00 00"), vmm)
    assert value(found, 0x40, 4) == "11 00 1f 00"
    assert octets(found.config, "writable", 0x42, 2) == "00 c0"


@pytest.mark.parametrize("vmm", ALL)
def test_nothing_is_compared_at_a_migration(vmm: str) -> None:
    assert not any(below(chained(), vmm).config.compared)
