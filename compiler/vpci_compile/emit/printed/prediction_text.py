"""A prediction for people: the verdict, the structures that the guest finds, and everything that was changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...ir import Function, Kind
from ...stack import Change, Prediction, Program, Stack, known_programs

PLACES = {"port": "behind a root port", "root": "on the root bus", "conventional": "on a conventional bus"}


def render(function: Function, prediction: Prediction) -> str:
    """What the guest of `prediction.stack` finds, and why it is not the device."""
    config = prediction.config
    where = PLACES[prediction.place.value]
    lines = [f"{function.name} below {prediction.stack.name}, {where}: {config.size} bytes"]
    lines.extend(f"  {text}" for text in _doubts(prediction.stack))
    for kind in (Kind.STANDARD, Kind.EXTENDED):
        row = [f"{s.name} {s.offset:#x}" for s in function.structures if s.kind is kind]
        if row:
            lines.append(f"  {kind:<9} {', '.join(row)}")
    if not prediction.changes:
        lines.append("  as the device is, byte for byte")
    lines.extend(_changes(prediction.changes))
    return "\n".join(lines) + "\n"


def realized(function: Function, stack: Stack, options: Mapping[str, str]) -> str:
    """That a layout can be made true, and by which options."""
    said = " ".join(f"{key}={value}" for key, value in options.items())
    return f"{function.name} can be shown below {stack.name}" + (f": {said}" if said else ", without any option")


def explain(changes: Iterable[Change], offset: int) -> str:
    """The changes that reach the byte at `offset`, as lines; "" where there is none."""
    found = [one for one in changes if one.offset <= offset < one.offset + one.length]
    return "".join(f"  {one.text} [{one.source}]\n" for one in found)


def _doubts(stack: Stack) -> list[str]:
    """The programs of a stack whose rules were not executed."""
    found = []
    for one in known_programs():
        own = stack.kernel if one.program == "linux" else stack.release if one.program == stack.vmm else None
        if own is not None and own not in one.executed:
            found.append(f"{one.program} {own[0]}.{own[1]}: read, not executed")
    return found


def _changes(changes: Iterable[Change]) -> list[str]:
    lines = ["  what is not as on the device:"]
    for one in changes:
        last = one.offset + one.length - 1
        where = f"{one.offset:#05x}" if one.length == 1 else f"{one.offset:#05x}..{last:#05x}"
        lines.append(f"    {where:<12}  {one.text} [{one.source}]")
    return lines if len(lines) > 1 else []


def programs(rows: Iterable[Program]) -> str:
    """What stacks can be made of: a paragraph for each program."""
    lines = ["A stack is a kernel, a VMM, or a VMM on a kernel: linux-7.2, qemu-11.1, linux-7.2/qemu-11.1.", ""]
    for one in rows:
        low, high = (f"{number[0]}.{number[1]}" for number in (one.oldest, one.newest))
        lines.append(f"{one.program}  {low} to {high}" if low != high else f"{one.program}  {low}")
        lines.append(f"  {one.what}")
        read = ", ".join(f"{number[0]}.{number[1]}" for number in one.read)
        ran = ", ".join(f"{number[0]}.{number[1]}" for number in one.executed)
        known = [f"executed: {ran or 'none'}"]
        known += [f"read: {read}"] if read else ["read: the others"]
        lines.append(f"  {'; '.join(known)}")
        if one.options:
            lines.append("  options: " + ", ".join(one.options))
        lines.extend(f"  --option {name}=...  {meaning}" for name, meaning in one.facts.items())
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"
