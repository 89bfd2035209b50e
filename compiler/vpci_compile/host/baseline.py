"""The layout that all hosts can present, like the baseline of several CPUs, and the fewest hosts in its way."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from .. import diff, stack
from ..diagnostics import Diagnostic, Failed, Report, Severity
from ..diff import Difference
from ..ir import Function
from ..stack import Place
from . import baseline_text
from .baseline_groups import largest
from .baseline_layout import Common, common
from .baseline_views import Host, Setting, Unusable, View, has_ats, look, mask
from .predict import Device, read_device
from .realize import Realized, realize, shown_for

_BLOCKS_MIGRATION = ("viommu-pasid", "x-vpasid-cap-offset")


class LeftOut(NamedTuple):
    """A host that cannot present the baseline, and all that a guest would find otherwise there."""

    host: Host
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

    @property
    def whole(self) -> bool:
        """Whether every input presents it."""
        return self.common is not None and not self.left_out and not self.unusable

    def report(self) -> str:
        """All of it in words; why a host is left out is among the diagnostics."""
        options = {number: one.options for number, one in self.realized.items()}
        found = self.common.findings if self.common is not None else []
        outside, unusable = [one.host.name for one in self.left_out], [one.name for one in self.unusable]
        return baseline_text.render(self.setting.stack.name, self.names, found, options, outside, unusable, self.twice)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong with inputs, each host that is left out, and warnings: what is said of many is said once."""
        found = [one for bad in self.unusable for one in bad.diagnostics]
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


def _alike(rows: Sequence[LeftOut]) -> dict[tuple[str, ...], list[LeftOut]]:
    found: dict[tuple[str, ...], list[LeftOut]] = {}
    for row in rows:
        found.setdefault(tuple(baseline_text.difference(one) for one in row.differences), []).append(row)
    return found


def _cannot(differences: tuple[str, ...], rows: Sequence[LeftOut], inside: int) -> Diagnostic:
    first = rows[0]
    offset = first.differences[0].offset
    names = baseline_text.cut([row.host.name for row in rows], baseline_text.MANY)
    report = Report()
    report.add(
        "VPCI2220",
        first.host.device.capture.place(offset or 0),
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
) -> Baseline:
    """The baseline of the captures at `paths` below the stack `name`.

    Raises:
        ValueError: no such stack or option.
    """
    words = dict(options or {})
    if migratable:
        words = {key: word for key, word in words.items() if key not in _BLOCKS_MIGRATION}
    setting = Setting(stack.parse(name), place, words, migratable)
    hosts, unusable, twice = _read(paths, slot)
    found = [look(host, setting, words) for host in hosts]
    unusable += [one for one in found if isinstance(one, Unusable)]
    views = [one for one in found if isinstance(one, View)]
    group = largest([views, _without_ats(views, setting)])
    dropped = tuple(key for key in options or {} if key not in words)
    answer = Baseline(setting, {}, unusable=tuple(unusable), twice=tuple(twice), ignored=dropped)
    if not group:
        return answer
    inside = {view.host.number for view in group}
    outside = [view for view in views if view.host.number not in inside]
    made = common(group, setting, [view.host.name for view in outside])
    wanted = mask(group[0].function, group[0].prediction, setting) if migratable else 0
    return answer._replace(
        names={view.host.number: view.host.name for view in group},
        common=made,
        realized={view.host.number: realize(made.function, view.host.device, name, words) for view in group},
        left_out=tuple(LeftOut(view.host, _otherwise(made, wanted, view, setting)) for view in outside),
    )


def _without_ats(views: Sequence[View], setting: Setting) -> list[View]:
    """The views as the VMM shows them when told to hide ATS; empty where it cannot, or where there is none."""
    if not setting.hides_ats or not any(has_ats(view) for view in views):
        return []
    off = {**setting.options, "ats": "off"}
    found = [look(view.host, setting, off) if has_ats(view) else view for view in views]
    return [one for one in found if isinstance(one, View)]


def _otherwise(made: Common, wanted: int, view: View, setting: Setting) -> tuple[Difference, ...]:
    """What a guest would find otherwise on a host: in the contract, and in the bits `wanted` besides."""
    shown = shown_for(made.function, view.host.device, setting.stack.name, setting.options)
    return tuple(diff.compare(_comparing(made.function, wanted), _comparing(shown, wanted)))


def _comparing(function: Function, wanted: int) -> Function:
    config = function.config
    compared = (int.from_bytes(config.compared, "little") | wanted) & ((1 << 8 * config.size) - 1)
    return replace(function, config=replace(config, compared=compared.to_bytes(config.size, "little")))


# -- inputs --------------------------------------------------------------------------------------------------------


def _read(paths: Sequence[str], slot: str | None) -> tuple[list[Host], list[Unusable], list[str]]:
    """The functions; inputs that are none; and paths that are given more than once."""
    hosts: list[Host] = []
    unusable: list[Unusable] = []
    seen: set[str] = set()
    twice: list[str] = []
    for path, name in zip(paths, _short(paths), strict=True):
        if os.path.realpath(path) in seen:
            twice.append(path)
            continue
        seen.add(os.path.realpath(path))
        try:
            device = read_device(Path(path), slot, path)
            _complete(device, path)
        except Failed as failed:
            unusable.append(Unusable(path, failed.diagnostics))
            continue
        hosts.append(Host(len(hosts), name, device))
    return hosts, unusable, twice


def _short(paths: Sequence[str]) -> list[str]:
    """The paths without the folder that all of them are in."""
    folder = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths])  # noqa: PTH100, PTH120
    return [os.path.relpath(os.path.abspath(path), folder) for path in paths]  # noqa: PTH100


def _complete(device: Device, path: str) -> None:
    """Refuse a capture that does not say what a guest would find.

    Raises:
        Failed: VPCI2222.
    """
    read, whole = device.capture, device.function.config.size
    report = Report()
    if len(read.data) < whole:
        report.add(
            "VPCI2222",
            read.origin,
            f"the capture has {len(read.data)} of {whole} bytes: nobody knows what a guest would find in the others",
            help="capture the function as root: vpci-compile capture, or lspci -vv -xxxx",
        )
    holes = [one for one in read.missing if one not in read.redacted]
    if holes:
        shown = ", ".join(f"{first:#x}..{end - 1:#x}" for first, end in holes)
        report.add("VPCI2222", read.origin, f"the capture has no bytes {shown}", help="capture the function again")
    report.stop_on_errors()
