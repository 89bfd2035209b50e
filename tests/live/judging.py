"""Functions shown to a real QEMU, and what is not as expected."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from judges import lacking, need
from vpci_compile.ir import Function
from vpci_compile.live import Place, Verdict, qtest, verify
from vpci_compile.live.board import Q35, Board

_BATCH = 12


@cache
def qemu(board: Board = Q35) -> Path:
    """The QEMU for a board; the test does not go on without one."""
    program = need("VPCI_QEMU" if board is Q35 else "VPCI_QEMU_AARCH64", board.program)
    if qtest.version(program) < verify.OLDEST_QEMU:
        lacking(f"no newer {board.program} here: {program} is older than {verify.OLDEST_QEMU}")
    return program


def judged(functions: Sequence[Function], place: Place, board: Board = Q35) -> list[Verdict]:
    """What it makes of the functions, some at a time."""
    verdicts: list[Verdict] = []
    for start in range(0, len(functions), _BATCH):
        verdicts.extend(verify.verify(qemu(board), functions[start : start + _BATCH], place, board=board))
    return verdicts


def wrong(verdicts: Sequence[Verdict]) -> list[str]:
    """Everything that is not as expected, in words."""
    return [
        f"{verdict.function.name}: {one.offset:#x} {one.what}: {one.expected:08x} expected, {one.found:08x} found"
        for verdict in verdicts
        for one in verdict.mismatches
    ]
