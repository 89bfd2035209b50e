"""How long the headers and the standard structures are, byte by byte from the specifications' figures."""

from __future__ import annotations

import pytest

from vpci_compile import catalog
from vpci_compile.catalog import Chain, View

# name, (offset, bytes in hex) that decide, header type, length
CASES = [
    ("pm", (2, "0300"), 0, 8),
    ("agp", (2, "30"), 0, 12),
    ("vpd", (2, "0080"), 0, 8),
    ("slotid", (2, "2001"), 1, 4),
    ("msi", (2, "0000"), 0, 10),
    ("msi", (2, "8000"), 0, 14),
    ("msi", (2, "0001"), 0, 20),
    ("msi", (2, "8001"), 0, 24),
    ("msi", (2, "0002"), 0, 12),  # extended message data
    ("msi", (2, "8002"), 0, 16),
    ("msi", (2, "8003"), 0, 24),
    ("cpci-hotswap", (2, "00"), 0, 4),
    ("pcix", (2, "0000"), 0, 8),
    ("pcix", (2, "0010"), 0, 24),
    ("pcix", (2, "0020"), 0, 24),
    ("pcix", (2, "0000"), 1, 16),
    ("pcix", (2, "0010"), 1, 32),
    ("ht", (2, "0000"), 0, 28),  # slave or primary
    ("ht", (2, "001c"), 0, 28),
    ("ht", (2, "0020"), 0, 24),  # host or secondary
    ("ht", (2, "01a8"), 0, 12),  # MSI mapping, with an address
    ("ht", (2, "03a8"), 0, 4),  # MSI mapping, fixed
    ("ht", (2, "0080"), 0, 8),  # interrupt discovery
    ("ht", (2, "6088"), 0, 4),  # revision
    ("ht", (2, "00c0"), 0, 12),  # retry mode
    ("vndr", (2, "14"), 0, 0x14),
    ("vndr", (2, "00"), 0, 3),  # a length that cannot be: the length byte itself is there
    ("vndr", (2, "03"), 0, 3),
    ("vndr", (2, "ff"), 0, 0xFF),
    ("debug", (2, "a020"), 0, 4),
    ("cpci-resource", (2, "0000"), 0, 4),
    ("shpc", (2, "0000"), 1, 8),
    ("ssvid", (4, "22101453"), 1, 8),
    ("agp3", (2, "0000"), 1, 4),
    ("secdev", (2, "1000"), 0, 4),
    ("secdev", (2, "0b19"), 0, 24),  # IOMMU with the extension
    ("secdev", (2, "0b01"), 0, 20),
    ("pcie", (2, "0100"), 0, 0x14),
    ("pcie", (2, "1100"), 0, 0x14),
    ("pcie", (2, "0000"), 0, 0x14),  # version 0, as some virtual functions have
    ("pcie", (2, "4100"), 1, 0x24),
    ("pcie", (2, "4101"), 1, 0x24),
    ("pcie", (2, "5100"), 1, 0x14),
    ("pcie", (2, "6100"), 1, 0x14),
    ("pcie", (2, "6101"), 1, 0x1C),
    ("pcie", (2, "7100"), 1, 0x14),
    ("pcie", (2, "8101"), 1, 0x1C),
    ("pcie", (2, "9100"), 0, 0x0C),
    ("pcie", (2, "a100"), 0, 0x24),
    *(("pcie", (2, f"{kind:x}200"), 0, 0x3C) for kind in (0, 1, 4, 5, 6, 7, 8, 9, 10)),
    ("msix", (2, "0f80"), 0, 12),
    ("sata", (4, "48000000"), 0, 8),
    ("sata", (4, "0f000000"), 0, 16),
    ("af", (2, "0603"), 0, 6),
    ("ea", (2, "0000"), 0, 4),
    ("ea", (2, "0000"), 1, 8),
    ("ea", (2, "020002000080" + "00" * 8 + "04000080" + "00" * 16), 0, 4 + 12 + 20),
    ("ea", (2, "01000102000002000080" + "00" * 8), 1, 8 + 12),
    ("fpb", (4, "07000000"), 1, 0x24),
]


@pytest.mark.parametrize(("name", "bits", "header_type", "length"), CASES)
def test_standard_length(name: str, bits: tuple[int, str], header_type: int, length: int) -> None:
    body = bytearray(256)
    offset, digits = bits
    body[offset : offset + len(digits) // 2] = bytes.fromhex(digits)
    assert View(catalog.by_name(Chain.STANDARD, name), body, header_type=header_type).length == length


def test_every_standard_capability_has_a_case() -> None:
    by_id = (catalog.by_id(Chain.STANDARD, number) for number in range(256))
    assert {name for name, *_ in CASES} == {capability.name for capability in by_id if capability}


@pytest.mark.parametrize(("name", "length"), [("type0", 64), ("type1", 64), ("type2", 128)])
def test_header_length(name: str, length: int) -> None:
    assert View(catalog.by_name(Chain.HEADER, name), bytes(256)).length == length


@pytest.mark.parametrize(
    ("version", "kind", "slot", "last"),
    [
        (1, 0, 0, "lnksta"), (1, 9, 0, "devsta"), (1, 6, 1, "sltsta"), (1, 4, 0, "rtsta"), (1, 10, 0, "rtsta"),
        (2, 0, 0, "lnksta2"), (2, 9, 0, "devsta2"), (2, 4, 1, "sltsta2"), (2, 6, 0, "lnksta2"),
    ],
)  # fmt: skip
def test_last_register_of_pci_express(version: int, kind: int, slot: int, last: str) -> None:
    """The registers that a type of function has no use for do not exist, though version 2 leaves their place."""
    body = bytes([0x10, 0, kind << 4 | version, slot]) + bytes(0x38)
    view = View(catalog.by_name(Chain.STANDARD, "pcie"), body)
    names = [place.name for place in view.places()]
    assert names[-1] == last
    assert ("lnkcap" in names) == (kind not in (9, 10))
    assert ("sltcap" in names) == bool(slot)
    assert ("rtctl" in names) == (kind in (4, 10))
    assert ("devcap2" in names) == (version == 2)
