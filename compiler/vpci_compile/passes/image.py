"""Drafts to the image: bytes, and for every bit who answers, what a write does and whether a migration compares it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import NamedTuple

from ..catalog import CLEARED, WRITABLE, Access, Place, Register
from ..diagnostics import Report, Span, nearest
from ..ir import MASKS, ROM_INDEX, ConfigSpace
from . import bars, fields
from .work import Draft, Work

_COMMAND = "command"
_STATUS = "status"
_BASE_ADDRESSES = ("bar", "rom")


class Canvas:
    """The image while it is painted; the VMM answers zero for every byte that nothing claims."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.value = bytearray(size)
        self.emulated = bytearray(b"\xff" * size)
        self.writable = bytearray(size)
        self.w1c = bytearray(size)
        self.forwarded = bytearray(size)
        self.compared = bytearray(size)

    def fill(self, name: str, start: int, end: int, octet: int) -> None:
        """Set whole bytes of a mask."""
        end = min(end, self.size)
        if start < end:
            getattr(self, name)[start:end] = bytes((octet,)) * (end - start)

    def change(self, name: str, offset: int, size: int, keep: int, add: int) -> None:
        """`mask = mask & keep | add` over `size` bytes at `offset`; what lies outside the space is dropped."""
        target: bytearray = getattr(self, name)
        size = min(size, self.size - offset)
        if size <= 0:
            return
        limit = (1 << 8 * size) - 1
        old = int.from_bytes(target[offset : offset + size], "little")
        target[offset : offset + size] = ((old & keep | add) & limit).to_bytes(size, "little")

    def finish(self) -> ConfigSpace:
        """The frozen image."""
        return ConfigSpace(**{name: bytes(getattr(self, name)) for name in ("value", *MASKS)})


class _Bits(NamedTuple):
    """Bits of a register: a guest writes them, clears them by writing 1, pulses them; the VMM always answers them."""

    written: int
    cleared: int
    pulsed: int
    held: int


@cache
def _bits(register: Register) -> _Bits:
    def mask(*accesses: Access) -> int:
        return sum(one.mask for one in register.fields if one.access in accesses)

    held = sum(one.mask for one in register.fields if one.vmm)
    return _Bits(mask(*WRITABLE), mask(*CLEARED), mask(Access.WO), held)


def compose(work: Work) -> ConfigSpace:
    """The image of all drafts, BARs and loose bytes. Later structures win where two overlap."""
    canvas = Canvas(work.size)
    _header(canvas, work)
    _bars(canvas, work)
    for entry in work.layout.bytes:
        end = entry.at + len(entry.hex)
        canvas.value[entry.at : end] = entry.hex[: max(0, work.size - entry.at)]
        live = entry.source == "copied"
        canvas.fill("emulated", entry.at, end, 0x00 if live else 0xFF)
        canvas.fill("forwarded", entry.at, end, 0xFF if live else 0x00)
        canvas.fill("compared", entry.at, end, 0x00 if live else 0xFF)
    for draft in work.placed:
        if draft.offset < canvas.size:
            _structure(canvas, draft)
    for draft in work.drafts:
        if draft.entry is not None and draft.style != "zeroed":  # of zeros nothing changes
            _volatile(canvas, work, draft)
    ignored(canvas, work)
    return canvas.finish()


def _header(canvas: Canvas, work: Work) -> None:
    draft, view = work.header, work.header.view()
    assert view is not None
    canvas.value[: draft.length] = draft.body
    for place in view.places():
        there = view.implemented(place)
        written, cleared = _bits(place.register).written & there, _bits(place.register).cleared & there
        changing = sum(one.mask for one in place.register.fields if one.changes is not None)
        if place.register.name in _BASE_ADDRESSES:
            written = changing = 0  # until a BAR of the layout claims it, the register is a constant
        everything = (1 << 8 * place.size) - 1
        offset, size = place.offset, place.size
        canvas.change("writable", offset, size, 0, written)
        canvas.change("w1c", offset, size, 0, cleared)
        canvas.change("compared", offset, size, 0, everything & ~(written | cleared | changing))
    if work.has_device:
        # Linux: the command register reaches the device, the status register is the device's but for bit 4.
        command, status = view.locate(_COMMAND), view.locate(_STATUS)
        canvas.change("forwarded", command.offset, command.size, 0, _bits(command.register).written)
        listed = next(one.mask for one in status.register.fields if one.name == "cap_list")
        for name, bits in (("emulated", listed), ("w1c", 0), ("compared", listed)):
            canvas.change(name, status.offset, status.size, 0, bits)


