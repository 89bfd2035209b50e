"""The layout that all hosts can present, like the baseline of several CPUs, and the fewest hosts in its way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from .. import capture, diff, stack
from ..diagnostics import Diagnostic, Report, Severity, whole_file
from ..diff import Difference
from ..ir import Function, Kind
from ..passes import quirks
from ..stack import Place
from . import baseline_anchor, baseline_inputs, baseline_text
from .baseline_anchor import Anchored, anchored
from .baseline_groups import largest
from .baseline_inputs import Host, Layout, Unusable
from .baseline_layout import Common, common
from .baseline_views import Looker, Setting, View, has_ats
from .predict import Device
from .realize import Realized, realize, shown_for

_CHAINS = (Kind.STANDARD, Kind.EXTENDED)
_BLOCKS_MIGRATION = ("viommu-pasid", "x-vpasid-cap-offset")


class LeftOut(NamedTuple):
    """A host that cannot present the baseline, and all that a guest would find otherwise there."""

    host: Host | Layout
    differences: tuple[Difference, ...]


class Baseline(NamedTuple):
    """The answer: the layout and who presents it by which options, who does not, and inputs that are none.

    `common` is None where no input could be used; the keys of `realized` are the numbers of the inputs in `names`.
    `twice` are paths that were given more than once, `ignored` options that a migration does not allow.
    """

    setting: Setting
    names: Mapping[int, str]
    common: Common | None = None
    realized: Mapping[int, Realized] = {}
    left_out: tuple[LeftOut, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    twice: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    quirks: tuple[Diagnostic, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every input presents it."""
        return self.common is not None and not self.left_out and not self.unusable

    def report(self) -> str:
        """All of it in words; why a host is left out is among the diagnostics."""
        options = {number: one.options for number, one in self.realized.items()}
        found = self.common.findings if self.common is not None else []
        outside, unusable = [one.host.name for one in self.left_out], [one.name for one in self.unusable]
        structures = self.common.function.structures if self.common is not None else ()
        kept = (f"{one.name} {one.offset:#x}" for one in structures if one.kind in _CHAINS and one.source != "hidden")
        return baseline_text.render(
            self.setting.stack.name, self.names, found, options, outside, unusable, self.twice, kept
        )

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong with inputs, each host that is left out, and warnings: what is said of many is said once."""
        found = [*self.quirks, *(one for bad in self.unusable for one in bad.diagnostics)]
        found += [_ignored(option) for option in self.ignored]
        for differences, rows in _alike(self.left_out).items():
            found.append(_cannot(differences, rows, len(self.names)))
        warnings: dict[tuple[str, str], Diagnostic] = {}
        counts: Counter[tuple[str, str]] = Counter()
        for realized in self.realized.values():
            for one in realized.diagnostics:
                if one.severity is Severity.WARNING:
                    warnings.setdefault((one.code, one.message), one)
                    counts[one.code, one.message] += 1
        for key, one in warnings.items():
            more = f"the same of {counts[key] - 1} more inputs" if counts[key] > 1 else ""
            found.append(replace(one, notes=(*one.notes, more)) if more else one)
        return tuple(found)


def _ignored(option: str) -> Diagnostic:
    report = Report()
    report.add(
        "VPCI2221",
        whole_file(option),
        f"option {option} is left out: what it adds blocks a migration",
        note="QEMU 11.1: 'Migration is currently not supported with vIOMMU enabled', which PASID needs",
        help="leave the option out, or --migratable",
    )
    return report.diagnostics[0]


def _alike(rows: Sequence[LeftOut]) -> dict[tuple[str, ...], list[LeftOut]]:
    found: dict[tuple[str, ...], list[LeftOut]] = {}
    for row in rows:
        found.setdefault(tuple(baseline_text.difference(one) for one in row.differences), []).append(row)
    return found


def _cannot(differences: tuple[str, ...], rows: Sequence[LeftOut], inside: int) -> Diagnostic:
    first = rows[0]
    offset = first.differences[0].offset if first.differences else 0
    names = baseline_text.cut([row.host.name for row in rows], baseline_text.MANY)
    report = Report()
    report.add(
        "VPCI2220",
        first.host.place(offset or 0),
        f"{names} cannot be what {inside} other{'s' if inside > 1 else ''} {'are' if inside > 1 else 'is'}: "
        f"{differences[0]}" + (f", and {len(differences) - 1} more" if len(differences) > 1 else ""),
        note=differences[1:],
        help=baseline_text.ways_out(first.differences),
    )
    return report.diagnostics[0]


def baseline(
    paths: Sequence[str],
    name: str,
    place: Place = Place.PORT,
    options: Mapping[str, str] | None = None,
    *,
    migratable: bool = False,
    slot: str | None = None,
    folder: str = "",
) -> Baseline:
    """The baseline of the captures and layouts at `paths` below the stack `name`; it will stand in `folder`.

    Raises:
        ValueError: no such stack or option.
        Failed: a layout that is the baseline does not say what a migration needs.
    """
    words = {key: word for key, word in (options or {}).items() if not migratable or key not in _BLOCKS_MIGRATION}
    inputs = baseline_inputs.read(paths, slot)
    taken_out = sorted({one for host in inputs.hosts for one in host.capture.redacted})
    setting = Setting(stack.parse(name), place, words, migratable, tuple(taken_out))
    looker = Looker(setting)
    found = [looker.look(host, words) for host in inputs.hosts]
    views = [one for one in found if isinstance(one, View)]
    answer = Baseline(
        setting,
        {},
        unusable=(*inputs.unusable, *(one for one in found if isinstance(one, Unusable))),
        twice=tuple(inputs.twice),
        ignored=tuple(key for key in options or {} if key not in words),
        quirks=_quirks(inputs.hosts),
    )
    group = largest([views, _without_ats(views, looker)])
    devices = {view.host.number: view.host.device() for view in views} if inputs.layouts else {}
    anchors = anchored(inputs.layouts, devices, setting)
    best = max(anchors, key=lambda one: (len(one.numbers), [-n for n in one.numbers]), default=None)
    everything: list[Host | Layout] = [*(view.host for view in views), *inputs.layouts]
    if best is not None and len(best.numbers) >= len(group):
        return _of_layout(answer, best, everything, devices, folder)
    return _of_hosts(answer, group, views, inputs.layouts) if group else answer


def _of_hosts(answer: Baseline, group: list[View], views: Sequence[View], layouts: Sequence[Layout]) -> Baseline:
    """The answer where the baseline is made of what hosts show."""
    setting = answer.setting
    inside = {view.host.number for view in group}
    outside = [view for view in views if view.host.number not in inside]
    made = common(group, setting, [*(view.host.name for view in outside), *(one.name for one in layouts)])
    wanted = min((view.mask for view in group), key=int.bit_count) if setting.migratable else 0
    reasons: dict[object, tuple[Difference, ...]] = {}
    for view in outside:
        if view.key not in reasons:
            reasons[view.key] = _otherwise(made, wanted, view, setting)
    left_out = [LeftOut(view.host, reasons[view.key]) for view in outside]
    left_out += [LeftOut(one, tuple(diff.compare(made.function, one.function))) for one in layouts]
    return answer._replace(
        names={view.host.number: view.host.name for view in group},
        common=made,
        realized=_realized(made, group, setting),
        left_out=tuple(left_out),
    )


def _realized(made: Common, group: Sequence[View], setting: Setting) -> dict[int, Realized]:
    """How each host presents it. Hosts that differ in nothing that an option or a need is about are asked once."""
    asked: dict[object, Realized] = {}
    found: dict[int, Realized] = {}
    for view in group:
        read = view.host.capture
        ids = tuple(view.value[at : at + size] for _, at, size in setting.id_options)
        key = (
            view.key,
            ids,
            view.prediction.bars,
            read.driver,
            read.host,
            read.ids,
            has_ats(view),
            view.host.capture.redacted,
        )
        if key not in asked:
            asked[key] = realize(made.function, view.host.device(), setting.stack.name, setting.options)
        found[view.host.number] = asked[key]
    return found


def _of_layout(
    answer: Baseline,
    chosen: Anchored,
    everything: Sequence[Host | Layout],
    devices: Mapping[int, Device],
    folder: str,
) -> Baseline:
    """The answer where the baseline is a layout of the inputs."""
    setting, inside = answer.setting, set(chosen.numbers)
    names = {one.number: one.name for one in everything if one.number in inside}
    outside = [one for one in everything if one.number not in inside]
    head = list(baseline_text.comment(setting.stack, names, [one.name for one in outside], []))
    text = baseline_anchor.text(chosen.layout, head, folder, migrates=setting.migratable)
    function = baseline_anchor.compiled(chosen.layout, migrates=setting.migratable)
    left_out = []
    for one in outside:
        if isinstance(one, Layout):
            differences = baseline_anchor.otherwise(function, one.function)
        else:
            shown = shown_for(function, devices[one.number], setting.stack.name, setting.options)
            differences = diff.compare(function, shown)
        left_out.append(LeftOut(one, tuple(differences)))
    return answer._replace(
        names=names,
        common=Common(text, function, []),
        realized=chosen.realized,
        left_out=tuple(left_out),
    )


def _quirks(hosts: Sequence[Host]) -> tuple[Diagnostic, ...]:
    """What is known of the devices beside their capabilities, each thing once."""
    report = Report()
    for host in hosts:
        quirks.applied(capture.quirks_of(host.capture), host.capture.origin, report)
    return tuple({one.message: one for one in report.diagnostics}.values())


def _without_ats(views: Sequence[View], looker: Looker) -> list[View]:
    """The views as the VMM shows them when told to hide ATS; empty where it cannot, or where there is none."""
    setting = looker.setting
    if not setting.hides_ats or not any(has_ats(view) for view in views):
        return []
    off = {**setting.options, "ats": "off"}
    found = [looker.look(view.host, off) if has_ats(view) else view for view in views]
    return [one for one in found if isinstance(one, View)]


def _otherwise(made: Common, wanted: int, view: View, setting: Setting) -> tuple[Difference, ...]:
    """What a guest would find otherwise on a host: in the contract, and in the bits `wanted` besides."""
    shown = shown_for(made.function, view.host.device(), setting.stack.name, setting.options)
    return tuple(diff.compare(_comparing(made.function, wanted), _comparing(shown, wanted)))


def _comparing(function: Function, wanted: int) -> Function:
    config = function.config
    compared = (int.from_bytes(config.compared, "little") | wanted) & ((1 << 8 * config.size) - 1)
    return replace(function, config=replace(config, compared=compared.to_bytes(config.size, "little")))
