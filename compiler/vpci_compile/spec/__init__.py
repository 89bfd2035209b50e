"""The input language; the only user of pydantic."""

from .check import device_layout
from .device import (
    BarEntry,
    BytesEntry,
    CapabilityEntry,
    DeviceLayout,
    FieldValue,
    Identity,
    PhysicalEntry,
)
from .extend import resolve

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
