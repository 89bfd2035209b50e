"""Numbers and layouts of vfio and iommufd against the kernel's own headers: a C program says what they are."""

from __future__ import annotations

import contextlib
import errno
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges import lacking
from vpci_compile.capture import vfio_abi as abi

HEADERS = Path(__file__).parents[2] / ".cache/judges/base/usr/include"
NUMBERS = {
    "VFIO_GET_API_VERSION": abi.GET_API_VERSION,
    "VFIO_CHECK_EXTENSION": abi.CHECK_EXTENSION,
    "VFIO_SET_IOMMU": abi.SET_IOMMU,
    "VFIO_GROUP_GET_STATUS": abi.GROUP_GET_STATUS,
    "VFIO_GROUP_SET_CONTAINER": abi.GROUP_SET_CONTAINER,
    "VFIO_GROUP_GET_DEVICE_FD": abi.GROUP_GET_DEVICE_FD,
    "VFIO_DEVICE_GET_INFO": abi.DEVICE_GET_INFO,
    "VFIO_DEVICE_GET_REGION_INFO": abi.DEVICE_GET_REGION_INFO,
    "VFIO_DEVICE_GET_IRQ_INFO": abi.DEVICE_GET_IRQ_INFO,
    "VFIO_DEVICE_FEATURE": abi.DEVICE_FEATURE,
    "VFIO_DEVICE_BIND_IOMMUFD": abi.DEVICE_BIND_IOMMUFD,
    "IOMMU_GET_HW_INFO": abi.IOMMU_GET_HW_INFO,
    "VFIO_API_VERSION": abi.API_VERSION,
    "VFIO_TYPE1_IOMMU": abi.TYPE1_IOMMU,
    "VFIO_TYPE1v2_IOMMU": abi.TYPE1V2_IOMMU,
    "VFIO_NOIOMMU_IOMMU": abi.NOIOMMU_IOMMU,
    "VFIO_GROUP_FLAGS_VIABLE": abi.GROUP_VIABLE,
    "VFIO_DEVICE_FLAGS_RESET": abi.DEVICE_FLAGS["reset"],
    "VFIO_DEVICE_FLAGS_PCI": abi.DEVICE_FLAGS["pci"],
    "VFIO_DEVICE_FLAGS_CAPS": abi.DEVICE_FLAGS["caps"],
    "VFIO_REGION_INFO_FLAG_READ": abi.REGION_FLAGS["read"],
    "VFIO_REGION_INFO_FLAG_WRITE": abi.REGION_FLAGS["write"],
    "VFIO_REGION_INFO_FLAG_MMAP": abi.REGION_FLAGS["mmap"],
    "VFIO_REGION_INFO_FLAG_CAPS": abi.REGION_FLAGS["caps"],
    "VFIO_REGION_INFO_CAP_SPARSE_MMAP": abi.CAP_SPARSE_MMAP,
    "VFIO_REGION_INFO_CAP_TYPE": abi.CAP_TYPE,
    "VFIO_REGION_INFO_CAP_MSIX_MAPPABLE": abi.CAP_MSIX_MAPPABLE,
    "VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP": abi.INFO_CAP_ATOMIC_COMP,
    "VFIO_PCI_ATOMIC_COMP32": abi.ATOMICS["32"],
    "VFIO_PCI_ATOMIC_COMP64": abi.ATOMICS["64"],
    "VFIO_PCI_ATOMIC_COMP128": abi.ATOMICS["128"],
    "VFIO_IRQ_INFO_EVENTFD": abi.IRQ_FLAGS["eventfd"],
    "VFIO_IRQ_INFO_MASKABLE": abi.IRQ_FLAGS["maskable"],
    "VFIO_IRQ_INFO_AUTOMASKED": abi.IRQ_FLAGS["automasked"],
    "VFIO_IRQ_INFO_NORESIZE": abi.IRQ_FLAGS["noresize"],
    "VFIO_DEVICE_FEATURE_GET": abi.FEATURE_GET,
    "VFIO_DEVICE_FEATURE_SET": abi.FEATURE_SET,
    "VFIO_DEVICE_FEATURE_PROBE": abi.FEATURE_PROBE,
    "VFIO_DEVICE_FEATURE_MIGRATION": abi.FEATURE_ID_MIGRATION,
    "VFIO_DEVICE_FEATURE_DMA_LOGGING_START": abi.FEATURE_ID_DMA_LOGGING_START,
    "VFIO_MIGRATION_STOP_COPY": abi.MIGRATION["stop-copy"],
    "VFIO_MIGRATION_P2P": abi.MIGRATION["p2p"],
    "VFIO_MIGRATION_PRE_COPY": abi.MIGRATION["pre-copy"],
    "VFIO_PCI_BAR5_REGION_INDEX": abi.REGION_NAMES.index("bar5"),
    "VFIO_PCI_ROM_REGION_INDEX": abi.REGION_NAMES.index("rom"),
    "VFIO_PCI_CONFIG_REGION_INDEX": abi.CONFIG_REGION,
    "VFIO_PCI_VGA_REGION_INDEX": abi.REGION_NAMES.index("vga"),
    "VFIO_PCI_NUM_REGIONS": len(abi.REGION_NAMES),
    "VFIO_PCI_INTX_IRQ_INDEX": abi.IRQ_NAMES.index("intx"),
    "VFIO_PCI_MSI_IRQ_INDEX": abi.IRQ_NAMES.index("msi"),
    "VFIO_PCI_MSIX_IRQ_INDEX": abi.IRQ_NAMES.index("msix"),
    "VFIO_PCI_ERR_IRQ_INDEX": abi.IRQ_NAMES.index("err"),
    "VFIO_PCI_REQ_IRQ_INDEX": abi.IRQ_NAMES.index("req"),
    "VFIO_PCI_NUM_IRQS": len(abi.IRQ_NAMES),
    "IOMMU_HW_CAP_DIRTY_TRACKING": abi.HW_CAPABILITIES["dirty-tracking"],
    "IOMMU_HW_CAP_PCI_PASID_EXEC": abi.HW_CAPABILITIES["pasid-exec"],
    "IOMMU_HW_CAP_PCI_PASID_PRIV": abi.HW_CAPABILITIES["pasid-priv"],
    "IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED": abi.HW_CAPABILITIES["ats-not-supported"],
    **{f"IOMMU_HW_INFO_TYPE_{name.upper().replace('-', '_')}": number for number, name in abi.HW_TYPES.items()},
}
LAYOUTS = {  # structure: (ours, its members in our order)
    "vfio_group_status": (abi.GROUP_STATUS, ["argsz", "flags"]),
    "vfio_device_info": (abi.DEVICE_INFO, ["argsz", "flags", "num_regions", "num_irqs", "cap_offset"]),
    "vfio_region_info": (abi.REGION_INFO, ["argsz", "flags", "index", "cap_offset", "size", "offset"]),
    "vfio_irq_info": (abi.IRQ_INFO, ["argsz", "flags", "index", "count"]),
    "vfio_info_cap_header": (abi.CAP_HEADER, ["id", "version", "next"]),
    "vfio_region_sparse_mmap_area": (abi.SPARSE_AREA, ["offset", "size"]),
    "vfio_device_feature": (abi.FEATURE, ["argsz", "flags"]),
    "vfio_device_feature_migration": (abi.FEATURE_MIGRATION, ["flags"]),
    "iommu_hw_info": (
        abi.HW_INFO,
        ["size", "flags", "dev_id", "data_len", "data_uptr", "out_data_type", "out_max_pasid_log2", "out_capabilities"],
    ),
}
PARTS = {  # the same, after a header or before members that are not ours
    "vfio_device_bind_iommufd": (abi.BIND_IOMMUFD, 0, ["argsz", "flags", "iommufd", "out_devid"]),
    "vfio_region_info_cap_sparse_mmap": (abi.SPARSE_HEADER, 8, ["nr_areas", "reserved"]),
    "vfio_region_info_cap_type": (abi.REGION_TYPE, 8, ["type", "subtype"]),
    "vfio_device_info_cap_pci_atomic_comp": (abi.ATOMIC_COMP, 8, ["flags", "reserved"]),
}
PROGRAM = """
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <linux/vfio.h>
#include <linux/iommufd.h>

static void dump(const char *name, const void *what, size_t size)
{
    printf("%s ", name);
    for (size_t at = 0; at < size; at++)
        printf("%02x", ((const unsigned char *)what)[at]);
    printf("\\n");
}

int main(void)
{
@LINES@
    struct { struct vfio_region_info info; struct vfio_info_cap_header msix;
             struct vfio_region_info_cap_type type; __u8 pad[0];
             struct { struct vfio_info_cap_header header; __u32 nr_areas, reserved;
                      struct vfio_region_sparse_mmap_area areas[2]; } sparse; } region;
    memset(&region, 0, sizeof region);
    region.info = (struct vfio_region_info){ .argsz = sizeof region, .index = 11, .size = 0x1122334455667788,
        .offset = 0x99aabbccddeeff, .cap_offset = offsetof(__typeof__(region), msix),
        .flags = VFIO_REGION_INFO_FLAG_CAPS | VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_MMAP };
    region.msix = (struct vfio_info_cap_header){ VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 1,
        offsetof(__typeof__(region), type) };
    region.type = (struct vfio_region_info_cap_type){ { VFIO_REGION_INFO_CAP_TYPE, 1,
        offsetof(__typeof__(region), sparse) }, VFIO_REGION_TYPE_PCI_VENDOR_TYPE | 0x10de, 77 };
    region.sparse.header = (struct vfio_info_cap_header){ VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1, 0 };
    region.sparse.nr_areas = 2;
    region.sparse.areas[0] = (struct vfio_region_sparse_mmap_area){ 0x1000, 0x2000 };
    region.sparse.areas[1] = (struct vfio_region_sparse_mmap_area){ 0x123450000, 0x678900000 };
    dump("region", &region, sizeof region);

    struct { struct vfio_device_info info; struct vfio_device_info_cap_pci_atomic_comp atomics; } device;
    memset(&device, 0, sizeof device);
    device.info = (struct vfio_device_info){ sizeof device, VFIO_DEVICE_FLAGS_CAPS | VFIO_DEVICE_FLAGS_PCI, 12, 5,
        offsetof(__typeof__(device), atomics), 0 };
    device.atomics.header = (struct vfio_info_cap_header){ VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP, 1, 0 };
    device.atomics.flags = VFIO_PCI_ATOMIC_COMP64 | VFIO_PCI_ATOMIC_COMP128;
    dump("device", &device, sizeof device);

    struct vfio_irq_info irq = { sizeof irq, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_AUTOMASKED, 2, 2048 };
    dump("irq", &irq, sizeof irq);

    struct { struct vfio_device_feature feature; struct vfio_device_feature_migration migration; } migration = {
        { sizeof migration, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION },
        { VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_PRE_COPY } };
    dump("migration", &migration, sizeof migration);

    struct iommu_hw_info hw = { .size = sizeof hw, .dev_id = 9, .data_len = 24,
        .out_data_type = IOMMU_HW_INFO_TYPE_ARM_SMMUV3, .out_max_pasid_log2 = 16,
        .out_capabilities = IOMMU_HW_CAP_DIRTY_TRACKING | IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED };
    dump("hw", &hw, sizeof hw);
    return 0;
}
"""


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the headers say: name to number, "struct.member" to offset, and replies as a kernel would write them."""
    if not (HEADERS / "linux/iommufd.h").exists():
        lacking("no kernel headers here (run tools/fetch-judges.sh)")
    if shutil.which("gcc") is None:
        lacking("no gcc here")
    lines = [f'printf("{name} %llu\\n", (unsigned long long)({name}));' for name in NUMBERS]
    for name, members in [*((n, m) for n, (_, m) in LAYOUTS.items()), *((n, m) for n, (_, _, m) in PARTS.items())]:
        lines.append(f'printf("{name} %zu\\n", sizeof(struct {name}));')
        lines += [f'printf("{name}.{one} %zu\\n", offsetof(struct {name}, {one}));' for one in members]
    source = tmp_path_factory.mktemp("abi") / "abi.c"
    source.write_text(PROGRAM.replace("@LINES@", "\n".join(f"    {line}" for line in lines)))
    # The headers of this package stand in front; <asm/...> is the architecture's, as the compiler knows it.
    command = ["gcc", "-std=gnu11", "-w", "-I", str(HEADERS), str(source), "-o", str(source.with_suffix(""))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    said = subprocess.run([source.with_suffix("")], capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in said.splitlines())


def test_every_number(judge: dict[str, str]) -> None:
    wrong = {name: (judge[name], value) for name, value in NUMBERS.items() if int(judge[name]) & 0xFFFFFFFF != value}
    assert not wrong


def offsets(form: struct.Struct) -> list[int]:
    """Where each member of a format begins."""
    count = len(form.unpack(bytes(form.size)))
    found = []
    for index in range(count):
        ones = form.pack(*(-1 if n == index and "i" in form.format else int(n == index) for n in range(count)))
        found.append(next(at for at, octet in enumerate(ones) if octet))
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout(judge: dict[str, str], name: str) -> None:
    form, members = LAYOUTS[name]
    assert form.size == int(judge[name])
    assert offsets(form) == [int(judge[f"{name}.{one}"]) for one in members]


@pytest.mark.parametrize("name", PARTS)
def test_every_part_of_a_layout(judge: dict[str, str], name: str) -> None:
    form, start, members = PARTS[name]
    wanted = [int(judge[f"{name}.{one}"]) - start for one in members]
    if "i" not in form.format:
        assert offsets(form) == wanted
    else:
        assert wanted == [0, 4, 8, 12] and form.size == 16  # what Linux took before there were tokens


def test_replies_as_a_c_program_writes_them(judge: dict[str, str]) -> None:
    replies = {name: bytes.fromhex(judge[name]) for name in ("region", "device", "irq", "migration", "hw")}
    assert abi.region(replies["region"]) == abi.Region(
        11,
        ("read", "mmap"),
        0x1122334455667788,
        0x99AABBCCDDEEFF,
        areas=((0x1000, 0x2000), (0x123450000, 0x678900000)),
        type=(0x800010DE, 77),
        msix_mappable=True,
    )
    assert abi.device(replies["device"]) == abi.Device(("pci",), 12, 5, ("64", "128"))
    assert abi.irq(replies["irq"]) == abi.Irq(2, ("eventfd", "automasked"), 2048)
    assert abi.migration(replies["migration"]) == ("stop-copy", "pre-copy")
    assert abi.hw_info(replies["hw"]) == abi.HwInfo("arm-smmuv3", 16, ("dirty-tracking", "ats-not-supported"))


def test_no_call_is_one_that_changes_something() -> None:
    """Beside opening, which resets: no mapping, no interrupt, no state, no write."""
    refused = {100 + number for number in (10, 11, 13, 14, 15, 16, 19, 20)}
    numbers = {value & 0xFF for name, value in NUMBERS.items() if name.startswith(("VFIO_DEVICE", "VFIO_GROUP"))}
    assert not refused & numbers


@given(st.binary(max_size=200))
def test_any_reply_is_decoded_or_refused(reply: bytes) -> None:
    for decode in (abi.device, abi.region, abi.irq, abi.migration, abi.hw_info):
        try:
            decode(reply)
        except abi.Malformed:
            continue


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 200)), max_size=8), st.binary(max_size=80))
def test_any_chain_of_capabilities_ends(chain: list[tuple[int, int]], rest: bytes) -> None:
    reply = abi.REGION_INFO.pack(200, 8, 0, 32, 0, 0)
    reply += b"".join(abi.CAP_HEADER.pack(number, 1, following) for number, following in chain) + rest
    with contextlib.suppress(abi.Malformed):
        abi.region(reply)


def test_the_running_kernel_is_called_as_it_wants() -> None:
    """The real calls, as far as a machine without vfio has them: a file that takes no request says so."""
    from vpci_compile.capture.vfio_probe import Linux

    kernel = Linux()
    assert kernel.exists("/dev/null") and not kernel.exists("/dev/no-such-node")
    descriptor = kernel.open("/dev/zero")
    try:
        assert kernel.read(descriptor, 8, 100) == bytes(8)
        for argument in (0, bytearray(8), bytearray(4000)):
            with pytest.raises(OSError) as caught:
                kernel.ioctl(descriptor, abi.GET_API_VERSION, argument)
            assert caught.value.errno == errno.ENOTTY
    finally:
        kernel.close(descriptor)
    with pytest.raises(OSError):
        kernel.open("/dev/no-such-node")
