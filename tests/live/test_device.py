"""What the function does with accesses, worked out by hand from the layout."""

from __future__ import annotations

import errno

import pytest

from compiling import compiled
from vpci_compile import api
from vpci_compile.live.device import Device
from vpci_compile.live.protocol import CONFIG_REGION, ProtocolError

_MEMORY_ON, _IO_ON, _OFF = b"\2\0", b"\1\0", b"\0\0"


def _device(text: str) -> Device:
    return Device(compiled(text))


def _refused(device: Device, region: int, offset: int, size: int = 4) -> int:
    with pytest.raises(ProtocolError) as read:
        device.read(region, offset, size)
    with pytest.raises(ProtocolError) as written:
        device.write(region, offset, bytes(size))
    assert read.value.number == written.value.number
    return read.value.number


def _config(device: Device, offset: int, size: int) -> int:
    return int.from_bytes(device.read(CONFIG_REGION, offset, size), "little")


# -- configuration space -------------------------------------------------------------------------------------------

_SYNTHESIZED = """
bars:
  0: {kind: mem64, prefetchable: true, size: 64K, source: synthesized}
capabilities:
  - {cap: pm, at: 0x40, source: synthesized}
  - {cap: pcie, at: 0x48, source: synthesized, fields: {devcap.flr: 1}}
extended:
  - {cap: aer, at: 0x100, source: synthesized}
"""


def test_writes_follow_the_masks() -> None:
    device = _device(_SYNTHESIZED)
    device.write(CONFIG_REGION, 0, b"\xff" * 4)
    assert _config(device, 0, 4) == 0x56781234
    device.write(CONFIG_REGION, 4, b"\xff\xff")
    assert _config(device, 4, 2) == 0x0547
    device.write(CONFIG_REGION, 0x10, b"\xff" * 8)
    assert _config(device, 0x10, 4) == 0xFFFF000C
    assert _config(device, 0x14, 4) == 0xFFFFFFFF


def test_an_unaligned_write_reaches_every_byte() -> None:
    device = _device(_SYNTHESIZED)
    device.write(CONFIG_REGION, 0x0B, b"\xff\x5a\xff\xff\xff")
    assert device.read(CONFIG_REGION, 0x0B, 5) == b"\xff\x5a\0\0\0"
    device.write(CONFIG_REGION, 0x11, b"\x11\x22\x33\x44\x55\x66\x77")
    assert device.read(CONFIG_REGION, 0x10, 8) == b"\x0c\0\x22\x33\x44\x55\x66\x77"


def test_a_1_clears_what_a_1_clears() -> None:
    device = _device(_SYNTHESIZED)
    device.state[0x45] = 0x80  # PME Status, as hardware would have set it
    device.state[0x104] = 0x10
    device.write(CONFIG_REGION, 0x44, b"\0\0\0\0")
    assert _config(device, 0x45, 1) == 0x80
    device.write(CONFIG_REGION, 0x44, b"\0\x80\0\0")
    assert _config(device, 0x45, 1) == 0
    device.write(CONFIG_REGION, 0x104, b"\x10\0\0\0")
    assert _config(device, 0x104, 4) == 0


def test_flr_resets_and_reads_as_0() -> None:
    device = _device(_SYNTHESIZED)
    device.write(CONFIG_REGION, 4, b"\6\0")
    device.write(0, 0, b"kept")
    assert device.read(0, 0, 4) == b"kept"
    device.write(CONFIG_REGION, 0x50, b"\0\x80")
    assert bytes(device.state) == device.config.value
    assert _config(device, 0x50, 2) & 0x8000 == 0
    device.write(CONFIG_REGION, 4, _MEMORY_ON)
    assert device.read(0, 0, 4) == bytes(4)


def test_without_the_capability_there_is_no_flr() -> None:
    device = _device(_SYNTHESIZED.replace(", fields: {devcap.flr: 1}", ""))
    device.write(CONFIG_REGION, 4, b"\6\0")
    device.write(CONFIG_REGION, 0x50, b"\0\x80")
    assert _config(device, 4, 2) == 6


