"""A fleet surveyed: its functions grouped, what sets the groups apart, and which migrations would be taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from .. import diff
from ..catalog import Changes
from ..diff import Finding
from ..diff import Kind as Means
from ..fleet import Apart, Below, Family, FleetReport, Group, Groups, Member, Model, ModelReport, Way, facts_of
from ..fleet.report import MOST_FAMILIES, OUTLIER_PART
from ..ir import Function
from . import migration, sides
from .document import Document
from .fleet_files import Reader
from .sides import Side

Each = Callable[[Member, Group], None]


def survey(
    paths: Iterable[str],
    below: Below,
    *,
    each: Each | None = None,
    progress: Callable[[int, str], None] | None = None,
) -> FleetReport:
    """Read and group the functions at `paths`. `each` is told of each function, `progress` of each file.

    Raises:
        ValueError: an option that the VMM has not.
    """
    reader, groups = Reader(paths, progress), Groups(below)
    stands = _Stands(below)
    for member, read in reader.functions():
        if isinstance(read, Document):
            function = read.function
            group = groups.add_image(function.config, function.bars, function.regions, member, function.name)
            stands.documents.setdefault(id(group.shape), read)
        else:
            group = groups.add(read.data, member, facts_of(read), read.title)
        if each is not None:
            each(member, group)
    models = tuple(_model(model, stands) for model in groups.in_order())
    return FleetReport(below, reader.files, models, tuple(reader.problems), reader.warnings)


class _Stands:
    """The function that stands for a group: the first one of its shape, with the group's contract."""

    def __init__(self, below: Below) -> None:
        self.below = below
        self.documents: dict[int, Document] = {}

    def of(self, group: Group) -> Side:
        """The group as a side of a migration."""
        shape, below = group.shape, self.below
        if shape.facts is not None:
            read = shape.capture(group.delta, group.name)
            return sides.of_capture(read, group.name, below.stack.name, below.place, below.options)
        first = self.documents[id(shape)]
        function = first.function
        config = replace(function.config, value=shape.space(group.delta))
        check = None if first.check is None else first.check._replace(config=config.value)
        own = Document(replace(function, config=config), first.stack, check)
        return sides.of_document(own, group.name, first.stack or below.stack.name, below.options)


def _model(model: Model, stands: _Stands) -> ModelReport:
    shown = [group for group in model.groups.values() if not group.refusal]
    refused = sorted((group for group in model.groups.values() if group.refusal), key=_size)
    rows = sorted(_families(shown, stands), key=lambda groups: (-_count(groups), groups[0].number))
    known = [stands.of(groups[0]) for groups in rows[:MOST_FAMILIES]] if len(rows) > 1 else []
    found: list[Family] = []
    for index, groups in enumerate(rows):
        own = known[index] if index < len(known) else None
        found.append(
            Family(
                number=index + 1,
                groups=tuple(groups),
                functions=_count(groups),
                outlier=_count(groups) * OUTLIER_PART <= _count(rows[0]),
                units=_units(groups, stands),
                compared=own is not None or len(rows) == 1,
                differences=_apart(known[0], own) if own is not None else (),
                ways=tuple(_ways(own, known)) if own is not None else (),
            )
        )
    return ModelReport(model, tuple(found), tuple(refused))


def _size(group: Group) -> tuple[int, int]:
    return -group.count, group.number


def _count(groups: Iterable[Group]) -> int:
    return sum(group.count for group in groups)


# -- families ------------------------------------------------------------------------------------------------------


def _families(groups: list[Group], stands: _Stands) -> list[list[Group]]:
    """Groups that are alike but for what differs from unit to unit, the largest group first."""
    if len(groups) < 2:
        return [groups] if groups else []
    units: dict[int, bytes] = {}
    families: dict[str, list[Group]] = {}
    for group in groups:
        shape = group.shape
        if id(shape) not in units:
            units[id(shape)] = _unit_bits(stands.of(group).function)
        families.setdefault(shape.digest_without(group.delta, units[id(shape)]), []).append(group)
    return [sorted(rows, key=_size) for rows in families.values()]


def _unit_bits(function: Function) -> bytes:
    """The bits of the space that the catalogue says differ from unit to unit."""
    found = 0
    for structure in function.structures:
        for at in function.fields(structure):
            if at.field.changes is Changes.UNIT:
                found |= ((1 << at.width) - 1) << at.bit
    return (found & (1 << 8 * function.config.size) - 1).to_bytes(function.config.size, "little")


def _units(groups: list[Group], stands: _Stands) -> tuple[str, ...]:
    """The fields in which the groups of a family differ."""
    if len(groups) < 2:
        return ()
    differ = 0
    first = groups[0].shape.space(groups[0].delta)
    for group in groups[1:]:
        same = group.shape is groups[0].shape
        octets = group.shape.apart(group.delta, groups[0].delta) if same else group.shape.space(group.delta)
        differ |= int.from_bytes(octets, "little") ^ (0 if same else int.from_bytes(first, "little"))
    function = stands.of(groups[0]).function
    differ &= int.from_bytes(function.config.compared, "little")
    fields = (at for structure in function.structures for at in function.fields(structure))
    named = {at.path for at in fields if at.field.changes is Changes.UNIT and differ >> at.bit & (1 << at.width) - 1}
    return tuple(sorted(named))


# -- between families ----------------------------------------------------------------------------------------------


def _apart(largest: Side, other: Side) -> tuple[Apart, ...]:
    """What sets a group apart from the largest one: the fields, with both values."""
    changes = {
        at.path: at.field.changes or ""
        for side in (largest, other)
        for structure in side.function.structures
        for at in side.function.fields(structure)
    }
    return tuple(
        Apart(one.path, one.title, one.offset, one.left, one.right, str(changes.get(one.path, "")))
        for one in diff.compare(largest.function, other.function)
    )


def _ways(source: Side, destinations: list[Side]) -> Iterator[Way]:
    """From a family to each other one."""
    for number, destination in enumerate(destinations, 1):
        if destination is not source:
            answer = migration.answer(source, destination)
            rejected = answer.of(Means.REJECTED)
            why = " ".join(answer.words) or (rejected[0].why or rejected[0].difference.path if rejected else "")
            seen, unknown = (_paths(answer.of(kind)) for kind in (Means.VISIBLE, Means.UNKNOWN))
            yield Way(number, why, seen, unknown)


def _paths(found: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(one.difference.path for one in found)
