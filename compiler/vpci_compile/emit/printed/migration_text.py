"""`diff` for people: the verdict first, then every difference with both values and where they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby

from ...diagnostics import Span, printable
from ...diff import Answer, Finding, Kind, Outcome

Paint = Callable[[str, str], str]
SEEN = (Kind.VISIBLE, Kind.UNKNOWN)
"""What a guest finds changed, or may."""
_RED, _GREEN, _BOLD = "31", "32", "1"
_HEADINGS = {
    Kind.REJECTED: "rejected",
    Kind.VISIBLE: "guest-visible: nobody compares it, and a running guest finds it changed",
    Kind.UNKNOWN: "unknown: nobody compares it, and a side does not say it",
    Kind.HARMLESS: "harmless: the guest's own state, or nothing it relies on",
}
_WIDTH = 110


def render(outcome: Outcome, *, colour: bool = False, everything: bool = False) -> str:
    """The text. With `everything` harmless and unstable findings are listed one by one, else counted and named."""
    there, back = outcome
    paint = _painter(colour)
    lines = [paint(verdict(there), _BOLD), f"  from {printable(there.source)}"]
    lines.append(f"  to   {printable(there.destination)}")
    lines += [f"  it would say: {printable(text)}" for text in there.words]
    lines.append(f"the way back: {verdict(back)}")
    lines += [f"  it would say: {printable(text)}" for text in back.words]
    for kind, heading in _HEADINGS.items():
        rows = there.of(kind)
        if not rows:
            continue
        if kind is Kind.HARMLESS and not everything:
            lines += ["", *_wrapped(f"harmless ({len(rows)}):", [printable(one.difference.path) for one in rows])]
            continue
        lines += ["", paint(heading, _BOLD)]
        for why, group in groupby(rows, key=lambda one: one.why):
            for one in group:
                lines += _row(one, paint)
            lines += [f"      {printable(why)}"] if why else []
    lines += _unstable(there.of(Kind.UNSTABLE), everything)
    lines += _only_back(there, back, paint)
    lines += _ignored([*there.ignored, *back.ignored])
    if there.notes:
        lines += ["", *(f"note: {printable(text)}" for text in there.notes)]
    return "\n".join(lines) + "\n"


def _painter(colour: bool) -> Paint:
    def paint(text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if colour else text

    return paint


def verdict(answer: Answer) -> str:
    """The verdict on one direction, in one line."""
    rejected, visible, unknown = (len(answer.of(kind)) for kind in (Kind.REJECTED, Kind.VISIBLE, Kind.UNKNOWN))
    vmm = printable(answer.vmm)
    if rejected:
        return f"cannot migrate below {vmm}: {_count(rejected, 'difference')} rejected"
    seen = f", and the guest sees {_count(visible, 'change')}" if visible else ""
    if unknown:
        return f"can migrate below {vmm}{seen}; whether the guest sees {_count(unknown, 'value')} change is not known"
    if visible:
        return f"can migrate below {vmm}{seen}"
    if answer.of(Kind.UNSTABLE):
        return f"can migrate below {vmm}, today: compared fields change by themselves"
    return f"can migrate below {vmm}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _row(one: Finding, paint: Paint) -> list[str]:
    difference = one.difference
    place = "" if difference.offset is None else f" at {difference.offset:#x}"
    lines = [printable(f"  {difference.path}{place}: {difference.title}")]
    if difference.left == difference.right:
        lines.append(f"      {printable(difference.left)}")
    else:
        for sign, value, span, style in (
            ("-", difference.left, difference.left_span, _RED),
            ("+", difference.right, difference.right_span, _GREEN),
        ):
            lines.append(paint(f"    {sign} {printable(value) or '(none)'}", style) + _where(span))
    return lines


def _where(span: Span | None) -> str:
    return f"  ({printable(span.path)}:{span.line})" if span is not None and span.width else ""


def _unstable(rows: list[Finding], everything: bool) -> list[str]:
    """Those of one reason together: there are many."""
    lines: list[str] = []
    for why, group in groupby(sorted(rows, key=lambda one: one.why), key=lambda one: one.why):
        found = sorted(group, key=lambda one: one.difference.offset or 0)
        if everything:
            lines += ["", f"unstable: {why}"]
            lines += [printable(f"  {one.difference.path}: {one.difference.left}") for one in found]
        else:
            lines += ["", *_wrapped(f"unstable ({len(found)}), {why}:", _registers(found))]
    return lines


def _registers(rows: Iterable[Finding]) -> list[str]:
    """`structure.register` of each, once."""
    return [*dict.fromkeys(printable(".".join(one.difference.path.split(".")[:2])) for one in rows)]


def rejected_back_only(there: Answer, back: Answer) -> list[Finding]:
    """What is rejected on the way back and not on the way there."""
    known = {one.difference.path for one in there.of(Kind.REJECTED)}
    return [one for one in back.of(Kind.REJECTED) if one.difference.path not in known]


def _only_back(there: Answer, back: Answer, paint: Paint) -> list[str]:
    rows = rejected_back_only(there, back)
    if not rows:
        return []
    lines = ["", paint("rejected on the way back only", _BOLD)]
    for one in rows:
        lines += _row(one, paint)
    return lines


def _ignored(rows: list[Finding]) -> list[str]:
    if not rows:
        return []
    texts = dict.fromkeys(printable(f"  {one.difference.path} ({one.kind}), by {one.ignored}") for one in rows)
    return ["", "ignored", *texts]


def _wrapped(heading: str, words: list[str]) -> list[str]:
    lines, line = [heading], " "
    for word in words:
        if len(line) + len(word) + 2 > _WIDTH:
            lines.append(line)
            line = " "
        line += f" {word}"
    return [*lines, line]
