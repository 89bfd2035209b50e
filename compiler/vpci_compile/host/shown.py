"""Predictions in a process that makes many: of a function whose shape was met before, none has to be made.

What decides of a function (stack.control) leads to a kept prediction; bits that are passed through are put in. Which
those are comes out when the first function of a shape is predicted once more with all other bits inverted, as `fleet`
does it for contracts (fleet.learning). A shape that does not come out as expected is not kept.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from ..capture import Capture
from ..fleet.conditions import Below, Facts, facts_of
from ..fleet.learning import ADDRESS_BYTES, deciding_bits, inverted
from ..ir import MASKS
from ..stack import Prediction

_KEPT = 64  # stacks with their options, sets of deciding bits of one, shapes of one set


class _Shape(NamedTuple):
    """A prediction, and the bits of the space that stand in it as they stand in the device."""

    first: Prediction
    passed: int


class _Probe:
    """The shapes that one set of deciding bits tells apart."""

    def __init__(self, mask: int, addresses: tuple[int, ...]) -> None:
        self.mask = mask
        self.addresses = addresses
        self.shapes: dict[int, _Shape] = {}

    def find(self, data: bytes, number: int) -> _Shape | None:
        """The shape of a function; an address in it is one that is not 0."""
        found = self.shapes.get(number & self.mask)
        if found is not None and all(any(data[at : at + ADDRESS_BYTES]) for at in self.addresses):
            return found
        return None


class Predictions:
    """The predictions below one stack, at one place, with one set of options."""

    def __init__(self, below: Below) -> None:
        self.below = below
        self._probes: dict[tuple[Facts, int], list[_Probe]] = {}

    def of(self, read: Capture) -> Prediction:
        """The prediction for a captured function; its `changes` are those of the first function of its shape.

        Raises:
            ValueError: an option that the VMM has not.
        """
        number = int.from_bytes(read.data, "little")
        probes = self._probes.setdefault((facts_of(read), len(read.data)), [])
        for probe in probes:
            shape = probe.find(read.data, number)
            if shape is not None:
                return _filled(shape, number)
        made = self.below.predict(read)
        if len(probes) < _KEPT:
            self._learn(read, number, made, probes)
        return made

    def _learn(self, read: Capture, number: int, made: Prediction, probes: list[_Probe]) -> None:
        deciding = deciding_bits(read, self.below)
        mask = int.from_bytes(deciding.mask, "little")
        probe = next((one for one in probes if (one.mask, one.addresses) == (mask, deciding.addresses)), None)
        if probe is None:
            probe = _Probe(mask, deciding.addresses)
            probes.append(probe)
        if len(probe.shapes) >= _KEPT:
            return
        turned = inverted(read.data, deciding)
        passed = None if turned is None else _passed(made, self.below.predict(replace(read, data=turned)), number)
        if passed is not None:
            probe.shapes[number & mask] = _Shape(made, passed)


@lru_cache(maxsize=_KEPT)
def predictions(name: str, place: str, options: tuple[tuple[str, str], ...]) -> Predictions:
    """The predictions below the stack `name`. Raises ValueError: there is no such stack or place."""
    from ..fleet.conditions import below

    return Predictions(below(name, place, dict(options)))


def _passed(first: Prediction, second: Prediction, number: int) -> int | None:
    """The bits that are passed through; None where the two predictions differ in anything else, or are refusals."""
    one, other = first.config, second.config
    if first.refusals or second.refusals or first.bars != second.bars or one.size != other.size:
        return None
    if any(getattr(one, name) != getattr(other, name) for name in MASKS):
        return None
    if first.check is not None and second.check is not None and first.check[1:] != second.check[1:]:
        return None
    value = int.from_bytes(one.value, "little")
    passed = value ^ int.from_bytes(other.value, "little")
    return None if (value ^ number) & passed else passed


def _filled(shape: _Shape, number: int) -> Prediction:
    """The prediction of a shape with a function's own bits."""
    first, passed = shape
    size = first.config.size
    fixed = int.from_bytes(first.config.value, "little") & ~passed
    value = (fixed | number & passed).to_bytes(size, "little")
    check = None if first.check is None else first.check._replace(config=value)
    return first._replace(config=replace(first.config, value=value), check=check)
