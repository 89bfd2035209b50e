"""The capability catalogue: `schemas/pci/` as values, and structures read through it."""

from .model import Access, Capability, Chain, Changes, Field, Named, Register
from .store import by_id, by_name, everything, identify, names, pack
from .view import CLEARED, READ_ONLY, WRITABLE, Place, View, encoder

__all__ = [
    "CLEARED",
    "READ_ONLY",
    "WRITABLE",
    "Access",
    "Capability",
    "Chain",
    "Changes",
    "Field",
    "Named",
    "Place",
    "Register",
    "View",
    "by_id",
    "by_name",
    "encoder",
    "everything",
    "identify",
    "names",
    "pack",
]
