"""What a stack shows rightly, and what is dangerous all the same: writes that reach hardware nobody meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import capture
from ..diagnostics import Report
from ..ir import Kind
from ..stack import Prediction
from ..stack.chains import extended_chain, standard_chain

if TYPE_CHECKING:
    from .predict import Device

CONTROLS = {0x001B: "PASID", 0x001D: "DPC", 0x002E: "DOE", 0x0030: "IDE"}
"""Extended capabilities whose registers control more than the guest: hidden, they should be out of its reach."""


_AWAY = {
    "PASID capability": "x-vpasid-cap-offset= puts it where the device has nothing",
    "GPUDirect capability": "leave the clique out: QEMU knows two places for it, and takes the first that is free",
}


def report(device: Device, prediction: Prediction, found: Report) -> None:
    """Warn of synthesized structures over live bytes (VPCI2102), and of hidden controls in reach (VPCI2103)."""
    config = prediction.config
    physical = capture.structures(device.capture.data)
    for offset, length, name in prediction.made:
        end = offset + length
        if not any(config.forwarded[offset:end]):
            continue
        own = [(kind, number, at) for kind, number, at, size in physical if at < end and offset < at + size]
        live = any(device.capture.data[offset:end])
        if own or live:
            whose = (
                f"the device's own {own[0][0]} capability {own[0][1]:#x} at {own[0][2]:#x}"
                if own
                else "bytes of the device that are not zero"
            )
            found.add(
                "VPCI2102",
                device.capture.place(offset),
                f"the synthesized {name} at {offset:#x}..{end - 1:#x} stands over {whose}, and guest writes reach both",
                note="QEMU passes every write on to the device, those to structures of its own as well",
                help=_AWAY.get(name, "choose a place where the device has nothing"),
            )
    linked = {(Kind.STANDARD, one.offset) for one in standard_chain(config.value)}
    linked |= {(Kind.EXTENDED, one.offset) for one in extended_chain(config.value)} if config.size > 0x100 else set()
    for kind, number, at, size in physical:
        if kind is not Kind.EXTENDED or number not in CONTROLS or (kind, at) in linked:
            continue
        # The first four bytes are the header: a pointer is no control.
        if any(config.forwarded[at + 4 : at + size]):
            found.add(
                "VPCI2103",
                device.capture.place(at),
                f"{CONTROLS[number]} at {at:#x} is hidden, and a guest that knows the place can write its registers",
                note="Linux vfio-pci unlinks it and no more, and no VMM known here keeps such writes from the device",
                help="give the device only to a guest that may program it",
            )
