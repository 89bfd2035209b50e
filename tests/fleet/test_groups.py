"""The short way to a group against the long one: predict, compile, digest."""

from __future__ import annotations

import os
import random
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import factory
from vpci_compile import host
from vpci_compile.capture import Capture
from vpci_compile.diagnostics import Failed
from vpci_compile.fleet import Group, Groups, Member, below, facts_of
from vpci_compile.host.predict import device_of
from vpci_compile.ir import Bar, ConfigSpace
from vpci_compile.stack import Place

from .hosts_of import captures, own, unit

FUZZ = int(os.environ.get("VPCI_FUZZ", "1"))
STACK = "linux-7.2/qemu-11.1"
STACKS = (
    (STACK, "port"), (STACK, "root"), (STACK, "conventional"), ("qemu-11.1", "port"), ("linux-7.2", "port"),
    ("linux-6.1/qemu-8.2", "port"), ("linux-7.2/crosvm-2026.8", "port"),
)  # fmt: skip
NOBODY = Member("x", "")


def long_way(one: Capture, stack: str, place: str) -> str:
    """The digest of what `predict` shows, or its refusals."""
    try:
        return host.predict(device_of(one, "x"), stack, Place(place), {}).function.digest
    except Failed as failed:
        refusals = [d.message for d in failed.diagnostics if d.code == "VPCI2101"]
        texts = [message.partition(" does not show this function: ")[2] for message in refusals]
        return " and ".join(sorted({*texts}))


def short_way(group: Group) -> str:
    return group.digest or " and ".join(sorted({*group.refusal.split("; ")}))


@cache
def groups(stack: str, place: str) -> Groups:
    """Groups that learn as the tests go."""
    return Groups(below(stack, place, {}))


@pytest.mark.parametrize(("stack", "place"), STACKS[:2])
def test_every_capture_comes_into_the_group_of_its_prediction(stack: str, place: str) -> None:
    made = groups(stack, place)
    chosen = captures() if FUZZ > 1 else random.Random(place).sample(captures(), min(len(captures()), 70))
    for one in chosen:
        assert short_way(made.add(one.data, NOBODY, facts_of(one))) == long_way(one, stack, place), one.name


@st.composite
def flipped(draw: Callable[[st.SearchStrategy[int]], int]) -> tuple[Capture, Capture]:
    """A capture, and the same with bits flipped anywhere, more often where something stands."""
    one = captures()[draw(st.integers(0, len(captures()) - 1))]
    data = bytearray(one.data)
    taken = [at for at, octet in enumerate(data) if octet]
    for _ in range(draw(st.sampled_from((1, 1, 2, 3, 8, 40)))):
        where = draw(st.integers(0, 3))
        if where == 0:
            at = draw(st.integers(0, len(data) - 1))
        elif where == 1:
            at = draw(st.integers(0, min(len(data), 256) - 1))
        else:
            at = taken[draw(st.integers(0, len(taken) - 1))] if taken else 0
        data[at] = (
            draw(st.integers(0, 255)) if draw(st.integers(0, 4)) == 0 else data[at] ^ 1 << draw(st.integers(0, 7))
        )
    return one, replace(one, data=bytes(data))


@settings(max_examples=150 * FUZZ, deadline=None, suppress_health_check=list(HealthCheck))
@given(flipped(), st.sampled_from(STACKS))
def test_bits_flipped_anywhere_give_what_the_prediction_gives(
    pair: tuple[Capture, Capture], below_what: tuple[str, str]
) -> None:
    """The first of the two is what the short way knows the shape from."""
    made, (known, one) = groups(*below_what), pair
    made.add(known.data, NOBODY, facts_of(known))
    assert short_way(made.add(one.data, NOBODY, facts_of(one))) == long_way(one, *below_what)


@pytest.mark.parametrize("name", ["igb", "nvme-sriov", "e1000e", "virtio-net-modern", "cxl-type3"])
def test_each_bit_of_a_function_alone(name: str) -> None:
    """Bytes of header and structures in turn, each against a prediction of its own."""
    made = Groups(below(STACK, "port", {}))
    data = own(name)
    dice = random.Random(name)
    places = [at for at in range(len(data)) if data[at] or at < 0x40 or at % 64 == 0]
    made.add(data, NOBODY)
    for at in places if FUZZ > 1 else dice.sample(places, min(len(places), 80)):
        changed = bytearray(data)
        changed[at] ^= 1 << dice.randrange(8)
        one = Capture("", "x", bytes(changed))
        prediction = made.below.predict(one)
        group = made.add(one.data, NOBODY)
        if prediction.refusals:
            assert group.refusal == "; ".join(refusal.message for refusal in prediction.refusals)
        else:
            function = replace(factory.function(), config=prediction.config, bars=prediction.bars, regions=())
            assert group.digest == function.digest, hex(at)


# -- digests -------------------------------------------------------------------------------------------------------


def _contract(config: ConfigSpace, bars: tuple[Bar, ...]) -> object:
    pairs = zip(config.value, config.compared, strict=True)
    rows = tuple(replace(bar, origin=factory.span(), source=bars[0].source) for bar in bars)
    return config.size, config.compared, tuple(value & mask for value, mask in pairs), rows


@settings(max_examples=300 * FUZZ, deadline=None)
@given(st.integers(0, 5), st.integers(0, 5), st.data())
def test_digests_are_equal_exactly_when_contracts_are(left: int, right: int, data: st.DataObject) -> None:
    """Small spaces with few values, so that many pairs are equal."""
    octets = st.lists(st.sampled_from((0x00, 0x01, 0x80, 0xFF, 0x0A)), min_size=1, max_size=3).map(bytes)

    def space(seed: int) -> ConfigSpace:
        value, compared = data.draw(octets), data.draw(octets)
        compared = compared.ljust(len(value), b"\0")[: len(value)]
        zeros = bytes(len(value))
        return ConfigSpace(value, zeros, zeros, zeros, bytes([seed]) * len(value), compared)

    some = factory.function(0).bars[:2]
    bars = [(), some[:1], some[1:], some, (replace(some[0], size=None),), (replace(some[0], prefetchable=True),)]
    one, other = (
        replace(factory.function(0), config=space(seed), bars=bars[seed], regions=()) for seed in (left, right)
    )
    same = _contract(one.config, one.bars) == _contract(other.config, other.bars)
    assert (one.digest == other.digest) == same
    again = replace(one, config=replace(one.config, forwarded=other.config.forwarded * 3))
    assert again.digest == one.digest


# -- what it costs -------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_hosts() -> None:
    """Functions of few groups: ten times as many take no more."""
    data = own("igb")
    made = Groups(below(STACK, "port", {}))

    def add(first: int, count: int) -> None:
        for number in range(first, first + count):
            changed = bytearray(data)
            changed[0x12:0x14] = number.to_bytes(2, "little")  # the address of BAR 0
            changed[0x3C] = number % 251
            changed[0x07] ^= number % 2 << 3  # of the status register
            made.add(bytes(changed), Member(f"host{number}", "0000:01:00.0"))

    add(1, 1_000)
    tracemalloc.start()
    try:
        add(1_001, 10_000)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(made.models) == 1 and grown < 20_000


def test_only_first_functions_are_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Groups(below(STACK, "port", {}))
    data = own("e1000e")
    made.add(data, NOBODY)
    monkeypatch.setattr("vpci_compile.stack.captured.foretell", None)
    found = {made.add(unit(data, number), NOBODY).name for number in range(200)}
    assert len(found) == 200
