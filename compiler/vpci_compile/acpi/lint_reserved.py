"""Reserved fields and flags that are set, and values that have no meaning: no guest of today looks, a later one may.

Source: ACPI 6.6 5.2.16, 5.2.17 and 5.2.29; fwts 26.09 src/acpi/srat/srat.c, src/acpi/hmat/hmat.c, which complain too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..diagnostics import Report, Span
from . import hmat, srat
from .structures import Field, Structure, Table

BEHIND = "what is behind the bytes of its type has no meaning in ACPI 6.6, and Linux does not look at it"
_FLAGS = "flags"
_MEANINGS = {  # the largest value that ACPI 6.6 gives a meaning to
    (hmat.LOCALITY.name, "hierarchy"): 3,
    (hmat.LOCALITY.name, "data_type"): 5,
    (hmat.CACHE.name, "levels"): 3,
    (hmat.CACHE.name, "level"): 3,
    (hmat.CACHE.name, "associativity"): 2,
    (hmat.CACHE.name, "policy"): 2,
    (hmat.CACHE.name, "address_mode"): 1,
}


def check(table: Table, span: Span, where: Callable[[int], Span], report: Report) -> None:
    """Report VPCI1936 (fields), VPCI1937 (flags) and VPCI1939 (values)."""
    for field in table.format.fixed:
        if field.reserved and table.fixed[field.name] != field.usual:
            report.add("VPCI1936", span, _is_reserved(field.label))
    for number, one in enumerate(table.structures):
        for name in _reserved(one):
            report.add("VPCI1936", where(number), f"structure {number}: {_is_reserved(name)}")
        for field, bits in _flags(one):
            text = f"structure {number}: bits {bits:#x} of its {field.name} are reserved and not 0"
            report.add("VPCI1937", where(number), text)
        for name, value, most in _values(one):
            text = f"structure {number}: {name.replace('_', ' ')} {value}, and {most} is the largest that has a meaning"
            report.add("VPCI1939", where(number), text)


def _is_reserved(name: str) -> str:
    return f"{name} is reserved and not what the specification gives it"


def _reserved(one: Structure) -> Iterator[str]:
    """But for those of device handles, which have a code of their own."""
    if one.reserved:
        yield "Reserved"  # of the head
    for field in one.shape.fields if one.shape is not None else ():
        if field.reserved and field.label != srat.DEVICE_HANDLE and one.values.get(field.name, 0) != field.usual:
            yield field.label


def _flags(one: Structure) -> Iterator[tuple[Field, int]]:
    for field in one.shape.fields if one.shape is not None else ():
        named = sum(((1 << bit.width) - 1) << bit.low for bit in field.bits)
        if field.name == _FLAGS and one[field.name] & ~named:
            yield field, one[field.name] & ~named


def _values(one: Structure) -> Iterator[tuple[str, int, int]]:
    for field in one.shape.fields if one.shape is not None else ():
        parts = [(field.name, one[field.name])]
        parts += [(bit.name, one[field.name] >> bit.low & ((1 << bit.width) - 1)) for bit in field.bits]
        for name, value in parts:
            most = _MEANINGS.get((one.shape.name, name)) if one.shape is not None else None
            if most is not None and value > most:
                yield name, value, most
