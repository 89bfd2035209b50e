"""What a layout needs of a host beside its bytes, and what is dangerous though it is shown rightly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vpci_compile import pipeline
from vpci_compile.capture import Capture, HostFacts, IommuFacts
from vpci_compile.diagnostics import Failed, Source, render_text
from vpci_compile.host import Device, hazards, realize
from vpci_compile.host import predict as foretell
from vpci_compile.ir import Function
from vpci_compile.pipeline import Compiled
from vpci_compile.stack import Hardware, Place

from .crafting import Made

STACK = "linux-7.2/qemu-11.1"
HEAD = """\
vpci: 1
device: x
identity: {vendor: 0x1234, device: 0x0001, class: 0xff0000}
capabilities:
  - cap: pcie
    at: 0x40
    source: copied
    fields: {flags.version: 2, devcap2.ee_prefix: 1}
    volatile: [devsta, lnksta, lnksta2, flags.irq, devcap.pwr_val, devcap.pwr_scl, devctl, lnkcap.l0s_exit,
               lnkcap.l1_exit, lnkctl, devctl2, lnkctl2]
physical: {}
targets: []
"""
STILL = "migration: {migrates: false}\n"
ATS = "extended: [{cap: ats, at: 0x100, source: copied, volatile: [ctrl]}]\n"
PASID = """\
extended:
  - {cap: dsn, at: 0x100, source: copied}
  - {cap: pasid, at: 0xff8, source: synthesized, fields: {max_width: 16, exec: 1, priv: 1}}
