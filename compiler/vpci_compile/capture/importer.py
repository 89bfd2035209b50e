"""A layout from a capture, with a promise: what it compiles to has every byte that the capture covers.

The text is compiled here, before anybody sees it, and its image compared with the capture. Where real hardware sins,
the layout accepts it by code; where names do not give the bytes back, the structure falls back to raw bytes, then to
loose bytes, in the end the whole function does.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..catalog import Chain
from ..diagnostics import REGISTRY, Diagnostic, Failed, Report, Severity
from ..ir import Function
from ..passes import quirks
from . import plan as planning
from . import write_layout
from .ids import quirks_of
from .model import Capture
from .plan import Choices, Key, Plan, Shared

_ROUNDS = 12
_SHOWN_RUNS = 8
NOBODY = 0xFFFF  # the vendor id that reads back where no function answers


Compile = Callable[[str], Function]
"""The text of a layout to its function; raises Failed. The pipeline stands above this package, so it is handed in."""


def layout_text(
    capture: Capture, compile_text: Compile, shared: Shared | None = None
) -> tuple[str, tuple[Diagnostic, ...]]:
    """The layout of a captured function as YAML, and notes on what could not be accounted for.

    With `shared` it is one of several hosts, and the capture what a guest finds on each of them.
    """
    choices = Choices()
    for number in range(_ROUNDS):
        if number == _ROUNDS - 3:
            choices.flat = choices.no_bars = True
        made = planning.make(capture, choices, shared)
        report = _remarks(made)
        text = write_layout.text(made, [d.message for d in report.diagnostics])
        if _settled(made, text, compile_text):
            return text, tuple(report.sorted())
    raise AssertionError(f"no layout gives back {capture.label}")  # a flat layout does, by construction


def _settled(made: Plan, text: str, compile_text: Compile) -> bool:
    """Whether `text` gives back the capture; if not, the plan's choices are changed, so the next text is nearer."""
    choices = made.choices
    try:
        function = compile_text(text)
    except Failed as failed:
        _give_way(made, [d for d in failed.diagnostics if d.severity is Severity.ERROR], text)
        return False
    wanted = {(one.chain.value, one.link.offset): one for one in made.structures}
    for found in function.structures:
        one = wanted.get((found.kind.value, found.offset))
        if one is not None and found.length != one.length:
            choices.lengths.add(one.key)
            one.told_length = False
    data, value = made.capture.data, function.config.value
    wrong = [at for at in range(len(data)) if value[at] != data[at] and made.capture.covers(at)]
    if not wrong:
        return all(one.told_length or one.key not in choices.lengths for one in made.structures)
    owners = {
        at: next((one for one in reversed(made.structures) if one.link.offset <= at < one.end), None) for at in wrong
    }
    for at, owner in owners.items():
        if owner is None:
            choices.flat = choices.flat or at in choices.overlaid
            choices.overlaid.add(at)
    for key in {one.key: one for one in owners.values() if one is not None}:
        if key not in choices.lengths or any(one.told_length for one in made.structures if one.key == key):
            _say_less(choices, key)
    return False


def _give_way(made: Plan, errors: list[Diagnostic], text: str) -> None:
    """Accept what real hardware can be; where that is not possible, say less by name."""
    choices = made.choices
    hard = [d for d in errors if not REGISTRY[d.code].acceptable or d.code in choices.accepted]
    for error in errors:
        if error not in hard:
            choices.accepted.setdefault(error.code, f"the device is so: {error.message}")
    for error in hard:
        key = _structure_at(made, text, error.span.line)
        if key is not None and key not in choices.dropped:
            _say_less(choices, key)
        elif error.code.startswith("VPCI14") and not choices.no_bars:
            choices.no_bars = True
        else:
            choices.flat = choices.no_bars = True


def _say_less(choices: Choices, key: Key) -> None:
    """Take a structure's names away, or where it has none left, the structure."""
    (choices.dropped if key in choices.raw else choices.raw).add(key)


def _structure_at(made: Plan, text: str, line: int) -> Key | None:
    """The structure whose entry holds line number `line` of the text."""
    lines = text.splitlines()
    section, at = "", -1
    for above in lines[:line]:
        head = re.match(r"(\w+):", above)
        section = head[1] if head else section
        entry = re.match(r"  - \{?cap: .*?at: (0x[0-9a-f]+)|    at: (0x[0-9a-f]+)", above)
        at = int(entry[1] or entry[2], 16) if entry else at
    chain = {"capabilities": Chain.STANDARD, "extended": Chain.EXTENDED}.get(section)
    if chain is None or not any(one.chain is chain and one.link.offset == at for one in made.structures):
        return None
    return chain, at


# -- remarks -------------------------------------------------------------------------------------------------------


def _remarks(made: Plan) -> Report:
    """What a reader must know: it goes into the file and to the terminal."""
    report, capture = Report(), made.capture
    span = capture.origin
    quirks.applied(quirks_of(capture), span, report)
    if capture.virtual:
        report.add("VPCI1725", span, _virtual(capture))
    if made.loose:
        runs = [f"{at:#x}..{at + len(octets) - 1:#x}" for at, octets in made.loose]
        more = f" and {len(runs) - _SHOWN_RUNS} more" if len(runs) > _SHOWN_RUNS else ""
        count = sum(len(octets) for _, octets in made.loose)
        message = f"{count} bytes belong to no known structure: {', '.join(runs[:_SHOWN_RUNS])}{more}"
        report.add("VPCI1720", capture.place(made.loose[0][0]), message)
    for one in made.structures:
        where = f"{one.cap} at {one.link.offset:#x}"
        place = capture.place(one.link.offset)
        if one.capability is None and one.link.id:
            report.add(
                "VPCI1721",
                place,
                f"{one.chain} capability {one.link.id:#x} at {one.link.offset:#x} is not in the catalogue",
            )
        if one.cut:
            report.add("VPCI1723", place, f"{where} is cut short by the structure at {one.end:#x}")
        if one.key in made.choices.raw:
            report.add("VPCI1722", place, f"{where} is given as raw bytes: its fields do not give them back")
    if made.choices.flat:
        report.add("VPCI1722", span, "no structure is given by name: the capability lists do not hold together")
    for chain, offset in sorted(made.choices.dropped):
        report.add("VPCI1722", capture.place(offset), f"the {chain} structure at {offset:#x} is given as loose bytes")
    unsized = [bar.key for bar in made.bars if bar.size is None]
    if unsized:
        many = len(unsized) > 1
        what = f"{'sizes' if many else 'size'} of BAR{'s' if many else ''} {', '.join(unsized)} unknown"
        report.add("VPCI1724", capture.place(0x10), f"{what}: see 'lspci -v' or the sysfs file 'resource'")
    return report


def _virtual(capture: Capture) -> str:
    """What a guest sees of a virtual function instead of what it reads as."""
    words = "a virtual function reads ffff as its ids, and its BARs as 0; vfio-pci shows a guest"
    known = capture.ids is not None and capture.ids[0] != NOBODY
    ids = f" {capture.ids[0]:04x}:{capture.ids[1]:04x}" if capture.ids and known else " the ids of its PF"
    bars = ", ".join(
        f"{bar.index}: {'mem64' if bar.wide else 'mem32'}{' prefetchable' if bar.prefetchable else ''} {bar.size:#x}"
        for bar in capture.bars
    )
    return f"{words}{ids}" + (f" and BARs {bars}" if bars else "")
