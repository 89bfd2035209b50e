"""The registry of codes: one line each. A code is never used for a second meaning.

Ranges: 10 files and YAML, 11 the language, 12 identity and header, 13 capabilities and where they stand,
14 BARs and regions, 15 rules of single capabilities, 16 migration, 17 captures, 18 targets, 19 NUMA.
Each has a page in docs/errors/ and a smallest failing file in tests/errors/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Code:
    """One code: `acceptable` when real hardware can be so, and a layout may say that it knows (`accept:`)."""

    id: str
    title: str
    severity: Literal["error", "warning", "note"] = "error"
    acceptable: bool = False


_CODES = (
    Code("VPCI1001", "file cannot be read"),
    Code("VPCI1002", "not YAML"),
    Code("VPCI1003", "key given twice"),
    Code("VPCI1004", "YAML feature that layouts do not use"),
    Code("VPCI1005", "document too large or too deep"),
    Code("VPCI1101", "unknown key"),
    Code("VPCI1102", "key missing"),
    Code("VPCI1103", "value of the wrong shape"),
    Code("VPCI1104", "base layout missing or circular"),
    Code("VPCI1105", "parameter unknown or without a value"),
    Code("VPCI1106", "no such capability"),
    Code("VPCI1107", "no such field"),
    Code("VPCI1108", "value does not fit the field"),
    Code("VPCI1109", "raw bytes outside the structure"),
    Code("VPCI1110", "keys that do not go together"),
    Code("VPCI1111", "code that cannot be accepted"),
    Code("VPCI1201", "vendor or device id that no function has", acceptable=True),
    Code("VPCI1202", "class and header type disagree", acceptable=True),
    Code("VPCI1203", "class code that is not defined", "warning", acceptable=True),
    Code("VPCI1204", "header contradicts the capability list", acceptable=True),
    Code("VPCI1205", "interrupt pin that does not exist", acceptable=True),
    Code("VPCI1301", "structure not aligned", acceptable=True),
    Code("VPCI1302", "structure outside its space", acceptable=True),
    Code("VPCI1303", "structure longer than its space", acceptable=True),
    Code("VPCI1304", "structures overlap", acceptable=True),
    Code("VPCI1305", "no room to place a structure"),
    Code("VPCI1306", "extended chain does not start at 0x100", acceptable=True),
    Code("VPCI1307", "chain loops", acceptable=True),
    Code("VPCI1308", "pointer and structures disagree", acceptable=True),
    Code("VPCI1309", "capability given twice", acceptable=True),
    Code("VPCI1310", "extended capabilities without a PCI Express capability", acceptable=True),
    Code("VPCI1311", "copied structure moved"),
    Code("VPCI1312", "structure placed over the device's registers"),
    Code("VPCI1313", "structure placed into a reserved range"),
    Code("VPCI1314", "copied structure that the device has not"),
    Code("VPCI1315", "pointer leads below its space", acceptable=True),
    Code("VPCI1317", "extended capabilities in a 256-byte space"),
    Code("VPCI1401", "BAR kind and slot do not go together"),
    Code("VPCI1402", "64-bit BAR in the last slot"),
    Code("VPCI1403", "BAR in the upper half of a 64-bit BAR"),
    Code("VPCI1404", "BAR size not a power of two"),
    Code("VPCI1405", "BAR size out of range"),
    Code("VPCI1406", "virtual BAR that cannot be sized"),
    Code("VPCI1407", "memory behind a BAR does not fit"),
    Code("VPCI1408", "BAR address not aligned", acceptable=True),
    Code("VPCI1409", "device-specific region without an exact size"),
    Code("VPCI1501", "MSI-X table or PBA names no memory BAR", acceptable=True),
    Code("VPCI1502", "MSI-X table or PBA outside its BAR", acceptable=True),
    Code("VPCI1503", "MSI-X table or PBA not aligned to 8 bytes"),
    Code("VPCI1504", "MSI-X table and PBA overlap", acceptable=True),
    Code("VPCI1505", "power state is not D0", acceptable=True),
    Code("VPCI1506", "PCI Express type does not fit its place", acceptable=True),
    Code("VPCI1507", "PASID width that does not exist", acceptable=True),
    Code("VPCI1508", "PASID without End-End TLP Prefix support", acceptable=True),
    Code("VPCI1509", "PRI without ATS", acceptable=True),
    Code("VPCI1510", "GPUDirect clique on a function that cannot carry it"),
    Code("VPCI1511", "GPUDirect clique is not the last capability"),
    Code("VPCI1601", "offset left to automatic placement in a layout that migrates"),
    Code("VPCI1602", "compared field that hardware changes by itself"),
    Code("VPCI1603", "structure whose presence blocks migration"),
    Code("VPCI1604", "BAR without a size in a layout that migrates"),
    Code("VPCI1605", "compared field that the host programs"),
    Code("VPCI1606", "compared field that differs from unit to unit"),
    Code("VPCI1607", "ignored path that names nothing"),
    Code("VPCI1701", "not a capture"),
    Code("VPCI1702", "no function at this slot"),
    Code("VPCI1703", "several functions and none chosen"),
    Code("VPCI1704", "damaged row in a hex dump"),
    Code("VPCI1705", "capture has a gap or is cut off", "warning"),
    Code("VPCI1706", "only the header was captured", "warning"),
    Code("VPCI1707", "extended configuration space not captured", "warning"),
    Code("VPCI1708", "function did not answer", "warning"),
    Code("VPCI1709", "captured bytes contradict the ids beside them", "warning"),
    Code("VPCI1710", "capture too large"),
    Code("VPCI1711", "impossible size of a configuration space"),
    Code("VPCI1712", "sysfs attribute cannot be understood", "warning"),
    Code("VPCI1713", "unknown header type", "warning"),
    Code("VPCI1801", "output cannot be written"),
    Code("VPCI1810", "structure that QEMU cannot synthesize"),
    Code("VPCI1811", "QEMU release too old"),
    Code("VPCI1812", "PASID capability that QEMU does not build so"),
    Code("VPCI1813", "GPUDirect capability that QEMU does not build so"),
    Code("VPCI1814", "hidden structure that nothing hides"),
    Code("VPCI1815", "hiding by zeros, which QEMU does not do"),
    Code("VPCI1816", "copied structure that Linux hides"),
    Code("VPCI1817", "copied structure that QEMU hides or rewrites"),
    Code("VPCI1818", "PCI Express capability that QEMU rewrites"),
    Code("VPCI1819", "synthesized BAR that no driver makes so"),
    Code("VPCI1820", "device-specific region that QEMU does not map"),
    Code("VPCI1821", "id that QEMU cannot override"),
    Code("VPCI1822", "no device that vfio-pci takes"),
    Code("VPCI1823", "guest address that QEMU cannot give"),
    Code("VPCI1824", "host address is not a PCI address"),
    Code("VPCI1825", "generic initiator with bus and device swapped", "warning"),
    Code("VPCI1826", "NUMA nodes that QEMU cannot have"),
    Code("VPCI1827", "structure of the device that the layout leaves out"),
)

REGISTRY: dict[str, Code] = {code.id: code for code in _CODES}
