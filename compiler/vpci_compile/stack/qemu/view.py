"""What QEMU's vfio-pci, or its vfio-user-pci, makes of a function: the configuration space that the guest finds.

A pure function of the space below, the BARs, the place and the options. Each step is one rule of QEMU (hw/vfio/pci.c)
and names the function of QEMU that it is. In the result `emulated` marks what QEMU or a layer below answers; the other
bits are the device's. QEMU passes every write on, those to bits that it answers itself as well: `forwarded` stays what
it was below.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...ir import Bar, ConfigSpace
from ..chains import Place
from ..layers import View
from . import extended, header, standard
from .draft import Draft
from .options import QemuOptions


def qemu_view(below: ConfigSpace, bars: Sequence[Bar], place: Place, options: QemuOptions) -> View:
    """The configuration space that a guest finds at reset, of a function that QEMU shows at `place`.

    `below` is what QEMU finds: the kernel's view of the function, or a vfio-user server. It is one that QEMU takes
    (see refusals).

    Raises:
        OptionError: QEMU refuses an option.
    """
    draft = Draft(below, bars, place, options)
    header.rewrite(draft)
    if draft.chain:  # without one QEMU leaves the extended chain alone, too
        standard.rewrite(draft)
        if extended.is_walked(draft):
            extended.rewrite(draft)
    return draft.view()
