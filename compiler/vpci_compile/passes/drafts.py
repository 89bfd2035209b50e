"""From the entries of a layout to drafts: names, ids, bytes, lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import catalog
from ..catalog import Capability, Chain, View
from ..diagnostics import Report, Span, nearest
from ..ir import Physical
from ..loader import Node
from . import fields
from .work import NULL_OFFSET, Draft, Work

if TYPE_CHECKING:
    from ..spec import CapabilityEntry, DeviceLayout

PCI_SIZE = 256
EXPRESS_SIZE = 4096
FIRST_EXTENDED = 0x100
LAST_STANDARD_ID = 0xFF


def draft_all(layout: DeviceLayout, tree: Node, report: Report, captured: bytes, physical: Physical | None) -> Work:
    """The drafts of the header and of all capabilities, not yet placed.

    `captured` is the physical device's configuration space, b"" where the layout names none.
    Reports VPCI1106..1110.
    """
    size = layout.config_size or (EXPRESS_SIZE if layout.extended or _has_pcie(layout) else PCI_SIZE)
    header = _header(layout, tree, report)
    work = Work(layout, tree, report, size, header, [], [], physical, captured)
    names = _Names(header.span)
    for chain, key, entries, drafts in (
        (Chain.STANDARD, "capabilities", layout.capabilities, work.standard),
        (Chain.EXTENDED, "extended", layout.extended, work.extended),
    ):
        rooms = _rooms(entries, PCI_SIZE if chain is Chain.STANDARD else size)
        for index, entry in enumerate(entries):
            draft = _capability(work, chain, (key, index), entry, rooms.get(entry.at, size), names)
            if draft is not None:
                drafts.append(draft)
    return work


def _has_pcie(layout: DeviceLayout) -> bool:
    return any(entry.cap in ("pcie", 0x10) for entry in layout.capabilities)


def _rooms(entries: list[CapabilityEntry], end: int) -> dict[int | None, int]:
    """For each pinned offset, the bytes up to the next pinned one or to the end of the space."""
    pinned = sorted({entry.at for entry in entries if entry.at is not None})
    ends = [*pinned[1:], end]
    return {at: max(0, after - at) for at, after in zip(pinned, ends, strict=False)}


def _header(layout: DeviceLayout, tree: Node, report: Report) -> Draft:
    identity = layout.identity
    capability = catalog.by_id(Chain.HEADER, identity.header_type)
    assert capability is not None
    view = View(capability, bytearray(EXPRESS_SIZE))
    place = tree.find(["identity"])
    draft = Draft(
        "header", Chain.HEADER, identity.header_type, 0, capability, bytearray(), view.length, 0, place.span,
        "synthesized", path=("header",),
    )  # fmt: skip
    origins = draft.origins
    parts = {
        "vendor": ("vendor", identity.vendor),
        "device": ("device", identity.device),
        "revision": ("revision", identity.revision),
        "prog_if": ("class", identity.class_code & 0xFF),
        "class": ("class", identity.class_code >> 8),
        "header_type.layout": ("header_type", identity.header_type),
        "header_type.multifunction": ("multifunction", int(identity.multifunction)),
        "subsystem_vendor": ("subsystem", identity.subsystem[0]),
        "subsystem": ("subsystem", identity.subsystem[1]),
    }
    for path, (key, number) in parts.items():
        try:
            where, one = view.find(path)
        except KeyError:
            if number:
                report.add("VPCI1107", place.span_of(key), f"a type {identity.header_type} header has no '{key}'")
            continue
        view.put(where, one, number)
        origins[path] = place.span_of(key)
    _settled(layout, tree, report, {path.partition(".")[0]: key for path, (key, _) in parts.items()})
    fields.apply(view, layout.header, tree.find(["header"]), report, origins)
    assert isinstance(view.body, bytearray)
    draft.body = view.body[: draft.length]
    return draft


def _settled(layout: DeviceLayout, tree: Node, report: Report, identity: dict[str, str]) -> None:
    """Report registers under `header` that another part of the layout decides; `identity` is register to key there."""
    claimed = {"rom": "rom"} if "rom" in layout.bars else {}
    for slot, bar in layout.bars.items():
        if slot != "rom" and bar.region is None:
            claimed.update((f"bar{int(slot) + n}", slot) for n in range(2 if bar.kind == "mem64" else 1))
    for key in layout.header:
        register = key.partition(".")[0]
        if register in identity:
            place, owner = tree.span_of("identity", identity[register]), "identity"
        elif register in claimed:
            place, owner = tree.key_of("bars", claimed[register]), "bars"
        else:
            continue
        report.add(
            "VPCI1110",
            tree.key_of("header", key),
            f"'{register}' follows from '{owner}' and has no second value under 'header'",
            labels=[(place, "decides it")],
            help=f"change '{owner}'",
        )


def _capability(
    work: Work, chain: Chain, path: tuple[str, int], entry: CapabilityEntry, room: int, names: _Names
) -> Draft | None:
    report, node = work.report, work.tree.find(path)
    span = node.span_of("cap")
    known = _catalogued(chain, entry, span, report)
    if known is None and isinstance(entry.cap, str):
        return None
    _check_keys(entry, node, chain, report)
    number = known.id if known is not None else int(entry.cap)
    name = names.claim(entry, known.name if known is not None else f"cap{number:02x}", node, report)
    body = bytearray(EXPRESS_SIZE)
    if entry.source == "copied" and entry.at is not None and work.physical_bytes:
        taken = work.physical_bytes[entry.at :]
        body[: len(taken)] = taken
    version = entry.version if entry.version is not None else known.version if known is not None else 1
    # The id and version stand in the bytes from the start: the length of some structures depends on the version.
    header = number | version << 16 if chain is Chain.EXTENDED else number & 0xFF
    body[: chain.header_bytes] = header.to_bytes(chain.header_bytes, "little")
    at = NULL_OFFSET if entry.at is None else entry.at
    kind = work.layout.identity.header_type
    draft = Draft(
        name, chain, number, version, known, body, 0, at, span, entry.source, entry.style, entry, path, header_type=kind
    )
    if known is not None:
        view = View(known, body, room, kind)
        if entry.source == "synthesized":
            fields.defaults(view)
        fields.apply(view, entry.fields, node.find(["fields"]), report, draft.origins)
        if entry.source == "synthesized" and entry.length is not None:
            fields.state_length(view, entry.length, draft.origins)
    elif entry.fields:
        report.add(
            "VPCI1107", node.key_of("fields"), f"the catalogue knows no fields of capability {number:#x}",
            help="give its bytes by 'raw', or add a file to the catalogue",
        )  # fmt: skip
    named = fields.stated(View(known, body, room, kind), draft.origins) if known is not None else {}
    laid = fields.raw(body, entry.raw, node.find(["raw"]), chain, report)
    draft.length = _length(draft, entry, room)  # raw bytes can hold the length field
    fields.check_raw(laid, draft.length, report)
    draft.body = body[: draft.length]
    if known is not None:
        view = View(known, draft.body, room, kind)
        fields.check_existing(view, node, draft.origins, report)
        fields.over_fields(view, laid, named, work.tree.span.source, draft.origins, report)
    return draft


def _length(draft: Draft, entry: CapabilityEntry, room: int) -> int:
    if entry.length is not None:
        return max(entry.length, draft.chain.header_bytes)
    ends = [int(key, 0) + len(octets) for key, octets in entry.raw.items() if key[:1].isdigit() and _is_number(key)]
    reach = min(max(ends, default=0), EXPRESS_SIZE)  # what lies beyond is another complaint
    if draft.capability is None:
        return max(reach, draft.chain.header_bytes + 2 if draft.chain is Chain.STANDARD else draft.chain.header_bytes)
    return View(draft.capability, draft.body, room, draft.header_type).length


def _is_number(text: str) -> bool:
    try:
        int(text, 0)
    except ValueError:
        return False
    return True


def _catalogued(chain: Chain, entry: CapabilityEntry, span: Span, report: Report) -> Capability | None:
    if isinstance(entry.cap, int):
        if chain is Chain.STANDARD and entry.cap > LAST_STANDARD_ID:
            report.add(
                "VPCI1108",
                span,
                f"capability id {entry.cap:#x} does not fit into 8 bits",
                note="PCI 3.0 6.7: the id of a standard capability is one byte",
                help="list it under 'extended', if it is an extended capability",
            )
        return catalog.by_id(chain, entry.cap)
    try:
        return catalog.by_name(chain, entry.cap)
    except KeyError:
        names = catalog.names(chain)
        other = Chain.EXTENDED if chain is Chain.STANDARD else Chain.STANDARD
        near = nearest(entry.cap, names)
        if entry.cap in catalog.names(other):
            way_out = (
                f"'{entry.cap}' belongs into the list '{'extended' if other is Chain.EXTENDED else 'capabilities'}'"
            )
        elif near:
            way_out = f"did you mean '{near[0]}'?"
        else:
            way_out = f"known here: {', '.join(names)}; or give the id as a number"
        report.add("VPCI1106", span, f"there is no {chain} capability '{entry.cap}'", help=way_out)
        return None


class _Names:
    """Names of structures that are taken, and where."""

    def __init__(self, header: Span) -> None:
        self.taken = {"header": header}
        self.counts: dict[str, int] = {}

    def claim(self, entry: CapabilityEntry, stem: str, node: Node, report: Report) -> str:
        """The structure's own name, or `stem`, `stem2` ...; reports VPCI1110 for an own name that is taken."""
        stem = entry.name or stem
        if entry.name in self.taken:
            report.add(
                "VPCI1110",
                node.span_of("name"),
                f"the name '{entry.name}' is taken",
                labels=[(self.taken[stem], "has this name")],
                help="structures without 'name' are called after their capability: vndr, vndr2",
            )
        name = stem
        while name in self.taken:
            self.counts[stem] = self.counts.get(stem, 1) + 1
            name = f"{stem}{self.counts[stem]}"
        self.taken[name] = node.span_of("cap")
        return name


