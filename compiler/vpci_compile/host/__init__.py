"""What a capture or a layout comes to on a host: predictions, and whether a layout can be made true there."""

from __future__ import annotations

from .baseline import Baseline, baseline
from .predict import Device, Predicted, predict, read_device
from .realize import Realized, realize
from .survey import survey

__all__ = ["Baseline", "Device", "Predicted", "Realized", "baseline", "predict", "read_device", "realize", "survey"]
