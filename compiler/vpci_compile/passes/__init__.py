"""The rules: one file a family. `compile_function` runs them in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..diagnostics import REGISTRY, Report, nearest
from ..ir import Function, Guest, Kind, Origin, Physical, Structure, Style
from ..loader import Node
from . import (
    bars,
    chains,
    check_capture,
    check_header,
    check_migration,
    check_rules,
    check_space,
    drafts,
    image,
    marks,
    place,
    quirks,
)
from .work import Draft, Work

if TYPE_CHECKING:
    from ..spec import DeviceLayout


def compile_function(
    layout: DeviceLayout, tree: Node, report: Report, captured: bytes = b"", physical: Physical | None = None
) -> Function:
    """From a typed layout to the function.

    `captured` is the device's own configuration space where the layout names a capture (b"" where not), `physical`
    what the layout says of the device.

    Raises:
        Failed: with all complaints of the stage that had errors.
    """
    _accepted(layout, tree, report)
    work = drafts.draft_all(layout, tree, report, captured, physical)
    work.quirks = quirks.of_device(layout, physical)
    bars.build(work)
    report.stop_on_errors()
    place.place(work)
    chains.link(work)
    check_header.check(work)
    check_space.check(work)
    check_capture.check(work)
    quirks.check(work)
    marks.check(work)
    chains.check(work)
    check_rules.check(work)
    config = image.compose(work)
    check_migration.check(work, config)
    report.stop_on_errors()
    _needed(layout, tree, report)
    chains.credit(work)
    guest = layout.guest
    segment, bus, device, function = guest.address
    return Function(
        name=layout.device,
        version=layout.version,
        about=layout.about,
        config=config,
        structures=(_structure(work.header), *_loose(work), *map(_structure, work.drafts)),
        bars=tuple(work.bars),
        regions=tuple(work.regions),
        guest=Guest(guest.place, segment, bus, device, function, layout.initiators, guest.first_node),
        migrates=layout.migration.migrates,
        targets=tuple(layout.targets),
        physical=physical,
        origin=tree.span_of("device"),
        reserved=tuple((*entry.range, entry.why) for entry in layout.reserved),
    )


def _accepted(layout: DeviceLayout, tree: Node, report: Report) -> None:
    for code in layout.accept:
        span = tree.key_of("accept", code)
        if code not in REGISTRY:
            near = nearest(code, (known.id for known in REGISTRY.values() if known.acceptable))
            help_text = f"did you mean {near[0]} ({REGISTRY[near[0]].title})?" if near else ()
            report.add("VPCI1111", span, f"there is no code '{code}'", help=help_text)
        elif not REGISTRY[code].acceptable:
            report.add(
                "VPCI1111",
                span,
                f"{code} ({REGISTRY[code].title}) cannot be accepted",
                note="a layout can accept only what real hardware can be",
                help="take it out, and correct what the code is about",
            )
    report.accepted = layout.accept


def _needed(layout: DeviceLayout, tree: Node, report: Report) -> None:
    """Report VPCI1113 for a complaint that the layout accepts and that nobody makes."""
    made = {diagnostic.code for diagnostic in report.diagnostics}
    for code in layout.accept:
        if code not in made:
            report.add(
                "VPCI1113",
                tree.key_of("accept", code),
                f"the layout accepts {code} ({REGISTRY[code].title}), and there is nothing to accept",
                help="take the entry out, so that it does not hide a fault one day",
            )


def _structure(draft: Draft) -> Structure:
    return Structure(
        name=draft.name,
        kind=Kind(draft.chain.value),
        id=draft.id,
        version=draft.version,
        offset=draft.offset,
        length=draft.length,
        source=Origin(draft.source),
        style=Style(draft.style) if draft.style else None,
        capability=draft.capability,
        origin=draft.span,
        origins=draft.origins,
    )


def _loose(work: Work) -> list[Structure]:
    return [
        Structure(
            name=f"bytes@{entry.at:#x}",
            kind=Kind.BYTES,
            id=0,
            version=0,
            offset=entry.at,
            length=len(entry.hex),
            source=Origin(entry.source),
            style=None,
            capability=None,
            origin=span,
        )
        for entry, span in work.bytes_entries()
    ]
