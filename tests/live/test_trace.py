"""The trace says what a guest does in the words of the catalogue."""

from __future__ import annotations

import pytest

from compiling import compiled
from vpci_compile import api
from vpci_compile.ir import Function
from vpci_compile.live.device import Device
from vpci_compile.live.protocol import CONFIG_REGION
from vpci_compile.live.trace import Trace


def _lines(function: Function, *accesses: tuple[str, int, int, int]) -> list[str]:
    lines: list[str] = []
    trace = Trace(function, lines.append)
    for access in accesses:
        trace(*access)
    return lines


@pytest.mark.parametrize(
    ("access", "line"),
    [
        (("read", 0x04, 2, 0x0103), "read 0x04.2 command = 0x0103 (io, memory, serr)"),
        (("read", 0x04, 1, 0x06), "read 0x04.1 command = 0x06 (memory, master)"),
        (("read", 0x05, 1, 0x04), "read 0x05.1 command+1 = 0x04 (intx_disable)"),
        (("read", 0x00, 4, 0x234210DE), "read 0x00.4 vendor = 0x10de; device = 0x2342"),
        (("read", 0x04, 4, 0x00100006), "read 0x04.4 command = 0x0006 (memory, master); status = 0x0010 (cap_list)"),
        (("write", 0x10, 4, 0xFFFFFFFF), "write 0x10.4 bar0 = 0xffffffff"),
        (("write", 0x24, 4, 0xFFFFFFFF), "write 0x24.4 bar5 = 0xffffffff"),
        (("write", 0xB2, 2, 0x8008), "write 0xb2.2 msix.ctrl = 0x8008 (table_size=9, enable)"),
        (("write", 0xB4, 4, 0xFFFFFFFF), "write 0xb4.4 msix.table = 0xffffffff (bir=7, offset=0xfffffff8)"),
        (("read", 0x2A8, 4, 0x01410001), "read 0x2a8.4 vsec.vsec = 0x01410001 (id=0x1, rev=1, length=0x14)"),
        (("read", 0x38, 4, 0), "read 0x38.4 reserved = 0x00000000"),
        (("read", 0x74, 4, 0x12), "read 0x74.4 pcie+0x14 = 0x00000012"),
        (("read", 0x2BC, 4, 0x12345600), "read 0x2bc.4 pwr.select = 0x00; pwr+5 = 0x123456"),
        (("read", 0x2BC, 4, 7), "read 0x2bc.4 pwr.select = 0x07"),
        (
            ("read", 0xAC, 8, 0),
            "read 0xac.8 vndr.data+0xd = 0x00000000; msix.id = 0x00; msix.next = 0x00; msix.ctrl = 0x0000",
        ),
        (("read", 0x98, 6, 0x0101_0000_0001), "read 0x98.6 pcie+0x38 = 0x00000001; vndr.id = 0x01; vndr.next = 0x01"),
        (("read", 0x100, 4, 0), "read 0x100.4 secpci = 0x00000000"),
        (("read", 0xFFC, 4, 0), "read 0xffc.4 free = 0x00000000"),
        (("read", 0, 4096, 0), "read 0x00..0xfff the whole space"),
        (("read", 0x40, 64, 0), "read 0x40..0x7f 64 bytes"),
        (("reset", 0, 0, 0), "reset"),
    ],
)
def test_lines(access: tuple[str, int, int, int], line: str) -> None:
    assert _lines(api.load("nvidia/gh200").function, access) == [line]


def test_every_access_of_every_byte_has_a_line() -> None:
    function = api.load("generic/synthetic-accelerator").function
    lines: list[str] = []
    device = Device(function, Trace(function, lines.append))
    for offset in range(function.config.size):
        for size in (1, 2, 3, 4, 8):
            if offset + size <= function.config.size:
                device.read(CONFIG_REGION, offset, size)
                device.write(CONFIG_REGION, offset, b"\xff" * size)
    resets = lines.count("reset")
    assert resets > 0  # Initiate FLR among them
    assert len(lines) - resets == 2 * (5 * function.config.size - 0 - 1 - 2 - 3 - 7)
    assert all(line.isprintable() and len(line) <= 440 for line in lines)


def test_a_structure_that_nobody_knows() -> None:
    function = compiled(
        "config_size: 4096\ncapabilities:\n  - {cap: pcie, at: 0x40, source: synthesized}\n"
        "extended:\n  - {cap: 0x7777, at: 0x100, source: synthesized, length: 16}\n"
    )
    assert _lines(function, ("read", 0x104, 4, 1)) == ["read 0x104.4 cap7777+4 = 0x00000001"]
