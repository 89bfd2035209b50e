"""Comparing two functions."""

from .compare import Difference, compare

__all__ = ["Difference", "compare"]
