"""A baseline in words: what was pinned, dropped and left open, and because of which inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..diagnostics import printable
from ..diff import Difference
from ..stack import Stack
from ..stack.qemu.facts import qemu, release

_FEW, MANY = 3, 20
_COMPARED = "; the VMM compares it all the same when a migration comes in"


class Pinned(NamedTuple):
    """An id that an option sets: `values` maps what a host has by itself to the numbers of those inputs."""

    option: str
    value: int
    values: Mapping[int, tuple[int, ...]]


class Dropped(NamedTuple):
    """A structure or the ROM that the guest does not find: where which inputs have it, and who takes it away."""

    name: str
    places: Mapping[str, tuple[int, ...]]
    absent: tuple[int, ...]
    why: str


class Open(NamedTuple):
    """A field, or a run of bytes, outside the contract that differs: what it holds on which inputs.

    `compared`: the VMM compares it all the same when a migration comes in.
    """

    path: str
    offset: int
    values: Mapping[str, tuple[int, ...]]
    compared: bool


class Unsaid(NamedTuple):
    """Bytes that a capture does not have, because somebody took them out: from `offset` up to `end`."""

    offset: int
    end: int
    hosts: tuple[int, ...]
    compared: bool


Finding = Pinned | Dropped | Open | Unsaid


def comment(stack: Stack, names: Mapping[int, str], outside: Sequence[str], found: Iterable[Finding]) -> Iterator[str]:
    """The comment of the layout: whose baseline it is, and everything that is not as on one of them."""
    count = f"{len(names)} host{'s' if len(names) > 1 else ''}"
    yield f"The baseline of {count} below {stack.name}: {cut(list(names.values()), MANY)}."
    if outside:
        yield f"Left out, because it cannot be shown there: {cut(outside, MANY)}."
    for one in found:
        yield f"{sentence(one, names)}."


def sentence(found: Finding, names: Mapping[int, str]) -> str:
    """One finding, and the inputs that it is about."""
    match found:
        case Pinned(option, value, values):
            return f"pinned: {option}={value:#x} ({_spread({f'{v:#x}': n for v, n in sorted(values.items())}, names)})"
        case Dropped(name, places, absent, why):
            lacks = f"; not on {listed(absent, names)}" if absent else ""
            return f"dropped: {name} ({_spread(places, names)}{lacks}): {why}"
        case Open(path, offset, values, compared):
            return f"left open: {path} at {offset:#x} ({_spread(values, names)}){_COMPARED if compared else ''}"
        case Unsaid(offset, end, hosts, compared):
            whose = listed(hosts, names)
            where = f"{offset:#x}..{end - 1:#x}"
            return f"left open: {where}, taken out of {whose}{_COMPARED if compared else ''}"


def difference(one: Difference) -> str:
    """Why an input cannot present the baseline: one thing that is otherwise there."""
    where = "" if one.offset is None else f" at {one.offset:#x}"
    if "" in (one.left, one.right) or one.left.startswith("at 0x"):
        return f"{one.path} is {one.left or 'nowhere'} in the baseline, {one.right or 'nowhere'} there"
    return f"{one.path}{where} is {one.left} in the baseline, {one.right} there"


def _spread(values: Mapping[str, Sequence[int]], names: Mapping[int, str]) -> str:
    """Values, those of the most inputs first, and who has them."""
    ordered = sorted(values.items(), key=lambda row: (-len(row[1]), row[0]))
    shown = [f"{value} on {listed(hosts, names)}" for value, hosts in ordered[:_FEW]]
    more = len(ordered) - len(shown)
    return "; ".join([*shown, f"{more} more values"] if more > 0 else shown)


def listed(hosts: Sequence[int], names: Mapping[int, str]) -> str:
    """Some inputs by name: all of `names`, a few, or a few and how many more."""
    if len(hosts) == len(names) > 1:
        return f"all {len(hosts)}"
    return cut([names[host] for host in hosts], _FEW)


def cut(rows: Sequence[str], most: int) -> str:
    """Rows as a list, as far as anybody reads."""
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return ", ".join(rows[:most]) + more


def ways_out(differences: Iterable[Difference]) -> list[str]:
    """What could be done about hosts that differ so: what QEMU can be told about a structure that cannot be copied."""
    moved = (one.path for one in differences if one.left.startswith("at 0x") or one.right.startswith("at 0x"))
    known = qemu().evens
    ways = [known[path] for path in dict.fromkeys(moved) if path in known]
    return [
        f"QEMU {release(way.since)} and later {way.does}: {' '.join(f'--option {word}' for word in way.options)}"
        for way in ways
    ]


def render(
    setting_name: str,
    names: Mapping[int, str],
    found: Iterable[Finding],
    options: Mapping[int, Mapping[str, str]],
    outside: Sequence[str],
    unusable: Sequence[str],
    twice: Sequence[str],
    kept: Iterable[str],
) -> str:
    """The report: the verdict first, then who is in it by which options, then what is not as on each device."""
    total = len(names) + len(outside) + len(unusable)
    verdict = "all of them" if total == len(names) else f"{len(names)} of them"
    lines = [f"baseline of {total} input{'s' if total > 1 else ''} below {setting_name}: {verdict} can present it"]
    ways: dict[str, list[int]] = {}
    for number, words in options.items():
        ways.setdefault(" ".join(f"{key}={value}" for key, value in words.items()), []).append(number)
    for way, numbers in sorted(ways.items()):
        lines.append(f"  {listed(numbers, names)}" + (f": {way}" if way else ""))
    for title, rows in (
        ("left out, the fewest that can be", outside), ("not usable", unusable), ("given twice, counted once", twice),
    ):  # fmt: skip
        if rows:
            lines.append(f"{title}:")
            lines.extend(f"  {name}" for name in rows)
    if names:
        lines.append(f"kept: {', '.join(kept) or 'no capability'}")
    rest = [sentence(one, names) for one in found]
    if rest:
        lines.extend(["not as on every device:", *(f"  {row}" for row in rest)])
    return "".join(f"{printable(line)}\n" for line in lines)
