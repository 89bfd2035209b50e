"""Reading real functions, and writing a layout from one."""

from .bar_entries import bars
from .importer import layout_text
from .model import BarFact, Capture, Captures, HostFacts, IommuFacts
from .read import read, read_all
from .structures import structures

__all__ = [
    "BarFact",
    "Capture",
    "Captures",
    "HostFacts",
    "IommuFacts",
    "bars",
    "layout_text",
    "read",
    "read_all",
    "structures",
]
