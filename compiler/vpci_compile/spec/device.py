"""The language of device layouts. The field descriptions are its documentation and the editor's help.

Shape only: a rule that needs two values is a pass (`passes/`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .readers import FieldValue
from .scalars import U8, U16, U24, U32, U64, Bdf, ByteRange, HexBytes, IdPair, NoTruth, Offset, Size

Fields = dict[str, FieldValue | dict[str, FieldValue]]
Paths = Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=1000)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Text = Annotated[str, Field(max_length=4000)]
SourceWord = Literal["copied", "synthesized", "hidden"]


class _Part(BaseModel):
    # Built on first use, and the text below each field read by `schema.py` alone: both for the sake of start-up time.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Identity(_Part):
    """Who the guest takes the function for."""

    vendor: U16
    """Vendor ID (0x00)."""
    device: U16
    """Device ID (0x02)."""
    class_code: Annotated[U24, Field(alias="class")]
    """Class code, 24 bits as 0xBBSSPP: base class, sub-class, programming interface (0x09)."""
    revision: U8 = 0
    """Revision ID (0x08)."""
    subsystem: IdPair = (0, 0)
    """Subsystem vendor and subsystem id, "15b3:0007" (0x2c; type 0 headers only)."""
    header_type: Annotated[Literal[0, 1, 2], NoTruth] = 0
    """Header layout (0x0e bits 6..0): 0 for a function, 1 for a bridge, 2 for CardBus."""
    multifunction: bool = False
    """Header type bit 7: the guest should look for functions 1..7 in this slot."""


class Backing(_Part):
    """The real memory behind a BAR, where it is less than the power of two that the BAR decodes."""

    length: Size
    """Bytes of real memory, from the BAR's start on: any number, 94.5G or 0x17a0000000."""
    caching: Literal["uncached", "write-combine", "write-back"] = "uncached"
    """How the guest may map it."""
    beyond: Literal["ones", "zeros", "error"] = "ones"
    """An access past `length`, inside the BAR: reads ones or zeros and drops writes, or `error` (the access fails)."""


class RegionModel(_Part):
    """A VFIO device-specific region in place of the BAR: exact size, mmap only, no BAR register in the guest."""

    type: U32
    """Region type: VFIO_REGION_TYPE_PCI_VENDOR_TYPE (bit 31) with the vendor id, 0x800010de."""
    subtype: U32
    """Region subtype, the vendor's number."""


class BarEntry(_Part):
    """A base address register."""

    kind: Literal["mem32", "mem64", "io", "rom"]
    """`mem64` takes this slot and the next one; `rom` is the key `rom` alone."""
    size: Size | None = None
    """What the guest sizes: a power of two, in bytes. Leave out only where nobody knows it."""
    prefetchable: bool = False
    """Bit 3 of a memory BAR."""
    source: Literal["copied", "synthesized"]
    """`copied`: the device's own BAR. `synthesized`: a BAR that the device has not, made by a driver or VMM."""
    sizing: bool = True
    """The register answers the sizing write (mask and type bits). A synthesized BAR must: guests size it in-band."""
    backing: Backing | None = None
    """Real memory behind it, where that is not all of `size`."""
    enable: Literal["enforce", "ignore", "ignore-except-first-after-reset"] = "enforce"
    """What the memory- or I/O-enable bit does: accesses need it, never need it, or only the first one after a reset."""
    address: U64 = 0
    """What the register held when captured. A guest programs its own: never part of the contract."""
    region: RegionModel | None = None
    """Makes it a device-specific region of `backing.length` bytes instead of a BAR."""


class CapabilityEntry(_Part):
    """A structure of the standard or the extended chain. The order of the list is the order of the chain."""

    cap: str | U16
    """The catalogue's name (`vpci-compile schema --capabilities` lists them), or the number of an unknown id."""
    source: SourceWord
    """`copied` from the device at the same offset, `synthesized` by the VMM, or `hidden` from the guest."""
    style: Literal["unlinked", "zeroed"] | None = None
    """How a hidden structure is hidden: no pointer leads to it, or its bytes read as zero, too."""
    at: Offset | None = None
    """Offset. Leave out to have it placed: standard ones in the first gap that fits, extended ones in the last."""
    length: Annotated[int, Field(ge=2, le=4096)] | None = None
    """Bytes, where they differ from the catalogue's rule: a structure cut short by hardware, or an unknown id."""
    version: Annotated[int, Field(ge=0, le=15)] | None = None
    """Version in an extended capability's header (default: the catalogue's)."""
    next: Offset | None = None
    """The next pointer as it is, where it is not what the order of the list says. Real hardware has such things."""
    fields: Fields = {}
    """Values by name: `devcap.flr: 1`, `devcap: {flr: 1}`, `table: bar0+0x2000`, `lane0..15: {tx: 1}`.

    What is left out is 0, or the catalogue's default in a synthesized structure."""
    raw: dict[str, HexBytes] = {}
    """Bytes where the catalogue knows no names: offset from the structure's start to hex, `{0x08: "00 11"}`."""
    volatile: Paths = []
    """Fields or registers that hardware changes by itself: kept out of the migration contract."""
    name: Name | None = None
    """A name of its own, for a function with several of a kind (default: `vndr`, `vndr2` ...)."""


