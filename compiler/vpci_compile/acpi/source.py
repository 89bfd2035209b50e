"""A table in the data table language of iasl, as `iasl -d` prints it; `iasl -z` makes the same bytes of it.

What iasl 20200925 (Debian 12) has otherwise than 20260408 stands under a macro; it does not know every structure.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import hmat, slit
from .srat import DEVICE_HANDLE
from .structures import Field, Header, Structure, Table, encode, structure_bytes
from .table_text import pci_address

OLD_IASL = "OLD_IASL"
_LABEL_WIDTH = 28
_COMMENT = """\
/*
 * {title} ({clause})
 *
 *     iasl -z THIS-FILE
 *     iasl -z -D {macro} THIS-FILE     (20200925, Debian 12)
 *
 * With -z (keep the creator's id) both give the same bytes as the .aml beside this file.
 * Numbers are hexadecimal.
 */
"""


def text(table: Table) -> str:
    """The source of a table.

    Raises:
        ValueError: it holds what the language has no words for: unknown, short or long structures, trailing bytes,
            reserved fields that are set, flags without a name ("specific-purpose" of memory is one).
    """
    known = table.format
    comment = _COMMENT.format(title=known.title, clause=known.clause, macro=OLD_IASL)
    return comment + "\n" + "".join(f"{line}\n" for line in _lines(table))


def _line(label: str, value: str, meaning: str = "") -> str:
    line = f"{label:>{_LABEL_WIDTH}} : {value}"
    return f"{line}    // {meaning}" if meaning else line


def _lines(table: Table) -> Iterator[str]:
    yield from _header(table.header, encode(table), table.format.title)
    yield ""
    for field in table.format.fixed:
        _reserved(field, table.fixed[field.name])
        yield _line(field.label, _number(table.fixed[field.name], field.size))
    if table.format.head is None:
        rows = slit.rows(table)
        if rows is None:
            raise ValueError("the matrix is not as large as the table says")
        for number, row in enumerate(rows):
            yield _line(f"Locality {number:3}", row.hex(" ").upper())
        return
    if table.tail:
        raise ValueError(f"{len(table.tail)} bytes follow the last structure")
    for one in table.structures:
        yield ""
        yield from _structure(table, one)


def _header(header: Header, octets: bytes, title: str) -> Iterator[str]:
    yield _line("Signature", _quoted(header.signature.encode()), title)
    yield _line("Table Length", _number(len(octets), 4), f"{len(octets)} bytes")
    yield _line("Revision", _number(header.revision, 1))
    yield _line("Checksum", _number(octets[9], 1), "the sum of all bytes is 0 modulo 256")
    yield _line("Oem ID", _quoted(header.oem_id))
    yield _line("Oem Table ID", _quoted(header.oem_table_id))
    yield _line("Oem Revision", _number(header.oem_revision, 4))
    yield _line("Asl Compiler ID", _quoted(header.creator_id))
    yield _line("Asl Compiler Revision", _number(header.creator_revision, 4))


def _quoted(octets: bytes) -> str:
    if not octets.isascii() or not octets.decode().isprintable() or set(b'"\\') & set(octets):
        raise ValueError("its header has a text that is none")
    return f'"{octets.decode()}"'


def _number(value: int, size: int) -> str:
    return f"{value:0{2 * size}X}"


def _structure(table: Table, one: Structure) -> Iterator[str]:
    head = table.format.head
    assert head is not None
    if one.shape is None or len(one.values) < len(one.shape.fields) or one.length is not None:
        raise ValueError(f"a structure of type {one.type} is unknown, or not as long as it should be")
    length = len(structure_bytes(one, head))
    if head.size == 2:
        yield _line("Subtable Type", f"{one.type:02X} [{one.shape.title}]")
        yield _line("Length", f"{length:02X}")
    else:
        yield _line("Structure Type", f"{one.type:04X} [{one.shape.title}]")
        yield _line("Reserved", f"{one.reserved:04X}")
        yield _line("Length", f"{length:08X}")
    yield ""
    yield from _fields(one, one.shape.fields)
    yield from _tail(one)


def _fields(one: Structure, fields: tuple[Field, ...]) -> Iterator[str]:
    at = 0
    while at < len(fields):
        field = fields[at]
        if field.label != DEVICE_HANDLE:
            _reserved(field, one.values[field.name])
        same = [other for other in fields[at:] if other.label == field.label]
        if len(same) > 1:  # a device handle: one line of bytes
            octets = b"".join(one.values[part.name].to_bytes(part.size, "little") for part in same)
            meaning = pci_address(one["pci"]) if field.kind == "address" else ""
            yield _line(field.label, octets.hex(" ").upper(), meaning)
        elif field.old is not None and field.old[1] == field.size:
            yield from _either(_line(field.label, _number(one[field.name], field.size)), _old(one, field))
        elif field.old is not None:  # two fields that were one
            after = fields[at + 1]
            new = [_line(part.label, _number(one[part.name], part.size)) for part in (field, after)]
            yield from _either("\n".join(new), _old(one, field, after))
            at += 1
        else:
            yield _line(field.label, _number(one[field.name], field.size))
            yield from _bits(field, one[field.name])
        at += len(same)


def _reserved(field: Field, value: int) -> None:
    """iasl sets a reserved field to what it has to be, and complains."""
    if field.reserved and value != field.usual:
        raise ValueError(f"a field '{field.label}' is reserved and holds {value:#x}")


def _either(new: str, old: str) -> Iterator[str]:
    yield from (f"#ifndef {OLD_IASL}", new, "#else", old, "#endif")


def _old(one: Structure, field: Field, after: Field | None = None) -> str:
    assert field.old is not None
    label, size = field.old
    value = one[field.name] | (one[after.name] << 8 * field.size if after else 0)
    return _line(label, _number(value, size))


def _bits(field: Field, value: int) -> Iterator[str]:
    """iasl makes the field of its named bits, whatever the field's own line says."""
    named = sum(((1 << bit.width) - 1) << bit.low for bit in field.bits if bit.label)
    if field.bits and value & ~named:
        raise ValueError(f"bits {value & ~named:#x} of a field '{field.label}' have no name")
    for bit in field.bits:
        if not bit.label:
            continue
        digits = (bit.width + 3) // 4
        line = _line(bit.label, f"{value >> bit.low & ((1 << bit.width) - 1):0{digits}X}")
        yield from ((f"#ifndef {OLD_IASL}", line, "#endif") if bit.recent else (line,))


def _tail(one: Structure) -> Iterator[str]:
    assert one.shape is not None
    if one.shape.tail == "localities" and (lists := hmat.localities(one)) is not None:
        yield from (_line("Initiator Proximity Domain List", _number(domain, 4)) for domain in lists.initiators)
        yield from (_line("Target Proximity Domain List", _number(domain, 4)) for domain in lists.targets)
        yield from (_line("Entry", _number(entry, 2)) for entry in lists.entries)
    elif one.shape.tail == "handles" and len(one.tail) == 2 * one["handle_count"]:
        for at in range(0, len(one.tail), 2):
            yield _line("SMBIOS Handle", _number(int.from_bytes(one.tail[at : at + 2], "little"), 2))
    elif one.tail:
        raise ValueError(f"a structure of type {one.type} is not as long as it should be")
