"""Which bits the rig may write: all but those whose writing starts something that would take the proof away."""

from __future__ import annotations

from .hardware import AF, EXPRESS, MSI, MSIX, PM, VPD, standard_chain

_COMMAND, _BARS, _BARS_END, _ROM, _LINE = 0x04, 0x10, 0x28, 0x30, 0x3C

# (id, byte of the capability, bits, what writing them does)
_STANDARD = (
    (PM, 4, 0x03, "the power state: a function that sleeps does not answer"),
    (EXPRESS, 9, 0x80, "Initiate Function Level Reset"),
    (AF, 4, 0x01, "Initiate FLR"),
    (VPD, 2, 0xFF, "the address: a write makes Linux read the vital product data, and wait for it"),
    (VPD, 3, 0xFF, "the address, and the flag that starts it"),
    (MSI, 2, 0x71, "MSI Enable and how many: Linux puts its own value there"),
    (MSIX, 3, 0xC0, "MSI-X Enable and Function Mask: QEMU starts interrupts"),
)


def spared(state: bytes, *, nested: bool) -> bytes:
    """The bits to try, for a function that holds `state`."""
    mask = bytearray(b"\xff" * len(state))
    mask[_COMMAND : _COMMAND + 2] = b"\0\0"  # decoding and bus mastering are switched, and mirrored, by Linux
    mask[_BARS:_BARS_END] = bytes(_BARS_END - _BARS)  # their masks depend on what Linux could assign
    mask[_ROM : _ROM + 4] = bytes(4)
    for at, own in standard_chain(state):
        for wanted, byte, bits, _ in _STANDARD:
            if wanted == own and at + byte < len(mask):
                mask[at + byte] &= ~bits
    return bytes(mask)
