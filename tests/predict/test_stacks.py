"""Stacks by name, and what can be said of each."""

from __future__ import annotations

import re

import pytest

from vpci_compile.stack import Hardware, Place, parse, predict

from .crafting import Made


@pytest.mark.parametrize(
    ("stack", "words", "text"),
    [
        ("linux-7.2/qemu-10.0", {"x-pci-class-code": "0x030200"}, "since 10.1"),
        ("linux-7.2/qemu-11.0", {"ats": "off"}, "since 11.1"),
        ("linux-7.2/qemu-10.2", {"x-vpasid-cap-offset": "0xff8"}, "since 11.0"),
        ("linux-7.2/qemu-11.1", {"machine": "q35"}, "machine: 'q35' is no release"),
        (
            "linux-7.2/qemu-11.1",
            {"x-vpasid-cap-offset": "0x10000"},
            "x-vpasid-cap-offset: '0x10000' is outside 0..0xffff",
        ),
        ("linux-7.2/qemu-11.1", {"viommu-pasid": "perhaps"}, "viommu-pasid: 'perhaps' is none of on"),
        ("linux-7.2", {"ats": "off"}, "'ats' is an option of a VMM, and linux-7.2 has none"),
    ],
)
def test_what_a_stack_cannot_be_told(stack: str, words: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        predict(Hardware(Made().express().value), stack, Place.PORT, words)


@pytest.mark.parametrize(
    ("stack", "machine", "skipped"),
    [
        ("qemu-11.1", "", True), ("qemu-11.1", "9.0", False), ("qemu-11.1", "pc-q35-9.1", True),
        ("qemu-9.0", "", False), ("qemu-9.1", "9.1", True), ("qemu-9.1", "virt-8.2", False),
    ],
)  # fmt: skip
def test_a_machine_type_says_whether_vendor_bytes_are_compared(stack: str, machine: str, skipped: bool) -> None:
    made = Made().std(0x09, 0x40, "10").std(0x01, 0x60)
    found = predict(Hardware(made.value), stack, options={"machine": machine} if machine else {})
    assert found.config.compared[0x43] == (0 if skipped else 0xFF)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("xen-4.0", "no stack"), ("linux-7.2/linux-7.2", "no stack"), ("qemu-11.1/linux-7.2", "no stack"),
        ("linux", "no program with its release"), ("linux-7", "no program"), ("", "no program"),
        ("linux-4.19", "releases 5.10 to 7.2 are known"), ("linux-8.0", "releases"),
        ("qemu-6.0", "releases 7.2 to 11.1"),
        ("linux-7.2/qemu-11.1/qemu-11.1", "no stack"), ("crosvm-127.0", "releases 2026.8 to 2026.8"),
    ],
)  # fmt: skip
def test_what_is_no_stack(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=re.escape(what)):
        parse(text)


@pytest.mark.parametrize("text", ["linux-7.2", "qemu-11.1", "linux-5.10/qemu-7.2", "linux-6.12/cloud-hypervisor-53.0"])
def test_a_stack_is_written_as_it_is_read(text: str) -> None:
    assert parse(text).name == text
    assert parse(text.replace("linux-7.2", "linux-7.2.13")).name == text
