"""From the entries of a layout to drafts: names, ids, bytes, lengths."""

from __future__ import annotations

from .. import catalog
from ..catalog import Capability, Chain, View
from ..diagnostics import Report, Span, nearest
from ..ir import Physical
from ..loader import Node
from ..spec import CapabilityEntry, DeviceLayout
from . import fields
from .work import NULL_OFFSET, Draft, Work

PCI_SIZE = 256
EXPRESS_SIZE = 4096
HEADER_LENGTH = 64
FIRST_EXTENDED = 0x100


def draft_all(layout: DeviceLayout, tree: Node, report: Report, captured: bytes, physical: Physical | None) -> Work:
    """The drafts of the header and of all capabilities, not yet placed.

    `captured` is the physical device's configuration space, b"" where the layout names none.
    Reports VPCI1106..1110.
    """
    size = layout.config_size or (EXPRESS_SIZE if layout.extended or _has_pcie(layout) else PCI_SIZE)
    header = _header(layout, tree, report)
    work = Work(layout, tree, report, size, header, [], [], physical, captured)
    used: dict[str, int] = {}
    for chain, key, entries, drafts in (
        (Chain.STANDARD, "capabilities", layout.capabilities, work.standard),
        (Chain.EXTENDED, "extended", layout.extended, work.extended),
    ):
        rooms = _rooms(entries, PCI_SIZE if chain is Chain.STANDARD else size)
        for index, entry in enumerate(entries):
            draft = _capability(work, chain, (key, index), entry, rooms.get(entry.at, size), used)
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
    fields.apply(view, layout.header, tree.find(["header"]), report, origins)
    assert isinstance(view.body, bytearray)
    draft.body = view.body[: draft.length]
    return draft


def _capability(
    work: Work, chain: Chain, path: tuple[str, int], entry: CapabilityEntry, room: int, used: dict[str, int]
) -> Draft | None:
    report, node = work.report, work.tree.find(path)
    span = node.span_of("cap")
    known = _catalogued(chain, entry, span, report)
    if known is None and isinstance(entry.cap, str):
        return None
    _check_keys(entry, node, chain, report)
    number = known.id if known is not None else int(entry.cap)
    name = _unique_name(entry, known, number, used)
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
    elif entry.fields:
        report.add(
            "VPCI1107", node.key_of("fields"), f"the catalogue knows no fields of capability {number:#x}",
            help="give its bytes by 'raw', or add a file to the catalogue",
        )  # fmt: skip
    draft.length = _length(draft, entry, room)
    fields.raw(body, entry.raw, node.find(["raw"]), chain, draft.length, report)
    if known is not None and entry.raw and entry.length is None:
        draft.length = View(known, body, room, kind).length  # raw bytes can hold the length field
    draft.body = body[: draft.length]
    return draft


def _length(draft: Draft, entry: CapabilityEntry, room: int) -> int:
    if entry.length is not None:
        return max(entry.length, draft.chain.header_bytes)
    ends = [int(key, 0) + len(octets) for key, octets in entry.raw.items() if key[:1].isdigit() and _is_number(key)]
    reach = max(ends, default=0)
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


def _unique_name(entry: CapabilityEntry, known: Capability | None, number: int, used: dict[str, int]) -> str:
    name = entry.name or (known.name if known is not None else f"cap{number:02x}")
    used[name] = used.get(name, 0) + 1
    return name if used[name] == 1 else f"{name}{used[name]}"


def _check_keys(entry: CapabilityEntry, node: Node, chain: Chain, report: Report) -> None:
    if entry.source == "hidden" and entry.style is None:
        report.add(
            "VPCI1110", node.span_of("source"), "a hidden structure needs a style",
            help="style: unlinked (no pointer leads to it) or style: zeroed (its bytes read as zero, too)",
        )  # fmt: skip
    if entry.style is not None and entry.source != "hidden":
        report.add("VPCI1110", node.span_of("style"), f"a {entry.source} structure has no style of hiding")
    if entry.source == "copied" and entry.at is None:
        report.add(
            "VPCI1110", node.span_of("source"), "a copied structure needs 'at'",
            note="the kernel and every VMM leave a copied structure where the device has it",
            help="at: its offset on the device, as lspci shows it in brackets",
        )  # fmt: skip
    if entry.source == "hidden" and entry.at is None:
        report.add(
            "VPCI1110", node.span_of("source"), "a hidden structure needs 'at': it stands where the device has it"
        )
    if entry.version is not None and chain is Chain.STANDARD:
        report.add("VPCI1110", node.span_of("version"), "a standard capability has no version in its header")
