"""The commands that bring a function to life: `serve` and `verify`. Imported by `app`, which they join."""

from __future__ import annotations

import select
import sys
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from .app import FUNCTION, Command, SlotOption, app, load
from .outcome import NO, complain, say

if TYPE_CHECKING:  # imported by the commands: the others start faster without
    from ..live import Server

FunctionArgument = Annotated[Path, typer.Argument(metavar="FUNCTION", help=FUNCTION)]


class Where(StrEnum):
    """Where QEMU shows a function."""

    PORT = "port"
    ROOT = "root"
    CONVENTIONAL = "conventional"


class Machine(StrEnum):
    """A machine type of QEMU."""

    Q35 = "q35"
    VIRT = "virt"


@app.command(cls=Command, short_help="Serve a function to a VMM over vfio-user.")
def serve(
    function: FunctionArgument,
    socket: Annotated[Path, typer.Option("--socket", metavar="PATH", help="Where the unix socket goes.")],
    slot: SlotOption = None,
    trace: Annotated[
        str | None,
        typer.Option("--trace", metavar="FILE", help="Say every configuration access, decoded; - is stdout."),
    ] = None,
) -> None:
    """Serve a function to a VMM over vfio-user, until SIGTERM or Ctrl-C; no hardware, no root.

    The configuration space is the image, BARs are memory of the declared size. One client at a time.

    \b
    Examples:
      vpci-compile serve nvidia/gh200 --socket /tmp/gpu.sock --trace -
      vpci-compile serve host.lspci --slot 3d:00.0 --socket /tmp/nic.sock
    Then, with QEMU 10.1 or newer (one line; behind a port, as hardware would sit):
      qemu-system-x86_64 -machine q35 -device pcie-root-port,id=rp0,chassis=1 -device
        '{"driver":"vfio-user-pci","bus":"rp0","socket":{"type":"unix","path":"/tmp/gpu.sock"}}' ...
    """
    from .. import live

    compiled = load(function, slot, "--slot")
    complain(compiled.diagnostics)
    with ExitStack() as stack:
        lines = _Lines(trace, stack)
        server = stack.enter_context(live.serve(compiled.function, socket, lines.say if trace is not None else None))
        lines.server = server
        _stop_on_signals(server)
        if trace != "-":
            say(f"serving {compiled.function.name} at {socket}")
            sys.stdout.flush()  # whoever waits for this line in a pipe gets it now
        server.run()
    if lines.error is not None:
        raise lines.error


class _Lines:
    """Where the trace goes; when it can no longer be written, the server ends."""

    def __init__(self, name: str | None, stack: ExitStack) -> None:
        self.server: Server | None = None
        self.error: OSError | None = None
        self._stream: TextIO | None = sys.stdout
        if name is not None and name != "-":
            try:
                self._stream = stack.enter_context(Path(name).open("w", encoding="utf-8"))  # noqa: SIM115
            except OSError as error:
                from ..diagnostics import failure, whole_file

                message = f"the trace cannot be written: {error.strerror}"
                raise failure("VPCI1801", whole_file(name), message) from error

    def say(self, text: str) -> None:
        """Write one line, now."""
        if self.error is not None or self._stream is None:
            return
        try:
            if self.server is not None:  # nobody may read what is written: a signal still ends the server
                self.server.wait(self._stream, None, select.POLLOUT)
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except OSError as error:
            self.error = error
            if self.server is not None:
                self.server.stop()


def _stop_on_signals(server: Server) -> None:
    import signal

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())


def _unwind_on_sigterm() -> None:
    """Let SIGTERM take the way of Ctrl-C, so that no QEMU is left behind."""
    import signal

    def unwind(number: int, _: object) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, unwind)


@app.command(cls=Command, short_help="Compare what a guest of a real QEMU sees with the image.")
def verify(
    function: FunctionArgument,
    slot: SlotOption = None,
    qemu: Annotated[
        Path | None, typer.Option("--qemu", metavar="PATH", help="The QEMU (10.1 or newer); else the one on the PATH.")
    ] = None,
    place: Annotated[
        Where | None, typer.Option("--place", help="Where the guest has it; else where the layout says.")
    ] = None,
    machine: Annotated[
        Machine, typer.Option("--machine", help="The machine of QEMU: q35 is x86-64, virt is 64-bit Arm.")
    ] = Machine.Q35,
    guest: Annotated[
        bool, typer.Option("--guest", help="Boot a Linux, too: what lspci -xxxx prints in it is compared.")
    ] = False,
    kernel: Annotated[
        Path | None,
        typer.Option("--kernel", metavar="PATH", help="The kernel of the guest; else the one of 'make qemu'."),
    ] = None,
    iommu: Annotated[
        bool, typer.Option("--iommu", help="Give the guest an IOMMU: its Linux turns on ATS, PRI and PASID (q35).")
    ] = False,
) -> None:
    """Compare what a guest of a real QEMU sees, bit by bit, with what the image makes us expect: exit 0 when equal.

    The function is served to a QEMU without a guest; every byte is read and every bit written. Seconds, no root.
    With --guest a Linux is booted then, on an emulated processor: it must find the same, but for what it wrote itself.

    \b
    Examples:
      vpci-compile verify nvidia/gh200
      vpci-compile verify host.lspci --slot 3d:00.0 --place root --qemu ~/qemu/bin/qemu-system-x86_64
      vpci-compile verify generic/sriov-vf-pasid --guest --iommu
      vpci-compile verify nvidia/gh200 --guest --machine virt
    """
    from .. import live
    from ..live import verdict_text

    if (kernel is not None or iommu) and not guest:
        raise typer.BadParameter("there is no guest without --guest", param_hint="--kernel" if kernel else "--iommu")
    if iommu and machine is not Machine.Q35:
        raise typer.BadParameter("only q35 has an IOMMU that QEMU's vfio-user-pci works with", param_hint="--iommu")
    compiled = load(function, slot, "--slot")
    complain(compiled.diagnostics)
    function_ = compiled.function
    where = live.default_place(function_) if place is None else live.Place(place.value)
    live.check(function_, where)
    board = live.BOARDS[machine.value]
    system = live.find_guest(board, kernel) if guest else None
    program, release = live.find_qemu(qemu, board)
    _unwind_on_sigterm()
    verdict = live.judge(function_, program, where, board)
    sight = live.see(function_, program, system, where, iommu=iommu) if system is not None else None
    say(verdict_text.render(verdict, release, sight, board))
    raise typer.Exit(NO if verdict.mismatches or (sight is not None and not sight.good) else 0)
