"""What the layout says of the physical device, and what a capture of it adds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .. import catalog
from ..catalog import Capability, Chain, View
from ..diagnostics import Report, nearest
from ..ir import Kind, Physical
from ..loader import Node

if TYPE_CHECKING:
    from ..spec import DeviceLayout, PhysicalEntry

MAX_STRUCTURE = 4096
HEADER_LENGTH = 64
_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,4}|0|[1-9][0-9]{0,3}")
Structures = Iterable[tuple[Kind, int, int, int]]


def physical(
    layout: DeviceLayout, tree: Node, report: Report, captured: bytes = b"", walked: Structures = ()
) -> Physical | None:
    """The device behind the function, or None where the layout names none.

    `captured` is its configuration space where there is a capture (b"" where not), `walked` are the structures in it:
    (kind, id, offset, length in bytes).
    Reports VPCI1106 for a capability that nobody knows, VPCI1103 for an offset that is none.
    """
    entry = layout.physical
    if entry is None:
        return None
    node = tree.find(["physical"])
    listed = [
        *_listed(Chain.STANDARD, entry.capabilities, node.find(["capabilities"]), report),
        *_listed(Chain.EXTENDED, entry.extended, node.find(["extended"]), report),
    ]
    ids = _captured_ids(captured) | _ids(entry)
    return Physical(entry.driver, ids, tuple(dict.fromkeys((*walked, *listed))), tuple(entry.used))


def _captured_ids(captured: bytes) -> dict[str, int]:
    """The ids in the header; a virtual function reads as ffff there, and says nothing."""
    header = catalog.by_id(Chain.HEADER, captured[0x0E] & 0x7F) if len(captured) >= HEADER_LENGTH else None
    if header is None or captured[:2] == b"\xff\xff":
        return {}
    view = View(header, captured[:HEADER_LENGTH])
    ids = {name: view.number(view.locate(name).offset, 2) for name in ("vendor", "device")}
    ids |= {
        "class": view.number(view.locate("prog_if").offset, 3),
        "revision": view.number(view.locate("revision").offset, 1),
    }
    if header.id == 0:
        ids |= {name: view.number(view.locate(name).offset, 2) for name in ("subsystem_vendor", "subsystem")}
    return ids


def _ids(entry: PhysicalEntry) -> dict[str, int]:
    ids = {"vendor": entry.vendor, "device": entry.device, "class": entry.class_code, "revision": entry.revision}
    if entry.subsystem is not None:
        ids |= {"subsystem_vendor": entry.subsystem[0], "subsystem": entry.subsystem[1]}
    return {name: number for name, number in ids.items() if number is not None}


def _listed(chain: Chain, rows: dict[str, str | int], node: Node, report: Report) -> Structures:
    low, high = (0x40, 0xFC) if chain is Chain.STANDARD else (0x100, 0xFFC)
    found: list[tuple[int, int, Capability | None]] = []
    for key, name in rows.items():
        offset = int(key, 0) if _NUMBER.fullmatch(key) else -1
        if not low <= offset <= high:
            report.add(
                "VPCI1103",
                node.keys[key],
                f"'{key}' is no offset of the {chain} space ({low:#x}..{high + 3:#x})",
                help=f"write offset: name, {low:#x}: {'pcie' if chain is Chain.STANDARD else 'aer'}",
            )
            continue
        try:
            known = catalog.by_id(chain, name) if isinstance(name, int) else catalog.by_name(chain, name)
        except KeyError:
            near = nearest(str(name), catalog.names(chain))
            help_text = f"did you mean '{near[0]}'?" if near else "an id that the catalogue does not know is a number"
            report.add("VPCI1106", node.span_of(key), f"there is no {chain} capability '{name}'", help=help_text)
            continue
        found.append((offset, known.id if known is not None else int(name), known))
    found.sort(key=lambda row: row[0])
    ends = [*(offset for offset, _, _ in found[1:]), high + 4]
    for (offset, number, known), end in zip(found, ends, strict=False):
        # How long one of variable length is, nobody says here: no shorter than with all of its fields zero.
        length = View(known, bytes(MAX_STRUCTURE), end - offset).length if known is not None else chain.header_bytes
        yield Kind(chain.value), number, offset, length
