"""`build --host`: what was seen on a host can be made true there, and what is otherwise is found and named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from catalog.lspci import ROOT
from vpci_compile import capture, pipeline
from vpci_compile.diagnostics import Failed, Severity, Source, render_text
from vpci_compile.host import Device, Realized, read_device, realize
from vpci_compile.ir import Function
from vpci_compile.stack import Place, predict

CAPTURES = ROOT / "tests/captures"
STACK = "linux-7.2/qemu-11.1"
ENDPOINTS = (
    *("sysfs/e1000e", "sysfs/igb", "e1000.lspci", "e1000e.lspci", "igb.lspci", "igb-vf.lspci", "nvme.lspci"),
    *("nvme-integrated.lspci", "nvme-sriov.lspci", "nvme-sriov-vf.lspci", "virtio-net-modern.lspci", "cxl-type3.lspci"),
    *("virtio-net-transitional.lspci", "virtio-blk.lspci", "qemu-xhci.lspci", "megasas-gen2.lspci", "vmxnet3.lspci"),
    *("ich9-ahci.lspci", "ich9-intel-hda.lspci", "edu.lspci", "mptsas1068.lspci", "vga.lspci", "ivshmem.lspci"),
)


def compile_text(text: str) -> Function:
    return pipeline.compile_source(Source("layout.yaml", text), Path("layout.yaml")).function


def host(name: str) -> Device:
    return read_device(CAPTURES / name, None, name)


def seen(device: Device, stack: str = STACK, place: Place = Place.PORT) -> str:
    """A layout of what a guest finds of the device: bytes from the prediction, sizes of BARs as the host has them."""
    prediction = predict(device.hardware, stack, place)
    assert not prediction.refusals
    read = replace(device.capture, data=prediction.config.value, ids=None, host=None, driver="", dump=())
    text, _ = capture.layout_text(read, compile_text)
    return text


def complaints(function: Function, device: Device, stack: str = STACK, **options: str) -> str:
    with pytest.raises(Failed) as caught:
        realize(function, device, stack, options)
    return render_text(caught.value.diagnostics)


def changed(device: Device, at: int, mask: int) -> Device:
    """The same host with a device of which some bits are otherwise."""
    data = bytearray(device.capture.data)
    data[at] ^= mask
    return device._replace(
        capture=replace(device.capture, data=bytes(data)), hardware=device.hardware._replace(value=bytes(data))
    )


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize("stack", [STACK, "linux-6.1/qemu-8.2", "linux-7.2"])
def test_what_a_guest_finds_can_be_made_true(name: str, stack: str) -> None:
    device = host(name)
    realized = realize(compile_text(seen(device, stack)), device, stack, {})
    assert all(one.severity is not Severity.ERROR for one in realized.diagnostics)


@pytest.mark.parametrize("name", ["sysfs/igb", "nvme-integrated.lspci", "virtio-blk.lspci", "e1000.lspci"])
@pytest.mark.parametrize("place", [Place.ROOT, Place.CONVENTIONAL])
def test_at_other_places(name: str, place: Place) -> None:
    device = host(name)
    layout = compile_text(seen(device, place=place))
    layout = replace(layout, guest=layout.guest._replace(place=place.value))
    assert realize(layout, device, STACK, {}).prediction.place is place


# -- a device that is otherwise ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "mask", "said"),
    [
        (0x08, 0x01, "header.revision at 0x8: the layout says 0x1, a guest of linux-7.2/qemu-11.1 reads 0x0"),
        (0x42, 0x04, "VPCI2110"),  # version of power management
        (0x52, 0x80, "VPCI2110"),  # MSI: 64 bits
        (0x72, 0x01, "VPCI2110"),  # MSI-X: number of vectors
        (0xA4, 0x01, "VPCI2110"),  # PCI Express: device capabilities
        (0x100, 0x02, "VPCI2111"),  # another structure
    ],
)
def test_a_bit_of_the_device_that_is_otherwise(at: int, mask: int, said: str) -> None:
    device = host("sysfs/igb")
    text = complaints(compile_text(seen(device)), changed(device, at, mask))
    assert said in text


def test_ids_are_made_by_options() -> None:
    device = host("sysfs/igb")
    realized = realize(compile_text(seen(device)), changed(changed(device, 0x02, 1), 0x2E, 1), STACK, {})
    made = {name: text for name, text in realized.options.items() if name != "driver"}
    assert made == {"x-pci-device-id": "0x10c9", "x-pci-sub-device-id": "0x1100"}


def test_an_id_that_a_release_cannot_be_told() -> None:
    device = host("sysfs/igb")
    other = changed(device, 0x0A, 0x80)
    assert int(realize(compile_text(seen(device)), other, STACK, {}).options["x-pci-class-code"], 16) == 0x020000
    assert "class" in complaints(compile_text(seen(device, "linux-7.2/qemu-9.2")), other, "linux-7.2/qemu-9.2")
    assert "class" in complaints(compile_text(seen(device, "linux-7.2")), other, "linux-7.2")


def test_volatile_bytes_are_not_compared() -> None:
    device = host("sysfs/igb")
    layout = compile_text(seen(device))
    for at, mask in ((0x04, 0x01), (0x0C, 0xFF), (0x3C, 0x0F), (0xAA, 0x01), (0x104, 0x10)):
        assert isinstance(realize(layout, changed(device, at, mask), STACK, {}), Realized)


def test_multifunction_and_a_rom_that_is_not_wanted() -> None:
    device = host("sysfs/e1000e")
    text = seen(device).replace("identity: {", "identity: {multifunction: true, ")
    without = "\n".join(line for line in text.splitlines() if not line.startswith("  rom:")) + "\n"
    realized = realize(compile_text(without), device, STACK, {})
    assert realized.options["multifunction"] == "on"
    assert realized.options.get("rombar", "off") == "off"


def test_another_kernel_hides_more() -> None:
    device = host("cxl-type3.lspci")
    layout = compile_text(seen(device))
    text = complaints(layout, device, "linux-6.1/qemu-11.1")
    assert "VPCI2111" in text
    assert "dvsec" in text
    assert "unlinks extended capability 0x0023" in text


def test_a_layout_of_the_device_itself_hears_what_the_stack_hides() -> None:
    device = host("sysfs/igb")
    text = complaints(device.function, device)
    assert "sriov: the layout has it at 0x160, 64 bytes, a guest of linux-7.2/qemu-11.1 finds it nowhere" in text
    assert "QEMU unlinks SR-IOV; its bytes can still be read at 0x160 [vfio_add_ext_cap, executed]" in text
    assert "the stack hides it: source: hidden, style: unlinked" in text
    assert "no such structure" not in text


def test_options_of_the_user_stay() -> None:
    device = host("sysfs/igb")
    text = complaints(compile_text(seen(device)), device, **{"x-pci-vendor-id": "0x1234"})
    assert "identity" in text or "vendor" in text
