"""The System Resource Affinity Table (ACPI 6.6 5.2.16): which processor, memory and device is in which domain."""

from __future__ import annotations

import struct

from .structures import Bit, Field, Format, Header, Shape, Structure, Table, make

ENABLED, HOT_PLUGGABLE, ARCHITECTURAL = 1 << 0, 1 << 1, 1 << 1
MEMORY_BYTES = 40

_ENABLED = Bit("enabled", 0, label="Enabled")
_DOMAIN = Field("domain", 4, "Proximity Domain")
_FLAGS = Field("flags", 4, "Flags (decoded below)", usual=ENABLED, bits=(_ENABLED,))
_CLOCK = Field("clock_domain", 4, "Clock Domain")

PROCESSOR = Shape(
    "processor",  # 5.2.16.1
    0,
    "Processor Local APIC/SAPIC Affinity",
    (
        Field("domain", 1, "Proximity Domain Low(8)"),
        Field("apic_id", 1, "Apic ID"),
        _FLAGS,
        Field("sapic_eid", 1, "Local Sapic EID"),
        Field("domain_high", 3, "Proximity Domain High(24)"),
        _CLOCK,
    ),
)
MEMORY = Shape(
    "memory",  # 5.2.16.2
    1,
    "Memory Affinity",
    (
        _DOMAIN,
        Field("reserved1", 2, "Reserved1"),
        Field("base", 8, "Base Address", kind="hex"),
        Field("size", 8, "Address Length", kind="hex"),
        Field("reserved2", 4, "Reserved2"),
        Field(
            "flags",
            4,
            "Flags (decoded below)",
            usual=ENABLED,
            bits=(
                _ENABLED,
                Bit("hot-pluggable", 1, label="Hot Pluggable"),
                Bit("non-volatile", 2, label="Non-Volatile"),
                Bit("specific-purpose", 3),
            ),
        ),
        Field("reserved3", 8, "Reserved3"),
    ),
)
X2APIC = Shape(
    "x2apic",  # 5.2.16.3
    2,
    "Processor Local x2APIC Affinity",
    (
        Field("reserved1", 2, "Reserved1"),
        _DOMAIN,
        Field("apic_id", 4, "Apic ID"),
        _FLAGS,
        _CLOCK,
        Field("reserved2", 4, "Reserved2"),
    ),
)
GICC = Shape(
    "gicc",  # 5.2.16.4
    3,
    "GICC Affinity",
    (_DOMAIN, Field("uid", 4, "Acpi Processor UID"), _FLAGS, _CLOCK),
)
ITS = Shape(
    "its",  # 5.2.16.5
    4,
    "GIC ITS Affinity",
    (_DOMAIN, Field("reserved1", 2, "Reserved"), Field("its_id", 4, "ITS ID")),
)
RINTC = Shape(
    "rintc",  # 5.2.16.8
    7,
    "RINTC Affinity",
    (Field("reserved1", 2, "Reserved"), _DOMAIN, Field("uid", 4, "Acpi Processor UID"), _FLAGS, _CLOCK),
    old=False,
)

ACPI_HANDLE, PCI_HANDLE = 0, 1
DEVICE_HANDLE = "Device Handle"
_HANDLES = {  # 5.2.16.6: what the 16 bytes of a device handle are
    PCI_HANDLE: (
        Field("pci", 4, DEVICE_HANDLE, kind="address"),
        Field("reserved2", 12, DEVICE_HANDLE),
    ),
    ACPI_HANDLE: (
        Field("hid", 8, DEVICE_HANDLE, kind="text"),
        Field("uid", 4, DEVICE_HANDLE),
        Field("reserved2", 4, DEVICE_HANDLE),
    ),
}


def _generic(name: str, kind: int, title: str, handle: int, *, old: bool = True) -> Shape:
    architectural = Bit("architectural-transactions", 1, label="Architectural Transactions", recent=True)
    fields = (
        Field("reserved1", 1, "Reserved1"),
        Field("handle_type", 1, "Device Handle Type", usual=handle),
        _DOMAIN,
        *_HANDLES[handle],
        Field("flags", 4, "Flags (decoded below)", usual=ENABLED, bits=(_ENABLED, architectural)),
        Field("reserved3", 4, "Reserved2"),
    )
    return Shape(name, kind, title, fields, old=old)


_INITIATOR, _PORT = "Generic Initiator Affinity", "Generic Port Affinity"
INITIATOR = _generic("generic-initiator", 5, _INITIATOR, PCI_HANDLE)  # 5.2.16.6
ACPI_INITIATOR = _generic("generic-initiator-acpi", 5, _INITIATOR, ACPI_HANDLE)
PORT = _generic("generic-port", 6, _PORT, ACPI_HANDLE, old=False)  # 5.2.16.7
PCI_PORT = _generic("generic-port-pci", 6, _PORT, PCI_HANDLE, old=False)
HANDLE_TYPE_AT = 1  # in the body of the four

FORMAT = Format(
    "SRAT",
    "System Resource Affinity Table",
    "ACPI 6.6 5.2.16",
    (1, 2, 3),
    (Field("reserved1", 4, "Table Revision", usual=1), Field("reserved2", 8, "Reserved")),
    struct.Struct("<BB"),
    (PROCESSOR, MEMORY, X2APIC, GICC, ITS, INITIATOR, ACPI_INITIATOR, PORT, PCI_PORT, RINTC),
)


def address(segment: int, bus: int, device: int, function: int) -> int:
    """A PCI device handle as the number that its field `pci` holds."""
    return segment | bus << 16 | (device << 3 | function) << 24


def processor(apic_id: int, domain: int) -> Structure:
    """A processor by its local APIC id; 255 and more are x2APIC ids, as 255 is everybody's."""
    if apic_id < 0xFF:
        return make(PROCESSOR, apic_id=apic_id, domain=domain & 0xFF, domain_high=domain >> 8)
    return make(X2APIC, apic_id=apic_id, domain=domain)


def memory(domain: int, base: int, size: int, flags: int = ENABLED) -> Structure:
    """Addresses of memory."""
    return make(MEMORY, domain=domain, base=base, size=size, flags=flags)


def port(domain: int, uid: int) -> Structure:
    """The CXL host bridge ACPI0016 with `uid`."""
    return make(PORT, domain=domain, hid=int.from_bytes(b"ACPI0016", "little"), uid=uid)


def table(header: Header, structures: list[Structure]) -> Table:
    """An SRAT of these structures."""
    return Table(header, FORMAT, {one.name: one.usual for one in FORMAT.fixed}, tuple(structures))


def domain(one: Structure) -> int:
    """The proximity domain of any structure of an SRAT."""
    return one["domain"] | one["domain_high"] << 8
