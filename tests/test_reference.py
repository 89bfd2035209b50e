"""The reference layouts: sizes worked out here from the drivers' rules, chains against real captures, real refusals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compiling import LAYOUTS, ROOT
from vpci_compile import api, capture, emit, pipeline
from vpci_compile.catalog import READ_ONLY, libraries
from vpci_compile.diagnostics import Failed, Report, Source
from vpci_compile.emit.printed import memory_needs
from vpci_compile.ir import Function, Kind, Origin

GIB, MIB = 1 << 30, 1 << 20
SHARED = ROOT.parent / "shared" / "captures"


def layout(name: str) -> Function:
    return api.check(name).function


# -- coherent memory -----------------------------------------------------------------------------------------------


def power(size: int) -> int:
    """The power of two that is not below `size`."""
    return 1 << (size - 1).bit_length()


@pytest.mark.parametrize(
    ("name", "memory", "defect"),
    [
        ("nvidia/gh200", 0x17FD800000, True),
        ("nvidia/gh200-480", 96 * GIB, True),
        ("nvidia/gh200-144g", 144 * GIB, True),
        ("nvidia/gb200", 186 * GIB, False),
        ("nvidia/gb300", 283136 * MIB, False),
    ],
)
def test_sizes_as_nvgrace_makes_them(name: str, memory: int, defect: bool) -> None:
    """Linux nvgrace_gpu_init_nvdev_struct: the BAR's size is rounded before the usable memory is."""
    bars = {bar.index: bar for bar in layout(name).bars}
    usable = (memory - GIB) // (512 * MIB) * (512 * MIB) if defect else memory
    assert (bars[4].length, bars[4].size) == (usable, power(memory - GIB if defect else memory))
    if defect:
        assert (bars[2].length, bars[2].size) == (memory - usable, power(memory - usable))
        assert bars[2].source is Origin.SYNTHESIZED
    else:
        assert bars[2].source is Origin.COPIED


def test_sizes_as_worked_out_by_hand() -> None:
    found = {
        name: {
            bar.index: (bar.size, bar.length) for bar in layout(f"nvidia/{name}").bars if bar.source == "synthesized"
        }
        for name in ("gh200", "gh200-480", "gh200-144g", "gb200", "gb300")
    }
    assert found == {
        # 0x17fd800000 - 0x40000000 = 0x17bd800000, below 128 GiB = 0x2000000000; less what is over 512 MiB = 0x20000000
        # (0xbd800000 = 5 * 0x20000000 + 0x1d800000): 0x17a0000000. The rest, 0x5d800000, is below 2 GiB = 0x80000000.
        "gh200": {2: (0x80000000, 0x5D800000), 4: (0x2000000000, 0x17A0000000)},
        # 96 GiB = 0x1800000000; less 1 GiB 0x17c0000000, which is 190 * 0x20000000; the rest is 1 GiB, a power of two.
        "gh200-480": {2: (0x40000000, 0x40000000), 4: (0x2000000000, 0x17C0000000)},
        # 144 GiB = 0x2400000000; less 1 GiB 0x23c0000000, which is 286 * 0x20000000, above 128 GiB: a BAR of 256 GiB.
        "gh200-144g": {2: (0x40000000, 0x40000000), 4: (0x4000000000, 0x23C0000000)},
        # 186 GiB = 0xba * 0x40000000 = 0x2e80000000, between 128 and 256 GiB; nothing is reserved.
        "gb200": {4: (0x4000000000, 0x2E80000000)},
        # 283136 MiB = 0x45200 * 0x100000 = 0x4520000000, above 256 GiB: a BAR of 512 GiB.
        "gb300": {4: (0x8000000000, 0x4520000000)},
    }


def test_goldens_say_the_sizes_that_were_worked_out() -> None:
    """What a person reads who builds the layout: size and length of each BAR in the header of C."""
    goldens = ROOT / "tests" / "goldens"
    for name, rows in {
        "gh200": (
            "BAR2_SIZE 0x80000000ULL",
            "BAR2_LENGTH 0x5d800000ULL",
            "BAR4_SIZE 0x2000000000ULL",
            "BAR4_LENGTH 0x17a0000000ULL",
        ),
        "gh200-480": (
            "BAR2_SIZE 0x40000000ULL",
            "BAR2_LENGTH 0x40000000ULL",
            "BAR4_SIZE 0x2000000000ULL",
            "BAR4_LENGTH 0x17c0000000ULL",
        ),
        "gh200-144g": (
            "BAR2_SIZE 0x40000000ULL",
            "BAR2_LENGTH 0x40000000ULL",
            "BAR4_SIZE 0x4000000000ULL",
            "BAR4_LENGTH 0x23c0000000ULL",
        ),
        "gb200": ("BAR4_SIZE 0x4000000000ULL", "BAR4_LENGTH 0x2e80000000ULL"),
        "gb300": ("BAR4_SIZE 0x8000000000ULL", "BAR4_LENGTH 0x4520000000ULL"),
    }.items():
        header = (goldens / f"nvidia-{name}" / f"nvidia-{name}.h").read_text(encoding="utf-8")
        said = {" ".join(line.split()[1:3]) for line in header.splitlines() if line.startswith("#define")}
        prefix = f"NVIDIA_{name.upper().replace('-', '_')}_"
        assert {prefix + row for row in rows} <= said, name


