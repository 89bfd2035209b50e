"""What a comparison for a migration comes to: a verdict for each direction, and everything that led to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from .compare import Difference


class Kind(StrEnum):
    """What a difference means for a guest that is migrated.

    `rejected`: the destination, or the source before it starts, refuses. `guest-visible`: nobody refuses, and the
    running guest finds something changed. `unknown`: nobody refuses, and one side does not say its value, so nobody can
    tell whether it changes. `unstable`: equal today as far as is known, compared, and changed by the hardware, the host
    or the unit: a refusal tomorrow. `harmless`: the guest's own state, or nothing it can rely on.
    """

    REJECTED = "rejected"
    VISIBLE = "guest-visible"
    UNKNOWN = "unknown"
    UNSTABLE = "unstable"
    HARMLESS = "harmless"


class Finding(NamedTuple):
    """One difference, what it means, and why; `ignored` says who accepts it ("" where nobody does)."""

    kind: Kind
    difference: Difference
    why: str = ""
    ignored: str = ""


@dataclass(frozen=True)
class Answer:
    """One direction. `words` are what the destination prints when it refuses, as far as they can be foretold;
    `notes` are about the whole. `differences` hold what decides; `look` finds what is equal and unstable, which takes
    longer and decides nothing: it is called when somebody asks.
    """

    source: str
    destination: str
    vmm: str
    words: tuple[str, ...]
    differences: tuple[Finding, ...]
    notes: tuple[str, ...]
    look: Callable[[], tuple[Finding, ...]]

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Everything, what is rejected first."""
        order = [*Kind]
        return tuple(sorted([*self.differences, *self.look()], key=lambda one: order.index(one.kind)))

    def of(self, kind: Kind) -> list[Finding]:
        """The findings of one kind that nobody ignores."""
        rows = self.findings if kind is Kind.UNSTABLE else self.differences
        return [one for one in rows if one.kind is kind and not one.ignored]

    @property
    def ignored(self) -> list[Finding]:
        """What somebody accepts, and would have been said."""
        return [one for one in self.findings if one.ignored]

    @property
    def accepted(self) -> bool:
        """Whether the migration goes through."""
        return not self.of(Kind.REJECTED)


class Outcome(NamedTuple):
    """Both directions: there, and back."""

    there: Answer
    back: Answer
