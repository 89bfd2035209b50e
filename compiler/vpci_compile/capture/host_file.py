"""The capture file: a document as text, and a text as functions. `host_format` says what stands where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..diagnostics import Report, Source
from ..loader import Node
from ..loader.json_form import Form
from . import hex_rows, json_text
from .host_format import FORMAT, VERSION, VERSION_KEY
from .model import Draft, HostFacts, IommuFacts
from .sysfs import bar_fact

_MIGRATION = ("stop-copy", "p2p", "pre-copy")


# -- writing -------------------------------------------------------------------------------------------------------


def text(host: Mapping[str, Any], functions: Iterable[Mapping[str, Any]]) -> str:
    """The document: what fits on a line stands on one, and each row of bytes has its own."""
    document = {VERSION_KEY: VERSION, "host": host, "functions": [*functions]}
    return json_text.render(document, rows=("config",))


# -- reading -------------------------------------------------------------------------------------------------------


def drafts(source: Source) -> list[Draft]:
    """The functions of a capture file, in its order.

    Raises:
        Failed: VPCI1701 (another JSON document), VPCI1715 (not JSON), VPCI1716 (of the wrong shape), VPCI1717 (of
            another version), VPCI1003 (key given twice), VPCI1704 (damaged row).
    """
    tree, report = Form("capture", VERSION_KEY, VERSION, FORMAT).read(source)
    host = tree.find(["host"]).plain()
    found = [_draft(node, host, report) for node in tree.find(["functions"]).entries()]
    report.stop_on_errors()
    return found


def _draft(node: Node, host: Mapping[str, Any], report: Report) -> Draft:
    plain = {key: entry.plain() for key, entry in node.items() if key not in ("config", "vfio")}
    draft = Draft(plain["slot"], node.span_of("slot"))
    space = hex_rows.read(node.find(["config"]), report)
    draft.data, draft.known, draft.dump = space.data, space.known, space.dump
    draft.driver = plain["driver"] or ""
    draft.ids = (int(plain["vendor"], 16), int(plain["device"], 16))
    for resource in plain["resources"]:
        fact = bar_fact(resource["index"], int(resource["size"], 16), int(resource["flags"], 16))
        draft.bars += [fact] if fact is not None else []
    for entry in plain["redacted"]:
        first, _, last = entry["range"].partition("..")
        draft.redact(int(first, 16), int(last, 16) + 1)
    draft.host = _facts(plain, host, node.find(["vfio"]), report)
    return draft


def _facts(plain: Mapping[str, Any], host: Mapping[str, Any], node: Node, report: Report) -> HostFacts:
    sriov = plain["sriov"]
    known = HostFacts(
        kernel=host["kernel"],
        architecture=host["architecture"],
        physical_function=plain["physical_function"] or "",
        sriov=bool(sriov and sriov["enabled"]),
        intx=plain["intx"],
    )
    return known if node.value is None else _asked(known, node, report)


def _asked(known: HostFacts, node: Node, report: Report) -> HostFacts:
    """The facts, with what vfio said."""
    vfio = {key: entry.plain() for key, entry in node.items() if key != "config"}
    space = hex_rows.read(node.find(["config"]), report)
    migration = vfio["migration"]
    pin = [irq["count"] for irq in vfio["irqs"] if irq["index"] == 0]
    return replace(
        known,
        iommu=None if vfio["iommu"] is None else _iommu(vfio["iommu"]),
        migration=None if migration is None else frozenset(migration).intersection(_MIGRATION),
        dma_logging=vfio["dma_logging"],
        regions={region["index"]: int(region["size"], 16) for region in vfio["regions"]},
        vfio_config=bytes(space.data),
        vfio_missing=space.missing,
        intx=bool(pin[0]) if pin else known.intx,
    )


def _iommu(said: Mapping[str, Any]) -> IommuFacts:
    can = said["capabilities"]
    width = said["max_pasid_log2"]
    return IommuFacts(
        max_pasid_log2=width,
        pasid_exec=bool(width) and "pasid-exec" in can,
        pasid_priv=bool(width) and "pasid-priv" in can,
        ats="ats-not-supported" not in can,
        dirty_tracking="dirty-tracking" in can,
    )
