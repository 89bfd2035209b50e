"""What the layout says of the physical device, and what a capture of it adds."""

from __future__ import annotations

from collections.abc import Iterable

from .. import catalog
from ..catalog import Chain
from ..diagnostics import Report
from ..ir import Kind, Physical
from ..loader import Node
from ..spec import DeviceLayout, PhysicalEntry

Structures = Iterable[tuple[Kind, int, int, int]]


def physical(layout: DeviceLayout, tree: Node, report: Report, walked: Structures = ()) -> Physical | None:
    """The device behind the function, or None where the layout names none.

    `walked` are the structures of its capture: (kind, id, offset, length in bytes).
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
    return Physical(entry.driver, _ids(entry), tuple(dict.fromkeys((*walked, *listed))), tuple(entry.used))


def _ids(entry: PhysicalEntry) -> dict[str, int]:
    ids = {"vendor": entry.vendor, "device": entry.device, "class": entry.class_code, "revision": entry.revision}
    if entry.subsystem is not None:
        ids |= {"subsystem_vendor": entry.subsystem[0], "subsystem": entry.subsystem[1]}
    return {name: number for name, number in ids.items() if number is not None}


def _listed(chain: Chain, rows: dict[str, str | int], node: Node, report: Report) -> Structures:
    for key, name in rows.items():
        try:
            offset = int(key, 0)
        except ValueError:
            report.add("VPCI1103", node.keys[key], f"'{key}' is not an offset; write 0x60: pcie")
            continue
        try:
            known = catalog.by_id(chain, name) if isinstance(name, int) else catalog.by_name(chain, name)
        except KeyError:
            report.add("VPCI1106", node.span_of(key), f"there is no {chain} capability '{name}'")
            continue
        length = known.length if known is not None and isinstance(known.length, int) else chain.header_bytes
        yield Kind(chain.value), known.id if known is not None else int(name), offset, length
