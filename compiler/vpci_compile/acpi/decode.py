"""From the bytes of a table to its structures, whatever they hold: `encode` makes the same bytes of the result."""

from __future__ import annotations

from . import hmat, slit, srat
from .structures import HEADER_BYTES, Format, Shape, Structure, Table, read_fields, read_header

# Byte code, which is kept as it is.
_AML = [
    Format(name, title, "ACPI 6.6 5.2.11", (1, 2), (), None, ())
    for name, title in (
        ("DSDT", "Differentiated System Description Table"),
        ("SSDT", "Secondary System Description Table"),
    )
]
FORMATS = {one.signature: one for one in (srat.FORMAT, slit.FORMAT, hmat.FORMAT, *_AML)}


def decode(octets: bytes) -> Table:
    """The table.

    Raises:
        ValueError: too short for a table of its kind, or of no kind that we know; says so in words.
    """
    if len(octets) < HEADER_BYTES:
        raise ValueError(f"{len(octets)} bytes are less than the header of a table ({HEADER_BYTES})")
    header = read_header(octets)
    known = FORMATS.get(header.signature)
    if known is None:
        name = "".join(c if c.isprintable() and c.isascii() else "?" for c in header.signature)
        raise ValueError(f"its signature is '{name}': {', '.join(FORMATS)} are known")
    if len(octets) < known.start:
        raise ValueError(f"{len(octets)} bytes are less than the fixed part of a {known.signature} ({known.start})")
    fixed, rest = read_fields(known.fixed, octets[HEADER_BYTES:])
    if known.head is None:
        return Table(header, known, fixed, tail=rest)
    end = len(rest) if header.length is None else max(0, header.length - known.start)
    structures, tail = _structures(known, rest[:end])
    return Table(header, known, fixed, tuple(structures), tail + rest[end:])


def _structures(known: Format, octets: bytes) -> tuple[list[Structure], bytes]:
    """The structures, and the bytes behind the last: of one whose length is shorter than its head, all that follow."""
    assert known.head is not None
    found: list[Structure] = []
    at = 0
    while at + known.head.size <= len(octets):
        kind, *reserved, length = known.head.unpack_from(octets, at)
        if length < known.head.size:
            break
        body = octets[at + known.head.size : at + length]
        cut = at + length > len(octets)
        found.append(_structure(known, kind, body, length if cut else None, *reserved))
        at += length
    return found, octets[at:]


def _structure(known: Format, kind: int, body: bytes, length: int | None, reserved: int = 0) -> Structure:
    shape = _shape(known, kind, body)
    values, tail = read_fields(shape.fields if shape else (), body)
    return Structure(kind, shape, values, tail, length, reserved)


def _shape(known: Format, kind: int, body: bytes) -> Shape | None:
    """The shape of a type; where a device handle decides, the one whose handle it is."""
    for shape in known.shapes:
        if shape.type != kind:
            continue
        handle = next((one.usual for one in shape.fields if one.name == "handle_type"), None)
        if handle is None or body[srat.HANDLE_TYPE_AT : srat.HANDLE_TYPE_AT + 1] == bytes([handle]):
            return shape
    return None
