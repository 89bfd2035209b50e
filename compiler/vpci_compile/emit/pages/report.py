"""`report`: a function, or the answer of `diff`, as one HTML file that needs nothing but itself.

The page's policy forbids every request; its one style sheet and its one script are allowed by their digests.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ... import resources
from ...diff import Answer, Finding, Kind, Outcome
from ...ir import Function
from ...ir.topology import System
from ...stack import Change
from ..printed import bar_words, migration_text
from ..render import render
from . import machine_svg, report_parts, svg_map
from .report_parts import place, shorter
from .svg_map import Mark
from .svg_text import CSS

_LONGEST = 400  # characters of a value that differs
_MOST_NAMED = 8  # findings that the title of a mark names
_CLASSES = {
    Kind.REJECTED: ("\N{MULTIPLICATION X}", "the destination refuses it, or the source does not start"),
    Kind.VISIBLE: ("!", "nobody compares it, and a running guest finds it changed"),
    Kind.UNKNOWN: ("?", "nobody compares it, and a side does not say it"),
    Kind.UNSTABLE: ("~", "equal now and compared; hardware, host or unit change it: a refusal tomorrow"),
    Kind.HARMLESS: ("\N{MIDDLE DOT}", "the guest's own state, or nothing it relies on"),
}


def function_page(function: Function, *, shown: str, stack: str = "", changes: Iterable[Change] = ()) -> str:
    """The report on one function, which came from `shown`; with a stack, what that made of the device."""
    changed = [*map(_change, changes)]
    number = function.config.number
    return page(
        "report/function.html.j2",
        title=function.name,
        about=function.about.strip(),
        shown=shown,
        facts={
            "ids": f"{number('value', 0, 2):04x}:{number('value', 2, 2):04x}",
            "class": f"{number('value', 8, 4) >> 8:06x}",
            "version": str(function.version),
            "size": f"{function.config.size} bytes",
            "stack": stack,
            "place": function.guest.place,
            "driver": function.physical.driver if function.physical is not None else "",
            "contract": function.digest,
        },
        map=svg_map.render(function, prefix="map", alone=False, links=True),
        lines=report_parts.dump(function),
        parts=report_parts.parts(function, changed),
        bars=bar_words.every(function),
        changes=changed,
    )


def migration_page(
    outcome: Outcome, functions: tuple[Function, Function] | None, systems: tuple[System, System] | None = None
) -> str:
    """The answer of `diff`, both sides beside one another: functions, or layouts of machines, if they are such."""
    there, back = outcome
    return page(
        "report/migration.html.j2",
        title=f"{_tail(there.source)} to {_tail(there.destination)}",
        answers=[_answer("there", there), _answer("back", back)],
        sides=[*(_sides(there, functions) if functions else ()), *(_machines(there, systems) if systems else ())],
        bars=[] if functions is None else _both_bars(*functions),
        classes=[
            {"name": kind.value, "sign": sign, "about": about, "rows": _findings(there.of(kind))}
            for kind, (sign, about) in _CLASSES.items()
        ],
        only_back=_findings(migration_text.rejected_back_only(there, back)),
        ignored=_findings([*there.ignored, *back.ignored]),
        notes=[*dict.fromkeys((*there.notes, *back.notes))],
    )


def page(template: str, **values: Any) -> str:
    """A page of one of the templates, with style, script and the policy that allows just these."""
    folder = resources.folder("templates") / "report"
    style = f"{CSS}{(folder / 'style.css').read_text(encoding='utf-8')}"
    script = (folder / "script.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return render(template, {**values, "style": style, "script": script, "policy": policy})


def _digest(text: str) -> str:
    """As a content security policy names an inline style or script: the text between its tags, to the byte."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _change(one: Change) -> report_parts.Change:
    end = one.offset + one.length
    where = f"{one.offset:#05x}" + (f"..{end - 1:#05x}" if one.length > 1 else "")
    return report_parts.Change(one.offset, end, where, one.text, one.source)


