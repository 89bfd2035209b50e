"""What a layout will say of a capture, before it is written: structures, BARs, loose bytes, facts of the device."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .. import catalog
from ..catalog import Capability, Chain, Place, View
from ..ir import Kind
from ..passes.fields import together
from . import chains
from .bar_entries import BarPlan, plan_bars
from .model import CONVENTIONAL_BYTES, MAX_SPACE, Capture
from .naming import SPACE, Row, changing, describe, folded

_PCI_EXPRESS, _RCIEP = 0x10, 0x9
_UNKNOWN_BYTES = 4  # of a structure that the catalogue does not know, its header included
_JOIN = 8  # runs of bytes that stand closer together than this are one
_JOIN_USED = 32
_IDENTITY = (
    "vendor", "device", "revision", "prog_if", "class", "subsystem_vendor", "subsystem", "header_type",
)  # fmt: skip
MULTIFUNCTION = 0x80  # bit 7 of the header type
Range = tuple[int, int]
Key = tuple[Chain, int]  # a structure: its chain and offset


@dataclass(slots=True)
class Choices:
    """What had to be given up so that the compiled layout gives back the bytes; empty for a capture like any other."""

    raw: set[Key] = field(default_factory=set)  # structures without field names
    dropped: set[Key] = field(default_factory=set)  # structures said as loose bytes
    lengths: set[Key] = field(default_factory=set)  # structures whose length must be told
    flat: bool = False  # no structure at all
    no_bars: bool = False  # BARs as registers of the header
    overlaid: set[int] = field(default_factory=set)  # header bytes said again as loose bytes
    accepted: dict[str, str] = field(default_factory=dict)  # code to reason


@dataclass(slots=True)
class StructurePlan:
    """One capability: `length` in bytes; `cut` when the next structure begins before it ends."""

    chain: Chain
    link: chains.Link
    capability: Capability | None
    length: int
    cut: bool = False
    told_length: bool = False
    next: int | None = None
    rows: list[Row] = field(default_factory=list)
    raw: list[tuple[int, bytes]] = field(default_factory=list)
    volatile: list[str] = field(default_factory=list)
    source: str = "copied"
    style: str = ""

    @property
    def cap(self) -> str:
        """How a layout names it."""
        return self.capability.name if self.capability is not None else f"{self.link.id:#x}"

    @property
    def key(self) -> Key:
        """What names it among the structures."""
        return self.chain, self.link.offset

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.link.offset + self.length


@dataclass(frozen=True, slots=True)
class Shared:
    """What a layout says that is of several hosts, and not of the one function whose bytes it has.

    `head` are the lines of its comment; `driver` the VFIO driver; `hidden` the devices' structures that a guest does
    not find, as (kind, id of the catalogue, offset, length, style); `synthesized` those that the VMM makes, as (offset,
    id); `reserved` ranges (first, byte after the last) and why. There, and in what is hidden, the bytes of the capture
    do not count.
    """

    head: tuple[str, ...]
    place: str
    migrates: bool
    driver: str = ""
    hidden: tuple[tuple[Kind, int, int, int, str], ...] = ()
    synthesized: frozenset[tuple[int, int]] = frozenset()
    reserved: tuple[tuple[int, int, str], ...] = ()


@dataclass(slots=True)
class Plan:
    """A whole layout; `size` is its configuration space in bytes."""

    capture: Capture
    choices: Choices
    size: int
    header: Capability
    header_rows: list[Row] = field(default_factory=list)
    bars: list[BarPlan] = field(default_factory=list)
    standard: list[StructurePlan] = field(default_factory=list)
    extended: list[StructurePlan] = field(default_factory=list)
    loose: list[tuple[int, bytes]] = field(default_factory=list)
    used: list[Range] = field(default_factory=list)
    unread: list[Range] = field(default_factory=list)
    place: str = "port"
    shared: Shared | None = None

    @property
    def structures(self) -> list[StructurePlan]:
        """The capabilities of both chains."""
        return [*self.standard, *self.extended]

    @property
    def express(self) -> bool:
        """Whether it has a PCI Express capability."""
        return any(one.link.id == _PCI_EXPRESS for one in self.standard)


def make(capture: Capture, choices: Choices, shared: Shared | None = None) -> Plan:
    """Plan the layout of a capture; with `shared`, of what several hosts have in common."""
    data = capture.data
    kind = data[0x0E] & 0x7F
    header = catalog.by_id(Chain.HEADER, kind if kind <= chains.CARDBUS else 0)
    assert header is not None
    walks = {Chain.STANDARD: chains.standard(data), Chain.EXTENDED: chains.extended(data)}
    if choices.flat:
        walks = {}
    extended = walks.get(Chain.EXTENDED)
    express = any(link.id == _PCI_EXPRESS for link in walks[Chain.STANDARD].links) if walks else False
    large = len(data) > CONVENTIONAL_BYTES or express or bool(extended and extended.links)
    plan = Plan(capture, choices, MAX_SPACE if large else CONVENTIONAL_BYTES, header)
    for chain, found in ((Chain.STANDARD, plan.standard), (Chain.EXTENDED, plan.extended)):
        if chain in walks:
            found.extend(_structures(plan, chain, walks[chain]))
    plan.bars = [] if choices.no_bars else plan_bars(capture, header.id)
    said = _header(plan)
    taken = _taken(plan, len(said))
    plan.loose = list(_loose(plan, said, taken))
    plan.used = _joined([(at, at + len(octets)) for at, octets in plan.loose], _JOIN_USED, taken)
    plan.unread = [*capture.missing, *([(len(data), plan.size)] if len(data) < plan.size else [])]
    plan.place = _place(plan)
    if shared is not None:
        _share(plan, shared)
    return plan


def _share(plan: Plan, shared: Shared) -> None:
    plan.shared, plan.place = shared, shared.place
    plan.used, plan.unread = [], [(first, end) for first, end, _ in shared.reserved]
    for one in plan.structures:
        if (one.link.offset, one.link.id) in shared.synthesized:
            one.source, one.volatile = "synthesized", []
    for kind, number, at, length, style in shared.hidden:
        chain = Chain(kind.value)
        known = catalog.by_id(chain, number)
        if known is None or plan.choices.flat or (chain, at) in plan.choices.dropped:
            continue
        usual = View(known, bytes(SPACE), length).length
        link = chains.Link(at, number, known.version, 0, at)
        one = StructurePlan(chain, link, known, length, told_length=length != usual, source="hidden", style=style)
        (plan.standard if chain is Chain.STANDARD else plan.extended).append(one)


# -- structures ----------------------------------------------------------------------------------------------------


def _structures(plan: Plan, chain: Chain, walk: chains.Walk) -> Iterator[StructurePlan]:
    links = [link for link in walk.links if (chain, link.offset) not in plan.choices.dropped]
    starts = sorted(link.offset for link in links)
    end = CONVENTIONAL_BYTES if chain is Chain.STANDARD else plan.size
    for index, link in enumerate(links):
        room = next((start for start in starts if start > link.offset), end) - link.offset
        one = _structure(plan, chain, link, room)
        following = links[index + 1].offset if index + 1 < len(links) else 0
        one.next = link.next if link.next != following else None
        yield one


def _structure(plan: Plan, chain: Chain, link: chains.Link, room: int) -> StructurePlan:
    data, head = plan.capture.data, chain.header_bytes
    rough = (chain, link.offset) in plan.choices.raw
    body = data[link.offset : link.offset + room]
    known = catalog.by_id(chain, link.id) if rough else catalog.identify(chain, link.id, body)
    kind = plan.header.id
    if known is None:
        length = min(_UNKNOWN_BYTES, room)
        one = StructurePlan(chain, link, None, length, told_length=length != _UNKNOWN_BYTES)
        one.raw = list(_runs(body[:length], bytes(length), head))
        return one
    rule = View(known, body.ljust(SPACE, b"\0"), room, kind).length
    length = min(rule, room)
    body = body[:length].ljust(SPACE, b"\0")
    view = View(known, body, room, kind)
    one = StructurePlan(chain, link, known, length, cut=rule > room)
    made = bytearray(body[:head].ljust(SPACE, b"\0"))
    if not rough:
        rows, made = describe(view, length, kind)
        one.rows = folded(rows)
        one.volatile = together(changing(view, length))
    unknown = [place.name for place in view.places() if _is_unknown(plan, link.offset, place, length, head)]
    if unknown:  # nobody may take for a fact what the capture does not have
        one.volatile = together([*unknown, *(path for path in one.volatile if path.partition(".")[0] not in unknown)])
    one.raw = list(_runs(body[:length], bytes(made[:length]), head))
    one.told_length = one.cut or one.key in plan.choices.lengths
    return one


def _is_unknown(plan: Plan, start: int, place: Place, length: int, head: int) -> bool:
    """Whether a byte of a register of the structure at `start` is missing from the capture."""
    if place.offset < head or place.offset >= length:
        return False
    first, end = start + place.offset, start + min(place.offset + place.size, length)
    return any(first < hole_end and hole < end for hole, hole_end in plan.capture.missing)


def _runs(wanted: bytes, made: bytes, first: int) -> Iterator[tuple[int, bytes]]:
    """The stretches of `wanted`, from `first` on, that `made` does not have."""
    at = first
    while at < len(wanted):
        if wanted[at] == made[at]:
            at += 1
            continue
        end = at
        while end < len(wanted) and wanted[end] != made[end]:
            end += 1
        yield at, wanted[at:end]
        at = end


# -- header --------------------------------------------------------------------------------------------------------


def _header(plan: Plan) -> bytearray:
    """Set the rows of the header; the bytes that a compiler makes of it, identity, BARs and pointers included."""
    data, kind = plan.capture.data, plan.header.id
    length = View(plan.header, b"").length
    body = data[:length].ljust(SPACE, b"\0")
    view = View(plan.header, body, None, kind)
    skip = {*_IDENTITY}
    for bar in plan.bars:
        skip.update(bar.registers)
    first = plan.standard[0].link.offset if plan.standard else 0
    pointer, listed = view.get(view.locate("cap_ptr")), bool(data[0x06] & chains.STATUS_CAP_LIST)
    if pointer == first:
        skip.add("cap_ptr")
    agrees = listed == bool(plan.standard)
    skip.add("status.cap_list")
    rows, made = describe(view, length, kind, skip)
    plan.header_rows = folded(rows)
    if not agrees:
        _tell_list_bit(plan.header_rows, int(listed))
    for at in (*range(0x04), 0x08, 0x09, 0x0A, 0x0B):
        made[at] = body[at]
    made[0x0E] = kind | body[0x0E] & MULTIFUNCTION  # a type that does not exist becomes a loose byte
    for path in ("subsystem_vendor", "subsystem", "cap_ptr"):
        try:
            place = view.locate(path)
        except KeyError:
            continue
        made[place.offset : place.offset + place.size] = body[place.offset : place.offset + place.size]
    made[0x06] = made[0x06] & ~chains.STATUS_CAP_LIST | data[0x06] & chains.STATUS_CAP_LIST
    for bar in plan.bars:
        made[bar.offset : bar.offset + len(bar.octets)] = bar.octets
    return made[:length]


def _tell_list_bit(rows: list[Row], listed: int) -> None:
    """Say the Capabilities List bit where the structures do not imply it."""
    status = next((row for row in rows if row.register == "status" and row.fields), None)
    if status is not None:
        status.fields["cap_list"] = str(listed)
    elif any(row.register == "status" for row in rows):
        rows.append(Row("status.cap_list", str(listed)))  # laid over the number that the whole register has
    else:
        at = 1 if rows and rows[0].register == "command" else 0
        rows.insert(at, Row("status", fields={"cap_list": str(listed)}))


# -- the rest ------------------------------------------------------------------------------------------------------


def _taken(plan: Plan, header: int) -> bytearray:
    """2 for each byte of a structure, 1 for each other byte of the header, else 0."""
    taken = bytearray(b"\1" * header).ljust(plan.size, b"\0")
    for one in plan.structures:
        taken[one.link.offset : one.end] = b"\2" * one.length
    return taken


def _loose(plan: Plan, said: bytearray, taken: bytearray) -> Iterator[tuple[int, bytes]]:
    """Bytes that neither the header nor a structure says; those that are zero need not be said."""
    data, overlaid = plan.capture.data, plan.choices.overlaid
    marks = bytes(
        taken[at] != 2 and (at in overlaid or value != (said[at] if at < len(said) else 0))
        for at, value in enumerate(data)
    )
    runs = [_whole_dwords(run.start(), run.end(), taken, len(data)) for run in re.finditer(b"\1+", marks)]
    for first, end in _joined(runs, _JOIN, taken):
        yield first, data[first:end]


def _whole_dwords(first: int, end: int, taken: bytearray, limit: int) -> Range:
    """A run extended to the dwords that it touches, as far as those are free: registers are dwords."""
    while first % 4 and not taken[first - 1]:
        first -= 1
    while end % 4 and end < limit and not taken[end]:
        end += 1
    return first, end


def _joined(runs: list[Range], distance: int, taken: bytearray) -> list[Range]:
    """Runs that stand close are one, where nothing else (`taken`) stands between them."""
    found: list[Range] = []
    for first, end in runs:
        last = found[-1] if found else None
        if last and first - last[1] < distance and not any(taken[last[1] : first]):
            found[-1] = (last[0], max(end, last[1]))
        else:
            found.append((first, end))
    return found


def _place(plan: Plan) -> str:
    """Where a guest would have it: on the root bus, behind a port, or on a conventional bus."""
    express = next((one for one in plan.standard if one.link.id == _PCI_EXPRESS), None)
    data = plan.capture.data
    if plan.header.id != 0:
        return "port"
    if express is not None:
        at = express.link.offset + 2
        return "root" if at < len(data) and data[at] >> 4 == _RCIEP else "port"
    return "conventional" if len(data) >= CONVENTIONAL_BYTES else "port"
