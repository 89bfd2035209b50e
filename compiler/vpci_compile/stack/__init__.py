"""What kernel and VMM make of a physical function: predictions, and why they are so.

Facts are in schemas/stacks/; the engines are one file per program. `predict` puts them on top of each other.
"""

from __future__ import annotations

from .chains import Place
from .hardware import Hardware
from .layers import Change, View, device_image, seen
from .predict import VMMS, Prediction, Program, Stack, known_programs, parse, predict
from .qemu_options import Ids, OptionError, Pasid, QemuOptions
from .qemu_refusals import Refusal

__all__ = [
    "VMMS",
    "Change",
    "Hardware",
    "Ids",
    "OptionError",
    "Pasid",
    "Place",
    "Prediction",
    "Program",
    "QemuOptions",
    "Refusal",
    "Stack",
    "View",
    "device_image",
    "known_programs",
    "parse",
    "predict",
    "seen",
]
