"""A function for QEMU's vfio-pci on Linux: what it can show of it (`rules`), and the arguments that make it."""

from .arguments import IOMMUFD, emit, identifier, of_device, script_lines
from .rules import check

__all__ = ["IOMMUFD", "check", "emit", "identifier", "of_device", "script_lines"]
