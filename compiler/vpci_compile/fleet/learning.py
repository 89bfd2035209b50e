"""What is learned of the first function of a shape, so that the others need no prediction.

Functions that agree in every bit that decides (stack.control) come to one prediction, but for bits that are passed
through; which those are comes out when the function is predicted a second time with all other bits inverted. What does
not come out as expected makes a shape of its own for these very bytes: slow, and right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ..capture import Capture
from ..ir import contract
from ..stack import Prediction
from ..stack.control import Control, control
from .conditions import Below, Facts, capture_of, hardware_of
from .shape import Shape

ADDRESS_BYTES = 4


class Learned(NamedTuple):
    """A shape, and how its functions are known: by the bits of `mask`, and registers at `addresses` that are not 0."""

    shape: Shape
    mask: bytes
    addresses: tuple[int, ...]


def learn(data: bytes, facts: Facts, below: Below) -> Learned:
    """The shape of a function. Raises ValueError: an option that the VMM has not."""
    example = capture_of(data, facts)
    deciding = deciding_bits(example, below)
    first = below.predict(example)
    turned = inverted(data, deciding)
    live = None if turned is None else _passed(first, below.predict(replace(example, data=turned)), data)
    refusal = "; ".join(one.message for one in first.refusals)
    if live is None:
        shape = Shape(data, facts, first.config, first.bars, bytes(first.config.size), refusal)
        return Learned(shape, b"\xff" * len(data), ())
    return Learned(Shape(data, facts, first.config, first.bars, live, refusal), *deciding)


def deciding_bits(example: Capture, below: Below) -> Control:
    """The bits of a captured function that decide."""
    sizes = {fact.index: fact.size for fact in example.bars}
    return control(hardware_of(example), sizes, below.stack, below.kernel_view(example))


def inverted(data: bytes, deciding: Control) -> bytes | None:
    """The function with every bit the other way round that does not decide; None where an address is then none."""
    made = bytes(octet ^ ~own & 0xFF for octet, own in zip(data, deciding.mask, strict=True))
    return made if all(any(made[at : at + ADDRESS_BYTES]) for at in deciding.addresses) else None


def _passed(first: Prediction, second: Prediction, data: bytes) -> bytes | None:
    """The compared bits that are passed through; None where the two predictions differ in anything else."""
    one, other = first.config, second.config
    heads = (contract.head(two.config.size, two.config.compared, two.bars) for two in (first, second))
    if len({*heads}) > 1 or [r.message for r in first.refusals] != [r.message for r in second.refusals]:
        return None
    rows = zip(one.value, other.value, one.compared, strict=True)
    live = bytes((left ^ right) & bits for left, right, bits in rows)
    moved = any((left ^ right) & bits for left, right, bits in zip(one.value, data, live, strict=False))
    return None if moved else live
