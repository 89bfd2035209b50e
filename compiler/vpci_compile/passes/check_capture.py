"""Copied values against the capture that the layout names: what the device answers is the device's."""

from __future__ import annotations

from ..catalog import READ_ONLY, View
from .work import Draft, Work


def check(work: Work) -> None:
    """Report VPCI1316 for read-only fields of copied structures that the device holds otherwise."""
    if not work.physical_bytes:
        return
    for draft in work.placed:
        if draft.source == "copied" and draft.end <= len(work.physical_bytes):
            _structure(work, draft)


def _structure(work: Work, draft: Draft) -> None:
    view = draft.view()
    if view is None or draft.capability is None:
        return
    device = View(draft.capability, work.physical_bytes[draft.offset : draft.end], draft.length, draft.header_type)
    for path, span in draft.origins.items():
        try:
            place, only = view.find(path)
        except KeyError:
            continue  # raw bytes have no name
        for one in (only,) if only is not None else place.register.fields:
            if one.access not in READ_ONLY or one.changes is not None or one.vmm or place.register.blob:
                continue
            ours, theirs = view.get(place, one), device.get(place, one)
            if ours != theirs:
                name = path if only is not None or one.name == place.register.name else f"{path}.{one.name}"
                here, there = view.decode(place, one), device.decode(place, one)
                work.report.add(
                    "VPCI1316",
                    span,
                    f"{draft.name}.{name} is {here} here, and {there} on the device",
                    labels=[(work.tree.span_of("physical", "capture"), "its capture")],
                    note="a copied register is answered by the device, whatever the layout says",
                    help="leave it out: the capture gives the value; or source: synthesized, where a VMM can build it",
                )
