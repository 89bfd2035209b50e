"""What is said of a fleet: models, the families and groups in them, what sets them apart, and who reaches whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..diagnostics import Diagnostic
from .conditions import Below
from .groups import Group, Model

OUTLIER_PART = 10
"""A family is an outlier when the largest one of its model has at least so many times its functions."""
MOST_FAMILIES = 12
"""Families of a model that are compared with each other, the largest ones; of others their numbers are said."""


class Apart(NamedTuple):
    """A field inside the contract that is not as in the model's largest family, as `diff` says it.

    `changes` says who changes it without a guest asking: hardware, unit, host, or "" for nobody.
    """

    path: str
    title: str
    offset: int | None
    largest: str
    here: str
    changes: str


class Way(NamedTuple):
    """A migration to another family by the rule of its destination.

    `refused` are the destination's words, or why else it cannot be; "" where it is taken. `seen` are the fields that a
    running guest then sees changed, though nobody refuses; `unknown` those of which a side does not say the value.
    """

    to: int
    refused: str
    seen: tuple[str, ...]
    unknown: tuple[str, ...]


class Family(NamedTuple):
    """Groups whose contracts differ at most in what the catalogue says differs from unit to unit (`units`: where).

    `ways` lead to the other families; `differences` are those from the largest one. Both are known where `compared`.
    """

    number: int
    groups: tuple[Group, ...]
    functions: int
    outlier: bool
    units: tuple[str, ...]
    compared: bool
    differences: tuple[Apart, ...]
    ways: tuple[Way, ...]


class ModelReport(NamedTuple):
    """A model: its families, the largest first, and the groups that the stack does not show."""

    model: Model
    families: tuple[Family, ...]
    refused: tuple[Group, ...]

    @property
    def functions(self) -> int:
        """How many there are."""
        return sum(group.count for group in self.model.groups.values())

    @property
    def open(self) -> bool:
        """Whether each function of the model can migrate to each other one, unseen or not; or none is shown."""
        if not self.families:
            return True
        alike = all(len(family.groups) == 1 and family.compared for family in self.families)
        return alike and not self.refused and not any(way.refused for family in self.families for way in family.ways)

    @property
    def whole(self) -> bool:
        """Whether each function of the model can migrate to each other one, and no guest sees it; or none is shown."""
        return self.open and not any(way.seen or way.unknown for family in self.families for way in family.ways)


@dataclass(slots=True)
class Warned:
    """Warnings of one code: the first one, and how many there are."""

    first: Diagnostic
    count: int = 0


class FleetReport(NamedTuple):
    """A fleet: what was read, its models, what could not be read, and warnings by their code."""

    below: Below
    files: int
    models: tuple[ModelReport, ...]
    problems: tuple[Diagnostic, ...]
    warnings: Mapping[str, Warned]

    @property
    def functions(self) -> int:
        """How many were read."""
        return sum(one.functions for one in self.models)

    @property
    def fine(self) -> bool:
        """Whether everything was read, and each model is whole."""
        return not self.problems and all(one.whole for one in self.models)