# -- the answer of diff ----------------------------------------------------------------------------------------------


def _tail(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _named(name: str) -> str:
    """A side as its user called it; the last part alone where that says where the machine keeps it."""
    return _tail(name) if name.startswith("/") else name


def _answer(way: str, answer: Answer) -> Mapping[str, Any]:
    return {
        "way": way,
        "source": _named(answer.source),
        "destination": _named(answer.destination),
        "stack": answer.vmm,
        "verdict": migration_text.verdict(answer),
        "accepted": answer.accepted,
        "clean": not any(answer.of(kind) for kind in Kind if kind is not Kind.HARMLESS),
        "words": answer.words,
    }


def _findings(rows: Iterable[Finding]) -> list[Mapping[str, str]]:
    return [
        {
            "path": one.difference.path,
            "title": one.difference.title,
            "where": "" if one.difference.offset is None else f"{one.difference.offset:#05x}",
            "left": shorter(one.difference.left, _LONGEST),
            "right": shorter(one.difference.right, _LONGEST),
            "left_place": place(one.difference.left_span),
            "right_place": place(one.difference.right_span),
            "why": one.why,
            "kind": one.kind.value,
            "ignored": one.ignored,
        }
        for one in rows
    ]


def _sides(answer: Answer, functions: tuple[Function, Function]) -> list[Mapping[str, str]]:
    names = (("source", _named(answer.source)), ("destination", _named(answer.destination)))
    return [
        {
            "role": role,
            "name": name,
            "map": svg_map.render(one, marks=marks(answer.findings, one.config.size), prefix=role, alone=False),
        }
        for (role, name), one in zip(names, functions, strict=True)
    ]


def _machines(answer: Answer, systems: tuple[System, System]) -> list[Mapping[str, str]]:
    names = (("source", answer.source), ("destination", answer.destination))
    return [
        {"role": role, "name": _named(name), "map": machine_svg.render(one, prefix=role, alone=False)}
        for (role, name), one in zip(names, systems, strict=True)
    ]


def marks(findings: Sequence[Finding], size: int) -> list[Mark]:
    """Where the findings stand in a space of `size` bytes: runs of bytes with the same gravest class."""
    found: list[Mark] = []
    taken: set[int] = set()
    for kind in _CLASSES:
        named: dict[int, list[str]] = {}
        for one in findings:
            if one.kind is kind and not one.ignored:
                for at in _bytes(one, size):
                    named.setdefault(at, []).append(one.difference.path)
        for start, end in report_parts.ranges(at for at in named if at not in taken):
            paths = [*dict.fromkeys(path for at in range(start, end) for path in named[at])]
            more = f", and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
            text = f"{kind.value} at {start:#05x}..{end - 1:#05x}: {', '.join(paths[:_MOST_NAMED])}{more}"
            found.append(Mark(start, end, kind.value, text))
        taken |= set(named)
    return svg_map.marks_of(found)


def _bytes(one: Finding, size: int) -> Iterable[int]:
    """The bytes that a finding is about; of a BAR its register."""
    bits, offset = one.difference.bits, one.difference.offset
    if bits:
        octets = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
        return [at for at, octet in enumerate(octets[:size]) if octet]
    return () if offset is None else range(offset, min(offset + 4, size))


def _both_bars(left: Function, right: Function) -> list[Mapping[str, Any]]:
    """What both sides say of each BAR, line by line."""
    ours, theirs = ({one.name: one for one in bar_words.every(side)} for side in (left, right))
    found: list[Mapping[str, Any]] = []
    for name in sorted({*ours, *theirs}):
        one, other = ours.get(name), theirs.get(name)
        rows = [
            (about, getattr(one, key, ""), getattr(other, key, ""))
            for key, about in bar_words.ABOUT.items()
            if getattr(one, key, "") or getattr(other, key, "")
        ]
        found.append({"name": name, "rows": rows})
    return found
