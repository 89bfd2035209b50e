"""Comparing two functions."""

from .answer import Answer, Finding, Kind, Outcome
from .compare import Difference, compare, compare_bits, value_text

__all__ = ["Answer", "Difference", "Finding", "Kind", "Outcome", "compare", "compare_bits", "value_text"]
