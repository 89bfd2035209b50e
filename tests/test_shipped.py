"""The shipped layouts against what their sources say, by hand: sizes, ids, chains, and where each byte comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compiling import LAYOUTS, device_layouts, document, octets, structure
from vpci_compile import api
from vpci_compile.emit.printed import explain, terminal_map
from vpci_compile.ir import Beyond, Caching, Enable, Function, Kind, read, write

SHIPPED = device_layouts()
GIB = 1 << 30


def layout(name: str) -> Function:
    return api.check(LAYOUTS / f"{name}.yaml").function


def chain(function: Function, *, extended: bool = False) -> list[tuple[int, int]]:
    """(id, offset) as a guest walks them."""
    config = function.config
    found: list[tuple[int, int]] = []
    at = 0x100 if extended else config.value[0x34] if config.value[0x06] & 0x10 else 0
    while at:
        if extended:
            header = config.number("value", at, 4)
            found.append((header & 0xFFFF, at))
            at = header >> 20
        else:
            found.append((config.value[at], at))
            at = config.value[at + 1]
    return found


# -- GH200 ---------------------------------------------------------------------------------------------------------


def test_gh200_sizes() -> None:
    # Linux nvgrace_gpu_init_nvdev_struct with the MIG defect, for a memory of 0x17fd800000 bytes:
    memory = 0x17FD800000
    usable = 0x17A0000000  # memory less 1 GiB, rounded down to 512 MiB: 94.5 GiB
    reserved = 0x5D800000  # the rest
    assert usable + reserved == memory
    assert usable == 189 * 0x20000000
    function = layout("nvidia/gh200")
    bars = {bar.index: bar for bar in function.bars}
    assert (bars[4].size, bars[4].length) == (128 * GIB, usable)
    assert (bars[2].size, bars[2].length) == (2 * GIB, reserved)
    assert (bars[4].caching, bars[2].caching) == (Caching.WRITE_BACK, Caching.WRITE_COMBINE)
    for bar in (bars[2], bars[4]):
        assert (bar.beyond, bar.enable, bar.source) == (Beyond.ONES, Enable.FIRST_AFTER_RESET, "synthesized")


def test_gh200_answers_the_sizing_write() -> None:
    # nvgrace_gpu_read_config_emu: (value & ~(size - 1)) | 64-bit | prefetchable
    function = layout("nvidia/gh200")
    state = bytearray(function.config.value)
    answers = {}
    for at in range(0x10, 0x28, 4):
        write(function.config, state, at, 4, 0xFFFFFFFF, lambda *_: pytest.fail("a device was written to"))
        answers[at] = read(function.config, state, at, 4, lambda *_: pytest.fail("a device was asked"))
    assert answers == {
        0x10: 0xFF00000C, 0x14: 0xFFFFFFFF, 0x18: 0x8000000C, 0x1C: 0xFFFFFFFF, 0x20: 0x0000000C, 0x24: 0xFFFFFFE0,
    }  # fmt: skip


def test_gh200_identity_and_nodes() -> None:
    function = layout("nvidia/gh200")
    assert octets(function, 0x00, 16) == "de 10 42 23 00 00 10 00 a1 00 02 03 00 00 00 00"
    assert octets(function, 0x2C, 4) == "de 10 eb 16"
    # The guest's driver looks for xx:00.0 behind a port, and for 8 nodes.
    assert function.guest[:] == ("port", 0, 1, 0, 0, 8, 1)


# -- the other layouts ---------------------------------------------------------------------------------------------


def test_hopper_chains() -> None:
    for name in ("nvidia/h100-clique", "nvidia/gh200"):
        function = layout(name)
        clique = [(0x09, 0xC8)] if name == "nvidia/h100-clique" else []
        standard = [(0x01, 0x40), (0x05, 0x48), (0x10, 0x60), (0x09, 0x9C), (0x11, 0xB0), *clique]
        assert chain(function) == standard
        resizable = [(0x15, 0x134)] if name == "nvidia/h100-clique" else []
        rest = [(0x01, 0x1B8), (0x0B, 0x2A4), (0x04, 0x2B8), (0x03, 0x2F0)]
        assert chain(function, extended=True) == [(0x00, 0x100), (0x18, 0x12C), *resizable, *rest]


def test_h100_as_published() -> None:
    # The first 0x50 bytes of an H100 80GB HBM3, but for what a guest or its firmware writes: the command register,
    # base addresses, the interrupt line.
    function = layout("nvidia/h100-clique")
    assert octets(function, 0x00, 0x50) == (
        "de 10 30 23 00 00 10 00 a1 00 02 03 00 00 00 00 "
        "0c 00 00 00 00 00 00 00 0c 00 00 00 00 00 00 00 "
        "0c 00 00 00 00 00 00 00 00 00 00 00 de 10 c1 16 "
        "00 00 00 00 40 00 00 00 00 00 00 00 00 01 00 00 "
        "01 48 13 00 08 00 00 00 05 60 88 01 00 00 00 00"
    )


def test_gpudirect_clique() -> None:
    # NVIDIA's definition: vendor capability, next 0, 8 bytes, "P2P", version in bits 2..0, clique in bits 6..3
    function = layout("nvidia/h100-clique")
    assert octets(function, 0xC8, 8) == "09 00 08 50 32 50 08 00"
    assert structure(function, "gpudirect").length == 8
    assert octets(function, 0xC8, 8, "emulated") == octets(function, 0xC8, 8, "compared") == "ff ff ff ff ff ff ff ff"
    assert octets(function, 0xC8, 8, "writable") == "00 00 00 00 00 00 00 00"


def test_resizable_bar_as_qemu_shows_it() -> None:
    # QEMU: capability 1 << (size code + 4), size code 17 for 128 GiB; control: index 2, one BAR, size
    assert octets(layout("nvidia/h100-clique"), 0x134, 12) == "15 00 81 1b 00 00 20 00 22 11 00 00"


def test_synthesized_pasid() -> None:
    function = layout("generic/sriov-vf-pasid")
    assert octets(function, 0xFF8, 8) == "1b 00 01 00 04 14 00 00"
    assert chain(function, extended=True) == [(0x00, 0x100), (0x0F, 0x148), (0x1B, 0xFF8)]
    assert octets(function, 0x9C, 12) == "11 00 0a 00 00 20 00 00 00 30 00 00"


def test_virtio_transitional() -> None:
    function = layout("virtio/net-vf-transitional")
    # virtio 1.3 4.1.2.1: device ids 0x1000..0x103f are transitional, revision 0, subsystem id the device type (1: net)
    assert octets(function, 0x00, 4) == "f4 1a 00 10"
    assert octets(function, 0x08, 4) == "00 00 00 02"
    assert octets(function, 0x2C, 4) == "f4 1a 01 00"
    assert octets(function, 0x10, 4) == "01 00 00 00"
    assert octets(function, 0x10, 4, "writable") == "e0 ff ff ff"  # 32 bytes: 24 with MSI-X, and 8 of the device
    bar = function.bars[0]
    assert (bar.kind, bar.size, bar.source, bar.enable) == ("io", 32, "synthesized", Enable.ENFORCE)
    assert function.physical is not None
    assert function.physical.ids["device"] == 0x1041
    # 4.1.4: type, BAR, id, two bytes of padding, offset, length; 4.1.4.4: the notification multiplier behind it
    assert octets(function, 0x90, 16) == "09 a0 10 01 02 00 00 00 00 10 00 00 38 00 00 00"
    assert octets(function, 0xA0, 20) == "09 b4 14 02 02 00 00 00 00 20 00 00 00 10 00 00 04 00 00 00"
    assert octets(function, 0xB4, 16) == "09 c4 10 03 02 00 00 00 00 11 00 00 04 00 00 00"
    assert octets(function, 0xC4, 16) == "09 00 10 04 02 00 00 00 00 12 00 00 40 00 00 00"


def test_synthetic_accelerator() -> None:
    function = layout("generic/synthetic-accelerator")
    assert chain(function) == [(0x01, 0x40), (0x10, 0x48), (0x11, 0x84)]
    assert chain(function, extended=True) == [(0x0F, 0x100), (0x13, 0x110), (0x1B, 0x120)]
    assert octets(function, 0x48, 4) == "10 84 92 00"  # version 2, root complex integrated endpoint
    assert octets(function, 0x4C, 4) == "21 80 00 10"  # 256 bytes, extended tags, role-based errors, FLR
    assert octets(function, 0x100, 8) == "0f 00 01 11 28 00 00 00"  # queue of 8, page aligned
    assert octets(function, 0x110, 16) == "13 00 01 12 00 00 00 01 20 00 00 00 00 00 00 00"
    config = function.config
    assert set(config.emulated) == {0xFF}
    assert set(config.forwarded) == {0x00}


# -- provenance and texts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_byte_leads_to_the_line_that_decided_it(path: Path) -> None:
    function = api.check(path).function
    rows: list[dict[str, Any]] = document(function)["provenance"]
    assert sum(row["length"] for row in rows) == function.config.size
    assert [row["offset"] for row in rows] == sorted({row["offset"] for row in rows})
    lines = {one.name: one.read_text().splitlines() for one in SHIPPED}
    names = {s.name: s for s in function.structures}
    for row in rows:
        if row["structure"] in (None, "header"):
            continue
        owner = names[row["structure"]]
        if [field["name"].rpartition(".")[2] for field in row["fields"]] == ["next"]:
            # A pointer was decided by the entry that it leads to.
            file, _, number = row["source"].partition(":")
            target = function.config.value[row["offset"]]
            assert not target or f"at: {target:#04x}" in lines[file][int(number) - 1], row
            continue
        file, _, number = row["source"].partition(":")
        # The line itself, or the lines above it back to where the entry begins, name the capability.
        entry = lines[file][: int(number)]
        begin = max(n for n, line in enumerate(entry) if line.lstrip().startswith("- "))
        named = "at: " if owner.kind is Kind.BYTES else f"cap: {owner.capability.name if owner.capability else ''}"
        assert named in entry[begin], row
        for field in row["fields"]:
            file, _, number = field["source"].partition(":")
            line = lines[file][int(number) - 1]
            pointer = field["name"].endswith("next") and "at:" in line
            assert pointer or "cap:" in line or any(part in line for part in field["name"].split(".")), (field, line)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_byte_can_be_explained(path: Path) -> None:
    function = api.check(path).function
    for offset in range(0, function.config.size, 1 if function.config.size == 256 else 3):
        text = explain.explain(function, offset)
        assert text.startswith(f"{offset:#05x} = {function.config.value[offset]:#04x}  ")
        owner = function.owner(offset)
        if owner is None:
            assert "free: nothing stands" in text
        else:
            assert ("bytes outside every capability" if owner.kind is Kind.BYTES else f"'{owner.name}'") in text
    shown = terminal_map.render(function)
    assert function.digest in shown
    assert all(one.name in shown for one in function.structures)


def test_explained_bytes() -> None:
    function = layout("nvidia/gh200")
    assert "31..0  address  upper half of BAR 4: 00000000" in explain.explain(function, 0x24)
    assert "writes of bits 31..5 are kept; bits 4..0 in the contract" in explain.explain(function, 0x24)
    assert "a header with id 0 stands here for it" in explain.explain(function, 0x102)
    text = explain.explain(function, 0x68)
    assert "pcie.devctl  Device Control (2 bytes at 0x68)" in text
    assert "7..5  mps         128 bytes  the device answers; writes reach the device; not compared" in text
    io = explain.explain(layout("virtio/net-vf-transitional"), 0x10)
    assert "31..2  address  00000000  the VMM answers; writes of bits 31..5 are kept; bits 4..2 in the contract" in io
    free = explain.explain(layout("minimal"), 0x40)
    assert free.splitlines()[0] == "0x040 = 0x00  free: nothing stands in 0x40..0xff"
