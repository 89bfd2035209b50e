"""What ACPI tables are made of, as data: fields one after another, described once for all readers and writers.

A table is a standard header (ACPI 6.6 5.2.6), fixed fields, and structures that begin with their type and length.
Everything that a table holds is kept, wrong or not: bytes of a table that was read come out as they went in.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Bit(NamedTuple):
    """Bits of a field: `name` in YAML, `label` in iasl's language ("": it has none).

    `since` is the first iasl (by its date) that knows them.
    """

    name: str
    low: int
    width: int = 1
    label: str = ""
    recent: bool = False


class Field(NamedTuple):
    """`size` bytes, little-endian. `usual` is what it holds where nothing is said: 0, or what the specification fixes.

    `label` as iasl has it; `old` is its label and size for iasl 20200925 where that differs; ("", 0): part of the one
    before.
    """

    name: str
    size: int
    label: str
    usual: int = 0
    bits: tuple[Bit, ...] = ()
    kind: str = "number"  # "number", "hex", "text", "address"
    old: tuple[str, int] | None = None

    @property
    def reserved(self) -> bool:
        """Whether the specification gives it one value only."""
        return self.name.startswith("reserved")


class Shape(NamedTuple):
    """The fields of one type of structure behind its type and length; `name` in YAML, `title` as iasl has it.

    `tail` names what follows the fields, in place of mere bytes: "localities" or "handles".
    """

    name: str
    type: int
    title: str
    fields: tuple[Field, ...]
    tail: str = ""
    old: bool = True  # iasl 20200925 knows it

    @property
    def size(self) -> int:
        """The bytes of the fields."""
        return sum(one.size for one in self.fields)


class Format(NamedTuple):
    """A kind of table: fixed fields behind the header, then structures whose type and length are packed as `head`.

    `head` is None where there are no structures but one tail.
    """

    signature: str
    title: str
    clause: str
    revisions: tuple[int, ...]
    fixed: tuple[Field, ...]
    head: struct.Struct | None
    shapes: tuple[Shape, ...]

    @property
    def start(self) -> int:
        """Where the structures begin."""
        return HEADER_BYTES + sum(one.size for one in self.fixed)


_HEADER = struct.Struct("<4sIBB6s8sI4sI")
HEADER_BYTES = _HEADER.size
CHECKSUM_AT = 9


class Header(NamedTuple):
    """The standard header; `length` and `checksum` None: what they have to be."""

    signature: str
    revision: int
    oem_id: bytes = b"VPCI  "
    oem_table_id: bytes = b"VPCICOMP"
    oem_revision: int = 1
    creator_id: bytes = b"VPCI"
    creator_revision: int = 1
    length: int | None = None
    checksum: int | None = None


@dataclass(frozen=True, slots=True)
class Structure:
    """One structure: the values of its first fields (all, unless it is too short), and the bytes behind them.

    `shape` None: of a type that nobody knows. `length` is what it says of itself; None: what it is.
    """

    type: int
    shape: Shape | None
    values: Mapping[str, int] = field(default_factory=dict)
    tail: bytes = b""
    length: int | None = None
    reserved: int = 0  # of HMAT's longer head

    def __getitem__(self, name: str) -> int:
        """A field; 0 where the structure is too short to have it."""
        return self.values.get(name, 0)

    @property
    def body(self) -> bytes:
        """The bytes behind type and length."""
        return fields_bytes(self.shape.fields if self.shape else (), self.values) + self.tail


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `tail` is what follows its last structure (of a SLIT: the matrix), bytes behind its end included."""

    header: Header
    format: Format
    fixed: Mapping[str, int]
    structures: tuple[Structure, ...] = ()
    tail: bytes = b""

    @property
    def behind(self) -> int:
        """How many bytes of `tail` are behind the end that the header states."""
        return 0 if self.header.length is None else min(len(self.tail), max(0, len(encode(self)) - self.header.length))

    def of(self, name: str) -> list[Structure]:
        """Its structures of a shape."""
        return [one for one in self.structures if one.shape is not None and one.shape.name == name]


def make(shape: Shape, **values: int) -> Structure:
    """A structure whose other fields hold what is usual."""
    assert values.keys() <= {one.name for one in shape.fields}, values
    return Structure(shape.type, shape, {one.name: values.get(one.name, one.usual) for one in shape.fields})


def fields_bytes(fields: tuple[Field, ...], values: Mapping[str, int]) -> bytes:
    """Those fields that have a value, one after another."""
    return b"".join(values[one.name].to_bytes(one.size, "little") for one in fields if one.name in values)


def read_fields(fields: tuple[Field, ...], octets: bytes) -> tuple[dict[str, int], bytes]:
    """The fields that `octets` hold whole, and the bytes that are left."""
    values: dict[str, int] = {}
    at = 0
    for one in fields:
        if at + one.size > len(octets):
            break
        values[one.name] = int.from_bytes(octets[at : at + one.size], "little")
        at += one.size
    return values, octets[at:]


def structure_bytes(one: Structure, head: struct.Struct) -> bytes:
    """A structure with its type and length."""
    body = one.body
    length = head.size + len(body) if one.length is None else one.length
    start = head.pack(one.type, length) if head.size == 2 else head.pack(one.type, one.reserved, length)
    return start + body


def encode(table: Table) -> bytes:
    """The bytes of a table, the checksum set unless its header says which."""
    head = table.format.head
    body = fields_bytes(table.format.fixed, table.fixed)
    if head is not None:
        body += b"".join(structure_bytes(one, head) for one in table.structures)
    body += table.tail
    known = table.header
    length = HEADER_BYTES + len(body) if known.length is None else known.length
    who = (known.oem_id, known.oem_table_id, known.oem_revision, known.creator_id, known.creator_revision)

    def header(checksum: int) -> bytes:
        return _HEADER.pack(known.signature.encode("latin-1"), length, known.revision, checksum, *who)

    checksum = -sum((header(0) + body)[:length]) & 0xFF if known.checksum is None else known.checksum
    return header(checksum) + body


def read_header(octets: bytes) -> Header:
    """The header of a table of at least `HEADER_BYTES`; a length or checksum that is right is None."""
    signature, length, revision, checksum, oem, oem_table, oem_revision, creator, creator_revision = (
        _HEADER.unpack_from(octets)
    )
    wrong = checksum if sum(octets[:length]) & 0xFF else None  # nobody sums what is behind the table
    stated = None if length == len(octets) else length
    name = signature.decode("latin-1")
    return Header(name, revision, oem, oem_table, oem_revision, creator, creator_revision, stated, wrong)