def _check_keys(entry: CapabilityEntry, node: Node, chain: Chain, report: Report) -> None:
    def refuse(key: str, message: str, *way_out: str, note: str | tuple[str, ...] = ()) -> None:
        report.add("VPCI1110", node.span_of(key), message, note=note, help=way_out)

    needed = {}
    if entry.source != "synthesized" and entry.at is None:
        needed["'at'"] = "at: its offset on the device, as lspci shows it in brackets"
    if entry.source == "hidden" and entry.style is None:
        needed["'style'"] = "style: unlinked (no pointer leads to it), or zeroed (its bytes read as zero, too)"
    if needed:
        law = f"Linux vfio-pci and every VMM leave a {entry.source} structure where the device has it"
        message = f"a {entry.source} structure needs {' and '.join(needed)}"
        refuse("source", message, *needed.values(), note=law if entry.at is None else ())
    if entry.style is not None and entry.source != "hidden":
        refuse("style", f"a {entry.source} structure has no style of hiding", "leave 'style' out, or source: hidden")
    if chain is Chain.STANDARD and entry.version is not None:
        refuse("version", "a standard capability has no version in its header", "leave 'version' out")
    if chain is Chain.STANDARD and entry.next is not None and entry.next > 0xFF:
        report.add(
            "VPCI1108",
            node.span_of("next"),
            f"next pointer {entry.next:#x} does not fit into 8 bits",
            note="PCI 3.0 6.7: the next pointer of a standard capability is one byte",
        )
