"""Comparing two functions."""

from .answer import Answer, Finding, Kind, Outcome
from .compare import NOT_STATED, Difference, bar_name, compare, compare_bits, value_text

__all__ = [
    "NOT_STATED",
    "Answer",
    "Difference",
    "Finding",
    "Kind",
    "Outcome",
    "bar_name",
    "compare",
    "compare_bits",
    "value_text",
]
