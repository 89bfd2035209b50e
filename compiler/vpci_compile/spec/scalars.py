"""The types of the language's scalars: a reader for what people write, and the JSON Schema that editors see."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from . import readers


def _number(bits: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": 0, "maximum": (1 << bits) - 1})


def _text(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


NoTruth = BeforeValidator(readers.no_truth)
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
        {"type": "integer", "minimum": 0, "maximum": (1 << 64) - 1},
        {"type": "string", "pattern": f"^{readers.SIZE}$"},
    ]
}
Size = Annotated[int, BeforeValidator(readers.size), WithJsonSchema(_SIZE_SCHEMA)]
ByteRange = Annotated[tuple[int, int], BeforeValidator(readers.byte_range), _text(readers.RANGE)]
_CPUS_SCHEMA = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^{readers.CPUS}$"}]}
CpuRange = Annotated[str, BeforeValidator(readers.cpu_range), WithJsonSchema(_CPUS_SCHEMA)]
IdPair = Annotated[tuple[int, int], BeforeValidator(readers.id_pair), _text(readers.PAIR)]
Bdf = Annotated[tuple[int, int, int, int], BeforeValidator(readers.bdf), _text(readers.BDF)]
HexBytes = Annotated[bytes, BeforeValidator(readers.hex_bytes), _text(readers.HEX)]
