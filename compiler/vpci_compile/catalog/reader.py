"""Plain data of a catalogue file to its model; a mistake in a file is a ValueError that names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import Access, Capability, Chain, Changes, Field, Named, Register, Repeat

_CAPABILITY_KEYS = {"title", "clause", "linux", "version", "multiple", "vmm", "length", "sizes", "match", "registers"}
_REGISTER_KEYS = {
    "name", "at", "bytes", "title", "linux", "access", "changes", "vmm", "when", "repeat", "blob", "fields", "values",
    "bias", "scale", "show", "default", "implemented",
}  # fmt: skip
_FIELD_KEYS = {
    "name", "bits", "access", "changes", "vmm", "linux", "values", "bias", "scale", "show", "default", "title",
}  # fmt: skip
_REPEAT_KEYS = {"count", "stride", "from", "each"}
_WIDTHS = (1, 2, 4, 8)


def capability(name: str, number: int, chain: Chain, plain: Mapping[str, Any]) -> Capability:
    """Build the model of one file.

    Raises:
        ValueError: an unknown key, fields that overlap or leave their register. Expressions are compiled when they are
            first needed; a test compiles them all.
    """
    where = f"{chain}/{name}"
    _refuse_unknown(where, plain, _CAPABILITY_KEYS)
    return Capability(
        name=name,
        id=number,
        chain=chain,
        title=str(plain["title"]),
        clause=str(plain["clause"]),
        length=plain["length"],
        registers=tuple(_register(where, row) for row in plain.get("registers") or ()),
        linux=plain.get("linux", ""),
        version=plain.get("version", 1),
        multiple=plain.get("multiple", False),
        vmm=plain.get("vmm", False),
        sizes=plain.get("sizes"),
        match=str(plain["match"]) if "match" in plain else "",
    )


def _refuse_unknown(where: str, plain: Mapping[str, Any], known: set[str]) -> None:
    unknown = set(plain) - known
    if unknown:
        raise ValueError(f"{where}: unknown key {', '.join(sorted(unknown))}")


def _macros(value: str | list[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _register(where: str, plain: Mapping[str, Any]) -> Register:
    where = f"{where}.{plain.get('name')}"
    _refuse_unknown(where, plain, _REGISTER_KEYS)
    size = plain["bytes"]
    blob = plain.get("blob", False)
    if not blob and size not in _WIDTHS:
        raise ValueError(f"{where}: bytes is {size}, not 1, 2, 4 or 8; a longer run is a blob")
    rows = plain.get("fields")
    fields: tuple[Field, ...]
    if blob:
        fields = (Field(plain["name"], 0, 0, **_traits(plain, {})),)
    elif rows is None:
        fields = (_field(where, {**_own(plain), "name": plain["name"], "bits": f"{8 * int(size) - 1}..0"}, plain),)
    else:
        fields = tuple(_field(where, row, plain) for row in rows)
        _check_fields(where, fields, 8 * int(size))
    repeat = plain.get("repeat")
    return Register(
        name=plain["name"],
        at=plain["at"],
        bytes=size,
        fields=fields,
        title=plain.get("title", ""),
        linux=_macros(plain.get("linux")),
        when=str(plain["when"]) if plain.get("when") else "",
        repeat=_repeat(where, repeat) if repeat else None,
        blob=blob,
        vmm=plain.get("vmm", False),
        implemented=str(plain.get("implemented", "")),
    )


def _own(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {key: plain[key] for key in ("title", "values", "bias", "scale", "show", "default") if key in plain}


def _repeat(where: str, plain: Mapping[str, Any]) -> Repeat:
    _refuse_unknown(where, plain, _REPEAT_KEYS)
    each = plain.get("each")
    return Repeat(
        plain["count"],
        plain["stride"],
        plain.get("from", 0),
        None if each is None else each,
    )


def _traits(row: Mapping[str, Any], register: Mapping[str, Any]) -> dict[str, Any]:
    changes = row.get("changes", register.get("changes"))
    return {
        "access": Access(row.get("access", register.get("access", "RO"))),
        "changes": Changes(changes) if changes else None,
        "title": row.get("title", ""),
        "vmm": row.get("vmm", register.get("vmm", False)),
    }


def _field(where: str, row: Mapping[str, Any], register: Mapping[str, Any]) -> Field:
    _refuse_unknown(where, row, _FIELD_KEYS)
    high, _, low = str(row["bits"]).partition("..")
    first = int(low or high)
    return Field(
        name=row["name"],
        low=first,
        width=int(high) - first + 1,
        linux=_macros(row.get("linux")),
        values=tuple(Named(**named) for named in row.get("values") or ()),
        bias=row.get("bias", 0),
        scale=row.get("scale", 1),
        show=row.get("show", ""),
        default=row.get("default", 0),
        **_traits(row, register),
    )


def _check_fields(where: str, fields: tuple[Field, ...], bits: int) -> None:
    taken = 0
    for field in fields:
        if field.width < 1 or field.low + field.width > bits:
            raise ValueError(f"{where}.{field.name}: bits leave the {bits}-bit register")
        if taken & field.mask:
            raise ValueError(f"{where}.{field.name}: bits overlap those of another field")
        taken |= field.mask
    if len({field.name for field in fields}) < len(fields):
        raise ValueError(f"{where}: two fields have one name")
