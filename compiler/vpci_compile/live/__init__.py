"""A compiled function alive: served over vfio-user, and compared with what a guest of a real QEMU finds.

Every function here raises `Failed` (with diagnostics) for what a user did wrong; none prints.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import resources
from ..diagnostics import Failed, Report, failure, whole_file
from ..ir import Function, Kind
from ..stack import QemuOptions
from ..stack.qemu import refusals as qemu_refusals
from . import behaviour, guest, qtest, sight, verify
from .board import BOARDS, Q35, Board
from .device import Device
from .guest import System
from .qemu_view import Change, Place, View, qemu_view
from .server import Server
from .sight import Sight
from .trace import Trace
from .verify import Mismatch, Verdict

PROGRAM = Q35.program
_OLDEST = ".".join(str(part) for part in verify.OLDEST_QEMU)
_HELP = f"name a QEMU {_OLDEST} or newer with --qemu; in a checkout 'make judges' fetches one"


@contextmanager
def serve(function: Function, path: Path, say: Callable[[str], None] | None = None) -> Iterator[Server]:
    """A server of `function` at the socket `path`; `say` gets a line for each access of the configuration space.

    Raises:
        Failed: VPCI2005, there can be no socket at `path`.
    """
    try:
        made = Server(path, Device(function, Trace(function, say) if say is not None else None))
    except OSError as error:
        span = whole_file(str(path))
        raise failure("VPCI2005", span, f"no socket can be made here: {error.strerror or error}") from error
    with made:
        yield made


def find_qemu(named: Path | None, board: Board = Q35) -> tuple[Path, tuple[int, int]]:
    """A QEMU that has vfio-user-pci, and its release: `named`, or the board's on the PATH, or a checkout's own.

    Raises:
        Failed: VPCI2001, there is none; VPCI2002, it is too old.
    """
    own = resources.cache_file(f"judges/bin/{board.program}")
    names = [str(named)] if named is not None else [board.program, *([str(own)] if own is not None else [])]
    problems = Report()
    for name in names:
        path = Path(name).absolute() if Path(name).is_file() else Path(shutil.which(name) or "")
        if not path.is_absolute():
            continue
        try:
            release = qtest.version(path)
        except qtest.QemuError as error:
            problems.add("VPCI2001", whole_file(name), f"this is no QEMU that runs: {error}", help=_HELP)
            continue
        if release >= verify.OLDEST_QEMU:
            return path, release
        problems.add(
            "VPCI2002",
            whole_file(name),
            f"this is QEMU {release[0]}.{release[1]}, and vfio-user-pci came with {_OLDEST}",
            help=_HELP,
        )
    if not problems.failed:
        problems.add("VPCI2001", whole_file(names[0]), "there is no such program", help=_HELP)
    raise Failed(problems.sorted())


def find_guest(board: Board = Q35, kernel: Path | None = None) -> System:
    """What a guest is made of: a checkout's own, with another kernel if one is named.

    Raises:
        Failed: VPCI2006, something of it is missing.
    """
    folder = resources.cache_file(f"judges/guest-{board.architecture}")
    help_ = "in a checkout 'make qemu' fetches a Linux for guests; --kernel names another kernel"
    if folder is None:
        span = whole_file(f"guest-{board.architecture}")
        way_out = "boot guests from a checkout of the project, after 'make qemu'"
        raise failure("VPCI2006", span, "an installed package has no Linux for guests", help=way_out)
    try:
        return guest.find(board, folder, kernel)
    except FileNotFoundError as missing:
        shown = str(kernel) if str(kernel) == str(missing) else _short(Path(str(missing)))
        raise failure(
            "VPCI2006", whole_file(shown), "there is no such file, and no guest without it", help=help_
        ) from None


def default_place(function: Function) -> Place:
    """Where the layout says that the function sits."""
    return Place(function.guest.place)


def check(function: Function, place: Place) -> None:
    """Whether QEMU takes the function at `place`.

    Raises:
        Failed: with VPCI2004 for each reason why not.
    """
    report = Report()
    for one in qemu_refusals.refusals(
        behaviour.standing_alone(function), function.bars, place, QemuOptions(vfio_user=True)
    ):
        owner = function.owner(one.offset)
        span = owner.origin if owner is not None and owner.kind is not Kind.HEADER else function.origin
        report.add("VPCI2004", span, f"QEMU does not take this function: {one.message}", note=one.note, help=one.help)
    report.stop_on_errors()


def judge(function: Function, program: Path, place: Place, board: Board = Q35) -> Verdict:
    """What the guest of a real QEMU finds, compared with what is expected.

    Raises:
        Failed: VPCI2003, QEMU ended or hung; VPCI2004, it does not take the function (and was not started);
            VPCI2005, there is no place for a socket.
    """
    check(function, place)
    try:
        (verdict,) = verify.verify(program, [function], place, board=board)
    except qtest.QemuError as error:
        raise failure("VPCI2003", whole_file(_short(program)), f"this QEMU did not get to the end: {error}") from error
    except OSError as error:
        raise _no_socket(error) from error
    return verdict


def see(function: Function, program: Path, system: System, place: Place, *, iommu: bool = False) -> Sight:
    """What a Linux prints of the function, booted in a real QEMU, compared with what is expected.

    With `iommu` the machine has an emulated IOMMU: Linux turns on what the function can do with one.

    Raises:
        Failed: VPCI2004, QEMU does not take the function (and was not started); VPCI2005, there is no place for a
            socket; VPCI2006, a program of the guest is none; VPCI2007, the guest did not come to its end.
    """
    check(function, place)
    try:
        (seen,) = sight.see(program, system, [function], place, iommu=iommu)
    except qtest.QemuError as error:
        raise failure("VPCI2007", whole_file(_short(system.kernel)), f"no guest came up with it: {error}") from error
    except FileNotFoundError as error:
        raise failure("VPCI2006", whole_file(_short(Path(error.filename))), "a guest's programs need this") from error
    except ValueError as error:
        raise failure("VPCI2006", whole_file(_short(system.folder)), f"a guest's program is {error}") from error
    except OSError as error:
        raise _no_socket(error) from error
    return seen


def _short(path: Path) -> str:
    """A path as a person writes it: from here, where that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)


def _no_socket(error: OSError) -> Failed:
    folder, way_out = whole_file(tempfile.gettempdir()), "TMPDIR names the folder for temporary files"
    return failure("VPCI2005", folder, f"no socket can be made here: {error.strerror or error}", help=way_out)


__all__ = [
    "BOARDS",
    "PROGRAM",
    "Board",
    "Change",
    "Device",
    "Mismatch",
    "Place",
    "Server",
    "Sight",
    "System",
    "Verdict",
    "View",
    "check",
    "default_place",
    "find_guest",
    "find_qemu",
    "judge",
    "qemu_view",
    "see",
    "serve",
]
