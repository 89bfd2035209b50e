"""Writes artifacts into a folder: all of them or none, and only what changed.

Each file appears whole (written beside its place, flushed to disk, then renamed), and a failure at any step puts back
what was there. Writers of one folder wait for each other. What remains is a crash of the machine or a kill between two
renames: then every file is whole, but some are new and some old.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..diagnostics import Failed, failure, whole_file
from .artifact import Artifact

StrPath = str | os.PathLike[str]


def write_all(folder: Path, artifacts: Sequence[Artifact], made_of: Iterable[StrPath] = ()) -> list[Path]:
    """Make `folder` hold `artifacts`; the paths of those that were written, in the order given.

    A file that already has the content is not touched, and one that the artifacts were `made_of` is not lost. The
    folder is created where it is missing.

    Raises:
        Failed: VPCI1801, something cannot be written, or is an input; every file is as it was before.
    """
    targets = _targets(folder, artifacts)
    _spare(targets, made_of)
    made: list[Path] = []
    try:
        _make_folder(folder, made)
        with _lock(folder):
            wanted = zip(targets, artifacts, strict=True)
            changes = [change for path, one in wanted if (change := _change(path, one.data)) is not None]
            _apply(changes)
    except BaseException:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir()
        raise
    return [change.target for change in changes]


def _refused(path: Path | str, why: str, help: str = "") -> Failed:  # noqa: A002 - the word a reader sees
    return failure("VPCI1801", whole_file(str(path)), f"cannot write: {why}", help=help)


@contextlib.contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Turns an error of the system into a diagnostic at `path`: the file that a person knows, not one of ours."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _refused(path, getattr(error, "strerror", None) or str(error)) from error


def _targets(folder: Path, artifacts: Sequence[Artifact]) -> list[Path]:
    seen: set[str] = set()
    for name in (artifact.name for artifact in artifacts):
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise _refused(folder, f"{name!r} is not the name of a file in this folder")
        if name in seen:
            raise _refused(folder / name, "two outputs have this name")
        seen.add(name)
    return [folder / artifact.name for artifact in artifacts]


def _spare(targets: Sequence[Path], inputs: Iterable[StrPath]) -> None:
    """Refuse targets that are inputs, by whatever name."""
    for one in inputs:
        with contextlib.suppress(OSError, ValueError):  # none of its own name is there
            status = Path(one).stat()
            for target in targets:
                if target.exists() and os.path.samestat(status, target.stat()):
                    raise _refused(target, "it is what this output is made of", "choose another name or folder")


def _make_folder(folder: Path, made: list[Path]) -> None:
    """Create what is missing of `folder`'s path; `made` gets each step, outermost first."""
    missing: list[Path] = []
    step = folder
    with _guarded(folder):
        while not step.exists() and step != step.parent:
            missing.append(step)
            step = step.parent
    for step in reversed(missing):
        with _guarded(step), contextlib.suppress(FileExistsError):  # somebody else made it meanwhile
            step.mkdir()
            made.append(step)
    if not folder.is_dir():
        raise _refused(folder, "not a folder")


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with _guarded(folder):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: then each file is still whole
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@dataclass(slots=True)
class _Change:
    """A file to be replaced: `mode` of the old one, None where there is none."""

    target: Path
    data: bytes
    mode: int | None
    fresh: Path | None = None
    backup: Path | None = None
    done: bool = False


def _change(target: Path, data: bytes) -> _Change | None:
    """What has to be done for `target` to hold `data`; None if it does."""
    with _guarded(target):
        try:
            status = target.lstat()
        except FileNotFoundError:
            return _Change(target, data, None)
    if stat.S_ISLNK(status.st_mode):
        raise _refused(target, "it is a link", "remove the link: an output never follows one out of its folder")
    if not stat.S_ISREG(status.st_mode):
        raise _refused(target, "it is a folder" if stat.S_ISDIR(status.st_mode) else "it is not a regular file")
    with _guarded(target):
        if status.st_size == len(data) and target.read_bytes() == data:
            return None
    return _Change(target, data, stat.S_IMODE(status.st_mode))


def _apply(changes: list[_Change]) -> None:
    if not changes:
        return
    try:
        for change in changes:
            with _guarded(change.target):
                _write_beside(change)
        for change in changes:
            with _guarded(change.target):
                if change.mode is not None:
                    change.backup = _keep(change.target)
        for change in changes:
            assert change.fresh is not None
            with _guarded(change.target):
                change.fresh.replace(change.target)
            change.fresh, change.done = None, True
    except BaseException as error:
        _undo(changes, error)
        raise
    finally:
        for path in (path for change in changes for path in (change.fresh, change.backup) if path is not None):
            with contextlib.suppress(OSError):
                path.unlink()
    _flush(changes[0].target.parent)


def _beside(target: Path) -> Path:
    # Not the target's name plus something: that can be longer than a name may be.
    return target.with_name(f".vpci-{os.getpid():x}-{os.urandom(6).hex()}.tmp")


def _write_beside(change: _Change) -> None:
    path = _beside(change.target)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    change.fresh = path
    with os.fdopen(handle, "wb") as file:
        file.write(change.data)
        file.flush()
        if change.mode is not None:
            os.fchmod(handle, change.mode)
        os.fsync(handle)


def _keep(target: Path) -> Path:
    """A second name for the old file, to put it back as it was, with its times."""
    path = _beside(target)
    try:
        os.link(target, path, follow_symlinks=False)
    except OSError:  # a file system without hard links: a copy has to do
        status = target.stat()
        path.write_bytes(target.read_bytes())
        path.chmod(stat.S_IMODE(status.st_mode))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return path


def _flush(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system can; the files themselves are on disk
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _undo(changes: list[_Change], cause: BaseException) -> None:
    """Put back the old files.

    Raises:
        Failed: one could not be put back; it stays beside its place, and the diagnostic says under which name.
    """
    stuck: list[str] = []
    for change in reversed(changes):
        if not change.done:
            continue
        try:
            if change.backup is None:
                change.target.unlink(missing_ok=True)
            else:
                change.backup.replace(change.target)
                change.backup = None
        except OSError:
            if change.backup is None:
                stuck.append(f"remove {change.target.name}")
            else:
                stuck.append(f"rename {change.backup.name} to {change.target.name}")
                change.backup = None  # not to be removed
    if stuck:
        why = "; ".join(d.message for d in cause.diagnostics) if isinstance(cause, Failed) else "interrupted"
        span = whole_file(str(changes[0].target.parent))
        help_text = f"to have the old files back, {', '.join(stuck)}"
        raise failure("VPCI1801", span, f"{why}; and the old files cannot be put back", help=help_text) from cause
