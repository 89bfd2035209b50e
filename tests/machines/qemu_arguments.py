"""QEMU's arguments as facts that can be compared: (option, which one, key, value), whoever wrote them in what order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

Fact = tuple[str, str, str, object]
_SIZE = re.compile(r"([0-9]+)([BkKMG])")
_UNITS = {"B": 1, "k": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_FIRST = {"-machine": "type", "-cpu": "model", "-smp": "cpus", "-numa": "type"}
_WHICH = {
    "node": ("nodeid",),
    "hmat-lb": ("initiator", "target", "hierarchy", "data-type"),
    "hmat-cache": ("node-id", "level"),
}


def pairs(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(Option, its value), "" where it has none."""
    for at, word in enumerate(argv):
        if word.startswith("-"):
            after = argv[at + 1] if at + 1 < len(argv) else "-"
            yield word, "" if after.startswith("-") else after


def facts(argv: Sequence[str], names: Mapping[str, str]) -> set[Fact]:
    """All that the arguments say; `names` gives ids their other names."""
    return {fact for option, text in pairs(argv) for fact in _facts(option, text, names)}


def _facts(option: str, text: str, names: Mapping[str, str]) -> Iterator[Fact]:
    if text.startswith("{"):
        row = {key: _json_value(key, value, names) for key, value in json.loads(text).items()}
        name = str(row.pop("id", row.get("driver")))
        yield from ((option, name, key, value) for key, value in row.items())
        return
    told = {key: names.get(value, value) for key, value in _plain(option, text)}
    kind = told.pop("type") if option == "-numa" else ""
    if kind == "dist":
        a, b = sorted((int(told["src"]), int(told["dst"])))
        if a != b:  # a distance to itself goes without saying, and one goes both ways if nobody says otherwise
            yield option, f"dist {a} {b}", "val", told["val"]
        return
    which = " ".join([kind, *(told.pop(key) for key in _WHICH.get(kind, ()))])
    yield from ((option, which, key, value) for key, value in told.items())


def _json_value(key: str, value: object, names: Mapping[str, str]) -> object:
    if key == "addr":
        slot, _, function = str(value).partition(".")
        return int(slot, 16), int(function or "0", 16)
    return names.get(value, value) if isinstance(value, str) else value


def _plain(option: str, text: str) -> Iterator[tuple[str, str]]:
    for at, part in enumerate(text.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            key, value = (_FIRST[option], key) if at == 0 and option in _FIRST else (key, "on")
        size = _SIZE.fullmatch(value)
        first, dash, last = value.partition("-")
        if dash and first == last:
            value = first  # cpus=1-1
        yield key.replace("_", "-"), str(int(size[1]) * _UNITS[size[2]]) if size else value
