"""Writes what a layout says by name (`fields`, `raw`) into the bytes of a structure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..catalog import Chain, Field, Place, View, encoder
from ..diagnostics import Report, Span, nearest
from ..loader import Node
from ..spec import FieldValue

_BAR_OFFSET = re.compile(r"bar([0-5])\s*\+\s*(0x[0-9a-fA-F]{1,8}|[0-9]{1,10})")
_STRUCTURAL = ("id", "next", "header")  # written when the chain is linked
Setting = tuple[Place, Field | None, FieldValue, Span]


def defaults(view: View) -> None:
    """Give a synthesized structure the catalogue's default values."""
    for register in view.capability.registers:
        for one in register.fields:
            if one.default and register.repeat is None:
                view.put(view.locate(register.name), one, one.default)


def apply(
    view: View,
    values: Mapping[str, FieldValue | dict[str, FieldValue]],
    node: Node,
    report: Report,
    origins: dict[str, Span],
) -> None:
    """Set `values` (a layout's `fields`) in `view`'s bytes; `node` is where they stand, `origins` gets their places.

    Reports VPCI1107 (no such field), VPCI1108 (value does not fit), VPCI1503 (table or PBA not 8-byte aligned).
    """
    settings: list[Setting] = []
    for key, value in values.items():
        if isinstance(value, dict):
            settings.extend(_group(view, key, value, node.find([key]), report))
        else:
            found = _find(view, key, node, key, report)
            if found is not None:
                settings.append((*found, value, node.span_of(key)))
    # A register's place can depend on a field of an earlier one (MSI data on 64-bit): the catalogue's order decides.
    order = {register.name: index for index, register in enumerate(view.capability.registers)}
    settings.sort(key=lambda s: order.get(s[0].register.name, -1))
    for place, one, value, span in settings:
        # Located again: what an earlier setting wrote may have moved it.
        _set(view, view.locate(place.name), one, value, span, report)
        origins[place.name if one is None else f"{place.name}.{one.name}"] = span


def _group(view: View, name: str, values: Mapping[str, FieldValue], node: Node, report: Report) -> list[Setting]:
    settings: list[Setting] = []
    for key, value in values.items():
        found = _find(view, f"{name}.{key}", node, key, report)
        if found is not None:
            settings.append((*found, value, node.span_of(key)))
    return settings


def _find(view: View, path: str, node: Node, key: str, report: Report) -> tuple[Place, Field | None] | None:
    span = node.keys.get(key, node.span)
    try:
        found = view.find(path)
    except KeyError:
        known = [p for p in view.known_paths() if p.partition(".")[0] not in _STRUCTURAL]
        last = path.rpartition(".")[2]
        near = [p for p in known if p.rpartition(".")[2] == last] or nearest(path, known)
        registers = [p for p in known if "." not in p]
        report.add(
            "VPCI1107",
            span,
            f"'{view.capability.name}' has no field '{path}'",
            note=f"{view.capability.clause}: {view.capability.title}",
            help=f"did you mean '{near[0]}'?" if near else f"registers here: {', '.join(registers)}",
        )
        return None
    if found[0].offset < view.capability.chain.header_bytes:
        report.add(
            "VPCI1107",
            span,
            f"'{path}' is not set by name",
            help="id, version and next pointer follow from 'cap', 'version' and the order of the list",
        )
        return None
    return found


def _set(view: View, place: Place, one: Field | None, value: FieldValue, span: Span, report: Report) -> None:
    try:
        if one is None and len(place.register.fields) > 1:
            _set_register(view, place, value, span, report)
        else:
            only = one or place.register.fields[0]
            raw = _blob(place, value) if place.register.blob else encoder(only)(value)
            view.put(place, only, raw)
    except ValueError as error:
        report.add("VPCI1108", span, str(error), note=f"{view.capability.clause}: {view.capability.title}")


def _set_register(view: View, place: Place, value: FieldValue, span: Span, report: Report) -> None:
    """A whole register: a number as it is, or `barN+offset` where the register names a BAR and an offset."""
    fields = {one.name: one for one in place.register.fields}
    if isinstance(value, str):
        match = _BAR_OFFSET.fullmatch(value)
        if match is None or not {"bir", "offset"} <= fields.keys():
            raise ValueError(f"'{value}' is not a value of register '{place.name}'")
        offset = int(match[2], 0)
        if offset % fields["offset"].scale:
            report.add(
                "VPCI1503",
                span,
                f"offset {offset:#x} is not a multiple of {fields['offset'].scale}",
                note=f"{view.capability.clause}: the low three bits of this register name the BAR",
                help=f"move it to {offset & ~7:#x}",
            )
            return
        view.put(place, fields["bir"], int(match[1]))
        view.put(place, fields["offset"], encoder(fields["offset"])(offset))
        return
    view.put(place, None, int(value))


def _blob(place: Place, value: FieldValue) -> int:
    try:
        octets = bytes.fromhex(str(value).replace(" ", ""))
    except ValueError:
        raise ValueError(f"'{value}' is not a run of bytes in hex") from None
    if len(octets) > place.size:
        raise ValueError(f"'{place.name}' has {place.size} bytes, {len(octets)} are given")
    return int.from_bytes(octets.ljust(place.size, b"\0"), "little")


def raw(body: bytearray, values: Mapping[str, bytes], node: Node, chain: Chain, length: int, report: Report) -> None:
    """Lay raw bytes over `body`; reports VPCI1109 for bytes outside the structure or over its id and next pointer."""
    first = chain.header_bytes
    for key, octets in values.items():
        try:
            offset = int(key, 0)
        except ValueError:
            report.add("VPCI1109", node.keys[key], f"'{key}' is not an offset; write 0x08")
            continue
        if offset < first or offset + len(octets) > length:
            report.add(
                "VPCI1109",
                node.keys[key],
                f"{len(octets)} bytes at {offset:#x} are not inside the structure's body ({first:#x}..{length - 1:#x})",
                help="offsets count from the structure's start; 'length' says how long it is where no rule does",
            )
            continue
        body[offset : offset + len(octets)] = octets
