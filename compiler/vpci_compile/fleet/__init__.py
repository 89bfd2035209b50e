"""Many functions of many hosts: which have one contract below a stack, and which stand apart.

`Groups` takes functions one by one. What is then said of them is in `report`.
"""

from __future__ import annotations

from .conditions import Below, Facts, below, facts_of
from .groups import Group, Groups, Member, Model
from .report import Apart, Family, FleetReport, ModelReport, Warned, Way

__all__ = [
    "Apart",
    "Below",
    "Facts",
    "Family",
    "FleetReport",
    "Group",
    "Groups",
    "Member",
    "Model",
    "ModelReport",
    "Warned",
    "Way",
    "below",
    "facts_of",
]
