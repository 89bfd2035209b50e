"""A table as YAML that a person reads and edits; `table_reader` makes the same table of it."""

from __future__ import annotations

from collections.abc import Iterator

from . import hmat, slit
from .structures import Field, Header, Structure, Table

UNKNOWN = "unknown"


def text(table: Table) -> str:
    """The document, which ends with a newline."""
    return "".join(f"{line}\n" for line in _lines(table))


def _lines(table: Table) -> Iterator[str]:
    known = table.format
    yield f"# {known.title} ({known.clause})"
    yield "# 'vpci-compile acpi build' makes the table of it."
    yield "acpi: 1"
    yield from _header(table.header)
    for field in known.fixed:
        value = table.fixed[field.name]
        if value != field.usual and not (field.name == "localities" and slit.rows(table) is not None):
            yield f"{field.name}: {value:#x}"
    if known.head is None:
        yield from _distances(table)
        return
    yield "structures:" if table.structures else "structures: []"
    for number, one in enumerate(table.structures):
        yield f"  - {{{', '.join(_structure(one))}}}  # {number}"
    if table.tail:
        yield f"tail: {_bytes(table.tail)}"


def _header(header: Header) -> Iterator[str]:
    yield f"table: {header.signature}"
    yield f"revision: {header.revision}"
    oem = f"id: {quoted(header.oem_id)}, table: {quoted(header.oem_table_id)}, revision: {header.oem_revision}"
    yield f"oem: {{{oem}}}"
    yield f"creator: {{id: {quoted(header.creator_id)}, revision: {header.creator_revision}}}"
    if header.length is not None:
        yield f"length: {header.length}  # which it is not"
    if header.checksum is not None:
        yield f"checksum: {header.checksum:#04x}  # which is wrong"


def quoted(octets: bytes) -> str:
    """Text of a table in quotes; what is no plain text as hex."""
    plain = octets.isascii() and octets.decode("latin-1").isprintable() and not set(b'"\\') & set(octets)
    return f'"{octets.decode()}"' if plain else f'"hex:{octets.hex()}"'


def _bytes(octets: bytes) -> str:
    return f'"{octets.hex(" ")}"'


def _distances(table: Table) -> Iterator[str]:
    rows = slit.rows(table)
    if rows is None:
        yield f"tail: {_bytes(table.tail)}"
        return
    yield "distances:  # from a row's domain to a column's" if rows else "distances: []"
    for number, row in enumerate(rows):
        yield f"  - [{', '.join(f'{value:3}' for value in row)}]  # {number}"


def _structure(one: Structure) -> Iterator[str]:
    if one.shape is None:
        yield f"type: {UNKNOWN}"
        yield f"number: {one.type}"
    else:
        yield f"type: {one.shape.name}"
        lists = _lists(one)
        counted = {"initiator_count", "target_count", "handle_count"} if lists else set()
        for field in one.shape.fields:
            if field.name not in one.values:
                yield f"ends_before: {field.name}"
                break
            value = one.values[field.name]
            said = not field.reserved and field.name != "handle_type"
            if field.name not in counted and (said or value != field.usual):
                yield f"{field.name}: {_value(field, value)}"
        yield from lists
        if lists:
            return
    if one.tail:
        yield f"tail: {_bytes(one.tail)}"
    if one.reserved:
        yield f"head_reserved: {one.reserved:#x}"
    if one.length is not None:
        yield f"length: {one.length}"


def _lists(one: Structure) -> list[str]:
    """What follows the fields, in lists; nothing where it is too short, too long or odd in another way."""
    if one.shape is None or one.reserved or one.length is not None:
        return []
    if one.shape.tail == "localities" and (found := hmat.localities(one)) is not None:
        rows = ", ".join(f"[{', '.join(map(str, row))}]" for row in found.rows())
        domains = f"[{', '.join(map(str, found.initiators))}]", f"[{', '.join(map(str, found.targets))}]"
        return [f"initiators: {domains[0]}", f"targets: {domains[1]}", f"entries: [{rows}]"]
    if one.shape.tail == "handles" and len(one.tail) == 2 * one["handle_count"]:
        handles = (one.tail[at : at + 2] for at in range(0, len(one.tail), 2))
        return [f"handles: [{', '.join(str(int.from_bytes(handle, 'little')) for handle in handles)}]"]
    return []


def _value(field: Field, value: int) -> str:
    if field.kind == "text":
        return quoted(value.to_bytes(field.size, "little"))
    if field.kind == "address":
        return f'"{pci_address(value)}"'
    if field.bits:
        return _flags(field, value)
    return f"{value:#x}" if field.kind == "hex" or field.reserved else f"{value}"


def pci_address(handle: int) -> str:
    """A PCI device handle as a person writes an address."""
    return f"{handle & 0xFFFF:04x}:{handle >> 16 & 0xFF:02x}:{handle >> 27:02x}.{handle >> 24 & 7}"


def _flags(field: Field, value: int) -> str:
    """The names of the bits that are set; with the value of those that are wider; a number for what has no name."""
    named = sum(((1 << bit.width) - 1) << bit.low for bit in field.bits)
    if value & ~named:
        return f"{value:#x}"
    words = {bit: value >> bit.low & ((1 << bit.width) - 1) for bit in field.bits}
    if all(bit.width == 1 for bit in field.bits):
        return f"[{', '.join(bit.name for bit, set_ in words.items() if set_)}]"
    return f"{{{', '.join(f'{bit.name}: {number}' for bit, number in words.items())}}}"