def test_copied_registers_behave_as_the_catalogue_says() -> None:
    """Where the image leaves an answer to the device, there is no device: its part is played."""
    device = _device(
        "capabilities:\n  - {cap: pcie, at: 0x40, source: copied}\n"
        "extended:\n  - {cap: aer, at: 0x100, source: copied}\n"
        "  - {cap: ltr, at: 0x148, source: hidden, style: unlinked, length: 8}\nphysical: {}\n"
    )
    device.write(CONFIG_REGION, 0x48, b"\x0f\0\0\0")  # the four error enables of Device Control
    assert _config(device, 0x48, 2) == 0x0F
    device.write(CONFIG_REGION, 0x44, b"\xff" * 4)  # Device Capabilities
    assert _config(device, 0x44, 4) == 0
    device.state[0x104] = 0x30
    device.write(CONFIG_REGION, 0x104, b"\x10\0\0\0")
    assert _config(device, 0x104, 1) == 0x20
    device.write(CONFIG_REGION, 0x14C, b"\xff" * 4)  # nobody knows what the hidden one would do
    assert _config(device, 0x14C, 4) == 0


def test_reset_is_the_image() -> None:
    device = _device(_SYNTHESIZED)
    for offset in range(0, 4096, 4):
        device.write(CONFIG_REGION, offset, b"\xa5" * 4)
    device.reset()
    assert device.read(CONFIG_REGION, 0, 4096) == device.config.value


# -- BARs ----------------------------------------------------------------------------------------------------------


def test_memory_is_kept_and_starts_as_zeros() -> None:
    device = _device("bars:\n  0: {kind: mem64, size: 128G, source: synthesized}\n")
    device.write(CONFIG_REGION, 4, _MEMORY_ON)
    assert device.read(0, 0, 64) == bytes(64)
    device.write(0, (1 << 37) - 4, b"last")
    device.write(0, 0xFFE, b"over a page")
    assert device.read(0, (1 << 37) - 4, 4) == b"last"
    assert device.read(0, 0xFFC, 16) == b"\0\0over a page\0\0\0"
    assert _refused(device, 0, (1 << 37) - 3) == errno.EINVAL


def test_regions_have_the_declared_sizes() -> None:
    device = _device(
        "bars:\n  0: {kind: io, size: 32, source: synthesized}\n  2: {kind: mem64, size: 1M, source: synthesized}\n"
        "  rom: {kind: rom, size: 64K, source: synthesized}\nconfig_size: 4096\n"
    )
    assert {index: facts.size for index, facts in device.regions.items()} == {
        0: 32,
        1: 0,
        2: 1 << 20,
        3: 0,
        4: 0,
        5: 0,
        6: 1 << 16,
        7: 4096,
        8: 0,
    }
    assert _refused(device, 1, 0) == _refused(device, 8, 0) == _refused(device, 9, 0) == errno.EINVAL


_BACKED = (
    "bars:\n  0: {{kind: mem64, size: 1M, source: synthesized, backing: {{length: 0xC0000, beyond: {beyond}}},"
    " enable: {enable}}}\n"
)


def _backed(beyond: str = "ones", enable: str = "enforce") -> Device:
    return _device(_BACKED.format(beyond=beyond, enable=enable))


@pytest.mark.parametrize(("beyond", "filler"), [("ones", b"\xff"), ("zeros", b"\0")])
def test_beyond_the_real_memory(beyond: str, filler: bytes) -> None:
    device = _backed(beyond)
    device.write(CONFIG_REGION, 4, _MEMORY_ON)
    device.write(0, 0xC0000, b"lost")
    assert device.read(0, 0xC0000, 4) == filler * 4
    device.write(0, 0xBFFFE, b"halved")
    assert device.read(0, 0xBFFFC, 8) == b"\0\0ha" + filler * 4
    assert device.read(0, 0xFFFFC, 4) == filler * 4
    assert _refused(device, 0, 0xFFFFD) == errno.EINVAL


def test_beyond_can_be_an_error() -> None:
    device = _backed("error")
    device.write(CONFIG_REGION, 4, _MEMORY_ON)
    device.write(0, 0xBFFFC, b"kept")
    assert _refused(device, 0, 0xC0000) == errno.EIO
    assert _refused(device, 0, 0xBFFFE) == errno.EIO
    assert device.read(0, 0xBFFFC, 4) == b"kept"