def _bars(canvas: Canvas, work: Work) -> None:
    kind = work.layout.identity.header_type
    for bar in work.bars:
        entry = work.layout.bars["rom" if bar.index == ROM_INDEX else str(bar.index)]  # type: ignore[index]
        offset, size, value, writable = bars.registers(bar, entry.address, kind)
        slots = ["rom"] if bar.index == ROM_INDEX else [f"bar{bar.index + n}" for n in range(size // 4)]
        work.header.origins.update(dict.fromkeys(slots, bar.origin))
        canvas.change("value", offset, size, 0, value)
        canvas.change("writable", offset, size, 0, writable)
        canvas.change("compared", offset, size, 0, ~writable & ((1 << 8 * size) - 1))


def _structure(canvas: Canvas, draft: Draft) -> None:
    start, end = draft.offset, min(draft.end, canvas.size)
    canvas.value[start:end] = draft.body[: end - start]
    for name in ("writable", "w1c", "compared"):
        canvas.fill(name, start, end, 0)
    if draft.source == "hidden":
        live = draft.style != "zeroed"
        canvas.fill("emulated", start, end, 0x00 if live else 0xFF)
        canvas.fill("forwarded", start, end, 0xFF if live else 0x00)
        if start == 0x100:  # the stub that stands in for it
            canvas.fill("emulated", start, start + 4, 0xFF)
            canvas.fill("forwarded", start, start + 4, 0x00)
        return
    copied = draft.source == "copied"
    canvas.fill("compared", start, end, 0xFF)
    canvas.fill("emulated", start, end, 0x00 if copied else 0xFF)
    canvas.fill("forwarded", start, end, 0xFF if copied else 0x00)
    head = draft.chain.header_bytes
    canvas.fill("emulated", start, start + head, 0xFF)
    canvas.fill("forwarded", start, start + head, 0x00)
    view = draft.view()
    if view is None:
        return
    # Bytes of no register are reserved; what lies beyond the catalogue's length nobody knows: it stays the device's.
    known = min(start + view.length, end)
    canvas.fill("forwarded", start + head, known, 0x00)
    if view.capability.vmm:
        canvas.fill("emulated", start + head, known, 0xFF)
    for place in view.places():
        if place.register.blob:
            place = replace(place, size=min(place.size, draft.length - place.offset))
        if place.offset < head or place.offset + place.size > draft.length:
            continue
        every = not copied or place.register.vmm or view.capability.vmm
        _register(canvas, place, start, view.implemented(place), copied, every)


def _register(canvas: Canvas, place: Place, start: int, implemented: int, copied: bool, every: bool) -> None:
    """One register of a linked structure that begins at `start`; with `every` the VMM answers for all of its bits."""
    register, offset, size = place.register, start + place.offset, place.size
    bits = _bits(register)
    everything = (1 << 8 * size) - 1
    written, cleared, pulsed = bits.written, bits.cleared, bits.pulsed
    if register.blob:
        access = register.fields[0].access
        written = everything if access in WRITABLE else 0
        cleared = everything if access in CLEARED else 0
        if copied and not every and access is Access.RO:  # a vendor's own registers: nobody knows which take a write
            canvas.fill("forwarded", offset, offset + size, 0xFF)
            return
    held = everything if every else bits.held
    if copied:  # the structure was painted as the device's: take back what the VMM answers
        canvas.change("forwarded", offset, size, 0, (written | cleared | pulsed) & ~held)
        if held:
            canvas.change("emulated", offset, size, 0, held)
    written, cleared = written & held & implemented, cleared & held & implemented
    if written:
        canvas.change("writable", offset, size, 0, written)
    if cleared:
        canvas.change("w1c", offset, size, 0, cleared)
    if written | cleared:
        canvas.change("compared", offset, size, ~(written | cleared), 0)
    if pulsed & held:
        canvas.change("value", offset, size, ~(pulsed & held), 0)


def _volatile(canvas: Canvas, work: Work, draft: Draft) -> None:
    assert draft.entry is not None
    for index, path in enumerate(draft.entry.volatile):
        span = work.tree.span_of(*draft.path, "volatile", index)
        for one in fields.each(path):
            if not _exempt(canvas, draft, one, span, work.report, "VPCI1107"):
                break  # one complaint for a range that is too long


def ignored(canvas: Canvas, work: Work) -> None:
    """Take what the operator ignores out of the contract; reports VPCI1607 for a path that names nothing."""
    structures = {draft.name: draft for draft in [work.header, *work.drafts]}
    for index, path in enumerate(work.layout.migration.ignore):
        # A name of the layout's own can have a dot in it, too.
        named = [name for name in structures if path == name or path.startswith(f"{name}.")]
        name = max(named, key=len, default=path.partition(".")[0])
        rest = path[len(name) + 1 :]
        span = work.tree.span_of("migration", "ignore", index)
        draft = structures.get(name)
        if draft is None:
            near = nearest(name, structures)
            help_text = f"did you mean '{near[0]}'?" if near else f"structures here: {', '.join(structures)}"
            work.report.add("VPCI1607", span, f"the layout has no structure '{name}'", help=help_text)
        elif rest:
            _exempt(canvas, draft, rest, span, work.report, "VPCI1607")
        else:
            canvas.fill("compared", draft.offset + draft.chain.header_bytes, draft.end, 0)


def _exempt(canvas: Canvas, draft: Draft, path: str, span: Span, report: Report, code: str) -> bool:
    """Take a register or a field out of the contract; False, and a complaint, where there is none."""
    view = draft.view()
    if view is None:
        message = f"the catalogue knows no fields of '{draft.name}'"
        report.add(code, span, message, help=f"migration: {{ignore: [{draft.name}]}} for the whole structure")
        return False
    try:
        place, one = view.find(path)
    except KeyError:
        fields.unknown(view, path, span, report, code)
        return False
    if place.offset >= draft.length:
        message = f"'{path}' would stand at {place.offset:#x}, beyond the {draft.length} bytes of '{draft.name}'"
        report.add(code, span, message)
        return False
    mask = (1 << 8 * place.size) - 1 if one is None or place.register.blob else one.mask
    canvas.change("compared", draft.offset + place.offset, place.size, ~mask, 0)
    return True
