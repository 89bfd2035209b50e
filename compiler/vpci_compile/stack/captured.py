"""The prediction for a captured function: what its capture says beside the bytes is put to use."""

from __future__ import annotations

from collections.abc import Mapping

from ..capture import Capture, IommuFacts
from ..ir import Bar
from .chains import Place
from .hardware import Hardware
from .predict import Prediction, parse, predict
from .qemu.options import Pasid

_DRIVERS = "vfio-pci"
"""How the names of those end that show a function to a VMM; another one has it for the host's own use."""


def driver(read: Capture) -> str:
    """The VFIO driver that has the function; "" where it is another one, or none."""
    return read.driver if read.driver.replace("_", "-").endswith(_DRIVERS) else ""


def foretell(
    read: Capture,
    bars: tuple[Bar, ...],
    name: str,
    place: Place,
    options: Mapping[str, str],
    pasid: Pasid | None = None,
) -> Prediction:
    """What a guest finds of the captured function, refusals included, below the stack `name`.

    `bars` are those of the capture (capture.bars). `pasid` stands in for what the host reports of PASID, where its
    capture does not say.

    Raises:
        ValueError: no such stack or option.
    """
    words = dict(options)
    own = driver(read)
    if own and parse(name).kernel is not None:
        words.setdefault("driver", own)
    iommu = read.host.iommu if read.host else None
    if iommu is None and pasid is not None:
        iommu = IommuFacts(pasid.width, pasid.execute, pasid.privileged, ats=True)
    return predict(Hardware(read.data, bars, read.virtual, read.ids), name, place, words, iommu)
