"""Writes what a layout says by name (`fields`, `raw`) into the bytes of a structure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..catalog import Chain, Field, Place, View, encoder
from ..diagnostics import Report, Source, Span, nearest
from ..loader import Node
from ..spec import FieldValue

_BAR_OFFSET = re.compile(r"bar([0-5])\s*\+\s*(0x[0-9a-fA-F]{1,8}|0|[1-9][0-9]{0,9})")
_RANGE = re.compile(r"(.*?[a-z_])([0-9]{1,4})\.\.([0-9]{1,4})((?:\.[a-z0-9_]+)?)")
_NUMBERED = re.compile(r"([a-z0-9_]*[a-z_])(0|[1-9][0-9]{0,3})")
_LONGEST_RANGE = 2048
_STRUCTURAL = ("id", "next", "header")  # written when the chain is linked
Setting = tuple[Place, Field | None, FieldValue, Span]


def each(path: str) -> list[str]:
    """The paths that a layout means: `lane0..3.tx` is that field of the registers lane0, lane1, lane2 and lane3."""
    many = _RANGE.fullmatch(path)
    first, last = (int(many[2]), int(many[3])) if many else (0, 0)
    if many is None or last < first:
        return [path]
    return [f"{many[1]}{index}{many[4]}" for index in range(first, min(last, first + _LONGEST_RANGE) + 1)]


def together(paths: list[str]) -> list[str]:
    """The same paths, shorter: numbered ones that follow each other as one range, as `each` takes it."""
    found: list[tuple[str, int, int]] = []
    for path in paths:
        numbered = _NUMBERED.fullmatch(path)
        name, number = (numbered[1], int(numbered[2])) if numbered else (path, -1)
        if found and numbered and found[-1][0] == name and found[-1][2] == number - 1:
            found[-1] = (name, found[-1][1], number)
        else:
            found.append((name, number, number))
    return [
        name if first < 0 else f"{name}{first}" if first == last else f"{name}{first}..{last}"
        for name, first, last in found
    ]


def defaults(view: View) -> None:
    """Give a synthesized structure the catalogue's default values."""
    for register in view.capability.registers:
        for one in register.fields:
            if one.default and register.repeat is None:
                view.put(view.locate(register.name), one, one.default)


def state_length(view: View, length: int, origins: Mapping[str, Span]) -> None:
    """Let the length register of a synthesized structure (vndr, vsec, dvsec) say what `length:` says, unless set."""
    for register in view.capability.registers:
        for one in register.fields:
            stated = {register.name, f"{register.name}.{one.name}"} & origins.keys()
            if one.name == "length" and not stated and length >> one.width == 0:
                view.put(view.locate(register.name), one, length)


def apply(
    view: View,
    values: Mapping[str, FieldValue | dict[str, FieldValue]],
    node: Node,
    report: Report,
    origins: dict[str, Span],
) -> None:
    """Set `values` (a layout's `fields`) in `view`'s bytes; `node` is where they stand, `origins` gets their places.

    Reports VPCI1107 (no such field), VPCI1108 (value does not fit), VPCI1110 (one field twice), VPCI1503 (table or PBA
    not 8-byte aligned).
    """
    settings: list[Setting] = []
    for key, value in values.items():
        for path in each(key):
            if isinstance(value, dict):
                made = _group(view, path, value, node.find([key]), report)
                settings.extend(made)
                if len(made) < len(value):
                    break  # one complaint for a range that is too long
                continue
            found = _find(view, path, node, key, report)
            if found is None:
                break
            settings.append((*found, value, node.span_of(key)))
    # A register's place can depend on a field of an earlier one (MSI data on 64-bit): the catalogue's order decides.
    order = {register.name: index for index, register in enumerate(view.capability.registers)}
    settings.sort(key=lambda s: order.get(s[0].register.name, -1))
    first: dict[tuple[str, str], Span] = {}
    for place, one, value, span in settings:
        known = first.setdefault((place.name, one.name if one is not None else ""), span)
        if known is not span and known.source is span.source:  # in two files: the layout changes what its base says
            name = place.name if one is None else f"{place.name}.{one.name}"
            labels = [(known, "first given here")]
            report.add("VPCI1110", span, f"'{name}' is given twice", labels=labels, help="keep one of the two")
        # Located again: what an earlier setting wrote may have moved it.
        _set(view, view.locate(place.name), one, value, span, report)
        if one is None:
            _forget(place.name, origins)
        origins[place.name if one is None else f"{place.name}.{one.name}"] = span


