"""Where QEMU puts the RAM of each node, and the window into which memory is plugged.

Source: QEMU 11.1.3 hw/i386/pc_q35.c, pc_piix.c, pc.c, acpi-build.c, hw/arm/virt.c.
"""

from __future__ import annotations

from ..ir.machine import Architecture, Machine, Range

_GIB = 1 << 30
_FOUR_GIB = 4 * _GIB
_HOLE_START, _HOLE_END = 0xA0000, 0x100000  # 640 KiB to 1 MiB: no RAM on a PC
_VIRT_RAM = 0x4000_0000  # memmap[VIRT_MEM].base
HOLE64 = {"q35": 32 * _GIB, "pc": 2 * _GIB}
"""`pci-hole64-size` where it is not set."""
_AMD_HYPERTRANSPORT = 0xFD_0000_0000  # 12 GiB below 1 TiB, which an IOMMU of AMD does not translate
_TIB = 1 << 40


def below_4g(machine: Machine) -> int:
    """How much of a PC's RAM is below 4 GiB (`below_4g_mem_size`); with much RAM the rest starts at a whole GiB."""
    wished = _FOUR_GIB if machine.max_below_4g is None else machine.max_below_4g
    if machine.vmm.machine == "q35":
        most = min(wished, 0xB000_0000 if machine.memory < 0xB000_0000 else 0x8000_0000)
    else:
        most = min(wished, 0xE000_0000)
        if machine.memory >= most:
            most = min(most, 0xC000_0000)
    return min(machine.memory, most)


def above_4g(machine: Machine) -> int:
    """Where a PC's other RAM begins (`above_4g_mem_start`).

    Behind 1 TiB, where the processor is AMD's and addresses would else reach the range of HyperTransport.
    """
    hole = HOLE64[machine.vmm.machine] if machine.pci_hole64 is None else machine.pci_hole64
    end = _FOUR_GIB + machine.memory - below_4g(machine)
    if machine.hotplug:
        end = _up(end) + _window_size(machine)
    return _TIB if machine.amd and _up(end) + hole > _AMD_HYPERTRANSPORT else _FOUR_GIB


def _window_size(machine: Machine) -> int:
    """Each slot may need up to 1 GiB for its alignment."""
    return machine.hotplug + machine.slots * _GIB


def ranges(machine: Machine) -> list[Range]:
    """The addresses of each node's RAM, in the order of the SRAT."""
    if machine.architecture is Architecture.X86_64:
        return around_holes(machine, below_4g(machine), above_4g(machine))
    found, base = [], _VIRT_RAM
    for number, node in enumerate(machine.nodes):
        if node.memory:
            found.append(Range(number, base, node.memory))
        base += node.memory
    return found


def around_holes(machine: Machine, low: int, high: int) -> list[Range]:
    """Around the two holes of a PC: a node that ends in one is cut, and the next begins behind it.

    RAM ends at `low`, and goes on at `high`.
    """
    found: list[Range] = []
    after = 0  # where the next node begins

    def add(node: int, base: int, size: int) -> None:
        if size > 0:
            found.append(Range(node, base, size))

    for number, node in enumerate(machine.nodes):
        base, size = after, node.memory
        after = base + size
        if base <= _HOLE_START < after:
            add(number, base, _HOLE_START - base)
            if after <= _HOLE_END:
                after = _HOLE_END
                continue
            base, size = _HOLE_END, after - _HOLE_END
        if base <= low < after:
            add(number, base, low - base)
            size = after - low
            base = high
            after = base + size
        add(number, base, size)
    return found


def hotplug_window(machine: Machine) -> list[Range]:
    """Where memory is plugged in, if it can be: QEMU gives it to the last node."""
    size = _window_size(machine)
    last = len(machine.nodes) - 1
    if machine.architecture is Architecture.AARCH64:
        return [Range(last, _up(_VIRT_RAM + machine.memory), size, hotplug=True)] if size else []
    if not machine.hotplug:
        return []
    above = machine.memory - below_4g(machine)
    return [Range(last, _up(above_4g(machine) + above), size, hotplug=True)]


def _up(address: int) -> int:
    """The next multiple of 1 GiB."""
    return (address + _GIB - 1) // _GIB * _GIB
