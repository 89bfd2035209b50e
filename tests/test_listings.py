"""Layouts of devices that nobody dumped, against what lspci printed of them: lspci must say the same of our image.

The lines are of real devices, as the mails that the layouts cite have them; hidden structures and what a host programs
are not in them, and words that newer releases of lspci spell otherwise are left out.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from compiling import LAYOUTS
from judges import need
from vpci_compile import api
from vpci_compile.diagnostics import Failed

KIB = 1024

LISTINGS = {
    "mellanox/connectx-7-vf": (  # kvm, 28 Jul 2025, b1:00.2
        "Subsystem: Mellanox Technologies Device 0026",
        "Region 0: Memory at <unassigned> (64-bit, prefetchable)",
        "Capabilities: [60] Express (v2) Endpoint",
        "MaxPayload 512 bytes, PhantFunc 0, Latency L0s unlimited, L1 unlimited",
        "ExtTag+ AttnBtn- AttnInd- PwrInd- RBE+ FLReset+",
        "Port #0, Speed 32GT/s, Width x16, ASPM not supported",
        "ClockPM- Surprise- LLActRep- BwNot- ASPMOptComp+",
        "DevCap2: Completion Timeout: Range ABC, TimeoutDis+ NROPrPrP- LTR-",
        "10BitTagComp+ 10BitTagReq+ OBFF Not Supported, ExtFmt- EETLPPrefix-",
        "AtomicOpsCap: 32bit+ 64bit+ 128bitCAS+",
        "Capabilities: [9c] MSI-X: Enable- Count=12 Masked-",
        "Vector table: BAR=0 offset=00002000",
        "PBA: BAR=0 offset=00003000",
        "Capabilities: [100 v1] Vendor Specific Information: ID=0000 Rev=0 Len=00c",
    ),
    "intel/x710-vf": (  # qemu-devel, 3 Mar 2025, 01:00.0 of a guest
        "Ethernet controller: Intel Corporation Ethernet Virtual Function 700 Series (rev 02)",
        "Subsystem: Intel Corporation Device 0000",
        "Region 0: Memory at <unassigned> (64-bit, prefetchable)",
        "Region 3: Memory at <unassigned> (64-bit, prefetchable)",
        "Capabilities: [70] MSI-X: Enable- Count=5 Masked-",
        "Capabilities: [a0] Express (v2) Endpoint",
        "Capabilities: [100 v2] Advanced Error Reporting",
        "Capabilities: [1a0 v1] Transaction Processing Hints",
        "Capabilities: [1d0 v1] Access Control Services",
    ),
    "intel/e810-vf": (  # a guide to Canonical Kubernetes, 98:1f.2
        "Ethernet controller: Intel Corporation Ethernet Adaptive Virtual Function (rev 02)",
        "Subsystem: Intel Corporation Ethernet Adaptive Virtual Function",
        "Region 0: Memory at <unassigned> (64-bit, prefetchable)",
        "Region 3: Memory at <unassigned> (64-bit, prefetchable)",
    ),
    "intel/qat-4xxx-vf": (  # 08:00.0 of a host with 16 VFs
        "Co-processor: Intel Corporation 4xxx Series QAT Virtual Function (rev 40)",
        "Subsystem: Intel Corporation Device 0000",
    ),
    "hisilicon/zip-vf": (
        "Processing accelerators: Huawei Technologies Co., Ltd. HiSilicon ZIP Engine(Virtual Function) (rev 30)",
        "Region 2: Memory at <unassigned> (64-bit, prefetchable)",
    ),
}


@pytest.mark.parametrize("name", LISTINGS)
def test_lspci_says_of_our_image_what_it_said_of_the_device(name: str, tmp_path: Path) -> None:
    lspci = need("VPCI_LSPCI", "lspci")
    built = api.build(LAYOUTS / f"{name}.yaml", tmp_path)
    (dump,) = (path for path in built.files if path.suffix == ".lspci")
    shown = subprocess.run([lspci, "-vvv", "-F", dump], capture_output=True, text=True, check=True).stdout
    lacking = [line for line in LISTINGS[name] if line not in shown]
    assert not lacking, shown


def test_a_listed_chain_is_the_whole_chain(tmp_path: Path) -> None:
    """A guest of QEMU lists these places and no others: alternative routing, which the device has, is hidden."""
    lspci = need("VPCI_LSPCI", "lspci")
    wanted = {"mellanox/connectx-7-vf": ["60", "9c", "100"], "intel/x710-vf": ["70", "a0", "100", "1a0", "1d0"]}
    for name, places in wanted.items():
        dump = next(
            path for path in api.build(LAYOUTS / f"{name}.yaml", tmp_path / name).files if path.suffix == ".lspci"
        )
        shown = subprocess.run([lspci, "-vv", "-F", dump], capture_output=True, text=True, check=True).stdout
        assert [
            line.split("[")[1].split("]")[0].split()[0] for line in shown.splitlines() if "Capabilities: [" in line
        ] == places


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("mellanox/connectx-7-vf", {0: 1024 * KIB}),
        ("intel/x710-vf", {0: 64 * KIB, 3: 16 * KIB}),
        ("intel/e810-vf", {0: 128 * KIB, 3: 16 * KIB}),
        ("intel/qat-4xxx-vf", {0: None, 2: None}),  # nobody published them
        ("hisilicon/zip-vf", {2: 64 * KIB // 2}),  # the upper half is the migration's
    ],
)
def test_sizes_as_listed(name: str, sizes: dict[int, int | None]) -> None:
    assert {bar.index: bar.size for bar in api.load(name).function.bars} == sizes


def virtual_function(name: str, regions: dict[int, str]) -> str:
    """What lspci prints of such a VF on a host: its ids read ffff, its base addresses 0; its PF has the sizes."""
    value = bytearray(api.load(name).function.config.value)
    value[0:4], value[0x10:0x28] = b"\xff" * 4, bytes(24)
    rows = [f"{at:02x}: {value[at : at + 16].hex(' ')}" for at in range(0, len(value), 16)]
    bars = [
        f"\tRegion {at}: Memory at 38000000 (64-bit, prefetchable) [virtual] [size={size}]"
        for at, size in regions.items()
    ]
    return "\n".join(["75:00.1 Class 1200: ffff:ffff (rev 30)", *bars, *rows]) + "\n"


@pytest.mark.parametrize(("size", "fine"), [("64K", True), ("32K", False)])
def test_half_of_the_bar_is_the_guest_s(size: str, fine: bool, tmp_path: Path) -> None:
    """A host whose VF has 64 KiB makes the layout true; below hisi_acc_vfio_pci one of 32 KiB has 16 for the guest."""
    host = tmp_path / "vf.lspci"
    host.write_text(virtual_function("hisilicon/zip-vf", {2: size}), encoding="utf-8")
    options = api.HostOptions(host, "linux-7.2/qemu-11.1")
    if fine:
        assert api.build("hisilicon/zip-vf", tmp_path / "out", host=options).realized is not None
        return
    with pytest.raises(Failed, match="BAR 2 size: in the layout 0x8000 bytes, on the host 0x4000 bytes"):
        api.build("hisilicon/zip-vf", tmp_path / "out", host=options)


def test_the_base_addresses_of_a_vf_are_found_though_it_has_none(tmp_path: Path) -> None:
    host = tmp_path / "vf.lspci"
    host.write_text(virtual_function("intel/e810-vf", {0: "128K", 3: "16K"}), encoding="utf-8")
    assert api.build("intel/e810-vf", tmp_path, host=api.HostOptions(host, "linux-7.2/qemu-11.1")).realized is not None
    host.write_text(virtual_function("intel/e810-vf", {0: "64K", 3: "16K"}), encoding="utf-8")
    with pytest.raises(Failed, match="VPCI2112"):
        api.build("intel/e810-vf", tmp_path, host=api.HostOptions(host, "linux-7.2/qemu-11.1"))