def _forget(register: str, origins: dict[str, Span]) -> None:
    """Drop the places of a register's fields: the whole register was set after them."""
    for path in [path for path in origins if path.startswith(f"{register}.")]:
        del origins[path]


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
        unknown(view, path, span, report)
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


def unknown(view: View, path: str, span: Span, report: Report, code: str = "VPCI1107") -> None:
    """Report a path that names no register and no field of a structure."""
    capability = view.capability
    known = [p for p in view.known_paths() if p.partition(".")[0] not in _STRUCTURAL]
    register, _, last = path.rpartition(".")
    inside = [p for p in known if p.startswith(f"{register}.")] if register else []
    near = [p for p in known if p.rpartition(".")[2] == last] or nearest(path, inside or known)
    if near:
        way_out = f"did you mean '{near[0]}'?"
    elif inside:
        way_out = f"fields of {register}: {', '.join(p.rpartition('.')[2] for p in inside)}"
    else:
        way_out = f"registers here: {', '.join(p for p in known if '.' not in p)}"
    what = "header" if capability.chain is Chain.HEADER else capability.name
    report.add(
        code,
        span,
        f"'{what}' has no {'field' if register else 'register or field'} '{path}'",
        note=f"{capability.clause}: {capability.title}",
        help=way_out,
    )


def check_existing(view: View, node: Node, origins: Mapping[str, Span], report: Report) -> None:
    """Report VPCI1107 for fields set in registers that this structure has not; `view` is of its final bytes."""
    if not origins:
        return
    existing = {place.name for place in view.places()}
    capability = view.capability
    told: set[int] = set()  # a range of registers is one mistake
    for path, span in origins.items():
        place = view.locate(path.partition(".")[0])
        end = place.offset + place.size
        if (end <= len(view.body) and place.name in existing) or id(span) in told:
            continue
        told.add(id(span))
        if end > len(view.body) and view.has(place):
            report.add(
                "VPCI1107",
                span,
                f"'{place.name}' is at {place.offset:#x}..{end - 1:#x}, "
                f"but this {capability.name} structure ends at {len(view.body) - 1:#x}",
                labels=[(node.span_of("length"), "cut short here")] if "length" in node.keys else (),
                note=f"{capability.clause}: {capability.title}",
                help=f"length: {end:#x} or more, or leave it out" if "length" in node.keys else (),
            )
        else:
            rule = place.register.when or "there are as many of them"
            report.add(
                "VPCI1107",
                span,
                f"this {capability.name} structure has no register '{place.name}'",
                note=f"{capability.clause}: it exists where {rule}",
            )


def _set(view: View, place: Place, one: Field | None, value: FieldValue, span: Span, report: Report) -> None:
    try:
        if one is None and len(place.register.fields) > 1:
            _set_register(view, place, value, span, report)
        else:
            only = one or place.register.fields[0]
            if only.name == "offset" and _misaligned(view, place, only, value, span, report):
                return
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
            form = "a number, or bar0+0x2000" if {"bir", "offset"} <= fields.keys() else "a number"
            raise ValueError(f"'{value}' is not a value of register '{place.name}'; write {form}")
        offset = int(match[2], 0)
        if _misaligned(view, place, fields["offset"], offset, span, report):
            return
        view.put(place, fields["bir"], int(match[1]))
        view.put(place, fields["offset"], encoder(fields["offset"])(offset))
        return
    view.put(place, None, int(value))