@pytest.mark.parametrize("name", ["gh200", "gb200", "gb300"])
def test_the_model_is_one_key_of_each_bar(name: str) -> None:
    """A region has the exact size, no register; nothing else of the function is another."""
    bars, regions = layout(f"nvidia/{name}"), layout(f"nvidia/{name}-region")
    made = {bar.index: bar for bar in bars.bars if bar.source is Origin.SYNTHESIZED}
    assert {one.instead_of: one.size for one in regions.regions} == {at: bar.length for at, bar in made.items()}
    assert not [bar for bar in regions.bars if bar.index in made]
    start, end = 0x10 + 4 * min(made), 0x28
    assert not any(regions.config.value[start:end]) and not any(regions.config.writable[start:end])
    assert regions.config.value[end:] == bars.config.value[end:]
    assert api.compare(bars, regions)  # another contract: a guest of one is no guest of the other


def test_build_says_what_each_model_asks(tmp_path: Path) -> None:
    said = {name: memory_needs.lines(layout(f"nvidia/{name}")) for name in ("gb200", "gb200-region", "h100-clique")}
    assert not said["h100-clique"]
    bars, region = "\n".join(said["gb200"]), "\n".join(said["gb200-region"])
    assert "nvgrace-gpu-vfio-pci makes the BARs" in bars
    assert "a 64-bit window of at least 256 GiB" in bars  # the sizes of BAR 0 and 2 were not published
    assert "nvidia,gpu-mem-size is 0x2e80000000" in bars  # 186 GiB
    assert "region 0x800010de/2 (in no release of Linux)" in region and "window" not in region
    old = "\n".join(memory_needs.lines(layout("nvidia/v100-nvlink2")))
    assert "region 0x800010de/1 (NVLink2 memory of POWER9 machines; its driver left Linux in 5.13)" in old
    command = [sys.executable, "-m", "vpci_compile", "build", "nvidia/gb200", "-o", str(tmp_path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [line for line in text.splitlines() if line.startswith("needs: ")] == [
        f"needs: {row}" for row in said["gb200"]
    ]


def test_a_window_is_told_whole() -> None:
    """GH200: 128 GiB and 2 GiB of memory, and 16 MiB of registers, which a rounded number would leave no room for."""
    assert "a 64-bit window of 133136 MiB:" in "\n".join(memory_needs.lines(layout("nvidia/gh200")))


def test_memory_of_a_power_of_two_is_coherent_too() -> None:
    """Its BAR is as long as its memory: nothing but the caching tells it from a BAR of registers."""
    text = (LAYOUTS / "nvidia/gb200.yaml").read_text(encoding="utf-8").replace("length: 186G", "length: 256G")
    assert "length: 256G" in text
    function = pipeline.compile_source(Source("gb.yaml", text), LAYOUTS / "nvidia/gb.yaml").function
    assert "nvidia,gpu-mem-size is 0x4000000000" in "\n".join(memory_needs.lines(function))
    assert not memory_needs.lines(layout("virtio/net-vf-transitional"))


def test_the_property_that_each_part_must_have() -> None:
    """nvgrace-gpu splits what nvidia,gpu-mem-size says, and loses none of it."""
    memory = {
        "gh200": "0x17fd800000",
        "gh200-480": "0x1800000000",
        "gh200-144g": "0x2400000000",
        "gb300": "0x4520000000",
    }
    for name, size in memory.items():
        assert f"nvidia,gpu-mem-size is {size}" in memory_needs.lines(layout(f"nvidia/{name}"))[0], name


@pytest.mark.parametrize("name", ["nvidia/gh200-region", "nvidia/v100-nvlink2", "cxl/type2"])
def test_what_no_vmm_can_do_is_refused(name: str) -> None:
    path = LAYOUTS / f"{name}.yaml"
    text = path.read_text(encoding="utf-8").replace("targets: []", "targets: [qemu]")
    assert "targets: [qemu]" in text
    function = pipeline.compile_source(Source(str(path), text), path).function
    assert function.targets == ("qemu",)
    report = Report()
    emit.check(function, emit.Options(), report)
    with pytest.raises(Failed, match="VPCI18"):
        report.stop_on_errors()


def test_the_clique_where_each_vmm_puts_it() -> None:
    places = {
        name: next(one.offset for one in layout(name).structures if one.name == "gpudirect")
        for name in ("nvidia/h100-clique", "nvidia/h100-clique-ch")
    }
    assert places == {"nvidia/h100-clique": 0xC8, "nvidia/h100-clique-ch": 0xD4}


def test_virtio_as_both() -> None:
    """virtio 1.3 4.1.2.1: device id 0x1040 + 1, or the transitional 0x1000; 5.1: subsystem id 1 of the latter."""
    old, new = layout("virtio/net-vf-transitional"), layout("virtio/net-vf-modern")
    assert [one.config.number("value", 2, 2) for one in (old, new)] == [0x1000, 0x1041]
    assert [one.config.number("value", 0x10, 4) & 1 for one in (old, new)] == [1, 0]
    assert {bar.index for bar in old.bars} - {bar.index for bar in new.bars} == {0}


# -- real captures -------------------------------------------------------------------------------------------------

REAL = {
    "intel/dsa": SHARED / "8086-0b25-sys-mdf40f-6a01_0.lspci",
    "amd/mi300x": SHARED / "1002-74a1-accel-m7a667-3d00_0.lspci",
    "nvme/pm173x": SHARED / "144d-a825-nvme-m7a667-3a00_0.lspci",
    "switch/pex890xx-port": SHARED / "1000-c030-bridge-m7a667-3900_0.lspci",
    "nvme/sriov-vf": ROOT / "tests/captures/nvme-sriov-vf.lspci",
}


@pytest.mark.parametrize("name", REAL)
def test_against_the_real_device(name: str) -> None:
    path = REAL[name]
    if not path.exists():
        pytest.skip("no captures beside the checkout")
    function, real = layout(name), capture.read(path)
    device = api.load(path).function
    have = {(kind, number, at) for kind, number, at, _ in capture.structures(real.data)}
    judged = 0
    for own in function.structures:
        if own.kind in (Kind.STANDARD, Kind.EXTENDED) and own.name != "pasid":  # the VMM's own
            assert (own.kind, own.id, own.offset) in have, own.name
        theirs = {
            (at.bit, at.width) for one in device.structures if one.offset == own.offset for at in device.fields(one)
        }
        for at in function.fields(own):
            volatile = any(
                not function.config.compared[bit // 8] >> bit % 8 & 1 for bit in range(at.bit, at.bit + at.width)
            )
            if volatile or at.field.access not in READ_ONLY or (at.bit, at.width) not in theirs or not at.width:
                continue
            if at.field.changes or at.path.startswith("pm.pmc.pme_"):
                continue  # a state of the hardware; and Linux shows no guest that a device has PME
            if own.kind is Kind.HEADER and (real.virtual or at.offset >= 0x10):
                continue  # a virtual function does not say its ids; base addresses are the guest's
            mask = ((1 << at.width) - 1) << at.bit
            ours, its = (int.from_bytes(data, "little") & mask for data in (function.config.value, real.data))
            if own.source is not Origin.HIDDEN and not at.path.endswith((".next", "header.cap_ptr")):
                assert ours == its, f"{name}: {at.path}"
                judged += 1
    assert judged > 20


@pytest.mark.parametrize("name", [name for name in REAL if not name.startswith("switch/")])
def test_the_real_device_makes_it_true(name: str, tmp_path: Path) -> None:
    """`build --host`: below Linux and QEMU a guest of the captured device finds the layout, bit for bit."""
    if not REAL[name].exists():
        pytest.skip("no captures beside the checkout")
    built = api.build(name, tmp_path, host=api.HostOptions(REAL[name], "linux-7.2/qemu-11.1"))
    assert built.files and built.realized is not None
    assert ("disable_denylist" in built.realized.options) == (name == "intel/dsa")


def test_every_layout_that_has_a_capture_keeps_off_its_bytes() -> None:
    for name, path in REAL.items():
        if not path.exists():
            continue
        data = capture.read(path).data
        for own in layout(name).structures:
            if own.source is Origin.SYNTHESIZED and own.kind is Kind.EXTENDED and not name.startswith("switch/"):
                assert not any(data[own.offset : own.end]), (name, own.name)


def test_the_folder_of_each_is_a_family() -> None:
    families = {Path(name).parts[0] for name in libraries.layouts()}
    assert {"nvidia", "virtio", "mellanox", "intel", "amd", "nvme", "cxl", "switch", "generic"} <= families
