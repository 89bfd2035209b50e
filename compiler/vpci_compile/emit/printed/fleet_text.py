"""A fleet for people: the models that are in pieces first, what sets the pieces apart, and the verdict at the end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from ...diagnostics import printable
from ...diff import NOT_STATED
from ...fleet import Family, FleetReport, Group, Member, ModelReport
from ...fleet.groups import EXAMPLES
from ...fleet.report import MOST_FAMILIES
from .prediction_text import PLACES

_SHOWN_FIELDS, _SHOWN_FILES, _SHOWN_SLOTS, _SHOWN_MODELS = 8, 4, 6, 6
_WIDEST_TITLE, _WIDEST_VALUE = 80, 48
_IDS = re.compile(r" ?\[[0-9a-f]{4}(?::[0-9a-f]{4})?\]| \(rev [0-9a-f]{2}\)| \(prog-if .*")
_DIGEST = 12  # characters: enough to tell contracts apart, and to find them in the CSV
_BY = {"unit": "differs from unit to unit", "host": "the host programs it", "hardware": "changes by itself"}


def render(report: FleetReport, *, colour: bool = False) -> str:
    """The whole text."""
    paint = _Paint(colour)
    below = report.below
    options = "".join(f", {key}={text}" for key, text in below.options.items())
    lines = [
        f"{_count(report.functions, 'function')} of {_count(len(report.models), 'model')} in "
        f"{_count(report.files, 'file')}, below {below.stack.name}, {PLACES[below.place.value]}{options}"
    ]
    broken = [one for one in report.models if not one.whole]
    for one in broken:
        lines += ["", *_model(one, paint)]
    whole = [one for one in report.models if one.whole and one.families]
    if whole:
        lines += ["", paint.bold("one contract each")]
        lines += [_whole(one) for one in whole]
    lines += _refused([one for one in report.models if not one.families])
    lines += ["", *_verdict(report, broken, paint)]
    return "\n".join(lines) + "\n"


class _Paint:
    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def _put(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.colour else text

    def bold(self, text: str) -> str:
        return self._put(text, "1")

    def bad(self, text: str) -> str:
        return self._put(text, "31")

    def good(self, text: str) -> str:
        return self._put(text, "32")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _name(one: ModelReport) -> str:
    title = _IDS.sub("", printable(one.model.title)).strip()
    return f"{one.model.name}  {_cut(title, _WIDEST_TITLE)}".rstrip()


def _cut(text: str, widest: int) -> str:
    return text if len(text) <= widest else f"{text[: widest - 3]}..."


def _whole(one: ModelReport) -> str:
    digest = one.families[0].groups[0].digest[:_DIGEST]
    return f"  {digest}  {one.functions:>7,}  {_name(one)}"


# -- a model in pieces ---------------------------------------------------------------------------------------------


def _model(one: ModelReport, paint: _Paint) -> Iterator[str]:
    groups = sum(len(family.groups) for family in one.families)
    yield f"{paint.bold(_name(one))}: {_count(one.functions, 'function')}, {_count(groups, 'contract')}"
    compared = [family for family in one.families if family.compared]
    for family in compared:
        yield from _family(family, paint)
    rest = one.families[len(compared) :]
    if rest:
        functions = sum(family.functions for family in rest)
        yield (
            f"  and {len(rest):,} smaller ones, with {_count(functions, 'function')}: "
            f"the {MOST_FAMILIES} largest of a model are compared"
        )
    yield from _reach(compared)
    for group in one.refused:
        yield f"  not shown by the stack: {_count(group.count, 'function')}: {group.refusal}"
        yield from _members([group])


def _family(family: Family, paint: _Paint) -> Iterator[str]:
    digest = family.groups[0].digest[:_DIGEST]
    mark = paint.bad("  outlier") if family.outlier else ""
    if len(family.groups) > 1:
        units = ", ".join(family.units)
        yield (
            f"  {family.number}. {_count(family.functions, 'function')} in {_count(len(family.groups), 'contract')}, "
            f"alike but for {units}{mark}"
        )
        yield paint.bad("     no contract reaches another: QEMU compares what differs from unit to unit")
    else:
        yield f"  {family.number}. {_count(family.functions, 'function')}, {digest}{mark}"
    for row in family.differences[:_SHOWN_FIELDS]:
        place = "" if row.offset is None else f" {row.offset:#x}"
        by = f"  ({_BY[row.changes]})" if row.changes else ""
        here, largest = (_cut(text or "none", _WIDEST_VALUE) for text in (row.here, row.largest))
        other = f"{largest} in 1" if largest == NOT_STATED else f"not {largest} as in 1"
        yield printable(f"     {row.path}{place}: {here}, {other}{by}")
    more = len(family.differences) - _SHOWN_FIELDS
    if more > 0:
        yield f"     and {_count(more, 'field')} more"
    yield from _members(family.groups)


def _members(groups: Iterable[Group]) -> Iterator[str]:
    """Whose functions they are, by file."""
    rows = list(groups)
    members = [member for group in rows for member in group.members]
    total = sum(group.count for group in rows)
    files = [(file, list(found)) for file, found in groupby(members, key=lambda member: member.file)]
    named = 0
    texts: list[str] = []
    for file, found in files[: 1 if total > EXAMPLES else _SHOWN_FILES]:
        slots = [_slot(member) for member in found if member.slot]
        shown = slots[:_SHOWN_SLOTS]
        named += len(shown) or 1
        texts.append(f"{printable(file)} {' '.join(shown)}".rstrip())
    more = f", and {total - named:,} more" if total > named else ""
    yield f"     {', '.join(texts)}{more}"


def _slot(member: Member) -> str:
    return member.slot.removeprefix("0000:")


def _reach(families: list[Family]) -> Iterator[str]:
    """Who reaches whom: the ways that are open, and of those that are not the first one's reason."""
    ways = {(family.number, way.to): way for family in families for way in family.ways}
    open_ways = {pair for pair, way in ways.items() if not way.refused}
    for here, there in sorted(open_ways):
        both = (there, here) in open_ways
        if both and here > there:
            continue
        text = f"{here} and {there} can migrate to each other" if both else f"{here} can migrate to {there}, not back"
        seen, unknown = (", ".join(row[:_SHOWN_FIELDS]) for row in (ways[here, there].seen, ways[here, there].unknown))
        text += f", but a guest sees {seen} change" if seen else ""
        text += f", but whether a guest sees {unknown} change is not known" if unknown else ""
        yield f"  {text}"
    closed = [pair for pair in sorted(ways) if pair not in open_ways]
    if closed:
        here, there = closed[0]
        no_way = "none of them can migrate to another one; " if not open_ways else ""
        yield f"  {no_way}from {here} to {there}:"
        yield f"     {printable(ways[here, there].refused)}"


