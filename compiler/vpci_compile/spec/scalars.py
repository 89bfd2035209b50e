"""How a person writes numbers: sizes, ranges, addresses, ids. Each reader raises ValueError with a text for people."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40, "P": 50}
_SIZE = re.compile(r"([0-9]{1,24}(?:\.[0-9]{1,12})?)\s*([KMGTP]?)(?:iB|B)?")
_RANGE = re.compile(r"(0x[0-9a-fA-F]{1,4}|[0-9]{1,4})\s*\.\.\s*(0x[0-9a-fA-F]{1,4}|[0-9]{1,4})")
_PAIR = re.compile(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{4})")
_BDF = re.compile(r"(?:([0-9a-fA-F]{4}):)?([0-9a-fA-F]{2}):([0-1][0-9a-fA-F])\.([0-7])")
_HEX = re.compile(r"[0-9a-fA-F]{2}(?:[\s:]*[0-9a-fA-F]{2})*")


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, str) and re.fullmatch(r"0[0-9]+", value):
            raise ValueError(f"'{value}' could be octal or decimal; write {value.lstrip('0') or '0'} or 0x{value}")
        raise ValueError(f"{value!r} is not a number")
    if value < 0:
        raise ValueError(f"{value} is negative")
    return value


def size(value: Any) -> int:
    """Bytes: a number, or a number with K, M, G, T (powers of 1024): `16K`, `94.5G`."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if not match:
            raise ValueError(f"'{value}' is not a size; write bytes (0x4000) or 16K, 1M, 94.5G")
        exact = Fraction(match[1]) * (1 << _UNITS[match[2]])
        if exact.denominator != 1:
            raise ValueError(f"'{value}' is not a whole number of bytes")
        return _limited(int(exact), 64)
    return _limited(_integer(value), 64)


def _limited(value: int, bits: int) -> int:
    if value >= 1 << bits:
        raise ValueError(f"{value:#x} does not fit into {bits} bits")
    return value


def _bits(width: int) -> Any:
    def read(value: Any) -> int:
        return _limited(_integer(value), width)

    schema = {"type": "integer", "minimum": 0, "maximum": (1 << width) - 1}
    return Annotated[int, BeforeValidator(read), WithJsonSchema(schema)]


def _offset(value: Any) -> int:
    if _integer(value) > 0xFFF:
        raise ValueError(f"{value:#x} is outside the configuration space (0x000..0xfff)")
    return int(value)


def byte_range(value: Any) -> tuple[int, int]:
    """`0xe8..0xff`, both ends included, as (first byte, byte after the last)."""
    match = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError(f"{value!r} is not a range; write 0xe8..0xff (both ends included)")
    first, last = int(match[1], 0), int(match[2], 0)
    if first > last:
        raise ValueError(f"the range {value} ends before it begins")
    if last > 0xFFF:
        raise ValueError(f"{last:#x} is outside the configuration space (0x000..0xfff)")
    return first, last + 1


def id_pair(value: Any) -> tuple[int, int]:
    """`"15b3:0007"`: two 16-bit ids in hex."""
    match = _PAIR.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError(f'{value!r} is not a pair of ids; write "15b3:0007" (four hex digits each)')
    return int(match[1], 16), int(match[2], 16)


def bdf(value: Any) -> tuple[int, int, int, int]:
    """`[SSSS:]BB:DD.F` in hex as (segment, bus, device, function)."""
    match = _BDF.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError(f'{value!r} is not a PCI address; write "01:00.0" or "0000:01:00.0" (hex)')
    return int(match[1] or "0", 16), int(match[2], 16), int(match[3], 16), int(match[4])


def hex_bytes(value: Any) -> bytes:
    """Bytes in hex, spaces allowed: `"02 10 a1 74"`. Never a bare number: 10 and 0x10 would be two different bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f'{value} without quotes is a number, not a run of bytes; write "{value:02x}" for this value')
    if not isinstance(value, str) or not _HEX.fullmatch(value.strip()):
        raise ValueError(f'{value!r} is not a run of bytes; write two hex digits a byte: "02 10 a1 74"')
    return bytes.fromhex(re.sub(r"[\s:]", "", value))


U8 = _bits(8)
U16 = _bits(16)
U24 = _bits(24)
U32 = _bits(32)
U64 = _bits(64)
Offset = Annotated[int, BeforeValidator(_offset), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 0xFFF})]
_SIZE_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*[KMGTP]?(iB|B)?$"},
    ]
}
Size = Annotated[int, BeforeValidator(size), WithJsonSchema(_SIZE_SCHEMA)]
_RANGE_SCHEMA = {"type": "string", "pattern": r"^(0x[0-9a-fA-F]+|[0-9]+)\s*\.\.\s*(0x[0-9a-fA-F]+|[0-9]+)$"}
ByteRange = Annotated[tuple[int, int], BeforeValidator(byte_range), WithJsonSchema(_RANGE_SCHEMA)]
_PAIR_SCHEMA = {"type": "string", "pattern": "^[0-9a-fA-F]{4}:[0-9a-fA-F]{4}$"}
IdPair = Annotated[tuple[int, int], BeforeValidator(id_pair), WithJsonSchema(_PAIR_SCHEMA)]
_BDF_SCHEMA = {"type": "string", "pattern": "^([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[01][0-9a-fA-F]\\.[0-7]$"}
Bdf = Annotated[tuple[int, int, int, int], BeforeValidator(bdf), WithJsonSchema(_BDF_SCHEMA)]
HexBytes = Annotated[bytes, BeforeValidator(hex_bytes), WithJsonSchema({"type": "string"})]
