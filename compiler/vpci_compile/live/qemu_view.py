"""What a guest of QEMU finds of a function that this project's server serves."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import Bar, ConfigSpace
from ..stack import Change, Place, QemuOptions, View, device_image, seen
from ..stack.chains import standard_chain
from ..stack.pci import HEADER_TYPE, MSI, MULTIFUNCTION
from ..stack.qemu import view as qemu

__all__ = ["HEADER_TYPE", "MSI", "MULTIFUNCTION", "Change", "Place", "View", "qemu_view", "standard_chain"]


def qemu_view(alone: ConfigSpace, bars: Sequence[Bar], place: Place, *, multifunction: bool = False) -> View:
    """The space that a guest finds at reset, QEMU and server together; `alone` is what is served (see behaviour).

    The image is one that QEMU takes (see stack.qemu.refusals).
    """
    served = device_image(alone.value, alone.writable, alone.w1c)
    view = qemu.qemu_view(served, bars, place, QemuOptions(vfio_user=True, multifunction=multifunction))
    return view._replace(config=seen(view.config, served))
