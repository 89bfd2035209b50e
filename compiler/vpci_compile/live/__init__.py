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
from ..stack import qemu_refusals
from . import behaviour, qtest, verify
from .device import Device
from .qemu_view import Change, Place, View, qemu_view
from .server import Server
from .trace import Trace
from .verify import Mismatch, Verdict

PROGRAM = "qemu-system-x86_64"
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


def find_qemu(named: Path | None) -> tuple[Path, tuple[int, int]]:
    """A QEMU that has vfio-user-pci, and its release: `named`, or the one on the PATH, or a checkout's own.

    Raises:
        Failed: VPCI2001, there is none; VPCI2002, it is too old.
    """
    own = resources.cache_file(f"judges/bin/{PROGRAM}")
    names = [str(named)] if named is not None else [PROGRAM, *([str(own)] if own is not None else [])]
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


def default_place(function: Function) -> Place:
    """Where the layout says that the function sits."""
    return Place(function.guest.place)


def check(function: Function, place: Place) -> None:
    """Whether QEMU takes the function at `place`.

    Raises:
        Failed: with VPCI2004 for each reason why not.
    """
    report = Report()
    for one in qemu_refusals.refusals(behaviour.standing_alone(function), function.bars, place):
        owner = function.owner(one.offset)
        span = owner.origin if owner is not None and owner.kind is not Kind.HEADER else function.origin
        report.add("VPCI2004", span, f"QEMU does not take this function: {one.message}", note=one.note, help=one.help)
    report.stop_on_errors()


def judge(function: Function, program: Path, place: Place) -> Verdict:
    """What the guest of a real QEMU finds, compared with what is expected.

    Raises:
        Failed: VPCI2003, QEMU ended or hung; VPCI2004, it does not take the function (and was not started);
            VPCI2005, there is no place for a socket.
    """
    check(function, place)
    try:
        (verdict,) = verify.verify(program, [function], place)
    except qtest.QemuError as error:
        shown = min(str(program), os.path.relpath(program), key=len)
        raise failure("VPCI2003", whole_file(shown), f"this QEMU did not get to the end: {error}") from error
    except OSError as error:
        folder, way_out = whole_file(tempfile.gettempdir()), "TMPDIR names the folder for temporary files"
        message = f"no socket can be made here: {error.strerror or error}"
        raise failure("VPCI2005", folder, message, help=way_out) from error
    return verdict


__all__ = [
    "PROGRAM",
    "Change",
    "Device",
    "Mismatch",
    "Place",
    "Server",
    "Verdict",
    "View",
    "check",
    "default_place",
    "find_qemu",
    "judge",
    "qemu_view",
    "serve",
]
