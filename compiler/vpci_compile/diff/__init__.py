"""Comparing two functions."""

from .answer import Answer, Finding, Kind, Outcome
from .compare import NOT_STATED, Difference, compare, compare_bits, value_text

__all__ = ["NOT_STATED", "Answer", "Difference", "Finding", "Kind", "Outcome", "compare", "compare_bits", "value_text"]
