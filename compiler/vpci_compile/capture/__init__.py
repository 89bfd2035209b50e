"""Reading real functions, and writing a layout from one."""

from .bar_entries import bars
from .ids import ids, quirks_of
from .importer import layout_text
from .model import BarFact, Capture, Captures, HostFacts, IommuFacts
from .plan import Shared
from .read import MAX_FILE, read, read_all, read_all_bytes
from .structures import structures

__all__ = [
    "MAX_FILE",
    "BarFact",
    "Capture",
    "Captures",
    "HostFacts",
    "IommuFacts",
    "Shared",
    "bars",
    "ids",
    "layout_text",
    "quirks_of",
    "read",
    "read_all",
    "read_all_bytes",
    "structures",
]
