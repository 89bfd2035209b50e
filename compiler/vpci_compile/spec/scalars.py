"""The types of the language's scalars: a reader for what people write, and the JSON Schema that editors see."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from . import readers


def _number(bits: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": 0, "maximum": (1 << bits) - 1})


U8 = Annotated[int, BeforeValidator(readers.u8), _number(8)]
U16 = Annotated[int, BeforeValidator(readers.u16), _number(16)]
U24 = Annotated[int, BeforeValidator(readers.u24), _number(24)]
U32 = Annotated[int, BeforeValidator(readers.u32), _number(32)]
U64 = Annotated[int, BeforeValidator(readers.u64), _number(64)]
Offset = Annotated[
    int, BeforeValidator(readers.offset), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 0xFFF})
]
_SIZE_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*[KMGTP]?(iB|B)?$"},
    ]
}
Size = Annotated[int, BeforeValidator(readers.size), WithJsonSchema(_SIZE_SCHEMA)]
_RANGE_SCHEMA = {"type": "string", "pattern": r"^(0x[0-9a-fA-F]+|[0-9]+)\s*\.\.\s*(0x[0-9a-fA-F]+|[0-9]+)$"}
ByteRange = Annotated[tuple[int, int], BeforeValidator(readers.byte_range), WithJsonSchema(_RANGE_SCHEMA)]
_PAIR_SCHEMA = {"type": "string", "pattern": "^[0-9a-fA-F]{4}:[0-9a-fA-F]{4}$"}
IdPair = Annotated[tuple[int, int], BeforeValidator(readers.id_pair), WithJsonSchema(_PAIR_SCHEMA)]
_BDF_SCHEMA = {"type": "string", "pattern": "^([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[01][0-9a-fA-F]\\.[0-7]$"}
Bdf = Annotated[tuple[int, int, int, int], BeforeValidator(readers.bdf), WithJsonSchema(_BDF_SCHEMA)]
HexBytes = Annotated[bytes, BeforeValidator(readers.hex_bytes), WithJsonSchema({"type": "string"})]
