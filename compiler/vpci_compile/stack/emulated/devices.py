"""What single devices of QEMU refuse in a migration (`schemas/stacks/qemu-devices.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from ... import loader, resources
from .machine import Scalar

_FILE = "qemu-devices.yaml"


@dataclass(frozen=True, slots=True)
class Rule:
    """Properties that must be equal (`differ`) or not larger on the destination (`more`).

    `after` the whole state was read, or before the rest of it is.
    """

    drivers: frozenset[str]
    differ: tuple[str, ...]
    more: tuple[str, ...]
    after: bool
    prints: tuple[str, ...]
    last: str

    def lines(self, ours: Mapping[str, Scalar], theirs: Mapping[str, Scalar]) -> tuple[str, ...]:
        """What QEMU prints of the first property that the rule is about, or nothing."""
        for name in (*self.differ, *self.more):
            source, destination = ours.get(name), theirs.get(name)
            smaller = isinstance(source, int) and isinstance(destination, int) and source < destination
            if smaller if name in self.more else source != destination:
                rows = (*self.prints, self.last)
                return tuple(row.format(source=source, destination=destination) for row in rows)
        return ()


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, in the order of the file."""
    plain = loader.load(resources.folder("schemas") / "stacks" / _FILE, shown=_FILE).plain()
    return tuple(
        Rule(
            drivers=frozenset(row["drivers"]),
            differ=tuple(row.get("differ", ())),
            more=tuple(row.get("more", ())),
            after=row["after"],
            prints=tuple(row["prints"]),
            last=row["last"],
        )
        for row in plain["rules"]
    )
