"""What a comparison for a migration comes to: a verdict for each direction, and everything that led to it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from .compare import Difference


class Kind(StrEnum):
    """What a difference means for a guest that is migrated.

    `rejected`: the destination, or the source before it starts, refuses. `guest-visible`: nobody refuses, and the
    running guest finds something changed. `unstable`: equal today as far as is known, compared, and changed by the
    hardware, the host or the unit: a refusal tomorrow. `harmless`: the guest's own state, or nothing it can rely on.
    """

    REJECTED = "rejected"
    VISIBLE = "guest-visible"
    UNSTABLE = "unstable"
    HARMLESS = "harmless"


class Finding(NamedTuple):
    """One difference, what it means, and why; `ignored` says who accepts it ("" where nobody does)."""

    kind: Kind
    difference: Difference
    why: str = ""
    ignored: str = ""


class Answer(NamedTuple):
    """One direction. `words` are what the destination prints when it refuses, as far as they can be foretold;
    `notes` are about the whole."""

    source: str
    destination: str
    vmm: str
    words: tuple[str, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    def of(self, kind: Kind) -> list[Finding]:
        """The findings of one kind that nobody ignores."""
        return [one for one in self.findings if one.kind is kind and not one.ignored]

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
