"""The capture file: what stands where. docs/capture.md says it in words; `schemas/capture.schema.json` is made here."""

from __future__ import annotations

from functools import cache

from ..loader.json_shape import Maybe, Names, Number, Part, Rows, Text, Truth, part, schema_text
from .model import MAX_SPACE

VERSION = 1
VERSION_KEY = "vpci-capture"
MAX_FUNCTIONS = 16_384  # more than any machine has
ROW_BYTES = 16
_LARGEST = (1 << 63) - 1

SLOT = r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]"
RANGE = r"0x[0-9a-f]{1,3}\.\.0x[0-9a-f]{1,3}"
ROW = r"[0-9a-f]{2}0:(?: (?:[0-9a-f]{2}|--)){1,16}"
RUN = r"[0-9a-f]{2}0\.\.[0-9a-f]{2}f: (?:[0-9a-f]{2}|--)"


def _hex(digits: int, example: str) -> Text:
    return Text(f'a number in hex, "{example}"', f"0x[0-9a-f]{{1,{digits}}}")


_WORD = Text("a word of at most 64 characters", r"[A-Za-z0-9_.:+/@~-]{1,64}")
_SLOT = Text('a slot, "0000:3d:00.0"', SLOT)
_SIZE = _hex(16, "0x4000")
_RANGE = Text('a range, "0x104..0x10b"', RANGE)
_ROW = Text('a row of bytes, "000: 86 80 d3 10" or "110..fff: 00"', f"{ROW}|{RUN}")
_CONFIG = Rows(_ROW, MAX_SPACE // ROW_BYTES)
_WORDS = Rows(_WORD, 64)
_COUNT = Number(0, 0xFFFFFFFF)


_REDACTED = part(
    "Bytes that were taken out; they stand as -- in the rows.",
    range=(_RANGE, "The first and the last of them."),
    what=(_WORD, "What they were: serial-number, vpd, mac-address."),
)

_REGION = part(
    "A region, as VFIO_DEVICE_GET_REGION_INFO says it.",
    index=(Number(0, 255), "Its number: 0..5 are BARs, 6 the ROM, 7 the configuration space, 8 VGA, others special."),
    name=(_WORD, "What that number means."),
    size=(_SIZE, "Bytes."),
    flags=(_WORDS, "read, write, mmap."),
    mmap=(
        Maybe(Rows(part("An area.", offset=(_SIZE, "Where it begins."), size=(_SIZE, "Bytes.")), 4096)),
        "The areas that alone can be mapped (a sparse mmap); null where the kernel names none.",
    ),
    type=(
        Maybe(part("A type.", type=(_hex(8, "0x800010de"), "The type."), subtype=(_hex(8, "0x1"), "Its subtype."))),
        "What a device-specific region is; null for the others.",
    ),
    msix_mappable=(Truth(), "Whether the part that holds the MSI-X table may be mapped, too."),
    others=(Rows(_COUNT, 64), "Ids of further capabilities of the region."),
)

_IRQ = part(
    "Interrupts of one kind, as VFIO_DEVICE_GET_IRQ_INFO says it.",
    index=(Number(0, 255), "Its number: 0 INTx, 1 MSI, 2 MSI-X, 3 errors, 4 requests."),
    name=(_WORD, "What that number means."),
    count=(_COUNT, "How many there are."),
    flags=(_WORDS, "eventfd, maskable, automasked, noresize."),
)

_IOMMU = part(
    "The IOMMU in front of the function, as IOMMU_GET_HW_INFO says it.",
    type=(_WORD, "Which it is: intel-vtd, arm-smmuv3, tegra241-cmdqv, amd, none."),
    max_pasid_log2=(Number(0, 255), "Width of a PASID in bits; 0: none, or a kernel that does not say (before 6.15)."),
    capabilities=(_WORDS, "dirty-tracking, pasid-exec, pasid-priv, ats-not-supported."),
)

_VFIO = part(
    "What vfio says of the function.",
    route=(_WORD, "How it was asked: iommufd, group or noiommu."),
    flags=(_WORDS, "Of VFIO_DEVICE_GET_INFO: reset, pci."),
    atomics=(_WORDS, "Widths of AtomicOps that the root bus completes: 32, 64, 128."),
    regions=(Rows(_REGION, 256), "The regions."),
    irqs=(Rows(_IRQ, 256), "The interrupts."),
    migration=(Maybe(_WORDS), "What the driver's migration can: stop-copy, p2p, pre-copy; null where it did not say."),
    dma_logging=(Maybe(Truth()), "Whether the device logs its own DMA; null where it did not say."),
    iommu=(Maybe(_IOMMU), "The IOMMU; null where only iommufd could say, and was not there."),
    config=(_CONFIG, "The configuration space as vfio shows it to a VMM."),
)

_RESOURCE = part(
    "A BAR or the ROM that the kernel knows, from sysfs 'resource'; its host address is left out.",
    index=(Number(0, 6), "0..5, or 6 for the ROM."),
    size=(_SIZE, "Bytes."),
    flags=(_hex(16, "0x140204"), "IORESOURCE_* of linux/ioport.h."),
)

_SRIOV = part(
    "What the function can as a PF.",
    total=(_COUNT, "Virtual functions that it can have."),
    enabled=(_COUNT, "Virtual functions that it has now."),
)

_FUNCTION = part(
    "One function. The ids are the kernel's: the bytes of a virtual function do not hold them.",
    slot=(_SLOT, "Where the host has it."),
    vendor=(_hex(4, "0x8086"), "Vendor id."),
    device=(_hex(4, "0x10d3"), "Device id."),
    class_=(_hex(6, "0x020000"), "Class code."),
    revision=(Maybe(_hex(2, "0x00")), "Revision."),
    subsystem=(Maybe(Text('a pair of ids, "8086:0000"', "[0-9a-f]{4}:[0-9a-f]{4}")), "Subsystem ids."),
    driver=(Maybe(_WORD), "The driver that has it; null for none."),
    physical_function=(Maybe(_SLOT), "A virtual function's PF; null for every other function."),
    sriov=(Maybe(_SRIOV), "Null where the function cannot be a PF."),
    numa_node=(Maybe(Number(0, 0xFFFF)), "The host's NUMA node; null where it has none."),
    iommu_group=(Maybe(_COUNT), "The host's IOMMU group; null where no IOMMU is on."),
    intx=(Maybe(Truth()), "Whether the host has an interrupt for its pin: else vfio hides the pin. Null: unknown."),
    reset_methods=(_WORDS, "How the kernel can reset it, the preferred way first."),
    resources=(Rows(_RESOURCE, 7), "Its BARs and its ROM."),
    redacted=(Rows(_REDACTED, 1024), "What --redact took out."),
    config=(_CONFIG, "Its configuration space as the host reads it, 64 bytes where only root could have read more."),
    vfio=(Maybe(_VFIO), "Null where vfio was not asked."),
)

_HOST = part(
    "The host, as far as it decides what a guest sees.",
    kernel=(Text("a kernel's release", r"[\x21-\x7e]{1,64}"), "The kernel's release (uname -r)."),
    architecture=(_WORD, "uname -m."),
    page_size=(Number(1, 1 << 30), "Bytes of a page: a smaller BAR cannot always be mapped."),
    parameters=(
        Names(
            Text("the name of a module's parameter", r"[a-z0-9_]+\.[a-z0-9_]+"), Text("text", r"[\x20-\x7e]{0,64}"), 64
        ),
        "Parameters of the loaded vfio modules: vfio_pci.nointxmask, vfio_pci.disable_vga.",
    ),
)

FORMAT = Part(
    "Functions of a host, and what the host says of them; 'vpci-compile capture' writes it.",
    {
        VERSION_KEY: (Number(VERSION, VERSION), "Version of this format."),
        "host": (_HOST, "The host."),
        "functions": (Rows(_FUNCTION, MAX_FUNCTIONS), "The functions, by slot."),
    },
)


@cache
def capture_schema() -> str:
    """The text of `schemas/capture.schema.json` (JSON Schema 2020-12)."""
    return schema_text("vpci-compile capture file", FORMAT)
