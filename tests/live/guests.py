"""Where the system is that the guests of these tests boot."""

from __future__ import annotations

from pathlib import Path

from judges import ROOT, lacking, need
from vpci_compile.live import guest
from vpci_compile.live.board import Board


def folder(board: Board) -> Path:
    """Where the unpacked system of a board's processor is, if it is anywhere."""
    return ROOT / ".cache/judges" / f"guest-{board.architecture}"


def need_guest(board: Board) -> tuple[Path, guest.System]:
    """A QEMU and a system for it; the test does not go on without them."""
    program = need("VPCI_QEMU" if board.architecture == "x86_64" else "VPCI_QEMU_AARCH64", board.program)
    try:
        return program, guest.find(board, folder(board))
    except FileNotFoundError as missing:
        lacking(f"no guest for {board.program} here: {missing} (run tools/fetch-judges.sh --qemu)")