class BytesEntry(_Part):
    """Bytes outside every capability."""

    at: Offset
    """The first byte."""
    hex: HexBytes
    """The bytes."""
    source: Literal["copied", "synthesized"]
    """`copied`: the device answers reads and gets writes; `synthesized`: constant."""
    why: Text = ""
    """What is known of them."""


class ReservedEntry(_Part):
    """A range where registers are known or feared: nothing is ever placed there."""

    range: ByteRange
    """First and last byte, `0xe8..0xff`."""
    why: Text
    """Why."""


class PhysicalEntry(_Part):
    """What the device behind the function has, and where. With it, checks know what a copied structure may not do."""

    capture: Text | None = None
    """A capture of the device (path from this file): gives copied structures their bytes, and all of the below."""
    slot: Text | None = None
    """Which device of the capture."""
    driver: Text = "vfio-pci"
    """The VFIO driver that the device is bound to: vfio-pci, or the variant driver that makes synthesized BARs."""
    vendor: U16 | None = None
    """The device's own vendor id, where the guest sees another one. The same for the ids that follow."""
    device: U16 | None = None
    """Device id."""
    class_code: Annotated[U24 | None, Field(alias="class")] = None
    """Class code."""
    revision: U8 | None = None
    """Revision id."""
    subsystem: IdPair | None = None
    """Subsystem ids."""
    capabilities: dict[str, str | int] = {}
    """Standard capabilities of the device: offset to name or id, `{0x60: pcie, 0x9c: msix}`."""
    extended: dict[str, str | int] = {}
    """Extended capabilities of the device: offset to name or id."""
    used: Annotated[list[ByteRange], Field(max_length=1000)] = []
    """Other ranges that do not read as zero, or that the vendor names."""


class GuestEntry(_Part):
    """Where the function sits in the guest."""

    place: Literal["port", "root", "conventional"] = "port"
    """Behind a root or downstream port, on the root bus, or on a conventional bus."""
    address: Bdf = (0, 1, 0, 0)
    """Guest address once firmware has numbered the buses, "01:00.0"."""
    first_node: Annotated[int, Field(ge=0, le=0xFFFF)] | None = None
    """Proximity domain of the first of the function's NUMA nodes."""


class MigrationEntry(_Part):
    """What a migration demands."""

    migrates: bool
    """Instances of this layout are live-migrated: everything that could differ on another host must be settled."""
    ignore: Paths = []
    """Paths whose difference the operator accepts: `pcie.devsta`, `aer`, `header.subsystem`."""


class Base(_Part):
    """The layout that this one changes."""

    layout: Text
    """A path from this file, or the name of a shipped layout (`nvidia/gh200`)."""
    with_: Annotated[dict[str, FieldValue], Field(alias="with")] = {}
    """Values for the base's parameters."""


class DeviceLayout(_Part):
    """A virtual PCI function exactly as a guest must see it."""

    vpci: Annotated[Literal[1], NoTruth]
    """Version of the language."""
    device: Name
    """Name of the function; outputs are named after it."""
    version: Annotated[int, Field(ge=1)] = 1
    """Version of this layout. A published one is never edited."""
    about: Text = ""
    """One sentence for people."""
    extends: Text | Base | None = None
    """A layout to start from: keys here are laid over its keys; list entries of the same `cap` or `at` are merged."""
    parameters: dict[str, FieldValue] = {}
    """Names for values, used as `${name}` anywhere below; a layout that extends this one sets them by `with`."""
    identity: Identity
    """Who the guest takes the function for."""
    config_size: Literal[256, 4096] | None = None
    """Bytes of configuration space (default: 4096 with a PCIe capability, else 256)."""
    header: Fields = {}
    """Other registers of the header, by the catalogue's names: `{interrupt_pin: 1, command: {memory: 1}}`."""
    bars: dict[Literal["0", "1", "2", "3", "4", "5", "rom"], BarEntry] = {}
    """Base address registers by slot."""
    capabilities: Annotated[list[CapabilityEntry], Field(max_length=64)] = []
    """The standard chain, in the guest's order."""
    extended: Annotated[list[CapabilityEntry], Field(max_length=1000)] = []
    """The extended chain, in the guest's order. The first one stands at 0x100."""
    bytes: Annotated[list[BytesEntry], Field(max_length=1000)] = []
    """Bytes outside every capability that do not read as zero."""
    reserved: Annotated[list[ReservedEntry], Field(max_length=1000)] = []
    """Ranges that placement keeps away from."""
    physical: PhysicalEntry | None = None
    """The device behind the function. Leave out for a function that has none."""
    guest: Annotated[GuestEntry, Field(default={}, validate_default=True)]
    """Where the function sits in the guest."""
    initiators: Annotated[int, Field(ge=0, le=64)] = 0
    """NUMA nodes that the function brings as ACPI generic initiator: 8 for a Grace GPU."""
    migration: MigrationEntry
    """What a migration demands."""
    accept: dict[str, Text] = {}
    """Complaints that real hardware deserves and this layout knows of: code to reason."""
    targets: list[Literal["qemu"]] = ["qemu"]
    """VMMs that must be able to show this function; `[]` for the image and its header alone."""
