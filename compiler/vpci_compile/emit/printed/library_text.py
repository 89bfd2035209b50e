"""`layouts`: what the libraries hold, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from ...catalog import libraries
from ...diagnostics import printable

_ABOUT = 72  # characters of a line's last column


class Entry(NamedTuple):
    """A layout of a library: `ids` are (vendor, device) as the guest sees them, then as the device has them."""

    name: str
    version: int
    ids: tuple[tuple[int, int], ...]
    about: str
    path: str
    base: bool

    @property
    def shown_ids(self) -> str:
        """`15b3:101e`, or what the guest sees and what stands behind: `1af4:1000 of 1af4:1041`."""
        between = ", " if libraries.is_machine(self.name) else " of "
        return between.join(f"{vendor:04x}:{device:04x}" for vendor, device in self.ids)


def listing(entries: Sequence[Entry]) -> str:
    """One line a layout: name and version, ids, what it is."""
    rows = [(f"{one.name.partition('@')[0]}@{one.version}", one.shown_ids, one) for one in entries]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    lines = []
    for name, ids, one in rows:
        words = ("base: " if one.base else "") + printable(one.about.strip())
        short = words if len(words) <= _ABOUT else f"{words[: _ABOUT - 3]}..."
        lines.append(f"{name:<{widths[0]}}  {ids:<{widths[1]}}  {short}".rstrip())
    return "\n".join(lines)


def as_json(entries: Sequence[Entry]) -> str:
    """The same as JSON: ids as text, the guest's first."""
    rows = [
        {
            "name": one.name.partition("@")[0],
            "version": one.version,
            "ids": [f"{vendor:04x}:{device:04x}" for vendor, device in one.ids],
            "about": one.about,
            "file": one.path,
            "base": one.base,
        }
        for one in entries
    ]
    return json.dumps(rows, indent=1)


class Card(NamedTuple):
    """A layout as `layouts show` shows it: `remarks` are the lines of the comment that its file begins with.

    A machine has no contract, no targets, and nothing to say of migrations: None.
    """

    entry: Entry
    versions: tuple[str, ...]
    remarks: tuple[str, ...]
    contract: str | None
    targets: tuple[str, ...]
    migrates: bool | None


def card(one: Card) -> str:
    """What a layout is, where it comes from, and what it promises."""
    name = one.entry.name.partition("@")[0]
    rows = [
        ("version", f"{one.entry.version}" + (f" of {', '.join(one.versions)}" if len(one.versions) > 1 else "")),
        ("ids", one.entry.shown_ids),
        ("file", one.entry.path),
    ]
    if one.contract is not None:
        rows += [
            ("contract", one.contract),
            ("targets", ", ".join(one.targets) or "none: take the image and its C header"),
            ("migrates", "yes" if one.migrates else "no"),
        ]
    lines = [name, *([f"  {printable(one.entry.about.strip())}"] if one.entry.about else [])]
    lines += [f"  {key:<9} {value}" for key, value in rows]
    if one.remarks:
        lines += ["", *(f"  {printable(line)}".rstrip() for line in one.remarks)]
    pins = "" if one.contract is None else f"extends: {name}@{one.entry.version}    pins it; "
    lines += ["", f"  {pins}'vpci-compile show {name}' draws it"]
    return "\n".join(lines)
