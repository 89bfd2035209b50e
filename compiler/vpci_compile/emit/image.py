"""The image itself: the bytes, and a JSON document that says what each of them is and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..diagnostics import Span
from ..ir import MASKS, Bar, FieldAt, Function, Kind, Region, Structure
from ..stack import Check, Prediction
from .artifact import Artifact, Options


def emit(function: Function, options: Options) -> list[Artifact]:
    """NAME.bin, the values alone, and NAME.json, everything: masks, structures, BARs, and an owner for each byte."""
    return [
        Artifact(f"{function.name}.bin", function.config.value),
        Artifact(f"{function.name}.json", _document(function).encode()),
    ]


def _document(function: Function) -> str:
    # A line for each row of a list, by the fast encoder: `indent=` would take the slow one, and ten lines for a row.
    config, guest = function.config, function.guest
    parts = {
        "digest": _text(function.digest),
        "name": _text(function.name),
        "version": _text(function.version),
        "size": _text(config.size),
        "value": _text(config.value.hex()),
        "masks": _block("{}", (f"{_text(name)}: {_text(getattr(config, name).hex())}" for name in MASKS)),
        "structures": _block("[]", (_text(_structure(s)) for s in sorted(function.structures, key=_where))),
        "bars": _block("[]", (_text(_bar(bar)) for bar in sorted(function.bars, key=lambda bar: bar.index))),
        "regions": _block("[]", (_text(_region(r)) for r in sorted(function.regions, key=lambda r: r.instead_of))),
        "guest": _text(
            {
                "place": guest.place,
                "segment": guest.segment,
                "bus": guest.bus,
                "device": guest.device,
                "function": guest.function,
                "initiators": guest.initiators,
                "first_node": guest.first_node,
            }
        ),
        "provenance": _block("[]", _provenance(function)),
    }
    return "{\n" + ",\n".join(f'  "{key}": {text}' for key, text in parts.items()) + "\n}\n"


def with_prediction(document: bytes, prediction: Prediction) -> bytes:
    """A document of `emit` with how it came to be: the stack, the place and every change."""
    rows = (
        _text({"offset": one.offset, "length": one.length, "text": one.text, "source": one.source})
        for one in prediction.changes
    )
    parts = {
        "stack": _text(prediction.stack.name),
        "place": _text(prediction.place.value),
        "changes": _block("[]", rows),
        "check": _check(prediction.check),
    }
    lines = ",\n".join(f'  "{key}": {text}' for key, text in parts.items())
    return document.removesuffix(b"\n}\n") + f",\n{lines}\n}}\n".encode()


def _check(check: Check | None) -> str:
    """What QEMU compares of a migration that comes in: its three masks."""
    masks = {} if check is None else {"cmask": check.cmask, "wmask": check.wmask, "w1cmask": check.w1cmask}
    return _block("{}", (f"{_text(name)}: {_text(mask.hex())}" for name, mask in masks.items())) if masks else "null"


_text = json.JSONEncoder().encode


def _block(brackets: str, rows: Iterable[str]) -> str:
    body = ",\n    ".join(rows)
    return f"{brackets[0]}\n    {body}\n  {brackets[1]}" if body else brackets


def _where(structure: Structure) -> tuple[int, int, str, str]:
    return structure.offset, structure.length, structure.kind, structure.name


def _structure(structure: Structure) -> Mapping[str, object]:
    row: dict[str, object] = {
        "id": structure.id,
        "name": structure.name,
        "kind": structure.kind,
        "offset": structure.offset,
        "length": structure.length,
        "source": structure.source,
    }
    if structure.style is not None:
        row["style"] = structure.style
    if structure.kind is Kind.EXTENDED:
        row["version"] = structure.version
    return {**row, "title": structure.title}


def _bar(bar: Bar) -> Mapping[str, object]:
    return {
        "index": bar.index,
        "kind": bar.kind,
        "prefetchable": bar.prefetchable,
        "size": bar.size,
        "length": bar.length,
        "source": bar.source,
        "caching": bar.caching,
        "beyond": bar.beyond,
        "enable": bar.enable,
    }


def _region(region: Region) -> Mapping[str, object]:
    return {
        "instead_of": region.instead_of,
        "type": region.type,
        "subtype": region.subtype,
        "size": region.size,
        "caching": region.caching,
        "enable": region.enable,
    }


class _Sources(dict[int, str]):
    """Spans as JSON text "file:line", by identity: two files have equal spans, and few spans decide many fields."""

    def of(self, span: Span) -> str:
        text = self.get(id(span))
        if text is None:
            # The file's own name alone: the same layout gives the same bytes wherever the checkout lies.
            text = self[id(span)] = _text(f"{span.path.rsplit('/', 1)[-1]}:{span.line}")
        return text


@dataclass(slots=True)
class _Register:
    """A register of a structure, `first` and `end` in bytes of the space."""

    name: str
    first: int
    end: int
    fields: list[FieldAt] = field(default_factory=list)


def _registers(function: Function, structure: Structure) -> list[_Register]:
    found: dict[str, _Register] = {}
    for one in function.fields(structure):
        register = found.get(one.register)
        if register is None:
            # What sticks out of the structure is not its own, whatever the catalogue's rule says.
            first, end = max(one.offset, structure.offset), min(one.offset + one.place.size, structure.end)
            register = found[one.register] = _Register(one.register, first, end)
        register.fields.append(one)
    return list(found.values())


def _provenance(function: Function) -> list[str]:
    """A row for each run of bytes with one owner, from byte 0 to the last, none left out and none twice.

    `fields` are those that have a bit in the run; `bits` counts from the run's first byte, little-endian.
    """
    size = function.config.size
    owners = [-1] * size
    registers: list[list[_Register]] = []
    covers: list[dict[int, tuple[int, ...]]] = []  # for each structure: byte -> its registers there
    cuts = {0, size}
    for number, structure in enumerate(function.structures):
        first, end = min(structure.offset, size), min(structure.end, size)
        owners[first:end] = [number] * (end - first)  # of two that overlap the one listed last, as Function.owner says
        own = _registers(function, structure)
        cover: dict[int, tuple[int, ...]] = {}
        for index, register in enumerate(own):
            for byte in range(register.first, register.end):
                cover[byte] = (*cover.get(byte, ()), index)
            cuts.update((min(register.first, size), min(register.end, size)))
        registers.append(own)
        covers.append(cover)
        cuts.update((first, end))

    runs: list[tuple[int, int, tuple[int, ...]]] = []
    for start in sorted(cuts - {size}):
        owner = owners[start]
        here = covers[owner].get(start, ()) if owner >= 0 else ()
        if not runs or runs[-1][1:] != (owner, here):
            runs.append((start, owner, here))
    rows: list[str] = []
    sources = _Sources()
    for (start, owner, here), (end, _, _) in zip(runs, [*runs[1:], (size, -1, ())], strict=True):
        lead = f'{{"offset": {start}, "length": {end - start}, '
        if owner < 0:
            rows.append(f'{lead}"structure": null, "source": null, "fields": []}}')
            continue
        structure = function.structures[owner]
        touched = [registers[owner][index] for index in here]
        origin = structure.origin_of(touched[0].name, "") if touched else structure.origin
        fields = [_field(one, start, end, sources) for register in touched for one in register.fields]
        inner = ",".join(f"\n      {text}" for text in fields if text)
        tail = f"[{inner}\n    ]" if inner else "[]"
        rows.append(f'{lead}"structure": {_text(structure.name)}, "source": {sources.of(origin)}, "fields": {tail}}}')
    return rows


def _field(one: FieldAt, start: int, end: int, sources: _Sources) -> str:
    low, high = one.bit - 8 * start, one.bit + one.width - 8 * start - 1
    low, high = max(low, 0), min(high, 8 * (end - start) - 1)
    if high < low:
        return ""
    bits = f"{high}..{low}" if high > low else f"{low}"
    name = one.path[len(one.structure.name) + 1 :]
    return f'{{"name": {_text(name)}, "bits": "{bits}", "source": {sources.of(one.origin)}}}'
