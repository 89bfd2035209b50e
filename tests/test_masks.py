"""Who answers, what a write does, what is compared: masks by hand from the register types of PCIe 6.0 (table 7-2).

RW and RWS: writable, RW1C and RW1CS: cleared by a 1, everything else takes no write. Where the device answers, the same
bits are passed on to it instead.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from compiling import EXPRESS, HEAD, compiled, octets, structure
from vpci_compile import ir
from vpci_compile.ir import MASKS, Function


class Masks(NamedTuple):
    """Expected bytes of a run: each mask in hex, or one octet for all of them."""

    emulated: str
    writable: str
    w1c: str
    forwarded: str
    compared: str


def check(function: Function, at: int, length: int, expected: Masks) -> None:
    for name, text in zip(MASKS, expected, strict=True):
        whole = " ".join([text] * length) if len(text) == 2 else " ".join(text.split())
        assert octets(function, at, length, name) == whole, name


# -- synthesized: the VMM answers every bit ------------------------------------------------------------------------


def test_synthesized_pasid() -> None:
    text = "extended: [{cap: pasid, at: 0x100, source: synthesized, fields: {max_width: 20, priv: 1}}]\n"
    function = compiled(EXPRESS + text)
    assert octets(function, 0x100, 8) == "1b 00 01 00 04 14 00 00"
    # 7.8.9.3 PASID Control: Enable, Execute Permission Enable, Privileged Mode Enable (bits 2..0) RW; QEMU: 0x7, too
    check(
        function, 0x100, 8, Masks("ff", "00 00 00 00 00 00 07 00", "00", "00", "ff ff ff ff ff ff f8 ff"),
    )  # fmt: skip


def test_synthesized_aer() -> None:
    function = compiled(EXPRESS + "extended: [{cap: aer, at: 0x100, source: synthesized}]\n")
    assert structure(function, "aer").length == 0x48
    status = "30 f0 ff ff"  # 7.8.4.2: bits 4, 5 and 12..31
    writable = f"""
        00 00 00 00  00 00 00 00  {status}  {status}
        00 00 00 00  c1 f1 00 00  40 05 00 00  00 00 00 00
    """  # 7.8.4.5 mask as 7.8.4.4: bits 0, 6..8, 12..15; 7.8.4.6: ECRC generation, check and multiple header enable
    w1c = f"""
        00 00 00 00  {status}  00 00 00 00  00 00 00 00
        c1 f1 00 00  00 00 00 00  00 00 00 00  00 00 00 00
    """
    compared = """
        ff ff ff ff  cf 0f 00 00  cf 0f 00 00  cf 0f 00 00
        3e 0e ff ff  3e 0e ff ff  bf fa ff ff  ff ff ff ff
    """
    check(function, 0x100, 0x20, Masks("ff", writable, w1c, "00", compared))
    # Header log, root registers (of root ports alone) and TLP prefix log: ROS or reserved
    check(function, 0x120, 0x28, Masks("ff", "00", "00", "00", "ff"))
    # Defaults of 7.8.4.3..5: Uncorrectable Internal Error masked; severities; advisory, internal and overflow masked
    assert octets(function, 0x108, 8) == "00 00 40 00 30 20 46 00"
    assert octets(function, 0x114, 4) == "00 e0 00 00"


def test_synthesized_aer_answers_and_clears() -> None:
    text = "extended: [{cap: aer, at: 0x100, source: synthesized, fields: {uncor_status: {ecrc: 1, unsup: 1}}}]\n"
    function = compiled(EXPRESS + text)
    state = bytearray(function.config.value)
    assert _read(function, state, 0x104) == 0x00180000  # bits 19 and 20
    _write(function, state, 0x104, 0x00100000)
    assert _read(function, state, 0x104) == 0x00080000
    _write(function, state, 0x108, 0xFFFFFFFF)
    assert _read(function, state, 0x108) == 0xFFFFF030


def _read(function: Function, state: bytearray, at: int) -> int:
    return ir.read(function.config, state, at, 4, lambda *_: pytest.fail("the device was asked"))


def _write(function: Function, state: bytearray, at: int, value: int) -> None:
    ir.write(function.config, state, at, 4, value, lambda *_: pytest.fail("the device was written to"))


@pytest.mark.parametrize(
    ("fields", "writable", "compared"),
    [
        # 7.5.2.2: PowerState (1..0) RW, PME_En (8) RWS, PME_Status (15) RW1CS. Data_Select (12..9) must be 0 in a
        # function without a Data register.
        ("{no_soft_reset: 1}", "03 01", "fc 7e"),
        ("{data: 5}", "03 1f", "fc 60"),
    ],
)
def test_synthesized_pm(fields: str, writable: str, compared: str) -> None:
    function = compiled(f"capabilities: [{{cap: pm, at: 0x40, source: synthesized, fields: {fields}}}]\n")
    zeros = "00 00 00 00"
    check(
        function,
        0x40,
        8,
        Masks("ff", f"{zeros} {writable} 00 00", f"{zeros} 00 80 00 00", "00", f"ff ff ff ff {compared} ff ff"),
    )


def test_a_pulse_reads_as_zero() -> None:
    # 7.5.3.4 Initiate Function Level Reset: reads 0 always; a layout cannot make it read 1
    text = "capabilities: [{cap: pcie, at: 0x40, source: synthesized, fields: {devctl: {flr: 1, cere: 1}}}]\n"
    function = compiled(text)
    assert octets(function, 0x48, 2) == "11 28"  # relaxed ordering, no snoop, 512-byte reads: the defaults, and bit 0
    assert octets(function, 0x48, 2, "writable") == "ff 7f"


# -- copied: the device answers ------------------------------------------------------------------------------------


def test_copied_pcie() -> None:
    text = "capabilities: [{cap: pcie, at: 0x40, source: copied, fields: {flags.version: 2, flags.type: endpoint}}]\n"
    function = compiled(text)
    # id and next are the VMM's; of the rest exactly the bits that take a write are passed on:
    forwarded = """
        00 00 00 00  00 00 00 00  ff ff 4f 00  00 00 00 00
        ff ef 00 c0  00 00 00 00  00 00 00 00  00 00 00 00
        00 00 00 00  00 00 00 00  ff ff 00 00  00 00 00 00
        bf ff 20 80  00 00 00 00  00 00 00 00
    """
    # 08 7.5.3.4 Device Control: all 16 (bit 15 starts a reset)     0a 7.5.3.5 status: 3..0 and 6 RW1C
    # 10 7.5.3.7 Link Control: all but bit 12                      12 7.5.3.8 status: 15..14 RW1C
    # 28 7.5.3.16 Device Control 2: all                            30 7.5.3.19 Link Control 2: all but bit 6, HwInit
    # 32 7.5.3.20 Link Status 2: equalization request (5), DRS message received (15), both RW1C
    # 14, 18, 1c, 34, 38: slot and root registers, reserved in an endpoint
    live = "ff ff " + "00 " * 58
    check(function, 0x40, 0x3C, Masks(live, "00", "00", forwarded, "ff"))


def test_copied_bytes_beyond_what_the_catalogue_knows() -> None:
    text = "capabilities: [{cap: pm, at: 0x40, source: copied, length: 12}]\n"
    assert octets(compiled(text), 0x48, 4, "forwarded") == "ff ff ff ff"
    assert octets(compiled(text), 0x48, 4, "emulated") == "00 00 00 00"


def test_copied_pm() -> None:
    function = compiled("capabilities: [{cap: pm, at: 0x40, source: copied}]\n")
    # The power state is the VMM's (Linux takes it out of the write and sets it through the PCI core; QEMU keeps it),
    # and so is the PME support in PMC bits 15..11, which Linux shows as 0 (init_pci_cap_pm_perm).
    check(
        function,
        0x40,
        8,
        Masks(
            "ff ff 00 f8 03 00 00 00",
            "00 00 00 00 03 00 00 00",
            "00",
            "00 00 00 00 00 9f 00 00",
            "ff ff ff ff fc ff ff ff",
        ),
    )


def test_copied_msi_is_the_vmms() -> None:
    fields = "{ctrl: {addr64: 1, maskbit: 1, multi_capable: 2}}"
    text = f"capabilities: [{{cap: msi, at: 0x40, source: copied, fields: {fields}}}]\n"
    # 7.7.1.2 control: enable (0) and multiple message enable (6..4) RW; extended data enable only where capable.
    # 7.7.1.3..5: address bits 31..2, upper address, data. 7.7.1.7: a mask bit for each of 4 vectors. QEMU the same.
    check(
        compiled(text),
        0x40,
        24,
        Masks(
            "ff",
            "00 00 71 00 fc ff ff ff ff ff ff ff ff ff 00 00 0f 00 00 00 00 00 00 00",
            "00",
            "00",
            "ff ff 8e ff 03 00 00 00 00 00 00 00 00 00 ff ff f0 ff ff ff ff ff ff ff",
        ),
    )


def test_msi_with_extended_data() -> None:
    text = "capabilities: [{cap: msi, at: 0x40, source: synthesized, fields: {ctrl.ext_data_capable: 1}}]\n"
    function = compiled(text)
    assert structure(function, "msi").length == 12
    assert octets(function, 0x40, 12, "writable") == "00 00 71 04 fc ff ff ff ff ff ff ff"


def test_copied_msix_is_the_vmms() -> None:
    text = "capabilities: [{cap: msix, at: 0x40, source: copied, fields: {table_size: 4, pba: bar0+0x800}}]\n"
    # 7.7.2.2: Function Mask (14) and MSI-X Enable (15) RW; QEMU: byte 3, 0xc0
    check(compiled(text), 0x40, 12, Masks("ff", "00 00 00 c0" + " 00" * 8, "00", "00", "ff ff ff 3f" + " ff" * 8))


@pytest.mark.parametrize(
    ("text", "at", "length", "forwarded"),
    [
        # Linux passes writes on to these three without a filter: nobody knows which of their bits take one.
        ("capabilities: [{cap: vndr, at: 0x40, source: copied, fields: {length: 8}}]", 0x40, 8, "00 00 00" + " ff" * 5),
        (
            "extended: [{cap: vsec, at: 0x100, source: copied, fields: {vsec.length: 12}}]",
            *(0x100, 12, "00 00 00 00 00 00 00 00 ff ff ff ff"),
        ),
        (
            "extended: [{cap: dvsec, at: 0x100, source: copied, fields: {hdr1.length: 12}}]",
            *(0x100, 12, "00 00 00 00 00 00 00 00 00 00 ff ff"),
        ),
        ("capabilities: [{cap: 0x55, at: 0x40, source: copied, length: 8}]", 0x40, 8, "00 00 ff ff ff ff ff ff"),
        # 7.8.4.8: a header log is read-only (ROS), however long
        (
            "extended: [{cap: aer, at: 0x100, source: copied, version: 1}]",
            *(0x11C, 16, "00 " * 15 + "00"),
        ),
    ],
)
def test_copied_runs_of_bytes(text: str, at: int, length: int, forwarded: str) -> None:
    function = compiled((EXPRESS if text.startswith("extended") else "") + text + "\n")
    head = {0x40: 2, 0x100: 4}.get(at, 0)
    check(
        function, at, length, Masks("ff " * head + "00 " * (length - head), "00", "00", forwarded, "ff")
    )  # fmt: skip


# -- hidden, loose, unowned ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "live"),
    [("unlinked", Masks("00", "00", "00", "ff", "00")), ("zeroed", Masks("ff", "00", "00", "00", "00"))],
)
def test_hidden(style: str, live: Masks) -> None:
    text = f"capabilities: [{{cap: vpd, at: 0x40, source: hidden, style: {style}}}]\n"
    check(compiled(text), 0x40, 8, live)


def test_the_stub_at_0x100_is_the_vmms() -> None:
    text = "extended: [{cap: ari, at: 0x100, source: hidden, style: unlinked}, {cap: ats, at: 0x110, source: copied}]\n"
    check(compiled(EXPRESS + text), 0x100, 4, Masks("ff", "00", "00", "00", "00"))
    check(compiled(EXPRESS + text), 0x104, 4, Masks("00", "00", "00", "ff", "00"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [("copied", Masks("00", "00", "00", "ff", "00")), ("synthesized", Masks("ff", "00", "00", "00", "ff"))],
)
def test_bytes_outside_capabilities(source: str, expected: Masks) -> None:
    check(compiled(f'bytes: [{{at: 0xe0, hex: "01 02", source: {source}}}]\n'), 0xE0, 2, expected)


def test_bytes_of_nobody_are_zero_and_stay_so() -> None:
    function = compiled("physical: {}\ncapabilities: [{cap: pm, at: 0x40, source: copied}]\n")
    check(function, 0x48, 0x100 - 0x48, Masks("ff", "00", "00", "00", "00"))
    assert function.config.value[0x48:] == bytes(0x100 - 0x48)


# -- header --------------------------------------------------------------------------------------------------------

# Type 0, 7.5.1.1 and 7.5.1.2, one dword a line. Command: I/O, memory, bus master (2..0), parity (6), SERR (8), INTx
# disable (10) RW. Status: bits 8 and 11..15 RW1C. Cache line size and interrupt line RW. No BARs: constants.
_WRITABLE = "00 00 00 00 47 05 00 00 00 00 00 00 ff 00 00 00" + " 00" * 44 + " ff 00 00 00"


def test_header_with_no_device_behind() -> None:
    function = compiled("")
    w1c = "00 00 00 00 00 00 00 f9" + " 00" * 56
    # Interrupt Status (3) and BIST's start and completion code change by themselves; 35h..3bh belong to nobody.
    compared = "ff ff ff ff 00 f8 f7 06 ff ff ff ff 00 00 ff b0" + " ff" * 37 + " 00" * 7 + " 00 ff ff ff"
    check(function, 0, 64, Masks("ff", _WRITABLE, w1c, "00", compared))


def test_header_with_a_device_behind() -> None:
    function = compiled("physical: {}\n")
    # Linux vfio-pci: the command register reaches the device; of the status register bit 4 is the VMM's, the rest is
    # the device's, and no write to it gets there.
    emulated = "ff ff ff ff ff ff 10 00" + " ff" * 56
    forwarded = "00 00 00 00 47 05 00 00" + " 00" * 56
    compared = "ff ff ff ff 00 f8 10 00 ff ff ff ff 00 00 ff b0" + " ff" * 37 + " 00" * 7 + " 00 ff ff ff"
    check(function, 0, 64, Masks(emulated, _WRITABLE, "00", forwarded, compared))


def test_bist_is_there_where_the_function_says_so() -> None:
    # 7.5.1.1.10: bits 6 (start, RW) and 3..0 mean something only with bit 7
    assert octets(compiled(""), 0x0F, 1, "writable") == "00"
    assert octets(compiled("header: {bist.capable: 1}\n"), 0x0F, 1, "writable") == "40"


def test_interrupt_pin_and_ids_are_compared() -> None:
    function = compiled("header: {interrupt_pin: A}\n", HEAD)
    assert octets(function, 0x3D, 1, "compared") == "ff"
    assert octets(function, 0x2C, 4, "compared") == "ff ff ff ff"
