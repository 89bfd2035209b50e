"""Capture our own test data: the config space of every function of one emulated QEMU machine.

No guest runs. QEMU is driven over its qtest socket, this script plays the firmware (bus numbers, BARs, bridge windows),
then reads every function through ECAM. Run `tools/fetch-judges.sh --qemu` first, then `python tests/captures/make.py`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from emulated import Firmware, Function, Qtest, Topology

HERE = Path(__file__).resolve().parent
JUDGES = Path(os.environ.get("VPCI_CACHE") or HERE.parents[1] / ".cache" / "judges") / "bin"
CXL_BUS = 0x40

MACHINE = ["-machine", "q35,cxl=on", "-m", "64M", "-accel", "qtest", "-S", "-nodefaults", "-display", "none"]
BACKENDS = [
    *("-object", "memory-backend-ram,id=cxl-mem,size=256M"),
    *("-object", "memory-backend-ram,id=ivshmem-mem,size=1M"),
    *("-device", "nvme-subsys,id=nvme-subsys-0"),
    *(
        word
        for disk in ("d0", "d1", "d2")
        for word in ("-blockdev", f"null-co,node-name={disk},size=1048576,read-zeroes=on")
    ),
    *("-device", f"pxb-cxl,id=cxl,bus=pcie.0,addr=1e.0,bus_nr={CXL_BUS}"),
]

ROOT_PORT = "pcie-root-port"
# Bus, slot.function, label (= file name), QEMU device (none: part of the machine). The order is the scan order.
TOPOLOGY: Topology = [
    ("pcie.0", "00.0", "q35-mch", ""),
    ("pcie.0", "01.0", "pcie-root-port", f"{ROOT_PORT},slot=1"),
    ("pcie-root-port", "00.0", "e1000e", "e1000e"),
    ("pcie.0", "02.0", "rp-igb", f"{ROOT_PORT},slot=2"),
    ("rp-igb", "00.0", "igb", "igb"),
    ("pcie.0", "03.0", "rp-nvme", f"{ROOT_PORT},slot=3"),
    ("rp-nvme", "00.0", "nvme", "nvme,serial=one,drive=d0"),
    ("pcie.0", "04.0", "rp-virtio", f"{ROOT_PORT},slot=4"),
    ("rp-virtio", "00.0", "virtio-net-modern", "virtio-net-pci,ats=on,aer=on"),
    ("pcie.0", "05.0", "rp-xhci", f"{ROOT_PORT},slot=5"),
    ("rp-xhci", "00.0", "qemu-xhci", "qemu-xhci"),
    ("pcie.0", "06.0", "rp-switch", f"{ROOT_PORT},slot=6"),
    ("rp-switch", "00.0", "x3130-upstream", "x3130-upstream"),
    ("x3130-upstream", "00.0", "x3130-downstream", "xio3130-downstream,chassis=6,slot=7"),
    ("x3130-downstream", "00.0", "vmxnet3", "vmxnet3"),
    ("x3130-upstream", "01.0", "downstream-megasas", "xio3130-downstream,chassis=6,slot=8"),
    ("downstream-megasas", "00.0", "megasas-gen2", "megasas-gen2"),
    ("pcie.0", "07.0", "rp-nvme-sriov", f"{ROOT_PORT},slot=9"),
    (
        "rp-nvme-sriov",
        "00.0",
        "nvme-sriov",
        "nvme,serial=two,subsys=nvme-subsys-0,sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=8,max_ioqpairs=26",
    ),
    ("pcie.0", "08.0", "pcie-pci-bridge", "pcie-pci-bridge"),
    ("pcie-pci-bridge", "01.0", "e1000", "e1000"),
    ("pcie-pci-bridge", "02.0", "virtio-net-transitional", "virtio-net-pci,disable-legacy=off"),
    ("pcie-pci-bridge", "03.0", "mptsas1068", "mptsas1068"),
    ("pcie-pci-bridge", "04.0", "pci-testdev", "pci-testdev,membar=1M"),
    ("pcie-pci-bridge", "05.0", "pci-bridge", "pci-bridge,chassis_nr=5"),
    ("pcie.0", "09.0", "nvme-integrated", "nvme,serial=three,drive=d1"),
    ("pcie.0", "0a.0", "virtio-blk", "virtio-blk-pci,drive=d2"),
    ("pcie.0", "0b.0", "edu", "edu"),
    ("pcie.0", "0c.0", "vga", "VGA"),
    ("pcie.0", "0d.0", "bochs-display", "bochs-display"),
    ("pcie.0", "0e.0", "amd-iommu", "AMDVI-PCI"),
    ("pcie.0", "0f.0", "ivshmem", "ivshmem-plain,memdev=ivshmem-mem"),
    ("pcie.0", "1b.0", "ich9-intel-hda", "ich9-intel-hda"),
    ("pcie.0", "1e.0", "pxb-cxl-host", ""),
    ("pcie.0", "1f.0", "ich9-lpc", ""),
    ("pcie.0", "1f.2", "ich9-ahci", ""),
    ("pcie.0", "1f.3", "ich9-smbus", ""),
    ("cxl", "00.0", "cxl-root-port", "cxl-rp,chassis=64,slot=10"),
    ("cxl-root-port", "00.0", "cxl-type3", "cxl-type3,volatile-memdev=cxl-mem,sn=0x1122334455667788"),
]
UNSAVED = {label for _, _, label, _ in TOPOLOGY if label.startswith(("rp-", "downstream-"))} | {"pxb-cxl-host"}
# One dump with several devices, in the order of lspci, with the domain in front (lspci -D).
TOGETHER = ["q35-mch", "pcie-root-port", "pcie-pci-bridge", "vga", "ich9-lpc", "ich9-ahci", "e1000e", "igb", "e1000"]
SYSFS = ["e1000e", "igb"]


def hex_lines(config: bytes) -> list[str]:
    rows = range(0, len(config), 16)
    return [f"{row:02x}: {config[row : row + 16].hex(' ')}" for row in rows]


def lspci(*arguments: str | Path) -> str:
    return subprocess.run([JUDGES / "lspci", *arguments], check=True, text=True, capture_output=True).stdout


def headlines(functions: Iterable[Function]) -> dict[str, str]:
    """Let lspci name the functions: BDF to its first line."""
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "all"
        dump.write_text("".join("\n".join([f"{f.bdf} x", *hex_lines(f.config), "\n"]) for f in functions))
        return {line.split()[0]: line for line in lspci("-nn", "-F", dump).splitlines()}


def write_text(name: str, blocks: Iterable[list[str]]) -> None:
    path = HERE / f"{name}.lspci"
    path.write_text("\n".join("\n".join([*block, ""]) for block in blocks))
    wanted = [line for line in path.read_text().splitlines() if re.match(r"[0-9a-f]{2,3}: ", line)]
    if [line for line in lspci("-xxxx", "-F", path).splitlines() if re.match(r"[0-9a-f]{2,3}: ", line)] != wanted:
        raise SystemExit(f"lspci does not return the bytes of {path.name}")


def write_sysfs(function: Function) -> None:
    folder = HERE / "sysfs" / function.label
    folder.mkdir(parents=True)
    (folder / "config").write_bytes(function.config)
    vendor, device, sub_vendor, sub_device = (
        f"0x{int.from_bytes(function.config[offset : offset + 2], 'little'):04x}" for offset in (0x00, 0x02, 0x2C, 0x2E)
    )
    resources = [(0, 0, 0)] * 13  # six BARs, the ROM, six VF BARs (each with the extent of all VFs)
    for bar in function.bars:
        resources[bar.index] = (bar.address, bar.address + bar.size * bar.count - 1, bar.flags)
    attributes = {
        "resource": "\n".join(f"0x{start:016x} 0x{end:016x} 0x{flags:016x}" for start, end, flags in resources),
        "vendor": vendor,
        "device": device,
        "subsystem_vendor": sub_vendor,
        "subsystem_device": sub_device,
        "class": f"0x{int.from_bytes(function.config[9:12], 'little'):06x}",
        "revision": f"0x{function.config[8]:02x}",
        "irq": f"{function.config[0x3C]}",
    }
    for name, text in attributes.items():
        (folder / name).write_text(text + "\n")


def main() -> None:
    qemu = JUDGES / "qemu-system-x86_64"
    if not qemu.exists():
        raise SystemExit("no QEMU to capture from: run tools/fetch-judges.sh --qemu first")
    devices = [
        word
        for bus, place, label, device in TOPOLOGY
        if device
        for word in ("-device", f"{device},id={label},bus={bus},addr={place}")
    ]
    qtest = Qtest(qemu, [*MACHINE, *BACKENDS, *devices])
    try:
        firmware = Firmware(qtest, TOPOLOGY)
        firmware.scan(0, "pcie.0")
        firmware.last_bus = CXL_BUS
        firmware.scan(CXL_BUS, "cxl")
        functions = {function.label: function for function in firmware.functions}
        for function in firmware.functions:
            firmware.capture(function)
        for label in ("igb", "nvme-sriov"):
            functions[f"{label}-vf"] = firmware.enable_first_vf(functions[label])
            firmware.capture(functions[f"{label}-vf"])
    finally:
        qtest.close()

    for old in HERE.glob("*.lspci"):
        old.unlink()
    shutil.rmtree(HERE / "sysfs", ignore_errors=True)
    names = headlines(functions.values())
    blocks: dict[str, list[str]] = {}
    for label, function in functions.items():
        regions = [bar.text(virtual=function.virtual) for bar in function.bars if bar.index < 7]
        blocks[label] = [names[function.bdf], *regions, *hex_lines(function.config)]
        if label not in UNSAVED:
            write_text(label, [blocks[label]])
    write_text("q35-all", ([f"0000:{blocks[label][0]}", *blocks[label][1:]] for label in TOGETHER))
    regions = [line for line in blocks["e1000e"] if line.startswith("\t")]
    unprivileged = [blocks["e1000e"][0], *regions, "\tCapabilities: <access denied>"]
    write_text("noroot-e1000e", [[*unprivileged, *hex_lines(functions["e1000e"].config[:64])]])
    for label in SYSFS:
        write_sysfs(functions[label])
    print(f"captured {len(blocks)} functions", file=sys.stderr)


if __name__ == "__main__":
    main()
