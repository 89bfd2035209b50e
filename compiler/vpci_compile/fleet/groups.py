"""Many functions, grouped by model and by contract: a function costs a few slices and two look-ups.

Only the first function of a shape is predicted. Memory grows with shapes and groups, not with functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from ..ir import Bar, ConfigSpace, Region, contract
from ..stack.pci import CLASS, SUBSYSTEM
from .conditions import PLAIN, Below, Facts, capture_of
from .gather import Gather, gather
from .learning import ADDRESS_BYTES, Learned, deciding_bits, learn
from .shape import Shape

EXAMPLES = 20
"""Members of a group that are remembered; of others their number."""
_TRIED = 8
"""Sets of deciding bits that are tried on a function, before its own are worked out."""
_SHORT = 64  # bytes; longer keys are known by their sha256
_ZERO = bytes(ADDRESS_BYTES)
_NOBODY, _VIRTUAL = 0xFFFF, b"\xff" * 4  # the ids that a virtual function reads as
_KIND_END = SUBSYSTEM + 4


class Member(NamedTuple):
    """A function of the fleet: the file that it comes from, as its user called it, and its slot, "" if not known."""

    file: str
    slot: str


class Group:
    """Functions with one contract; or, with a `refusal`, those that the stack does not show, for one reason."""

    __slots__ = ("count", "delta", "digest", "members", "model", "number", "shape")

    def __init__(self, model: Model, shape: Shape, delta: tuple[int, int], digest: str) -> None:
        self.model = model
        self.number = len(model.groups) + 1
        self.shape = shape
        self.delta = delta
        self.digest = digest
        self.count = 0
        self.members: list[Member] = []

    @property
    def name(self) -> str:
        """How outputs call it: 15b3:101e/2, the second one that was met of that model."""
        return f"{self.model.name}/{self.number}"

    @property
    def refusal(self) -> str:
        """Why the stack does not show these functions; "" where it does."""
        return self.shape.refusal


@dataclass(slots=True)
class Model:
    """Functions with one vendor and device id; `groups` by digest or refusal, in the order of their first function.

    `kind` tells virtual functions apart of which no capture says the ids: their class and subsystem ids.
    """

    vendor: int
    device: int
    kind: str = ""
    title: str = ""
    groups: dict[str, Group] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As lspci writes it: 15b3:101e; or ffff:ffff+020000+15b3:0003, with its kind."""
        return f"{self.vendor:04x}:{self.device:04x}{self.kind}"


class _Known:
    """A shape as it is found again, and its groups by name."""

    __slots__ = ("addresses", "groups", "model", "shape")

    def __init__(self, learned: Learned, model: Model) -> None:
        self.shape = learned.shape
        self.addresses = [slice(at, at + ADDRESS_BYTES) for at in learned.addresses]
        self.model = model
        self.groups: dict[bytes, Group] = {}


class _Probe:
    """The functions that are known by one set of deciding bits."""

    __slots__ = ("known", "pick")

    def __init__(self, mask: bytes) -> None:
        self.pick: Gather = gather(mask)
        self.known: dict[bytes, _Known] = {}

    def find(self, data: bytes) -> _Known | None:
        """What is known of such a function."""
        found = self.known.get(self.pick(data))
        if found is not None:
            for place in found.addresses:
                if data[place] == _ZERO:
                    return None
        return found


class _Bucket:
    """The probes of functions that have the same facts, length and ids; the first ones are tried in turn."""

    __slots__ = ("by_mask", "tried")

    def __init__(self) -> None:
        self.by_mask: dict[bytes, _Probe] = {}
        self.tried: list[_Probe] = []

    def probe(self, mask: bytes) -> _Probe:
        """The probe for these bits."""
        probe = self.by_mask.get(mask)
        if probe is None:
            probe = self.by_mask[mask] = _Probe(mask)
            if len(self.tried) < _TRIED:
                self.tried.append(probe)
        return probe


class Groups:
    """The groups of a fleet while it is read."""

    def __init__(self, below: Below) -> None:
        self.below = below
        self.models: dict[tuple[int, int, str], Model] = {}
        self._buckets: dict[tuple[Facts, int, bytes], _Bucket] = {}
        self._images: dict[bytes, _Known] = {}

    def add(self, data: bytes, member: Member, facts: Facts = PLAIN, title: str = "") -> Group:
        """Put a function (64 bytes at least) into its group.

        Raises:
            ValueError: an option that the VMM has not.
        """
        ids = data[:4]
        if ids == _VIRTUAL:
            ids = data[:_KIND_END]
        bucket = self._buckets.get((facts, len(data), ids))
        found = None
        if bucket is not None:
            for probe in bucket.tried:
                found = probe.find(data)
                if found is not None:
                    break
        if found is None:
            bucket = bucket or self._buckets.setdefault((facts, len(data), ids), _Bucket())
            found = self._unknown(data, facts, bucket)
        return self._counted(found, data, member, title)

    def add_image(
        self, config: ConfigSpace, bars: tuple[Bar, ...], regions: tuple[Region, ...], member: Member, title: str = ""
    ) -> Group:
        """Put a function into its group whose image is known: a prediction, or a compiled layout."""
        key = config.value[:_KIND_END] + contract.head(config.size, config.compared, bars, regions)
        found = self._images.get(key)
        if found is None:
            shape = Shape(config.value, None, config, bars, config.compared, regions=regions)
            found = self._images[key] = _Known(Learned(shape, b"", ()), self._model(config.value, None))
        return self._counted(found, config.value, member, title)

    def _counted(self, found: _Known, data: bytes, member: Member, title: str) -> Group:
        key = found.shape.key(data)
        name = key if len(key) <= _SHORT else sha256(key).digest()
        group = found.groups.get(name)
        if group is None:
            group = found.groups[name] = self._group(found, key)
        group.count += 1
        if group.count <= EXAMPLES:
            group.members.append(member)
            if title and not group.model.title:
                group.model.title = title
        return group

    def _unknown(self, data: bytes, facts: Facts, bucket: _Bucket) -> _Known:
        """The shape of a function that no tried probe knows."""
        if len(bucket.by_mask) > _TRIED:
            for mask in (deciding_bits(capture_of(data, facts), self.below).mask, b"\xff" * len(data)):
                found = bucket.by_mask[mask].find(data) if mask in bucket.by_mask else None
                if found is not None:
                    return found
        learned = learn(data, facts, self.below)
        probe = bucket.probe(learned.mask)
        found = probe.known[probe.pick(data)] = _Known(learned, self._model(data, facts.ids))
        return found

    def _model(self, data: bytes, ids: tuple[int, int] | None) -> Model:
        vendor, device = ids or (int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "little"))
        kind = ""
        if vendor == device == _NOBODY:
            code, subsystem = data[CLASS : CLASS + 3][::-1].hex(), data[SUBSYSTEM : SUBSYSTEM + 4]
            kind = f"+{code}+{subsystem[1::-1].hex()}:{subsystem[:1:-1].hex()}"
        return self.models.setdefault((vendor, device, kind), Model(vendor, device, kind))

    @staticmethod
    def _group(found: _Known, key: bytes) -> Group:
        """The group of a function with bits of its own that its shape has not had yet."""
        shape, model = found.shape, found.model
        digest = "" if shape.refusal else shape.digest(key)
        group = model.groups.get(digest or shape.refusal)
        if group is None:
            group = Group(model, shape, shape.delta(key), digest)
            model.groups[digest or shape.refusal] = group
        return group

    def in_order(self) -> Iterable[Model]:
        """The models, by their ids."""
        return [self.models[key] for key in sorted(self.models)]
