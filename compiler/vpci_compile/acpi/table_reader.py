"""The YAML of a table, as `table_text` writes it and a person edits it, to the table."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

from ..diagnostics import Report, nearest
from ..loader import Node
from . import hmat, slit
from .decode import FORMATS
from .structures import Field, Format, Header, Shape, Structure, Table
from .table_text import UNKNOWN

_ADDRESS = re.compile(r"(?:([0-9a-f]{4}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])", re.IGNORECASE)
_HEX = re.compile(r"\s*(?:[0-9a-f]{2}\s*)*", re.IGNORECASE)
_HEADER_KEYS = ("acpi", "table", "revision", "oem", "creator", "length", "checksum")
_LISTS = {"localities": ("initiators", "targets", "entries"), "handles": ("handles",)}
_ODD = ("tail", "head_reserved", "length", "ends_before")
_COUNTS = {"initiator_count", "target_count", "handle_count"}


def read(tree: Node, report: Report) -> Table:
    """The table.

    Raises:
        Failed: VPCI1101 (unknown key), VPCI1102 (key missing), VPCI1103 (value of the wrong shape), all of them.
    """
    table = _Reader(report).table(tree)
    report.stop_on_errors()
    return table


class _Reader:
    """Reports what is wrong and goes on with 0."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def table(self, tree: Node) -> Table:
        keys = self._mapping(tree)
        if "acpi" not in keys or keys["acpi"].value != 1:
            way_out = "a machine layout: 'vpci-compile check' judges its tables" if "machine" in keys else ""
            self._wrong(keys.get("acpi", tree), "acpi: a table begins with 'acpi: 1'", way_out)
            self.report.stop_on_errors()
        known = FORMATS.get(str(keys["table"].value)) if "table" in keys else None
        if known is None:
            self._wrong(keys.get("table", tree), f"table: one of {', '.join(FORMATS)}")
            self.report.stop_on_errors()
        assert known is not None
        rest = ("structures", "tail") if known.head is not None else ("distances", "tail")
        self._unknown(tree, (*_HEADER_KEYS, *(one.name for one in known.fixed), *rest))
        header = self._header(tree, known)
        fixed = {
            one.name: self._number(keys[one.name], one.size) if one.name in keys else one.usual for one in known.fixed
        }
        tail = self._hex(keys["tail"]) if "tail" in keys else b""
        if known.head is None:
            return self._distances(tree, header, fixed, tail)
        structures = keys.get("structures")
        if structures is None or not isinstance(structures.value, list):
            self._wrong(structures or tree, "structures: a list")
            return Table(header, known, fixed)
        made = tuple(self._structure(one, known) for one in structures.entries())
        return Table(header, known, fixed, made, tail)

    def _distances(self, tree: Node, header: Header, fixed: dict[str, int], tail: bytes) -> Table:
        keys = self._mapping(tree)
        if "distances" not in keys:
            return Table(header, slit.FORMAT, fixed, tail=tail)
        rows = [bytes(self._number(one, 1) for one in row.entries()) for row in keys["distances"].entries()]
        if any(len(row) != len(rows) for row in rows):
            self._wrong(keys["distances"], f"distances: {len(rows)} rows need {len(rows)} numbers each")
        return Table(header, slit.FORMAT, fixed | {"localities": len(rows)}, tail=b"".join(rows))

    def _header(self, tree: Node, known: Format) -> Header:
        keys = self._mapping(tree)
        revision = self._number(keys["revision"], 1) if "revision" in keys else known.revisions[-1]
        made = Header(known.signature, revision)
        if "oem" in keys:
            oem = self._inner(keys["oem"], ("id", "table", "revision"))
            made = made._replace(
                oem_id=self._text(oem["id"], 6) if "id" in oem else made.oem_id,
                oem_table_id=self._text(oem["table"], 8) if "table" in oem else made.oem_table_id,
                oem_revision=self._number(oem["revision"], 4) if "revision" in oem else made.oem_revision,
            )
        if "creator" in keys:
            creator = self._inner(keys["creator"], ("id", "revision"))
            made = made._replace(
                creator_id=self._text(creator["id"], 4) if "id" in creator else made.creator_id,
                creator_revision=self._number(creator["revision"], 4) if "revision" in creator else 1,
            )
        return made._replace(
            length=self._number(keys["length"], 4) if "length" in keys else None,
            checksum=self._number(keys["checksum"], 1) if "checksum" in keys else None,
        )

    def _structure(self, one: Node, known: Format) -> Structure:
        keys = self._mapping(one)
        word = keys["type"].value if "type" in keys else None
        names = [shape.name for shape in known.shapes]
        shape = next((shape for shape in known.shapes if shape.name == word), None)
        assert known.head is not None
        if shape is None and word != UNKNOWN:
            near = nearest(str(word), names)
            text = f"type: one of {', '.join([*names, UNKNOWN])}"
            self._wrong(keys.get("type", one), text, f"did you mean '{near[0]}'?" if near else "")
            return Structure(0, None)
        lists = _LISTS.get(shape.tail, ()) if shape else ()
        own = tuple(field.name for field in shape.fields if field.name not in _COUNTS) if shape else ("number",)
        counts = tuple(field.name for field in shape.fields if field.name in _COUNTS) if shape else ()
        listed = any(name in keys for name in lists)
        self._unknown(one, ("type", *own, *(lists if listed else (*lists, *counts)), *(() if listed else _ODD)))
        tail = self._hex(keys["tail"]) if "tail" in keys else b""
        length = self._number(keys["length"], known.head.size // 2) if "length" in keys else None
        reserved = self._number(keys["head_reserved"], 2) if "head_reserved" in keys else 0
        if shape is None:
            kind = self._number(keys["number"], known.head.size // 4 or 1) if "number" in keys else 0
            return Structure(kind, None, {}, tail, length, reserved)
        values = self._values(shape, keys)
        if listed:
            counted, tail = self._lists(shape, one)
            values |= counted
        return Structure(shape.type, shape, values, tail, length, reserved)

    def _values(self, shape: Shape, keys: Mapping[str, Node]) -> dict[str, int]:
        end = keys["ends_before"].value if "ends_before" in keys else None
        values: dict[str, int] = {}
        for field in shape.fields:
            if field.name == end:
                break
            values[field.name] = self._value(field, keys[field.name]) if field.name in keys else field.usual
        return values

    def _lists(self, shape: Shape, one: Node) -> tuple[dict[str, int], bytes]:
        keys = self._mapping(one)
        if shape.tail == "handles":
            handles = [self._number(entry, 2) for entry in keys["handles"].entries()]
            return {"handle_count": len(handles)}, struct.pack(f"<{len(handles)}H", *handles)
        for name in _LISTS[shape.tail]:
            if name not in keys:
                self.report.add("VPCI1102", one.span, f"'{name}' is missing")
                return {}, b""
        initiators, targets = (
            [self._number(entry, 4) for entry in keys[name].entries()] for name in ("initiators", "targets")
        )
        rows = [[self._number(entry, 2) for entry in row.entries()] for row in keys["entries"].entries()]
        if len(rows) != len(initiators) or any(len(row) != len(targets) for row in rows):
            self._wrong(keys["entries"], f"entries: {len(initiators)} rows of {len(targets)} numbers each")
            return {}, b""
        lists = hmat.Localities(tuple(initiators), tuple(targets), tuple(value for row in rows for value in row))
        made = hmat.locality(0, 0, 0, lists)
        return {name: made[name] for name in ("initiator_count", "target_count")}, made.tail

    def _value(self, field: Field, node: Node) -> int:
        if field.kind == "text" and isinstance(node.value, str):
            return int.from_bytes(self._text(node, field.size), "little")
        if field.kind == "address" and isinstance(node.value, str):
            match = _ADDRESS.fullmatch(node.value)
            if match is None:
                self._wrong(node, f'{field.name}: a PCI address, "0000:01:00.0"')
                return 0
            segment, bus, device, function = (int(part or "0", 16) for part in match.groups())
            return segment | bus << 16 | (device << 3 | function) << 24
        if field.bits and isinstance(node.value, list):
            return sum(1 << self._bit(field, one) for one in node.entries())
        if field.bits and isinstance(node.value, dict):
            inner = self._inner(node, tuple(bit.name for bit in field.bits))
            widths = {bit.name: bit for bit in field.bits}
            return sum(
                (self._number(value, 2) & ((1 << widths[name].width) - 1)) << widths[name].low
                for name, value in inner.items()
                if name in widths
            )
        return self._number(node, field.size)

    def _bit(self, field: Field, node: Node) -> int:
        for bit in field.bits:
            if bit.name == node.value:
                return bit.low
        self._wrong(node, f"{field.name}: {', '.join(bit.name for bit in field.bits)} are known")
        return 0

    # -- values ---------------------------------------------------------------------------------------------------

    def _number(self, node: Node, size: int) -> int:
        value = node.value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 8 * size:
            return value
        self._wrong(node, f"a number of {8 * size} bits is needed here")
        return 0

    def _text(self, node: Node, size: int) -> bytes:
        value = node.value
        if isinstance(value, str) and value.isascii():
            plain = not value.startswith("hex:")
            if not plain and _HEX.fullmatch(value[4:]):
                return bytes.fromhex(value[4:])[:size].ljust(size, b"\0")
            if plain and len(value) <= size:
                return value.encode().ljust(size, b" ")
        self._wrong(node, f"a text of at most {size} ASCII characters is needed here, in quotes")
        return bytes(size)

    def _hex(self, node: Node) -> bytes:
        if isinstance(node.value, str) and _HEX.fullmatch(node.value):
            return bytes.fromhex(node.value)
        self._wrong(node, 'bytes are needed here, in hex and in quotes: "01 02"')
        return b""

    def _mapping(self, node: Node) -> dict[str, Node]:
        if isinstance(node.value, dict):
            return node.value
        self._wrong(node, "a mapping of keys is needed here")
        return {}

    def _inner(self, node: Node, names: tuple[str, ...]) -> dict[str, Node]:
        found = self._mapping(node)
        self._unknown(node, names)
        return found

    def _unknown(self, node: Node, names: tuple[str, ...]) -> None:
        for key in [key for key, _ in node.items() if key not in names]:
            near = nearest(key, [name for name in names if name not in node.keys])
            help_text = f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(names)}"
            self.report.add("VPCI1101", node.key_of(key), f"unknown key '{key}'", help=help_text)

    def _wrong(self, node: Node, message: str, help_text: str = "") -> None:
        self.report.add("VPCI1103", node.span, message, help=help_text)
