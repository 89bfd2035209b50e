"""The input language; the only user of pydantic."""

from typing import TYPE_CHECKING

from .check import device_layout, machine_layout
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
    from .machine import MachineLayout

__all__ = [
    "BarEntry",
    "BytesEntry",
    "CapabilityEntry",
    "DeviceLayout",
    "FieldValue",
    "Identity",
    "MachineLayout",
    "PhysicalEntry",
    "device_layout",
    "machine_layout",
    "resolve",
]