def _misaligned(view: View, place: Place, one: Field, value: FieldValue, span: Span, report: Report) -> bool:
    """Whether `value` is an offset that shares its register with a BAR number and has bits there: VPCI1503."""
    if isinstance(value, str) or one.scale == 1 or int(value) % one.scale == 0:
        return False
    down = int(value) // one.scale * one.scale
    report.add(
        "VPCI1503",
        span,
        f"the {place.name} of {view.capability.name} is at {int(value):#x}, no multiple of {one.scale}",
        note=f"{view.capability.clause}: the low {one.low} bits of this register name the BAR",
        help=f"{down:#x} or {down + one.scale:#x}",
    )
    return True


def _blob(place: Place, value: FieldValue) -> int:
    if not isinstance(value, str):
        raise ValueError(f"{value} without quotes is no run of bytes; write two hex digits a byte, in quotes")
    try:
        octets = bytes.fromhex(value.replace(" ", ""))
    except ValueError:
        raise ValueError(f"'{value}' is not a run of bytes; write two hex digits a byte") from None
    if len(octets) > place.size:
        raise ValueError(f"'{place.name}' has {counted(place.size, 'byte')}, {len(octets)} are given")
    return int.from_bytes(octets.ljust(place.size, b"\0"), "little")


def counted(number: int, what: str) -> str:
    """`1 byte`, `2 bytes`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


Raw = tuple[int, int, int, Span]
"""Raw bytes as a layout gives them: offset, length, the first byte of the body, place."""


def raw(body: bytearray, values: Mapping[str, bytes], node: Node, chain: Chain, report: Report) -> list[Raw]:
    """Lay raw bytes over `body` and return them for `check_raw`; reports VPCI1109 for a key that is no offset."""
    first, laid = chain.header_bytes, []
    for key, octets in values.items():
        try:
            offset = int(key, 0)
        except ValueError:
            report.add("VPCI1109", node.keys[key], f"'{key}' is not an offset", help='write 0x08: "00 11"')
            continue
        laid.append((offset, len(octets), first, node.keys[key]))
        if first <= offset and offset + len(octets) <= len(body):
            body[offset : offset + len(octets)] = octets
    return laid


def stated(view: View, origins: Mapping[str, Span]) -> dict[str, int]:
    """The bits of everything that was set by name: `origins` leads to it."""
    return {path: view.get(*view.find(path)) for path in origins}


def over_fields(
    view: View, laid: list[Raw], before: Mapping[str, int], top: Source, origins: dict[str, Span], report: Report
) -> None:
    """Make raw bytes the origin of the fields that they hold; reports VPCI1110 where they change one set by name.

    `before` is what `stated` gave for it. `top` is the layout itself, which may change what a base says.
    """
    for path, bits in before.items():
        place, one = view.find(path)
        run = next((run for run in laid if run[0] < place.offset + place.size and place.offset < run[0] + run[1]), None)
        if run is None or view.get(place, one) == bits:
            continue
        if run[3].source is origins[path].source or run[3].source is not top:
            report.add(
                "VPCI1110",
                run[3],
                f"'{path}' is set by name, and these raw bytes change it from {bits:#x} to {view.get(place, one):#x}",
                labels=[(origins[path], "set here")],
                help="keep one of the two",
            )
    for offset, number, _, span in laid:
        for place in view.places():
            low, high = 8 * (offset - place.offset), 8 * (offset + number - place.offset)
            if low <= 0 and high >= 8 * place.size:
                _forget(place.name, origins)
                origins[place.name] = span
            elif place.register.blob and high > 0 and low < 8 * place.size:
                origins[place.name] = span
            elif not place.register.blob:
                inside = [one for one in place.register.fields if one.low < high and one.low + one.width > low]
                origins.update((f"{place.name}.{one.name}", span) for one in inside)


def check_raw(laid: list[Raw], length: int, report: Report) -> None:
    """Report VPCI1109 for raw bytes outside a structure of `length` bytes, or over its id and next pointer."""
    for offset, number, first, span in laid:
        if offset < first or offset + number > length:
            report.add(
                "VPCI1109",
                span,
                f"{counted(number, 'byte')} at {offset:#x}: the body of this structure is {first:#x}..{length - 1:#x}",
                note="offsets count from the start of the structure; its id and next pointer follow from the chain",
                help="'length' says how long it is where the catalogue's rule does not" if offset >= first else (),
            )
