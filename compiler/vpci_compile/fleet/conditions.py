"""Under what a fleet is looked at: the stack, the place and the options, the same for every host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .. import capture, stack
from ..capture import BarFact, Capture, HostFacts, IommuFacts
from ..stack import Hardware, Place, Prediction, Stack, captured


class Facts(NamedTuple):
    """What a prediction takes from a capture beside its bytes."""

    bars: tuple[BarFact, ...] = ()
    driver: str = ""
    ids: tuple[int, int] | None = None
    iommu: IommuFacts | None = None


PLAIN = Facts()


def facts_of(read: Capture) -> Facts:
    """The facts of a capture that was read."""
    made = Facts(read.bars, captured.driver(read), read.ids, read.host.iommu if read.host else None)
    return PLAIN if made == PLAIN else made


def capture_of(data: bytes, facts: Facts, name: str = "", title: str = "") -> Capture:
    """A capture that has the bytes and the facts, and nothing else."""
    host = HostFacts(iommu=facts.iommu) if facts.iommu is not None else None
    return Capture("", name, data, bars=facts.bars, driver=facts.driver, title=title, ids=facts.ids, host=host)


def hardware_of(read: Capture) -> Hardware:
    """What a stack finds of a captured function."""
    return Hardware(read.data, capture.bars(read), read.virtual, read.ids)


class Below(NamedTuple):
    """A stack, a place, and the options of the VMM's device."""

    stack: Stack
    place: Place
    options: Mapping[str, str]

    def predict(self, read: Capture) -> Prediction:
        """What a guest finds of a captured function. Raises ValueError where there is no such option."""
        return captured.foretell(read, capture.bars(read), self.stack.name, self.place, self.options)

    def kernel_view(self, read: Capture) -> bytes:
        """The space as the stack's kernel shows it to the VMM; b"" where it has none, or does not open the function."""
        if self.stack.kernel is None or not self.stack.vmm:
            return b""
        options = {key: text for key, text in self.options.items() if key in stack.KERNEL_FACTS}
        bare = self.stack._replace(vmm="", release=(0, 0))
        shown = captured.foretell(read, capture.bars(read), bare.name, self.place, options)
        return b"" if shown.refusals else shown.config.value


def below(name: str, place: str, options: Mapping[str, str]) -> Below:
    """The stack `name` with a place and options. Raises ValueError: there is no such stack or place."""
    return Below(stack.parse(name), Place(place), dict(options))
