"""Functions made to meet each rule of QEMU's: images with bytes changed, and layouts."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from compiling import compiled
from vpci_compile import api
from vpci_compile.ir import Function

NIC = "generic/sriov-vf-pasid"  # express at 0x60 (type 0, version 2), MSI-X at 0x9c; ARI, ATS at 0x148, PASID at 0xff8
H100 = "nvidia/h100-clique"  # PM 0x40, MSI 0x48, express 0x60, vendor 0x9c, MSI-X 0xb0, clique 0xc8; ReBAR at 0x134
PLAIN = "minimal"

_LAYOUTS = {
    "io and 32-bit bars": """
config_size: 256
bars:
  0: {kind: io, size: 32, source: synthesized}
  1: {kind: mem32, size: 16, source: synthesized}
  2: {kind: mem32, prefetchable: true, size: 1M, source: synthesized}
  3: {kind: io, size: 4, source: synthesized}
  4: {kind: mem64, size: 4K, source: synthesized}
  rom: {kind: rom, size: 64K, source: synthesized}
""",
    "bars at addresses": """
bars:
  0: {kind: mem32, size: 4K, source: copied, address: 0xfebf1000}
  1: {kind: io, size: 64, source: copied, address: 0xe040}
  4: {kind: mem64, prefetchable: true, size: 8G, source: copied, address: 0x3800000000}
  rom: {kind: rom, size: 2K, source: copied, address: 0xfeb00000}
physical: {}
""",
    "many capabilities": """
header: {interrupt_pin: 1}
capabilities:
  - {cap: msi, at: 0xd0, source: synthesized, fields: {multi_capable: 5, maskbit: 1}}
  - {cap: vpd, at: 0x50, source: synthesized}
  - {cap: af, at: 0x58, source: synthesized}
  - {cap: pcie, at: 0x60, source: synthesized}
  - {cap: pm, at: 0x40, source: synthesized}
extended:
  - {cap: aer, at: 0x100, source: synthesized}
  - {cap: ltr, at: 0x800, source: synthesized}
  - {cap: dsn, at: 0x400, source: synthesized}
  - {cap: acs, at: 0x500, source: synthesized}
  - {cap: doe, at: 0xf00, source: synthesized}
""",
    "two functions": "identity: {vendor: 0x1234, device: 0x5678, class: 0xff0000, multifunction: true}\n",
}


def _words(*pairs: tuple[int, int]) -> dict[int, bytes]:
    return {at: value.to_bytes(4, "little") for at, value in pairs}


def _byte(at: int, value: int) -> dict[int, bytes]:
    return {at: bytes((value,))}


_NO_LIST = {0x06: b"\0", 0x34: b"\0"}

CASES: dict[str, tuple[str, dict[int, bytes]]] = {
    "ari first": (NIC, _words((0x100, 0x1481000E))),
    "sr-iov first": (NIC, _words((0x100, 0x14810010))),
    "sr-iov in the middle": (NIC, _words((0x100, 0x14810001), (0x148, 0xFF810010))),
    "sr-iov last": (NIC, _words((0x100, 0x14810001), (0x148, 0xFF81000F), (0xFF8, 0x00010010))),
    "ari alone": (NIC, _words((0x100, 0x0001000E))),
    "three dropped in a row": (NIC, _words((0x100, 0x1481000E), (0x148, 0xFF810000), (0xFF8, 0x00010010))),
    "out of order": (NIC, _words((0x100, 0xFF810001), (0x148, 0x0001000F), (0xFF8, 0x14810003))),
    "nothing at 0x100": (NIC, _words((0x100, 0), (0x148, 0x1000000E))),
    "no standard list": (NIC, {**_NO_LIST, **_words((0x100, 0x1481000E))}),
    "unaligned pointers": (NIC, {0x34: b"\x62", 0x60: b"\0\0\x10\x9c\x02\0"}),
    "rebar with sizes": (H100, _words((0x134, 0x1B810015), (0x138, 0x003FFFF0), (0x13C, 0x00001120))),
    "rebar of two": (H100, _words((0x138, 0x000FFFF0), (0x13C, 0x00001140), (0x140, 0xF0), (0x144, 0x301))),
    "rebar too wide": (H100, _words((0x138, 0x003FFFF0), (0x13C, 0x00001C20))),
    "express version 0": (NIC, _byte(0x62, 0x00)),
    "express version 3": (NIC, _byte(0x62, 0x03)),
    "legacy endpoint": (NIC, _byte(0x62, 0x12)),
    "integrated endpoint": (NIC, _byte(0x62, 0x92)),
    "endpoint with a link": (
        NIC,
        _words((0x6C, 0x00473D05), (0x70, 0x10430000), (0x8C, 0x0180003E), (0x90, 0x0000_0005)),
    ),
    "express of 20 bytes": (NIC, {**_byte(0x61, 0x74), **_words((0x6C, 0x11), (0x70, 1)), 0x74: b"\x09\x9c\x10\0"}),
    "express of 16 bytes": (NIC, {**_byte(0x61, 0x70), **_words((0x6C, 0x11)), 0x70: b"\x09\x9c\x10\0"}),
    "multifunction": (NIC, _byte(0x0E, 0x80)),
    "programmed msi": (H100, {0x4A: b"\xbb\x07", **_words((0x4C, 0xFEE01004), (0x50, 1), (0x54, 0x4021), (0x58, 0xF))}),
    "msi of 4, 32-bit": (H100, {0x4A: b"\x04\x00", **_words((0x54, 0x12345678))}),
    "msi with a reserved word": (H100, {0x56: b"\x0c\x0b"}),
    "short integrated endpoint": (NIC, {0x61: b"\x6c\x92", 0x6C: b"\x09\x9c\x10\0"}),
    "id ffff at 0x100": (NIC, _words((0x100, 0x1487FFFF))),
    "rebar with a sixth bit": (H100, _words((0x138, 0x003FFFF0), (0x13C, 0x00002520))),
    "programmed msi-x": (NIC, _byte(0x9F, 0xC0)),
    "programmed header": (NIC, {0x04: b"\x46\x05", 0x0C: b"\x10\x20", 0x3C: b"\x0b"}),
}

NAMES = (*CASES, *_LAYOUTS)


@cache
def function(name: str) -> Function:
    """The function of a case."""
    if name in _LAYOUTS:
        head = "vpci: 1\ndevice: crafted\nmigration: {migrates: false}\ntargets: []\n"
        text = _LAYOUTS[name]
        if "identity" not in text:
            head += "identity: {vendor: 0x1234, device: 0x5678, class: 0xff0000}\n"
        return compiled(text, head)
    shipped, changes = CASES[name]
    return changed(api.load(shipped).function, changes)


def changed(function: Function, changes: dict[int, bytes]) -> Function:
    """The function with other bytes in its image; its masks are as they were."""
    value = bytearray(function.config.value)
    for at, octets in changes.items():
        value[at : at + len(octets)] = octets
    return replace(function, config=replace(function.config, value=bytes(value)))
