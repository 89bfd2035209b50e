"""The System Locality Information Table (ACPI 6.6 5.2.17): relative distances between proximity domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .structures import Field, Format, Header, Table

LOCAL = 10
REMOTE = 20
"""What Linux takes where no table says (include/linux/topology.h)."""

FORMAT = Format(
    "SLIT",
    "System Locality Information Table",
    "ACPI 6.6 5.2.17",
    (1,),
    (Field("localities", 8, "Localities"),),
    None,
    (),
)


def table(header: Header, rows: Sequence[Sequence[int]]) -> Table:
    """A SLIT of a square matrix: `rows[a][b]` is the distance from domain a to b."""
    return Table(header, FORMAT, {"localities": len(rows)}, tail=b"".join(bytes(row) for row in rows))


def matrix(count: int, distances: Mapping[tuple[int, int], int]) -> list[list[int]]:
    """All distances of `count` domains; a pair given one way goes both ways, one not given is far (20)."""

    def distance(a: int, b: int) -> int:
        if a == b:
            return LOCAL
        return distances.get((a, b), distances.get((b, a), REMOTE))

    return [[distance(a, b) for b in range(count)] for a in range(count)]


def rows(one: Table) -> list[bytes] | None:
    """The matrix, if the table is as long as it says; else None."""
    count = one.fixed.get("localities")
    if count is None or count * count != len(one.tail):
        return None
    return [one.tail[start : start + count] for start in range(0, count * count, count)] if count else []
