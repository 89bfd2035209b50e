"""Tables of any kind, for round trips."""

from __future__ import annotations

from hypothesis import strategies as st

from judges import ROOT
from vpci_compile.acpi import hmat, slit, srat
from vpci_compile.acpi.structures import Field, Header, Shape, Structure, Table

OLD, NEW = 2020, 2026  # years of the two releases of iasl
CAPTURED = sorted((ROOT.parent / "shared" / "acpi-tables").glob("*/*.aml"))


def _value(field: Field, iasl: int) -> st.SearchStrategy[int]:
    """Any value; for an iasl of that year, flags that it has a name for."""
    if field.name == "handle_type" or (iasl and field.reserved and field.label != srat.DEVICE_HANDLE):
        return st.just(field.usual)
    any_value = st.integers(0, (1 << 8 * field.size) - 1)
    known = [bit for bit in field.bits if bit.label and (iasl > OLD or not bit.recent)]
    mask = sum(((1 << bit.width) - 1) << bit.low for bit in known)
    return st.just(field.usual) | (any_value.map(lambda value: value & mask) if iasl and field.bits else any_value)


@st.composite
def structures(draw: st.DrawFn, shape: Shape, iasl: int) -> Structure:
    """A structure of a shape, whole, with any values."""
    values = {one.name: draw(_value(one, iasl)) for one in shape.fields}
    tail = b""
    if shape is hmat.LOCALITY:
        s, t = draw(st.integers(0, 4)), draw(st.integers(0, 4))
        values |= {"initiator_count": s, "target_count": t}
        tail = draw(st.binary(min_size=4 * (s + t) + 2 * s * t, max_size=4 * (s + t) + 2 * s * t))
    if shape is hmat.CACHE:
        count = draw(st.integers(0, 3))
        values |= {"handle_count": count}
        tail = draw(st.binary(min_size=2 * count, max_size=2 * count))
    return Structure(shape.type, shape, values, tail)


@st.composite
def whole(draw: st.DrawFn, iasl: int = 0) -> Table:
    """A table whose lengths and checksum are right; with `iasl`, one that the iasl of that year has words for."""
    known = draw(st.sampled_from([srat.FORMAT, slit.FORMAT, hmat.FORMAT]))
    header = Header(known.signature, draw(st.integers(0, 255)), b"VPCI  ", b"TABLE 01", draw(st.integers(0, 9)))
    if known is slit.FORMAT:
        count = draw(st.integers(1, 40))
        matrix = draw(st.binary(min_size=count * count, max_size=count * count))
        return slit.table(header, [matrix[at * count : (at + 1) * count] for at in range(count)])
    shapes = [one for one in known.shapes if iasl != OLD or one.old]
    made = draw(st.lists(st.sampled_from(shapes).flatmap(lambda one: structures(one, iasl)), max_size=12))
    table = srat.table if known is srat.FORMAT else hmat.table
    return table(header, made)
