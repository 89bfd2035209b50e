"""The input language; the only user of pydantic."""

from typing import TYPE_CHECKING

from .check import device_layout
from .extend import resolve
from .readers import FieldValue

if TYPE_CHECKING:  # models are for reading and for type checkers; `compiled.py` says why they are not loaded
    from .device import (
        BarEntry,
        BytesEntry,
        CapabilityEntry,
        DeviceLayout,
        Identity,
        PhysicalEntry,
    )

__all__ = [
    "BarEntry",
    "BytesEntry",
    "CapabilityEntry",
    "DeviceLayout",
    "FieldValue",
    "Identity",
    "PhysicalEntry",
    "device_layout",
    "resolve",
]
