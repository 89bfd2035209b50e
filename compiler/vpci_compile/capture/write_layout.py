"""A plan as YAML: the text that a person reads. No decision is taken here, only where a line ends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..catalog import View
from ..passes.bars import shown_size
from .model import CONVENTIONAL_BYTES, MAX_SPACE, Capture
from .naming import Row, quoted
from .plan import Plan, StructurePlan

WIDTH = 118
_INLINE_BYTES = 16
_COMMENT_COLUMN = 40
_LEAST_COMMENT = 16
_CLASS_AND_IDS = re.compile(r"\s*\[[0-9a-f]{4}(?::[0-9a-f]{4})?\]")


def text(plan: Plan, remarks: Iterable[str]) -> str:
    """The layout. `remarks` are what the reader should know, put at the top as comments."""
    blocks = [
        [*_head(plan, remarks), "vpci: 1", f"device: {_name(plan)}", *_about(plan.capture)],
        [*_identity(plan), *_size(plan)],
        _header(plan),
        _bars(plan),
        _chain("capabilities", plan.standard),
        _chain("extended", plan.extended),
        _loose(plan),
        _reserved(plan),
        _physical(plan),
        _end(plan),
    ]
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks if block)


def printable(words: str, limit: int = 200) -> str:
    """Words of a capture, fit for a comment or a YAML string."""
    return "".join(c if c.isprintable() and c < "\ud800" else "?" for c in words)[:limit]


# -- head ----------------------------------------------------------------------------------------------------------


def _head(plan: Plan, remarks: Iterable[str]) -> Iterator[str]:
    if plan.shared is not None:
        for line in plan.shared.head:
            yield from _wrapped(printable(line, 2000), "# ", "#   ")
        return
    capture = plan.capture
    source = printable(capture.name) or "a capture"
    place = f", function {capture.slot}" if capture.slot else ""
    driver = f", there driven by {printable(capture.driver)}" if capture.driver else ""
    yield f"# Imported from {source}{place}{driver}."
    for remark in remarks:
        yield from _wrapped(printable(remark, 2000), "# ", "#   ")


def _name(plan: Plan) -> str:
    data = plan.capture.data
    return f"{int.from_bytes(data[0:2], 'little'):04x}-{int.from_bytes(data[2:4], 'little'):04x}"


def _about(capture: Capture) -> list[str]:
    title = printable(_CLASS_AND_IDS.sub("", capture.title))
    return _sentence("about:", title, "  ") if title else []


def _sentence(key: str, words: str, indent: str) -> list[str]:
    """A key and its words: quoted on one line, or folded on several."""
    line = f"{key} {_string(words)}"
    return [line] if len(line) <= WIDTH else [f"{key} >-", *_wrapped(words, indent, indent)]


def _string(words: str) -> str:
    return '"' + words.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _ids(plan: Plan) -> list[str]:
    """What the device says that it is, as keys of `identity` and of `physical`."""
    data = plan.capture.data
    view = View(plan.header, data.ljust(256, b"\0"))
    items = [
        f"vendor: {view.number(0, 2):#06x}",
        f"device: {view.number(2, 2):#06x}",
        f"class: {view.number(9, 2) | view.number(11, 1) << 16:#08x}",
        f"revision: {data[8]:#04x}",
    ]
    if any(register.name == "subsystem" for register in plan.header.registers):
        ids = (view.get(view.locate("subsystem_vendor")), view.get(view.locate("subsystem")))
        items.append(f'subsystem: "{ids[0]:04x}:{ids[1]:04x}"')
    return items


def _identity(plan: Plan) -> Iterator[str]:
    items = _ids(plan)
    if plan.header.id:
        items.append(f"header_type: {plan.header.id}")
    if plan.capture.data[0x0E] & 0x80:
        items.append("multifunction: true")
    return _flow("identity: {", items, "}")


def _size(plan: Plan) -> list[str]:
    usual = MAX_SPACE if plan.express or plan.extended else CONVENTIONAL_BYTES
    return [f"config_size: {plan.size}"] if plan.size != usual else []


def _header(plan: Plan) -> list[str]:
    return ["header:", *_rows(plan.header_rows, "  ")] if plan.header_rows else []


def _bars(plan: Plan) -> list[str]:
    lines = []
    for bar in plan.bars:
        items = [f"kind: {bar.kind}"]
        items += ["prefetchable: true"] if bar.prefetchable else []
        items += [f"size: {shown_size(bar.size)}"] if bar.size else []
        items += ["source: copied"]
        items += [f"address: {bar.address:#x}"] if bar.address else []
        remark = "" if bar.size else "size unknown"
        lines.append(_commented(f"  {bar.key}: {{{', '.join(items)}}}", remark))
    return ["bars:", *lines] if lines else []


# -- structures ----------------------------------------------------------------------------------------------------


def _chain(key: str, structures: list[StructurePlan]) -> list[str]:
    if not structures:
        return []
    width = max(len(one.cap) for one in structures) + 1
    return [f"{key}:", *(line for one in structures for line in _structure(one, width))]


def _structure(one: StructurePlan, width: int) -> list[str]:
    extra: list[str] = []
    if one.told_length:
        extra.append(f"length: {one.length:#x}")
    standard = one.capability.version if one.capability is not None else 1
    if one.chain == "extended" and one.link.version != standard:
        extra.append(f"version: {one.link.version}")
    if one.next is not None:
        extra.append(f"next: {one.next:#x}")
    remark = "cut short by the next structure" if one.cut else "" if one.link.id else "null capability"
    extra = ([f"style: {one.style}"] if one.style else []) + extra
    lead = f"cap: {one.cap + ',':<{width}} at: {one.link.offset:#x}, source: {one.source}"
    short = [*extra, *_inline(one)]
    line = f"  - {{{', '.join([lead, *short])}}}"
    if len(line) <= WIDTH - len(remark) and not _tall(one):
        return [_commented(line, remark)]
    lines = [_commented(f"  - cap: {one.cap}", remark), f"    at: {one.link.offset:#x}", f"    source: {one.source}"]
    lines += [f"    {item}" for item in extra]
    if one.rows:
        lines += ["    fields:", *_rows(one.rows, "      ")]
    if one.raw:
        lines += ["    raw:"]
        for at, octets in one.raw:
            lines += _octets(f"      {at:#04x}:", octets, "        ")
    if one.volatile:
        lines += _flow("    volatile: [", one.volatile, "]")
    return lines


def _tall(one: StructurePlan) -> bool:
    """Whether a structure deserves a line for each register."""
    long_bytes = any(len(row.blob) > _INLINE_BYTES for row in one.rows) or any(
        len(o) > _INLINE_BYTES for _, o in one.raw
    )
    return long_bytes or any(row.comment for row in one.rows) or len(one.rows) > 4


def _inline(one: StructurePlan) -> list[str]:
    items: list[str] = []
    if one.rows:
        items.append(f"fields: {{{', '.join(f'{row.register}: {_value(row)}' for row in one.rows)}}}")
    if one.raw:
        runs = ", ".join(f'{at:#04x}: "{octets.hex(" ")}"' for at, octets in one.raw)
        items.append(f"raw: {{{runs}}}")
    if one.volatile:
        items.append(f"volatile: [{', '.join(one.volatile)}]")
    return items


def _value(row: Row) -> str:
    if row.fields:
        return f"{{{', '.join(f'{name}: {value}' for name, value in row.fields.items())}}}"
    return row.value or f'"{row.blob.hex(" ")}"'


def _rows(rows: list[Row], indent: str) -> Iterator[str]:
    for row in rows:
        if row.blob:
            yield from _octets(f"{indent}{row.register}:", row.blob, f"{indent}  ")
        elif row.fields:
            items = [f"{name}: {value}" for name, value in row.fields.items()]
            lines = list(_flow(f"{indent}{row.register}: {{", items, "}"))
            yield from lines[:-1]
            yield _commented(lines[-1], row.comment)
        else:
            yield _commented(f"{indent}{row.register}: {row.value}", row.comment)


# -- bytes and facts -----------------------------------------------------------------------------------------------


def _loose(plan: Plan) -> list[str]:
    if not plan.loose:
        return []
    lines = [_commented("bytes:", "outside every structure that the catalogue knows, and not zero")]
    for at, octets in plan.loose:
        if len(octets) <= _INLINE_BYTES:
            lines.append(f'  - {{at: {at:#x}, source: copied, hex: "{octets.hex(" ")}"}}')
        else:
            lines += [f"  - at: {at:#x}", "    source: copied", *_octets("    hex:", octets, "      ")]
    return lines


def _octets(key: str, octets: bytes, indent: str) -> list[str]:
    if len(octets) <= _INLINE_BYTES:
        return [f'{key} "{octets.hex(" ")}"']
    rows = (octets[at : at + _INLINE_BYTES].hex(" ") for at in range(0, len(octets), _INLINE_BYTES))
    return [f"{key} |-", *(f"{indent}{row}" for row in rows)]


def _reserved(plan: Plan) -> list[str]:
    why = dict.fromkeys(plan.capture.redacted, "redacted in the capture")
    if plan.shared is not None:
        why = {(first, end): reason for first, end, reason in plan.shared.reserved}
    rows = [f"  - {{range: {_range(one)}, why: {why.get(one, 'not in the capture')}}}" for one in plan.unread]
    return ["reserved:", *rows] if rows else []


def _range(one: tuple[int, int]) -> str:
    return f"{one[0]:#x}..{one[1] - 1:#x}"


def _physical(plan: Plan) -> list[str]:
    if plan.shared is not None:  # the devices differ in the rest
        return [f"physical: {{driver: {plan.shared.driver}}}"] if plan.shared.driver else []
    lines = [] if plan.capture.virtual else [f"  {item}" for item in _ids(plan)]
    for key, structures in (("capabilities", plan.standard), ("extended", plan.extended)):
        if structures:
            lines += _flow(f"  {key}: {{", [f"{one.link.offset:#x}: {one.cap}" for one in structures], "}")
    if plan.used:
        lines += _flow("  used: [", [_range(one) for one in plan.used], "]")
    return [_commented("physical:", "the device itself: its ids, and where it has what"), *lines] if lines else []


def _end(plan: Plan) -> Iterator[str]:
    if plan.place != "port":
        yield f"guest: {{place: {plan.place}}}"
    if plan.choices.accepted:
        yield "accept:"
        for code, reason in sorted(plan.choices.accepted.items()):
            yield from _sentence(f"  {code}:", printable(reason), "    ")
    if plan.shared is not None and plan.shared.migrates:
        yield "migration: {migrates: true}"
    else:
        yield _commented("migration: {migrates: false}", "true asks for all that could differ on another host")
    yield _commented("targets: []", "[qemu] asks whether QEMU can show this function")


# -- lines ---------------------------------------------------------------------------------------------------------


def _flow(lead: str, items: list[str], close: str) -> Iterator[str]:
    """`lead` and the items, on as many lines as they need."""
    indent = " " * len(lead)
    line = lead
    for number, item in enumerate(items):
        piece = item + (close if number == len(items) - 1 else ",")
        if line.strip() and line != lead and len(line) + 1 + len(piece) > WIDTH:
            yield line
            line = indent + piece
        else:
            line = line + piece if line == lead else f"{line} {piece}"
    yield line


def _commented(line: str, remark: str) -> str:
    """The line with a comment at its end, cut where the page ends, left out where there is no room at all."""
    if not remark:
        return line
    lead = f"{line:<{_COMMENT_COLUMN}}  # "
    room = WIDTH + 2 - len(lead)
    if len(remark) <= room:
        return lead + remark
    return f"{lead}{remark[: room - 3]}..." if room >= _LEAST_COMMENT else line


def _wrapped(words: str, first: str, then: str) -> Iterator[str]:
    line = first
    for word in words.split():
        if len(line) + 1 + len(word) > WIDTH and line not in (first, then):
            yield line.rstrip()
            line = then
        line += f"{word} "
    yield line.rstrip()


__all__ = ["printable", "quoted", "text"]
