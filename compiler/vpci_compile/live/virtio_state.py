"""What virtio-pci saves of itself: the configuration space, and how many entries each virtqueue has.

QEMU describes it as one field. Source: hw/virtio/virtio.c (virtio_save), virtio-pci.c (virtio_pci_save_config).
"""

from __future__ import annotations

from typing import NamedTuple

from ..stack.pci import CAP_POINTER, EXPRESS_SIZE, MSIX, PCI_SIZE

VERSION_BYTES, IRQ_BYTES = 4, 16
"""Around the configuration space: the version of its form before, the state of the interrupt lines behind."""
_MSIX_ENTRY, _VECTOR = 16, 2
_STATUS = 1 + 1 + 2 + 4  # status, ISR, selected queue, the first 32 features
_MOST_QUEUES, _MOST_ENTRIES = 1024, 32768
_QUEUE = 4 + 4 + 8 + 2  # entries, alignment, address of the ring, last index


class VirtioState(NamedTuple):
    """The configuration space, and the entries of the queues."""

    config: bytes
    queues: tuple[int, ...]


def read(content: bytes) -> VirtioState | None:
    """Read it; None where it is of no form that is known.

    Nothing says how large the space is: the size is right if what comes behind it are virtqueues.
    """
    for size in (PCI_SIZE, EXPRESS_SIZE):
        config = content[VERSION_BYTES : VERSION_BYTES + size]
        for aligned in (False, True):
            queues = _queues(content, size, _vectors(config), aligned=aligned)
            if queues:
                return VirtioState(config, queues)
    return None


def _vectors(config: bytes) -> int:
    """Of MSI-X; 0 without."""
    at, left = config[CAP_POINTER], 48
    while at and left:
        if config[at] == MSIX:
            return (int.from_bytes(config[at + 2 : at + 4], "little") & 0x7FF) + 1
        at, left = config[at + 1], left - 1
    return 0


def _queues(content: bytes, size: int, vectors: int, *, aligned: bool) -> tuple[int, ...]:
    at = VERSION_BYTES + size + IRQ_BYTES
    if vectors:
        at += vectors * _MSIX_ENTRY + (vectors + 7) // 8 + _VECTOR
    at += _STATUS
    at += 4 + _number(content, at)
    count = _number(content, at)
    at += 4
    step = _QUEUE - (0 if aligned else 4) + (_VECTOR if vectors else 0)
    if not 0 < count <= _MOST_QUEUES or at + count * step > len(content):
        return ()
    queues = tuple(_number(content, at + step * number) for number in range(count))
    return queues if all(0 < entries <= _MOST_ENTRIES for entries in queues) else ()


def _number(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 4], "big")
