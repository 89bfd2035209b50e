"""What a capture or a layout comes to on a host: predictions, and whether a layout can be made true there."""

from __future__ import annotations

from .predict import Device, Predicted, predict, read_device
from .realize import Realized, realize

__all__ = ["Device", "Predicted", "Realized", "predict", "read_device", "realize"]