"""
OFFERS = IommuFacts(max_pasid_log2=20, pasid_exec=True, pasid_priv=True, ats=True, dirty_tracking=True)


def layout(text: str) -> Function:
    return pipeline.compile_source(Source("x.yaml", HEAD + text), Path("x.yaml")).function


def device(made: Made, facts: HostFacts | None = None, driver: str = "vfio-pci") -> Device:
    read = Capture("0000:01:00.0", "host.capture", made.value, driver=driver, host=facts)
    return Device(read, Compiled(layout(STILL), ()), Hardware(made.value))


def with_ats() -> Made:
    return Made().express().put(0x64, "00 00 20 00").ext(0x0F, 0x100)


def with_dsn() -> Made:
    return Made().express().put(0x64, "00 00 20 00").ext(0x03, 0x100)


def said(text: str, made: Made, facts: HostFacts | None, stack: str = STACK, driver: str = "vfio-pci") -> str:
    """Everything that is said of the layout on this host."""
    try:
        realized = realize(layout(text), device(made, facts, driver), stack, {})
    except Failed as error:
        return render_text(error.diagnostics)
    return render_text(realized.diagnostics)


def test_a_host_with_everything() -> None:
    facts = HostFacts("7.2.13", iommu=OFFERS, migration=frozenset({"stop-copy"}))
    assert said(ATS + STILL, with_ats(), facts) == ""
    assert said(ATS + "migration: {migrates: true}\n", with_ats(), facts) == ""


# -- ATS and PASID -------------------------------------------------------------------------------------------------


def test_ats_that_is_not_supported() -> None:
    facts = HostFacts(iommu=replace(OFFERS, ats=False))
    assert "error[VPCI2113]: the layout shows ATS" in said(ATS + STILL, with_ats(), facts)
    assert "warning[VPCI2114]" in said(ATS + STILL, with_ats(), None)
    assert "warning[VPCI2114]" in said(ATS + STILL, with_ats(), HostFacts("7.2.1"))


def test_a_server_has_no_host_to_ask() -> None:
    assert said(ATS + STILL, with_ats(), None, "qemu-11.1") == ""


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (replace(OFFERS, max_pasid_log2=0), "offers no PASID"),
        (replace(OFFERS, max_pasid_log2=15), "PASID of 16 bits, and the host offers 15"),
        (
            replace(OFFERS, max_pasid_log2=16, pasid_exec=False),
            "PASID with execute permission, and the host offers none",
        ),
        (replace(OFFERS, max_pasid_log2=16, pasid_priv=False), "with privileged permission, and the host offers none"),
    ],
)
def test_pasid_that_the_host_has_not(facts: IommuFacts, text: str) -> None:
    found = said(PASID + STILL, with_dsn(), HostFacts(iommu=facts))
    assert "error[VPCI2113]" in found
    assert text in found


def test_pasid_as_the_host_has_it() -> None:
    facts = HostFacts(iommu=replace(OFFERS, max_pasid_log2=16))
    realized = realize(layout(PASID + STILL), device(with_dsn(), facts), STACK, {})
    assert (realized.options["x-vpasid-cap-offset"], realized.options["viommu-pasid"]) == ("0xff8", "on")
    # QEMU shows what the host has: more of it is another function.
    found = said(PASID + STILL, with_dsn(), HostFacts(iommu=OFFERS))
    assert "VPCI2110" in found
    assert "max_width" in found


def test_pasid_of_a_host_that_does_not_say() -> None:
    found = said(PASID + STILL, with_dsn(), None)
    assert "warning[VPCI2114]: the capture does not say which PASID" in found
    assert "error" not in found


@pytest.mark.parametrize("stack", ["linux-7.2/qemu-10.2", "linux-7.2", "linux-7.2/crosvm-2026.8"])
def test_pasid_of_a_stack_that_has_none(stack: str) -> None:
    assert "VPCI2111" in said(PASID + STILL, with_dsn(), HostFacts(iommu=replace(OFFERS, max_pasid_log2=16)), stack)


# -- migration, kernel, driver -------------------------------------------------------------------------------------

MOVES = ATS + "migration: {migrates: true}\n"


def test_a_driver_that_does_not_migrate() -> None:
    facts = HostFacts(iommu=OFFERS, migration=frozenset())
    assert "error[VPCI2113]: the layout migrates, and the driver 'vfio-pci' of the host cannot" in said(
        MOVES, with_ats(), facts
    )
    assert "warning[VPCI2114]: the layout migrates" in said(MOVES, with_ats(), HostFacts(iommu=OFFERS))


@pytest.mark.parametrize(
    ("logging", "dirty", "fine"),
    [(True, False, True), (False, True, True), (False, False, False), (None, False, False)],
)
def test_somebody_must_track_what_was_written(logging: bool | None, dirty: bool, fine: bool) -> None:
    iommu = replace(OFFERS, dirty_tracking=dirty)
    facts = HostFacts(iommu=iommu, migration=frozenset({"stop-copy", "p2p"}), dma_logging=logging)
    assert ("tracks which memory was written" in said(MOVES, with_ats(), facts)) is not fine


@pytest.mark.parametrize(
    ("kernel", "text"),
    [
        ("7.2.13", ""), ("7.2.0-rc1+deb14-amd64", ""), ("", ""),
        ("6.12.57+deb13-amd64", "the host runs Linux 6.12.57+deb13-amd64, and the stack names 7.2"),
        ("5.4.0-100-generic", "the host runs Linux 5.4.0-100-generic, whose rules are not known"),
    ],
)  # fmt: skip
def test_the_kernel_of_the_host(kernel: str, text: str) -> None:
    found = said(ATS + STILL, with_ats(), HostFacts(kernel, iommu=OFFERS))
    assert text in found if text else found == ""


def test_the_driver_that_has_the_device() -> None:
    found = said(ATS + STILL, with_ats(), HostFacts(iommu=OFFERS), driver="mlx5_vfio_pci")
    assert "the layout needs the driver 'vfio-pci', and 'mlx5-vfio-pci' had the device" in found


# -- hazards -------------------------------------------------------------------------------------------------------


def warnings(made: Made, stack: str = STACK, facts: HostFacts | None = None, **options: str) -> str:
    words = {name.replace("_", "-"): text for name, text in options.items()}
    return render_text(foretell(device(made, facts), stack, Place.PORT, words).diagnostics)


@pytest.mark.parametrize("own", sorted(hazards.CONTROLS))
def test_a_hidden_control_can_be_written(own: int) -> None:
    made = Made().express().ext(0x03, 0x100).ext(own, 0x140, "00 14 00 00")
    found = warnings(made)
    assert f"warning[VPCI2103]: {hazards.CONTROLS[own]} at 0x140 is hidden" in found
    assert "VPCI2103" not in warnings(made, "qemu-11.1")  # a server shows what it wants to show


@pytest.mark.parametrize("own", [0x1E, 0x1F, 0x25])
def test_what_controls_nothing_is_not_worth_a_warning(own: int) -> None:
    assert warnings(Made().express().ext(0x03, 0x100).ext(own, 0x140)) == ""


def test_a_synthesized_pasid_over_the_device_s_own() -> None:
    made = Made().express().ext(0x03, 0x100).ext(0x1B, 0x140, "00 14 07 00")
    facts = HostFacts(iommu=OFFERS)
    found = warnings(made, facts=facts, x_vpasid_cap_offset="0x140", viommu_pasid="on")
    assert "warning[VPCI2102]: the synthesized PASID capability at 0x140..0x147" in found
    assert "the device's own extended capability 0x1b at 0x140" in found
    found = warnings(made, facts=facts, viommu_pasid="on")
    assert "VPCI2102" not in found


def test_a_synthesized_pasid_over_bytes_of_nobody() -> None:
    made = Made().express().ext(0x03, 0x100).put(0xFF8, "00 00 00 01")
    found = warnings(made, facts=HostFacts(iommu=OFFERS), viommu_pasid="on")
    assert "bytes of the device that are not zero" in found or "own extended capability 0x3" in found
