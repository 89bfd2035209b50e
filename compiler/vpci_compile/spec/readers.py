"""How a person writes numbers: sizes, ranges, addresses, ids. Each reader raises ValueError with a text for people."""

from __future__ import annotations

import re
from typing import Any

FieldValue = int | bool | str
"""What a layout writes for a field."""

_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40, "P": 50}
_NUMBER = "0x[0-9a-fA-F]{1,4}|0|[1-9][0-9]{0,3}"
SIZE = r"([0-9]{1,24}(?:\.[0-9]{1,12})?) *(?:([KMGTP])(?:i?B)?|B)?"
RANGE = rf"({_NUMBER}) *\.\. *({_NUMBER})"
CPUS = "[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*"
PAIR = "([0-9a-fA-F]{4}):([0-9a-fA-F]{4})"
BDF = r"(?:([0-9a-fA-F]{4}):)?([0-9a-fA-F]{2}):([01][0-9a-fA-F])\.([0-7])"
HEX = r"\s*[0-9a-fA-F]{2}(?:[\s:]*[0-9a-fA-F]{2})*\s*"
"""The patterns of text, for the readers here and for the JSON Schema."""
_SPACE = 4096  # bytes of the largest configuration space
_SHOWN = 60  # characters


def shown(value: Any) -> str:
    """A value in a message: text in quotes, and cut where it is long."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, str) and re.fullmatch(r"0[0-9]+", value):
            ways = f"; write {value.lstrip('0') or '0'} or 0x{value}" if len(value) < _SHOWN else ""
            raise ValueError(f"{shown(value)} could be octal or decimal{ways}")
        raise ValueError(f"{shown(value)} is not a number")
    if value < 0:
        raise ValueError(f"{shown(value)} is negative")
    return value


def no_truth(value: Any) -> Any:
    """The value, unless it is true or false: Python takes these for 1 and 0."""
    return _integer(value) if isinstance(value, bool) else value


def size(value: Any) -> int:
    """Bytes: a number, or a number with K, M, G, T (powers of 1024): `16K`, `94.5G`."""
    if isinstance(value, str):
        match = re.fullmatch(SIZE, value)
        if not match:
            raise ValueError(f"{shown(value)} is not a size; write bytes (0x4000) or 16K, 1M, 94.5G")
        whole, _, part = match[1].partition(".")
        exact, rest = divmod(int(whole + part) << _UNITS[match[2] or ""], 10 ** len(part))
        if rest:
            raise ValueError(f"{shown(value)} is not a whole number of bytes")
        return _limited(exact, 64)
    return _limited(_integer(value), 64)


def _limited(value: int, bits: int) -> int:
    if value >= 1 << bits:
        raise ValueError(f"{value:#x} does not fit into {bits} bits")
    return value


def u8(value: Any) -> int:
    """A number of 8 bits."""
    return _limited(_integer(value), 8)


def u16(value: Any) -> int:
    """A number of 16 bits."""
    return _limited(_integer(value), 16)


def u24(value: Any) -> int:
    """A number of 24 bits."""
    return _limited(_integer(value), 24)


def u32(value: Any) -> int:
    """A number of 32 bits."""
    return _limited(_integer(value), 32)


def u64(value: Any) -> int:
    """A number of 64 bits."""
    return _limited(_integer(value), 64)


def offset(value: Any) -> int:
    """A byte of the configuration space, 0x000..0xfff."""
    if _integer(value) > 0xFFF:
        raise ValueError(f"{value:#x} is outside the configuration space (0x000..0xfff)")
    return int(value)


def byte_range(value: Any) -> tuple[int, int]:
    """`0xe8..0xff`, both ends included, as (first byte, byte after the last)."""
    match = re.fullmatch(RANGE, value) if isinstance(value, str) else None
    if not match:
        raise ValueError(f"{shown(value)} is not a range; write 0xe8..0xff (both ends included)")
    first, last = int(match[1], 0), int(match[2], 0)
    if first > last:
        raise ValueError(f"the range {value} ends before it begins")
    if last > 0xFFF:
        raise ValueError(f"{last:#x} is outside the configuration space (0x000..0xfff)")
    return first, last + 1


def cpu_range(value: Any) -> str:
    """`0-3,8`; a single processor may be written as a number."""
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not re.fullmatch(CPUS, text):
        raise ValueError(f"{shown(value)} names no processors; write 0-3,8")
    return text


def id_pair(value: Any) -> tuple[int, int]:
    """`"15b3:0007"`: two 16-bit ids in hex."""
    match = re.fullmatch(PAIR, value) if isinstance(value, str) else None
    if not match:
        raise ValueError(f'{shown(value)} is not a pair of ids; write "15b3:0007" (four hex digits each)')
    return int(match[1], 16), int(match[2], 16)


def bdf(value: Any) -> tuple[int, int, int, int]:
    """`[SSSS:]BB:DD.F` in hex as (segment, bus, device, function)."""
    match = re.fullmatch(BDF, value) if isinstance(value, str) else None
    if not match:
        raise ValueError(f'{shown(value)} is not a PCI address; write "01:00.0" or "0000:01:00.0" (hex)')
    return int(match[1] or "0", 16), int(match[2], 16), int(match[3], 16), int(match[4])


def hex_bytes(value: Any) -> bytes:
    """Bytes in hex, spaces allowed: `"02 10 a1 74"`. Never a bare number: 10 and 0x10 would be two different bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        way_out = f'"{value:02x}" for this value' if 0 <= value <= 0xFF else 'two hex digits a byte: "02 10 a1 74"'
        raise ValueError(f"{shown(value)} without quotes is a number, not a run of bytes; write {way_out}")
    if not isinstance(value, str) or not re.fullmatch(HEX, value):
        raise ValueError(f'{shown(value)} is not a run of bytes; write two hex digits a byte: "02 10 a1 74"')
    octets = bytes.fromhex(re.sub(r"[\s:]", "", value))
    if len(octets) > _SPACE:
        raise ValueError(f"{len(octets):,} bytes do not fit into a configuration space of {_SPACE:,}")
    return octets
