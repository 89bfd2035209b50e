"""What kernel and VMM make of a physical function: predictions, and why they are so.

Facts are in schemas/stacks/; the engines are one folder per program. `predict` puts them on top of each other.
"""

from __future__ import annotations

from .chains import Place
from .hardware import Hardware
from .incoming import Check
from .layers import Change, View, device_image, seen
from .migration import forgets, migrates, skips_vsc
from .predict import KERNEL_FACTS, QEMU, VMMS, Prediction, Program, Stack, known_programs, newest, parse, predict
from .qemu.options import Ids, OptionError, Pasid, QemuOptions
from .qemu.refusals import Refusal

__all__ = [
    "KERNEL_FACTS",
    "QEMU",
    "VMMS",
    "Change",
    "Check",
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
    "forgets",
    "known_programs",
    "migrates",
    "newest",
    "parse",
    "predict",
    "seen",
    "skips_vsc",
]
