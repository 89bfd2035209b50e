"""The shape of a file of quirks: what a person wrote to plain rows, every mistake with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..diagnostics import Report, nearest
from ..loader import Node

_MOST = 0xFFFF_FFFF_FFFF_FFFF
_SPACE = 0x1000  # bytes of configuration space
_RANGE = re.compile(r"(0x[0-9a-fA-F]{1,4})\.\.(0x[0-9a-fA-F]{1,4})")
_PAIR = re.compile(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{4})")

NEEDS: Mapping[str, tuple[str, ...]] = {
    "registers": ("ranges",),
    "unlinked": ("ranges",),
    "config-size": ("size",),
    "moves": (),
    "mirror": ("bar", "at", "size"),
    "no-intx": (),
    "ats-broken": (),
    "ats-required": (),
    "msix-pba": ("at",),
    "no-msix-relocation": (),
}
"""Kind to the keys that it has beside those of every quirk."""


def quirks(tree: Node, report: Report) -> Iterator[dict[str, Any]]:
    """The quirks of a file as rows of plain data.

    A row has the keys of the file; ranges of ids and revisions are [first, last], of bytes [first, byte after the last,
    what], subsystems [vendor, id]; `class` comes with `shift`, the bits of a class code that are not compared.
    Reports VPCI1333 for everything that does not fit; such rows are left out.
    """
    found = _Mapping(tree, ("title", "quirks", "marks"), report)
    found.take("title", _text)
    for entry in found.take("quirks", _rows, optional=True) or ():
        row = _quirk(entry, report)
        if row is not None:
            yield row


def marks(tree: Node, report: Report) -> Iterator[dict[str, Any]]:
    """The DVSECs of a file that mark space, as rows with `dvsec`, [vendor, id], and `shape`. Reports as `quirks`."""
    for entry in dict(tree.items()).get("marks", tree).entries():
        found = _Mapping(entry, ("dvsec", "shape"), report)
        row = {"dvsec": found.take("dvsec", _pair), "shape": found.take("shape", _shape)}
        if found.fine:
            yield row


class _WrongError(Exception):
    """What is expected instead."""


Reader = Callable[[Node], Any]


class _Mapping:
    """A mapping that is read key by key; a key it must not have, or has not, is reported."""

    def __init__(self, node: Node, known: tuple[str, ...], report: Report) -> None:
        self.node, self.report, self.fine = node, report, True
        if not isinstance(node.value, dict):
            self.complain(node, "a mapping is expected here")
        for key, value in node.items():
            if key not in known:
                near = nearest(key, known)
                way_out = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"
                self.complain(value, f"unknown key '{key}'", way_out)

    def complain(self, node: Node, message: str, way_out: str = "") -> None:
        self.report.add("VPCI1333", node.span, message, help=way_out or ())
        self.fine = False

    def take(self, key: str, read: Reader, *, optional: bool = False) -> Any:
        """The value of a key as `read` gives it; None where there is none, or where it does not fit."""
        value = dict(self.node.items()).get(key)
        if value is None:
            if not optional and isinstance(self.node.value, dict):
                self.complain(self.node, f"'{key}' is missing")
            return None
        try:
            return read(value)
        except _WrongError as wrong:
            self.complain(value, f"{key}: {wrong} is expected")
            return None


def _quirk(entry: Node, report: Report) -> dict[str, Any] | None:
    kind = entry.find(["kind"]).value
    own = NEEDS.get(kind) if isinstance(kind, str) else None
    if own is None:  # which keys it should have, nobody can say
        own = tuple(key for key in dict.fromkeys(key for keys in NEEDS.values() for key in keys) if key in entry.keys)
    found = _Mapping(entry, ("name", "kind", "devices", "about", "source", *own), report)
    row: dict[str, Any] = {"name": found.take("name", _text), "kind": found.take("kind", _kind)}
    row["devices"] = [_device(one, found) for one in found.take("devices", _rows) or ()]
    row["about"], row["source"] = found.take("about", _text), found.take("source", _text)
    for key in own:
        if key == "ranges":
            row[key] = [_bytes(one, found) for one in found.take(key, _rows) or ()]
        else:
            row[key] = found.take(key, _number(5 if key == "bar" else _MOST))
    return row if found.fine else None


def _device(node: Node, whole: _Mapping) -> dict[str, Any]:
    found = _Mapping(node, ("vendor", "ids", "class", "revision", "subsystems"), whole.report)
    row: dict[str, Any] = {"vendor": found.take("vendor", _number(0xFFFF))}
    for key, read in (("ids", _each(_between)), ("revision", _between), ("subsystems", _each(_pair))):
        value = found.take(key, read, optional=True)
        if value is not None:
            row[key] = value
    own = found.take("class", _number(0xFFFF), optional=True)
    if own is not None:
        row |= {"class": own, "shift": 16 if own <= 0xFF else 8}
    whole.fine &= found.fine
    return row


def _bytes(node: Node, whole: _Mapping) -> list[Any]:
    found = _Mapping(node, ("range", "what"), whole.report)
    between, what = found.take("range", _inside), found.take("what", _text)
    whole.fine &= found.fine
    return [between[0], between[1] + 1, what] if between else []


# -- values --------------------------------------------------------------------------------------------------------


def _text(node: Node) -> str:
    if not isinstance(node.value, str) or not node.value:
        raise _WrongError("text")
    return node.value


def _kind(node: Node) -> str:
    if not isinstance(node.value, str) or node.value not in NEEDS:
        raise _WrongError(f"one of {', '.join(NEEDS)}")
    return node.value


def _shape(node: Node) -> str:
    if node.value not in ("gap", "table"):
        raise _WrongError("gap or table")
    return str(node.value)


def _number(most: int) -> Reader:
    def read(node: Node) -> int:
        value = node.value
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise _WrongError(f"a number up to {most:#x}")
        return value

    return read


def _rows(node: Node) -> list[Node]:
    if not node.entries():
        raise _WrongError("a list")
    return node.entries()


def _each(read: Reader) -> Reader:
    return lambda node: [read(one) for one in _rows(node)]


def _between(node: Node) -> list[int]:
    """One number, or the first and the last of several."""
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return [_number(0xFFFF)(node)] * 2
    match = _RANGE.fullmatch(node.value) if isinstance(node.value, str) else None
    if match is None or int(match[1], 0) > int(match[2], 0):
        raise _WrongError("a number, or a range such as 0x10..0x1f")
    return [int(match[1], 0), int(match[2], 0)]


def _inside(node: Node) -> list[int]:
    first, last = _between(node)
    if last >= _SPACE:
        raise _WrongError(f"a range below {_SPACE:#x}")
    return [first, last]


def _pair(node: Node) -> list[int]:
    match = _PAIR.fullmatch(node.value) if isinstance(node.value, str) else None
    if match is None:
        raise _WrongError('a vendor and an id such as "1234:0001"')
    return [int(match[1], 16), int(match[2], 16)]
