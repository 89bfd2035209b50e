"""Reading a function back from the JSON document that `build` or `predict -o` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from .. import catalog, loader
from ..catalog import Chain
from ..diagnostics import Report, Source, Span, failure
from ..ir import (
    MASKS,
    Bar,
    BarKind,
    Beyond,
    Caching,
    ConfigSpace,
    Enable,
    Function,
    Guest,
    Kind,
    Origin,
    Region,
    Structure,
    Style,
)
from ..loader import Node
from ..stack import Change, Check
from .document_format import CHECK_MASKS, FORMAT, KEY, STACK

SUFFIX = ".json"


class Document(NamedTuple):
    """A function; of a prediction its stack ("" for a layout's function), what QEMU compares, and what was changed."""

    function: Function
    stack: str
    check: Check | None
    changes: tuple[Change, ...] = ()


def read(path: Path, shown: str) -> Document | None:
    """The document at `path`, which diagnostics call `shown`; None where it is another kind of file.

    Raises:
        Failed: VPCI1715 (not JSON), VPCI1716 (of the wrong shape).
    """
    if path.suffix != SUFFIX or path.is_dir():
        return None
    return parse(loader.read_source(path, shown))


def parse(source: Source) -> Document | None:
    """The document that a text is; None where it is another one. Raises as `read`."""
    if f'"{KEY}"' not in source.text[:_HEAD]:
        return None
    tree, report = loader.parse_json(source), Report()
    FORMAT.check(tree, "", report)
    report.stop_on_errors()
    return _document(tree, tree.plain())


_HEAD = 4096  # characters: the key is the first one


def _document(tree: Node, plain: dict[str, Any]) -> Document:
    size, value = plain["size"], bytes.fromhex(plain["value"])
    masks = {name: bytes.fromhex(octets) for name, octets in plain["masks"].items()}
    check = plain.get("check")
    rows = {**masks, **({} if check is None else {name: bytes.fromhex(check[name]) for name in CHECK_MASKS})}
    for name, octets in {"value": value, **rows}.items():
        if len(octets) != size:
            message = f"'{name}' has {len(octets)} bytes, 'size' says {size}"
            raise failure("VPCI1716", tree.span_of(name if name == "value" else "masks"), message)
    if all(row["kind"] != Kind.HEADER for row in plain["structures"]):
        raise failure("VPCI1716", tree.span_of("structures"), "no structure is the header")
    spans = _Spans(tree, plain["provenance"])
    guest = plain["guest"]
    function = Function(
        name=plain["name"],
        version=plain["version"],
        about="",
        config=ConfigSpace(value, **{name: masks[name] for name in MASKS}),
        structures=tuple(_structure(row, value, spans) for row in plain["structures"]),
        bars=tuple(_bar(row, spans.whole) for row in plain["bars"]),
        regions=tuple(_region(row, spans.whole) for row in plain["regions"]),
        guest=Guest(**guest),
        migrates=False,
        targets=(),
        physical=None,
        origin=spans.whole,
    )
    compares = None if check is None else Check(value, *(rows[name] for name in CHECK_MASKS))
    changes = (Change(one["offset"], one["text"], one["source"], one["length"]) for one in plain.get("changes", ()))
    return Document(function, plain.get(STACK, ""), compares, tuple(changes))


class _Spans:
    """Which line decided what, by the document's own words "file:line"."""

    def __init__(self, tree: Node, runs: list[dict[str, Any]]) -> None:
        self.whole = tree.span
        self.structures: dict[str, Span] = {}
        self.fields: dict[str, dict[str, Span]] = {}
        for run in runs:
            name = run["structure"]
            if name is None:
                continue
            if run["source"]:
                self.structures.setdefault(name, self._span(run["source"]))
            fields = self.fields.setdefault(name, {})
            for one in run["fields"]:
                fields.setdefault(one["name"], self._span(one["source"]))

    def _span(self, text: str) -> Span:
        path, _, line = text.rpartition(":")
        return Span(Source(path, ""), int(line), 1, 0) if line.isdecimal() else self.whole


def _structure(row: dict[str, Any], value: bytes, spans: _Spans) -> Structure:
    kind, offset, length = Kind(row["kind"]), row["offset"], row["length"]
    known = None
    if kind is Kind.HEADER:
        known = catalog.by_id(Chain.HEADER, row["id"])
    elif kind is not Kind.BYTES:
        known = catalog.identify(Chain(kind.value), row["id"], value[offset : offset + length])
    return Structure(
        name=row["name"],
        kind=kind,
        id=row["id"],
        version=row.get("version", 0),
        offset=offset,
        length=length,
        source=Origin(row["source"]),
        style=Style(row["style"]) if "style" in row else None,
        capability=known,
        origin=spans.structures.get(row["name"], spans.whole),
        origins=spans.fields.get(row["name"], {}),
    )


def _bar(row: dict[str, Any], origin: Span) -> Bar:
    return Bar(
        index=row["index"],
        kind=BarKind(row["kind"]),
        prefetchable=row["prefetchable"],
        size=row["size"],
        length=row["length"],
        source=Origin(row["source"]),
        caching=Caching(row["caching"]),
        beyond=Beyond(row["beyond"]),
        enable=Enable(row["enable"]),
        origin=origin,
    )


def _region(row: dict[str, Any], origin: Span) -> Region:
    return Region(**{**row, "caching": Caching(row["caching"]), "enable": Enable(row["enable"]), "origin": origin})
