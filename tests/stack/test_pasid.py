"""PASID and ATS through a real Linux and a real QEMU: the capability that QEMU makes of what the kernel reports.

QEMU's code and the kernel's are real. One capability bit of the IOMMU below that kernel is forged, so that QEMU takes
it for one that can nest; see tools/build-guest-kernel.sh.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pytest

from vpci_compile import stack
from vpci_compile.capture import IommuFacts
from vpci_compile.stack import Place
from vpci_compile.stack.chains import extended_chain

from . import images, judged, nesting, parts
from .compare import differences
from .guest import PORTS
from .hardware import EXPRESS, PM, Image
from .nesting import NestingRig
from .rig import Observed, Refused

pytestmark = pytest.mark.stack
_STACK = "linux-7.2/qemu-11.1"
_ON = {"viommu-pasid": "on"}
_OFFSET = "x-vpasid-cap-offset"
_LAST, _AT, _CONTROL = 0xFF8, 0x160, 6
_ENABLED = 0x07  # PASID, Execute, Privileged Mode
_DEVCAP2_PREFIXES = 0x26
_MADE = bytes.fromhex("1b000100 06140000")
"""Id and version, no next one; 20 bits, Execute and Privileged Mode supported; nothing enabled."""


def _function(name: str, *chained: parts.Extended, prefixes: bool = True) -> Image:
    """`prefixes`: it takes the prefix in front of a packet that carries a PASID; else Linux does not enable PASID."""
    express = bytearray(parts.express())
    express[_DEVCAP2_PREFIXES - 2] |= 0x20 * prefixes
    standard = [(0x40, PM, parts.power_management()), (0x60, EXPRESS, bytes(express))]
    return parts.build(name, standard, chained)


def _at(offset: int, own: int) -> parts.Extended:
    return offset, own, parts.body_of(own, extended=True)


_HEAD, _ATS, _PASID = _at(0x100, parts.AER), _at(0x150, parts.ATS), _at(_AT, parts.PASID)
_OTHERS = [_at(0x170, parts.DSN), (0x200, parts.DVSEC, parts.dvsec(0x40)), _at(0x420, parts.LTR)]
_BOTH = _function("both", _HEAD, _ATS, _PASID, *_OTHERS)
_NO_ATS = _function("no-ats", _HEAD, _PASID, *_OTHERS)
_NO_PASID = _function("no-pasid", _HEAD, _ATS, *_OTHERS)
_NEITHER = _function("neither", _HEAD, *_OTHERS)
_NO_PREFIX = _function("no-prefix", _HEAD, _ATS, _PASID, *_OTHERS, prefixes=False)
_KINDS = [_BOTH, _NO_ATS, _NO_PASID, _NEITHER, _NO_PREFIX]

_PLACES = {
    "0x0": _LAST,  # as if not told
    "0xff8": _LAST,
    "0x300": 0x300,
    "0x160": _AT,  # over the function's own, which Linux hides
    "0x104": 0x104,  # over the body of AER, which Linux emulates
    "0x204": 0x204,  # over the body of a DVSEC
    "0x23c": 0x23C,  # half over it
    "0x1fc": 0x1FC,  # with its own body over the header of that DVSEC
}
_REFUSED = [
    "0x200",  # over a header
    "0x100",
    "0x302",  # on no dword
    "0xffc",  # too near to the end
    "0x1000",
    "0xfc",
]


@pytest.fixture(scope="module")
def rig() -> Iterator[NestingRig]:
    with nesting.need_nesting_rig(nesting.HOST_ATS) as made:
        yield made


@pytest.fixture(scope="module")
def without_ats() -> Iterator[NestingRig]:
    """The same, but the IOMMU takes no translation requests."""
    with nesting.need_nesting_rig(nesting.HOST) as made:
        yield made


def _facts(rig: NestingRig, shown: Sequence[Image]) -> list[IommuFacts]:
    """What the kernel says of each function."""
    batches = [shown[start : start + PORTS] for start in range(0, len(shown), PORTS)]
    return [nesting.facts(said) for batch in batches for said in rig.iommu(batch)]


def _wrong(
    shown: Sequence[Image],
    options: Sequence[Mapping[str, str]],
    iommu: Sequence[IommuFacts | None],
    found: Sequence[Observed | Refused],
    place: Place = Place.PORT,
) -> dict[str, object]:
    """Row by row, what is not as predicted."""
    wrong: dict[str, object] = {}
    for image, more, facts, seen in zip(shown, options, iommu, found, strict=True):
        name = " ".join([image.name, *(f"{key}={value}" for key, value in more.items())])
        state = image.value if isinstance(seen, Refused) else seen.state
        hardware = stack.Hardware(state, image.bars, image.virtual, image.ids)
        predicted = stack.predict(hardware, _STACK, place, more, facts)
        if isinstance(seen, Refused):
            if not predicted.refusals or predicted.refusals[0].message not in seen.text:
                wrong[name] = f"refused: {seen.text}; predicted is {predicted.refusals}"
        elif predicted.refusals:
            wrong[name] = f"shown, but predicted is {predicted.refusals}"
        elif different := differences(predicted.config, seen):
            wrong[name] = different
    return wrong


def _shown(seen: Observed | Refused, own: int) -> list[int]:
    """Where a guest finds a capability in the chain."""
    assert isinstance(seen, Observed), seen.text
    return [one.offset for one in extended_chain(seen.space) if one.id == own]


def test_what_the_kernel_reports(rig: NestingRig) -> None:
    # The last is a function on which Linux could not enable PASID: it reports the width all the same.
    assert rig.iommu(_KINDS) == [(1, 20, 0x6), (1, 20, 0xE), (1, 0, 0), (1, 0, 0x8), (1, 20, 0)]


def test_what_the_kernel_reports_without_ats(without_ats: NestingRig) -> None:
    assert without_ats.iommu(_KINDS) == [(1, 20, 0xE), (1, 20, 0xE), (1, 0, 0x8), (1, 0, 0x8), (1, 20, 0x8)]


def test_it_is_made_of_what_the_kernel_reports(rig: NestingRig) -> None:
    found = rig.nested(_KINDS, [{}] * len(_KINDS))
    assert [_shown(seen, parts.PASID) for seen in found] == [[_LAST], [_LAST], [], [], [_LAST]]
    assert _wrong(_KINDS, [_ON] * len(_KINDS), _facts(rig, _KINDS), found) == {}
    both, *_, no_prefix = found
    assert isinstance(both, Observed)
    assert both.space[_LAST:] == _MADE
    # A function in which nobody could enable PASID: the guest is offered it all the same, without permissions.
    assert isinstance(no_prefix, Observed)
    assert no_prefix.space[_LAST:] == bytes.fromhex("1b000100 00140000")
    assert no_prefix.state[_AT + _CONTROL] == 0


def test_places(rig: NestingRig) -> None:
    options = [{_OFFSET: at} for at in _PLACES]
    shown = [_BOTH] * len(options)
    found = rig.nested(shown, options)
    assert [_shown(seen, parts.PASID) for seen in found] == [[at] for at in _PLACES.values()]
    assert _wrong(shown, [{**one, **_ON} for one in options], _facts(rig, [_BOTH]) * len(shown), found) == {}


def test_places_that_it_cannot_have(rig: NestingRig) -> None:
    options = [{_OFFSET: at} for at in _REFUSED]
    shown = [_BOTH] * len(options)
    found = rig.nested(shown, options, probe=False)
    said = rig.said()
    assert [at for at in _REFUSED if f"Placing PASID capability at offset {at} failed" not in said] == []
    assert [_shown(seen, parts.PASID) for seen in found] == [[]] * len(shown)
    assert _wrong(shown, [{**one, **_ON} for one in options], _facts(rig, [_BOTH]) * len(shown), found) == {}


def test_writes_to_it_reach_the_function(rig: NestingRig) -> None:
    options = [{_OFFSET: f"{_AT:#x}"}, {_OFFSET: "0x204"}, {}]
    over, dvsec, last = rig.nested([_BOTH] * len(options), options)
    # Over the function's own capability the guest holds the switch of the host's PASID.
    assert isinstance(over, Observed)
    assert over.state[_AT + _CONTROL] == _ENABLED
    for seen, at in ((over, _AT), (dvsec, 0x204), (last, _LAST)):
        assert isinstance(seen, Observed)
        assert seen.space[at + _CONTROL] == 0
        assert seen.writable[at + _CONTROL] == _ENABLED
        assert seen.forwarded[at + _CONTROL] & _ENABLED == _ENABLED
    # Wherever QEMU puts its own, the hidden one of the function can be written as well.
    assert isinstance(last, Observed)
    assert last.space[_AT + _CONTROL] == last.state[_AT + _CONTROL] == _ENABLED
    assert last.forwarded[_AT + _CONTROL] & _ENABLED == _ENABLED


def test_without_pasid_above(rig: NestingRig) -> None:
    facts = _facts(rig, [_BOTH])
    for viommu in (nesting.NO_PASID, ""):
        found = rig.nested([_BOTH], [{}], viommu=viommu)
        assert _shown(found[0], parts.PASID) == []
        assert _wrong([_BOTH], [{}], facts, found) == {}


def test_width_is_the_kernels(rig: NestingRig) -> None:
    """Not that of the IOMMU of the guest."""
    found = rig.nested([_BOTH], [{}], viommu=f"{nesting.NO_PASID},pasid-bits=8")
    assert isinstance(found[0], Observed)
    assert found[0].space[_LAST:] == _MADE
    assert _wrong([_BOTH], [_ON], _facts(rig, [_BOTH]), found) == {}


def test_on_the_root_bus(rig: NestingRig) -> None:
    shown = [_BOTH, images.crafted("rciep")]
    found = rig.nested(shown, [{}, {}], Place.ROOT)
    assert [_shown(seen, parts.PASID) for seen in found] == [[_LAST], [_LAST]]
    assert _wrong(shown, [_ON] * len(shown), _facts(rig, shown), found, Place.ROOT) == {}


def test_what_an_iommu_with_a_first_stage_refuses(rig: NestingRig) -> None:
    """Of the machine, not of the function: `predict` is told of a vIOMMU with PASID and takes it for possible."""
    (bridged,) = rig.nested([_BOTH], [{}], Place.CONVENTIONAL)
    assert isinstance(bridged, Refused)
    assert "Host device downstream to a PCI bridge is unsupported when fsts=on" in bridged.text
    (older,) = rig.qemu([_BOTH], machine=f"-device {nesting.VIOMMU}")
    assert isinstance(older, Refused)
    assert "Need IOMMUFD backend when fsts=on" in older.text
    (far,) = rig.nested([_BOTH], [{_OFFSET: "0x10300"}])
    assert isinstance(far, Refused)
    assert f"Parameter '{_OFFSET}' expects uint16_t" in far.text


_WORDS = [{}, {"ats": "auto"}, {"ats": "off"}, {"ats": "on"}]


def _ats(rig: NestingRig) -> list[Observed | Refused]:
    shown = [image for image in (_BOTH, _NO_ATS) for _ in _WORDS]
    found = rig.nested(shown, _WORDS * 2)
    assert (
        _wrong(
            shown, [{**one, **_ON} for one in _WORDS * 2], _facts(rig, [_BOTH]) * 4 + _facts(rig, [_NO_ATS]) * 4, found
        )
        == {}
    )
    return found


def test_ats(rig: NestingRig) -> None:
    *found, refused = _ats(rig)
    assert isinstance(refused, Refused)
    assert [bool(_shown(seen, parts.ATS)) for seen in found] == [True, True, False, True, False, False, False]


def test_ats_that_the_kernel_does_not_have(without_ats: NestingRig) -> None:
    found = _ats(without_ats)
    assert [isinstance(seen, Refused) for seen in found] == [False, False, False, True] * 2
    assert [_shown(seen, parts.ATS) for seen in found if isinstance(seen, Observed)] == [[]] * 6


def test_ats_without_iommufd(without_ats: NestingRig) -> None:
    """The older interface of the kernel says nothing about ATS: QEMU goes by the capability."""
    shown = [image for image in (_BOTH, _NO_ATS) for _ in _WORDS]
    found = without_ats.qemu(shown, options=_WORDS * 2)
    assert _wrong(shown, _WORDS * 2, [None] * len(shown), found) == {}


@pytest.mark.parametrize("names", judged.portions([*images.CRAFTED]), ids=judged.label)
def test_every_kind_of_function(rig: NestingRig, names: Sequence[str]) -> None:
    shown = [judged.image(name) for name in names]
    below = [stack.Hardware(one.value, one.bars, one.virtual, one.ids) for one in shown]
    shown = [
        one
        for one, hardware in zip(shown, below, strict=True)
        if not stack.predict(hardware, _STACK, Place.PORT, {}).refusals
    ]
    found = rig.nested(shown, [{}] * len(shown), probe=False)
    assert _wrong(shown, [_ON] * len(shown), _facts(rig, shown), found) == {}
