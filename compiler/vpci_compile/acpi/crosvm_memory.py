"""Where crosvm puts the RAM of each node, on x86-64: below its PCI window, and from 4 GiB on.

Source: crosvm x86_64/src/lib.rs, create_arch_memory_layout and arch_memory_regions (MEM_32BIT_GAP_SIZE), 2025; without
`--pci` the window begins 768 MiB below 4 GiB. Read, never executed here.
"""

from __future__ import annotations

from ..ir.machine import Machine, Range
from .qemu_memory import around_holes

_BELOW = 0xD000_0000
_ABOVE = 1 << 32


def ranges(machine: Machine) -> list[Range]:
    """The addresses of each node's RAM, in the order of the SRAT."""
    return around_holes(machine, min(machine.memory, _BELOW), _ABOVE)
