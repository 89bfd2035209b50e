"""How long a structure is, against lengths that were worked out by hand.

Every case gives the structure's bytes as dwords (offset: value) and its length, and says where the number comes from.
"Linux" is the length that vfio-pci uses to decide which bytes of a function belong to which capability; where it
differs from the specification, on purpose or not, the case holds the specification's number and the comment Linux's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from vpci_compile import catalog
from vpci_compile.catalog import Chain, View


@dataclass(frozen=True)
class Case:
    """A structure of the catalogue, its dwords that are not 0, and the length it must have."""

    name: str
    length: int
    dwords: dict[int, int] = field(default_factory=dict)
    room: int = 0x400
    header_type: int = 0

    @property
    def chain(self) -> Chain:
        return Chain.EXTENDED if self.name in catalog.names(Chain.EXTENDED) else Chain.STANDARD


# PCIe 6.0 7.7 to 7.9, 9.3, 10.5. Linux has the same for the first eight, and hides all the others.
FIXED = {
    "dsn": 12, "pwr": 16, "ari": 8, "ats": 8, "sriov": 0x40, "pri": 16, "ltr": 8, "mcast": 40, "rcilc": 12,
    "rcrb": 0x14, "cac": 8, "pasid": 8, "lnr": 8, "ptm": 12, "frs": 16, "rtr": 12, "dlf": 12, "hierarchy-id": 32,
    "npem": 16, "sfi": 20, "doe": 24, "dev3": 16, "mpcie": 0x1C,
}  # fmt: skip

NEWEST = 0x31  # PCI_EXT_CAP_ID_MAX of Linux 7.2

CASES = [
    # -- standard chain ------------------------------------------------------------------------------------------
    # PCI PM 1.2 chapter 3; Linux 8.
    Case("pm", 8),
    # PCI 3.0 6.8.1: 10 bytes, 4 more with 64-bit addresses (bit 23 of the first dword), 10 more with masks (bit 24):
    # two bytes that fill the dword, then mask and pending dword. Linux computes the same.
    Case("msi", 10, {0: 0x0000_0005}),
    Case("msi", 14, {0: 0x0080_0005}),
    Case("msi", 20, {0: 0x0100_0005}),
    Case("msi", 24, {0: 0x0180_0005}),
    Case("msi", 24, {0: 0x01FF_0005}),  # the other bits of Message Control change nothing
    # PCI 3.0 6.8.2; Linux 12. The size of the table is that of the table in BAR memory.
    Case("msix", 12, {0: 0x07FF_0011}),
    # PCI 3.0 appendix I; Linux 8.
    Case("vpd", 8),
    # PCIe 6.0 7.5.3: version in bits 19..16, port type in bits 23..20. Version 1 has only what the type needs: device
    # and link registers 0x14 (Linux 0x14), device registers only for a root complex integrated endpoint 0x0c (Linux
    # 0x0c), slot registers for a port with a slot (bit 24) 0x1c, root registers 0x24.
    Case("pcie", 0x14, {0: 0x0001_0010}),
    Case("pcie", 0x14, {0: 0x0011_0010}),
    Case("pcie", 0x0C, {0: 0x0091_0010}),
    Case("pcie", 0x24, {0: 0x0041_0010}),
    Case("pcie", 0x1C, {0: 0x0161_0010}),
    # Version 2 has all, up to Slot Status 2. Linux stops behind Link Status 2, at 0x34, and for a root complex
    # integrated endpoint behind Device Status 2, at 0x2c: what follows it leaves to the guest unfiltered.
    Case("pcie", 0x3C, {0: 0x0002_0010}),
    Case("pcie", 0x3C, {0: 0x0092_0010}),
    Case("pcie", 0x3C, {0: 0x0042_0010}),
    # PCI 3.0 appendix H: the third byte is the length; Linux trusts it as it is, and hides the structure when it is 0.
    Case("vndr", 0x10, {0: 0x0010_0009}),
    Case("vndr", 0x50, {0: 0x0150_0009}),
    Case("vndr", 3, {0: 0x0000_0009}),
    # PCI-X 2.0 7: version in bits 29..28, 8 without ECC registers, 24 with them; Linux the same. A bridge: 16 and 32.
    Case("pcix", 8, {0: 0x0000_0007}),
    Case("pcix", 24, {0: 0x1000_0007}),
    Case("pcix", 16, {0: 0x0000_0007}, header_type=1),
    Case("pcix", 32, {0: 0x1000_0007}, header_type=1),
    # HyperTransport 3.10 7: slave or primary 28, host or secondary 24, by the three upper bits. Linux the same
    # for these two, and 24 for any other, of which the specification says for MSI mapping: 4 with the fixed
    # address (bit 17), else 12.
    Case("ht", 28, {0: 0x0000_0008}),
    Case("ht", 24, {0: 0x2000_0008}),
    Case("ht", 4, {0: 0xA802_0008}),
    Case("ht", 12, {0: 0xA800_0008}),
    # AHCI 1.3.1 2: index-data pair inside the structure when the BAR location is 15; Linux the same.
    Case("sata", 16, {4: 0x0000_000F}),
    Case("sata", 8, {4: 0x0000_0014}),
    # AMD IOMMU 48882 3.2: 20, and one more register with CapExt (bit 28). Linux hides it.
    Case("secdev", 20, {0: 0x0003_000F}),
    Case("secdev", 24, {0: 0x1003_000F}),
    # PCI-SIG ECN Advanced Capabilities for Conventional PCI; Linux 6.
    Case("af", 6),
    # PCIe 6.0 7.8.5: entries from 0x04 (bridges: 0x08), each a dword and as many as its bits 2..0 say. Linux hides it.
    Case("ea", 4, {0: 0x0000_0014}),
    Case("ea", 4 + 12 + 16, {0: 0x0002_0014, 0x04: 0x8000_0002, 0x10: 0x8000_0013}),
    Case("ea", 4 + 20 + 12, {0: 0x0002_0014, 0x04: 0x8000_0004, 0x18: 0x8000_0002}),
    Case("ea", 8 + 12, {0: 0x0001_0014, 0x04: 0x8000_0007, 0x08: 0x8000_0002}, header_type=1),
    # -- extended chain ------------------------------------------------------------------------------------------
    # PCIe 6.0 7.8.4: up to the header log 0x2c, of which Linux is content for every function. Root ports and event
    # collectors have the root registers, to 0x38: here told by Root Error Status, bits 31..27.
    Case("aer", 0x2C, {0: 0x0001_0001}),
    Case("aer", 0x38, {0: 0x0001_0001, 0x30: 0x0800_0000}),
    Case("aer", 0x38, {0: 0x0001_0001, 0x2C: 0x0000_0007}),
    # Version 2 is that of a function that takes TLP prefixes: four more dwords of log at 0x38. QEMU's is 0x48, too.
    Case("aer", 0x48, {0: 0x0002_0001}),
    Case("aer", 0x48, {0: 0x0001_0001, 0x18: 0x0000_0800}),
    # ... but where the next structure stands at 0x140, behind one at 0x100, that log cannot be there.
    Case("aer", 0x2C, {0: 0x0002_0001}, room=0x40),
    # Flit Mode: 14 dwords of header log, the first four at 0x1c, ten at 0x38; Header Log Size is bits 17..13.
    Case("aer", 0x60, {0: 0x0003_0001, 0x18: 14 << 13}),
    Case("aer", 0x60, {0: 0x0003_0001}),
    # PCIe 6.0 7.9.1: 0x10, and 0x0c for each of 1 + EVCC (bits 2..0 of 0x04) resources. Linux the same.
    Case("vc", 0x1C, {}),
    Case("vc", 0x28, {0x04: 1}),
    Case("vc", 0x10 + 8 * 0x0C, {0x04: 7}),
    # A VC arbitration table at 16 times bits 31..24 of 0x08, four bits a phase: 32 phases are 16 bytes, 64 are 32, 128
    # are 64. Linux takes it to follow the resources at the next multiple of 16, the specification where it says.
    Case("vc", 0x30 + 16, {0x04: 1, 0x08: 0x0300_0002}),
    Case("vc", 0x30 + 32, {0x04: 1, 0x08: 0x0300_0006}),
    Case("vc", 0x30 + 64, {0x04: 1, 0x08: 0x0300_000E}),
    Case("vc", 0x70 + 64, {0x04: 7, 0x08: 0x0700_0008}),
    Case("vc", 0x28, {0x04: 1, 0x08: 0x0000_000E}),  # phases but no offset: no table
    Case("vc", 0x28, {0x04: 1, 0x08: 0x0300_0001, 0x10: 0x0500_0001}),  # offsets but no phases
    # A port arbitration table of a resource: offset in bits 31..24 of its capability, phases in bits 5..1, bits an
    # entry in bits 11..10 of 0x04 (a power of 2). 64 phases of 2 bits are 16 bytes. Linux does not count these.
    Case("vc", 0x20 + 16, {0x04: 0x0000_0400, 0x10: 0x0200_0004}),
    Case("vc", 0x20 + 256, {0x04: 0x0000_0C00, 0x10: 0x0200_0020}),  # 256 phases of 8 bits
    Case("vc", 0x50 + 16, {0x04: 0x0000_0001, 0x10: 0x0300_0002, 0x1C: 0x0500_0018}),  # 4 bytes at 0x30, 16 at 0x50
    Case("vc9", 0x28, {0x04: 1}),
    Case("mfvc", 0x30 + 64, {0x04: 1, 0x08: 0x0300_0008}),
    Case("mfvc", 0x20 + 16, {0x04: 0x0000_0800, 0x10: 0x0200_0002}),  # 32 phases of 4 bits
    *(Case(name, size) for name, size in FIXED.items()),
    Case("doe", 24, {0: 0x0002_002E}),  # version 2 adds bits, no registers
    # PCIe 6.0 7.9.8: 0x10, and 16 for each link entry (bits 15..8 of 0x04).
    Case("rcld", 0x10),
    Case("rcld", 0x20, {0x04: 0x0000_0100}),
    Case("rcld", 0x10 + 16 * 5, {0x04: 0x0F00_0502}),
    # PCIe 6.0 7.9.10: the bus numbers came with version 2.
    Case("rcec", 8, {0: 0x0001_0007}),
    Case("rcec", 12, {0: 0x0002_0007}),
    # PCIe 6.0 7.9.5, 7.9.6: bits 31..20 of 0x04 are the length, header included. Linux trusts it as it is.
    Case("vsec", 0x10, {0x04: 0x0100_0000}),
    Case("vsec", 0xFFF, {0x04: 0xFFF0_0000}),
    Case("vsec", 8, {0x04: 0x0000_0000}),
    Case("dvsec", 0x38, {0x04: 0x0381_1E98}),
    Case("dvsec", 0x3C, {0x04: 0x03C3_1E98, 0x08: 0x0000_0000}),
    Case("dvsec", 10, {0x04: 0x0000_8086}),
    # our own variant covers the gap that it marks; DVSEC headers are 10 bytes, a structure of whole dwords 12
    Case("free-space", 0xE00, {0x04: 0xE000_1234}),
    Case("free-space", 12, {0x04: 0x0000_1234}),
    Case("space-table", 0x14, {0x04: 0x0140_1234}),
    # PCIe 6.0 7.7.11: 8; with P2P Egress Control (bit 5) a vector of as many bits as bits 15..8 say, 0 for 256, in
    # whole dwords. Linux the same.
    Case("acs", 8, {0x04: 0x0000_FF5F}),
    Case("acs", 12, {0x04: 0x0000_0120}),
    Case("acs", 12, {0x04: 0x0000_2020}),
    Case("acs", 16, {0x04: 0x0000_2120}),
    Case("acs", 40, {0x04: 0x0000_0020}),
    Case("acs", 40, {0x04: 0x0000_FF20}),
    # PCIe 6.0 7.9.11: 40 for an endpoint (Linux: for all), 48 with the overlay BAR of a port.
    Case("mcast", 40),
    Case("mcast", 48, header_type=1),
    # PCIe 6.0 7.8.6, 7.8.7: 4, and 8 for each BAR (bits 7..5 of the first control register). Linux the same.
    Case("rebar", 12, {0x08: 0x0000_0020}),
    Case("rebar", 28, {0x08: 0x0000_0060}),
    Case("rebar", 52, {0x08: 0x0000_1FC5}),
    Case("vf-rebar", 20, {0x08: 0x0000_0040}),
    # PCIe 6.0 7.9.12: 16, and a byte for each of 1 + Substate_Max (bits 4..0) substates. Linux the same.
    Case("dpa", 17),
    Case("dpa", 48, {0x04: 0x0000_001F}),
    # PCIe 6.0 7.9.13: 12; with the table in the structure (bits 10..9 are 1) two bytes for each of 1 + ST Table Size
    # (bits 26..16) entries. Linux the same.
    Case("tph", 12, {0x04: 0x00FF_0000}),
    Case("tph", 12, {0x04: 0x00FF_0400}),
    Case("tph", 14, {0x04: 0x0000_0200}),
    Case("tph", 12 + 2 * 64, {0x04: 0x003F_0205}),
    # PCIe 6.0 7.7.3, .5, .6, .7, .10: two, one, one, one and four bytes a lane, and the lanes are not in the structure.
    Case("secpci", 0x0C + 32),
    Case("secpci", 0x0C + 8, room=0x14),
    Case("pl16", 0x20 + 16),
    Case("pl16", 0x24, room=0x24),
    Case("pl32", 0x20 + 16),
    Case("pl64", 0x28, room=0x28),
    Case("lmr", 8 + 64),
    Case("lmr", 8 + 16, room=0x18),
    # PCIe 6.0 G.5: 16, and a dword for each protocol (bits 5..0 of 0x04).
    Case("pmux", 16),
    Case("pmux", 16 + 4 * 63, {0x04: 0x0000_0F3F}),
    # PCIe 6.0 7.9.14: 12; a root port with extensions (bit 5 of 0x04) has 0x20, and a dword of log for each of the RP
    # PIO Log Size (bits 11..8, and 13 above them).
    Case("dpc", 0x0C, {0x04: 0x0000_00C0}),
    Case("dpc", 0x20, {0x04: 0x0000_0020}),
    Case("dpc", 0x30, {0x04: 0x0000_0420}),
    Case("dpc", 0x44, {0x04: 0x0000_0920}),
    Case("dpc", 0x20 + 4 * 19, {0x04: 0x0000_2320}),
    # PCIe 6.0 7.8.3: the status register exists with Link Activation (bit 5).
    Case("l1ss", 16, {0x04: 0x0000_001F}),
    Case("l1ss", 20, {0x04: 0x0000_0020}),
    # PCIe 6.0 7.9.20: 20; with selective enables (bit 8) a bit for each protocol, in whole dwords.
    Case("altproto", 20, {0x04: 0x0000_0003}),
    Case("altproto", 24, {0x04: 0x0000_0103}),
    Case("altproto", 28, {0x04: 0x0000_0121}),
    # PCIe 6.0 7.9.26: 12; with link streams (bit 0) 8 for each of 1 + bits 15..13; with selective streams (bit 1) for
    # each of 1 + bits 23..16 a block of 20, and 12 for each of its address associations (bits 3..0 of the block).
    Case("ide", 12, {0x04: 0x00FF_E000}),
    Case("ide", 12 + 8, {0x04: 0x0000_0001}),
    Case("ide", 12 + 8 * 8, {0x04: 0x0000_E001}),
    Case("ide", 12 + 20, {0x04: 0x0000_0002}),
    Case("ide", 12 + 20 + 44 + 20, {0x04: 0x0002_0002, 0x20: 2}),  # blocks at 0x0c, 0x20 (24 more) and 0x4c
    Case("ide", 12 + 16 + 56 + 32, {0x04: 0x0001_2003, 0x1C: 3, 0x54: 1}),  # blocks at 0x1c (36 more) and 0x54
    # No public definition: all there is.
    Case("amd", 0x80, room=0x80),
    Case("mriov", 0x60, room=0x60),
    Case("shadow", 0x1C, room=0x1C),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.length:#x}")
def test_length(case: Case) -> None:
    body = bytearray(case.room)
    for offset, value in case.dwords.items():
        body[offset : offset + 4] = value.to_bytes(4, "little")
    view = View(catalog.by_name(case.chain, case.name), body, case.room, case.header_type)
    assert view.length == case.length


def test_every_extended_capability_of_linux_has_a_case() -> None:
    """A capability that somebody adds later needs no case here: one file is enough."""
    known = {entry.name for entry in catalog.everything() if entry.chain is Chain.EXTENDED and entry.id <= NEWEST}
    assert {case.name for case in CASES} >= known


def test_every_rule_of_the_standard_chain_has_a_case() -> None:
    variable = {
        name for name in catalog.names(Chain.STANDARD) if isinstance(catalog.by_name(Chain.STANDARD, name).length, str)
    }
    assert {case.name for case in CASES} >= variable