# -- the rest ------------------------------------------------------------------------------------------------------


def _refused(models: list[ModelReport]) -> list[str]:
    """Models of which the stack shows nothing, by reason."""
    reasons: dict[str, list[ModelReport]] = {}
    for one in models:
        for reason in dict.fromkeys(group.refusal for group in one.refused):
            reasons.setdefault(reason, []).append(one)
    lines = ["", "not shown to guests by this stack"] if reasons else []
    for reason, rows in sorted(reasons.items()):
        names = " ".join(one.model.name for one in rows[:_SHOWN_MODELS])
        more = f" and {len(rows) - _SHOWN_MODELS:,} models more" if len(rows) > _SHOWN_MODELS else ""
        lines += [f"  {printable(reason)}:", f"    {names}{more}"]
    return lines


def _verdict(report: FleetReport, broken: list[ModelReport], paint: _Paint) -> Iterator[str]:
    if report.problems:
        yield paint.bad(f"{len(report.problems):,} could not be read, and are named on stderr")
    if broken:
        outliers = sum(family.functions for one in broken for family in one.families if family.outlier)
        closed = sum(not one.open for one in broken)
        parts = (
            (closed, "model", "with functions that cannot migrate to each other"),
            (len(broken) - closed, "model", "with functions whose guests see a migration, or may"),
            (outliers, "function", "in outliers"),
        )
        yield paint.bad("; ".join(f"{_count(number, noun)} {what}" for number, noun, what in parts if number))
    elif not report.problems:
        yield paint.good("each function can migrate to each other one of its model")
