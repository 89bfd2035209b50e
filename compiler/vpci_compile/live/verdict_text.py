"""A verdict on one screen."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import Function
from .board import Q35, Board
from .qemu_view import Place
from .sight import Sight, written
from .verify import RESET, Mismatch, Verdict

_MOST = 24  # mismatches that are shown
_MOST_WRITTEN = 16  # registers that Linux wrote
_PLACES = {
    Place.PORT: "behind a root port",
    Place.ROOT: "on the root bus",
    Place.CONVENTIONAL: "on a conventional bus",
}


def render(verdict: Verdict, release: tuple[int, int], sight: Sight | None = None, board: Board = Q35) -> str:
    """What was compared, what QEMU changes of the image and Linux wrote, and what is not as expected."""
    size = verdict.expected.size
    machine = "" if board is Q35 else f" ({board.machine})"
    writable = sum(octet.bit_count() for octet in verdict.expected.writable)
    lines = [
        f"{verdict.function.name} in QEMU {release[0]}.{release[1]}{machine}, {_PLACES[verdict.place]}",
        f"  bytes at reset   {size - verdict.wrong(RESET):4} of {size} as expected",
        f"  writes           {_dwords(verdict)} of {size // 4} dwords as expected ({writable} writable bits)",
    ]
    if sight is not None:
        lines.append(_seen(sight))
    if verdict.changes:
        lines.append("  what QEMU makes of the image, and we expect of it:")
        lines.extend(f"    {change.offset:#05x}  {change.text} [{change.source}]" for change in verdict.changes)
    else:
        lines.append("  QEMU shows the image as it is")
    if sight is not None and sight.found:
        lines.extend(_written(sight))
    mismatches = [*verdict.mismatches, *(sight.mismatches if sight is not None else [])]
    lines.extend(_wrong(verdict.function, mismatches))
    good = not verdict.mismatches and (sight is None or sight.good)
    lines.append("the guest sees what it should" if good else "not what the guest should see")
    return "\n".join(lines) + "\n"


def _seen(sight: Sight) -> str:
    """How much of what `lspci -xxxx` prints in Linux is as expected."""
    release = sight.release.partition("-")[0].partition("+")[0]
    head = f"  {f'in Linux {release}':<15} "
    if not sight.found:
        return f"{head} it finds no function at this place"
    as_expected = len(sight.found) - sight.wrong
    wrote = len(sight.changed) - sight.wrong
    text = f"{head} {as_expected:4} of {sight.reach} as expected: {as_expected - wrote} as at reset, {wrote} it wrote"
    if len(sight.found) != sight.reach:
        return f"{text}; it reads {len(sight.found)} bytes"
    if sight.reach < sight.expected.size:
        return f"{text}; without PCI Express it reads no more"
    return text


def _written(sight: Sight) -> list[str]:
    rows = written(sight)
    if not rows:
        return ["  Linux wrote nothing"]
    lines = ["  what Linux wrote, where it may:"]
    for row in rows[:_MOST_WRITTEN]:
        digits = 2 * row.size
        words = f"  ({', '.join(row.fields)})" if row.fields else ""
        lines.append(f"    {row.offset:#05x}  {row.name}: {row.before:0{digits}x} -> {row.after:0{digits}x}{words}")
    if len(rows) > _MOST_WRITTEN:
        lines.append(f"    and {len(rows) - _MOST_WRITTEN} more")
    return lines


def _wrong(function: Function, mismatches: Sequence[Mismatch]) -> list[str]:
    lines = []
    for one in mismatches[:_MOST]:
        names = ", ".join(_names(function, one.offset))
        lines.append(
            f"  {one.offset:#05x}  {one.what}: {one.expected:08x} expected, the guest reads {one.found:08x}"
            + (f"  ({names})" if names else "")
        )
    if len(mismatches) > _MOST:
        lines.append(f"  and {len(mismatches) - _MOST} more")
    return lines


def _dwords(verdict: Verdict) -> int:
    wrong = {one.offset for one in verdict.mismatches if one.what != RESET}
    return verdict.expected.size // 4 - len(wrong)


def _names(function: Function, offset: int) -> list[str]:
    """The registers that have a byte in the dword at `offset`."""
    names: dict[str, None] = {}
    for at in range(offset, offset + 4):
        for one in function.fields_at(at):
            names[f"{one.structure.name}.{one.register}"] = None
    return list(names)
