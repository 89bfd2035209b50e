"""A verdict on one screen."""

from __future__ import annotations

from ..ir import Function
from .qemu_view import Place
from .verify import RESET, Verdict

_MOST = 24  # mismatches that are shown
_PLACES = {
    Place.PORT: "behind a root port",
    Place.ROOT: "on the root bus",
    Place.CONVENTIONAL: "on a conventional bus",
}


def render(verdict: Verdict, release: tuple[int, int]) -> str:
    """What was compared, what QEMU changes of the image, and what is not as expected."""
    size = verdict.expected.size
    writable = sum(octet.bit_count() for octet in verdict.expected.writable)
    lines = [
        f"{verdict.function.name} in QEMU {release[0]}.{release[1]}, {_PLACES[verdict.place]}",
        f"  bytes at reset   {size - verdict.wrong(RESET):4} of {size} as expected",
        f"  writes           {_dwords(verdict)} of {size // 4} dwords as expected ({writable} writable bits)",
    ]
    if verdict.changes:
        lines.append("  what QEMU makes of the image, and we expect of it:")
        lines.extend(f"    {change.offset:#05x}  {change.text} [{change.source}]" for change in verdict.changes)
    else:
        lines.append("  QEMU shows the image as it is")
    for one in verdict.mismatches[:_MOST]:
        names = ", ".join(_names(verdict.function, one.offset))
        lines.append(
            f"  {one.offset:#05x}  {one.what}: {one.expected:08x} expected, the guest reads {one.found:08x}"
            + (f"  ({names})" if names else "")
        )
    left = len(verdict.mismatches) - _MOST
    if left > 0:
        lines.append(f"  and {left} more")
    lines.append("not what the guest should see" if verdict.mismatches else "the guest sees what it should")
    return "\n".join(lines) + "\n"


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