def test_the_enable_bit_is_enforced() -> None:
    device = _backed()
    assert _refused(device, 0, 0) == errno.EIO
    device.write(CONFIG_REGION, 4, _IO_ON)
    assert _refused(device, 0, 0) == errno.EIO
    device.write(CONFIG_REGION, 4, _MEMORY_ON)
    assert device.read(0, 0, 4) == bytes(4)
    device.write(CONFIG_REGION, 4, _OFF)
    assert _refused(device, 0, 0) == errno.EIO


def test_an_io_bar_asks_for_the_other_bit() -> None:
    device = _device("bars:\n  0: {kind: io, size: 32, source: synthesized}\n")
    device.write(CONFIG_REGION, 4, _MEMORY_ON)
    assert _refused(device, 0, 0) == errno.EIO
    device.write(CONFIG_REGION, 4, _IO_ON)
    device.write(0, 4, b"\x12\x34")
    assert device.read(0, 4, 2) == b"\x12\x34"


def test_the_enable_bit_is_ignored() -> None:
    device = _backed(enable="ignore")
    assert device.read(0, 0, 4) == bytes(4)


def test_the_enable_bit_counts_for_the_first_access_after_a_reset() -> None:
    """As nvgrace-gpu has it (Linux 7.2): the first access after a reset fails while memory is off."""
    device = _backed(enable="ignore-except-first-after-reset")
    for _ in range(2):
        assert _refused(device, 0, 0) == errno.EIO
        device.write(CONFIG_REGION, 4, _MEMORY_ON)
        assert device.read(0, 0, 4) == bytes(4)
        device.write(CONFIG_REGION, 4, _OFF)
        device.write(0, 0, b"kept")
        assert device.read(0, 0, 4) == b"kept"
        device.reset()


def test_the_first_access_is_counted_for_each_bar() -> None:
    device = Device(api.load("nvidia/gh200").function)
    device.write(CONFIG_REGION, 4, _MEMORY_ON)
    assert device.read(2, 0, 4) == bytes(4)
    assert device.read(2, 0x5D800000, 4) == b"\xff" * 4
    device.write(CONFIG_REGION, 4, _OFF)
    assert device.read(2, 0, 4) == bytes(4)
    assert _refused(device, 4, 0) == errno.EIO
    assert _refused(device, 0, 0) == errno.EIO


def test_a_rom_can_always_be_read() -> None:
    device = _device("bars:\n  rom: {kind: rom, size: 64K, source: synthesized}\n")
    assert device.read(6, 0xFFFC, 4) == bytes(4)


def test_msix_table_and_pba_are_memory() -> None:
    device = Device(api.load("generic/sriov-vf-pasid").function)
    assert device.interrupts(2) == 11
    device.write(CONFIG_REGION, 4, _MEMORY_ON)
    device.write(0, 0x2000, b"\x04\x00\xe0\xfe")
    assert device.read(0, 0x2000, 4) == b"\x04\x00\xe0\xfe"
    assert device.read(0, 0x3000, 8) == bytes(8)


def test_device_specific_regions() -> None:
    device = _device(
        "bars:\n  2: {kind: mem64, size: 1M, source: synthesized, backing: {length: 0x13000},"
        " region: {type: 0x80001234, subtype: 3}}\n"
    )
    assert device.regions[9] == (0x13000, (0x80001234, 3))
    device.write(CONFIG_REGION, 4, _MEMORY_ON)
    device.write(9, 0x12FFF, b"!")
    assert device.read(9, 0x12FFF, 1) == b"!"
    assert _refused(device, 9, 0x13000, 1) == errno.EINVAL


def test_interrupts() -> None:
    device = _device(
        "header: {interrupt_pin: 1}\n"
        "capabilities:\n  - {cap: msi, at: 0x40, source: synthesized, fields: {multi_capable: 3}}\n"
    )
    assert [device.interrupts(index) for index in range(5)] == [1, 8, 0, 1, 1]
    assert [_device("").interrupts(index) for index in range(5)] == [0, 0, 0, 1, 1]
