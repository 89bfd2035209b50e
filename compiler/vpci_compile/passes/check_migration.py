"""Whether a layout that says it migrates leaves anything open that could differ on another host.

What a VMM compares is what its copy held when the device was realized there (facts of QEMU 11.1: every byte of a
copied structure, link status and serial number included). So each field of a copied structure that hardware, the host
or the unit changes must be named `volatile`, or the layout says how it stays equal by not copying it.
"""

from __future__ import annotations

from ..catalog import Changes
from ..ir import ConfigSpace
from .fields import together
from .work import NULL_OFFSET, Draft, Work

_CODES = {Changes.HARDWARE: "VPCI1602", Changes.HOST: "VPCI1605", Changes.UNIT: "VPCI1606"}
_WHAT = {
    Changes.HARDWARE: "hardware changes {} by itself",
    Changes.HOST: "the host's firmware or kernel programs {}",
    Changes.UNIT: "two units differ in {}",
}
_BLOCKS = {"pasid": "QEMU 11.1: 'Migration is currently not supported with vIOMMU enabled', which PASID needs"}


def check(work: Work, config: ConfigSpace) -> None:
    """Report VPCI1601..1606 for a layout with `migrates: true`."""
    if not work.layout.migration.migrates:
        return
    for draft in work.drafts:
        entry = draft.entry
        if entry is not None and entry.at is None and draft.offset != NULL_OFFSET:
            work.report.add(
                "VPCI1601",
                draft.span,
                f"{draft.name} has no 'at'; it would be placed at {draft.offset:#x}",
                labels=[(work.tree.span_of("migration", "migrates"), "the layout says it migrates")],
                note="where it lands depends on the rest of the layout: the next version could have it elsewhere",
                help=f"at: {draft.offset:#x}",
            )
        if draft.source == "synthesized" and draft.capability and draft.capability.name in _BLOCKS:
            work.report.add(
                "VPCI1603",
                draft.span,
                f"a function with a synthesized {draft.name} cannot be migrated",
                labels=[(work.tree.span_of("migration", "migrates"), "the layout says it migrates")],
                note=_BLOCKS[draft.capability.name],
                help="migrates: false, or a variant of the layout without it",
            )
        if draft.source == "copied":
            _changing(work, draft, config)
    for key, bar in work.layout.bars.items():
        if bar.size is None and bar.region is None:
            work.report.add(
                "VPCI1604",
                work.tree.key_of("bars", key),
                f"BAR {key} has no size",
                labels=[(work.tree.span_of("migration", "migrates"), "the layout says it migrates")],
                note="QEMU 11.1 compares no BAR size: that the destination has another one shows by luck, if at all",
                help="size: as 'lspci -v' or the sysfs file 'resource' shows it",
            )


def _changing(work: Work, draft: Draft, config: ConfigSpace) -> None:
    view, entry = draft.view(), draft.entry
    if view is None or entry is None:
        return
    found: dict[Changes, list[str]] = {}
    for place in view.places():
        start = draft.offset + place.offset
        compared = config.number("compared", start, place.size)
        there = view.implemented(place) if place.register.vmm or view.capability.vmm else (1 << 8 * place.size) - 1
        names: dict[Changes, list[str]] = {}
        for one in place.register.fields:
            mask = there if place.register.blob else there & one.mask
            if one.changes is not None and compared & mask:
                names.setdefault(one.changes, []).append(one.name)
        for changes, fields in names.items():
            whole = len(fields) == len(place.register.fields)
            rows = found.setdefault(changes, [])
            rows.extend([place.name] if whole else [f"{place.name}.{name}" for name in fields])
    for changes, paths in found.items():
        work.report.add(
            _CODES[changes],
            draft.span,
            f"{draft.name} is copied and compared, but {_WHAT[changes].format(_listed(together(paths)))}",
            labels=[(work.tree.span_of("migration", "migrates"), "the layout says it migrates")],
            note="QEMU 11.1 compares them as they were when each side started, and refuses after all RAM was sent",
            help=f"{'add to' if entry.volatile else 'add'} 'volatile': [{', '.join(together(paths))}]",
        )


def _listed(paths: list[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{', '.join(paths[:-1])} and {paths[-1]}"
