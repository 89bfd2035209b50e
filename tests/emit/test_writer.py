"""The writer: all files or none, each whole, nothing touched without need."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rights import open_folder, ordinary_user
from vpci_compile.diagnostics import Failed
from vpci_compile.emit import writer
from vpci_compile.emit.artifact import Artifact
from vpci_compile.emit.writer import write_all


def _artifacts(text: str, count: int = 4) -> list[Artifact]:
    return [Artifact(f"nic.{n}", f"{text} {n}\n".encode()) for n in range(count)]


def _state(folder: Path) -> dict[str, tuple[bytes, int, int, int]]:
    """Content, mode, time and inode of every file, temporary ones included."""
    found = {}
    for path in sorted(folder.iterdir()):
        status = path.lstat()
        found[path.name] = (path.read_bytes(), status.st_mode, status.st_mtime_ns, status.st_ino)
    return found


def _refused(folder: Path, artifacts: list[Artifact]) -> tuple[str, str]:
    """Path and message of the one diagnostic that `write_all` ends with."""
    with pytest.raises(Failed) as caught:
        write_all(folder, artifacts)
    (made,) = caught.value.diagnostics
    assert made.code == "VPCI1801"
    assert made.message.startswith("cannot write: ")
    return made.span.path, made.message.removeprefix("cannot write: ")


def _fail_at(monkeypatch: pytest.MonkeyPatch, name: str, turns: set[int], error: BaseException) -> list[int]:
    """Make the `turns`-th calls (from 0) of `os.name` fail; the list grows with each call."""
    true: Callable[..., Any] = getattr(os, name)
    calls: list[int] = []

    def wrapped(*arguments: Any, **keywords: Any) -> Any:
        calls.append(len(calls))
        if calls[-1] in turns:
            raise error
        return true(*arguments, **keywords)

    monkeypatch.setattr(os, name, wrapped)
    return calls


_FULL = OSError(errno.ENOSPC, "No space left on device")


# -- what it writes ------------------------------------------------------------------------------------------------


def test_writes_all_into_a_new_folder(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "er"
    artifacts = [*_artifacts("one"), Artifact("empty", b""), Artifact("a..b", b"\0\xff")]
    assert write_all(folder, artifacts) == [folder / artifact.name for artifact in artifacts]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {a.name: a.data for a in artifacts}


def test_nothing_to_write_makes_the_folder(tmp_path: Path) -> None:
    assert write_all(tmp_path / "out", []) == []
    assert list((tmp_path / "out").iterdir()) == []


def test_what_did_not_change_is_not_touched(tmp_path: Path) -> None:
    write_all(tmp_path, _artifacts("one"))
    for path in tmp_path.iterdir():
        os.utime(path, ns=(1, 1))
    before = _state(tmp_path)
    assert write_all(tmp_path, _artifacts("one")) == []
    assert _state(tmp_path) == before
    changed = [*_artifacts("one")[:3], Artifact("nic.3", b"other")]
    assert write_all(tmp_path, changed) == [tmp_path / "nic.3"]
    after = _state(tmp_path)
    assert {name: row for name, row in after.items() if name != "nic.3"} == {
        name: row for name, row in before.items() if name != "nic.3"
    }
    assert after["nic.3"][0] == b"other"


def test_same_length_and_other_bytes_is_a_change(tmp_path: Path) -> None:
    write_all(tmp_path, [Artifact("x", b"abc")])
    assert write_all(tmp_path, [Artifact("x", b"abd")]) == [tmp_path / "x"]
    assert (tmp_path / "x").read_bytes() == b"abd"


def test_unchanged_files_need_no_right_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all(tmp_path, _artifacts("one"))
    for name in ("replace", "link", "fsync"):
        _fail_at(monkeypatch, name, {0}, PermissionError(errno.EACCES, "Permission denied"))
    assert write_all(tmp_path, _artifacts("one")) == []


def test_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    write_all(tmp_path, _artifacts("one"))
    assert (tmp_path / "notes").read_text() == "mine"


def test_modes_are_the_umasks_and_then_the_old_ones(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_all(tmp_path, [Artifact("x", b"1")])
        assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640
        (tmp_path / "x").chmod(0o604)
        write_all(tmp_path, [Artifact("x", b"2")])
        assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o604
    finally:
        os.umask(old)


def test_folder_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write_all(tmp_path / "link", [Artifact("x", b"1")])
    assert (tmp_path / "real" / "x").read_bytes() == b"1"


def test_longest_name_works_and_a_longer_one_is_refused(tmp_path: Path) -> None:
    write_all(tmp_path, [Artifact("n" * 255, b"1")])
    write_all(tmp_path, [Artifact("n" * 255, b"2")])
    before = _state(tmp_path)
    path, message = _refused(tmp_path, [Artifact("x", b"1"), Artifact("n" * 256, b"1")])
    assert (path, message) == (str(tmp_path / ("n" * 256)), "File name too long")
    assert _state(tmp_path) == before


def test_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_all(Path("out/x"), [Artifact("a", b"1")]) == [Path("out/x/a")]
    assert write_all(Path(), [Artifact("a", b"1")]) == [Path("a")]


# -- what it refuses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc/x", "a\0b", "x/"])
def test_refuses_names_that_are_no_file_of_the_folder(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    path, message = _refused(folder, [Artifact("fine", b"1"), Artifact(name, b"2")])
    assert path == str(folder)
    assert message == f"{name!r} is not the name of a file in this folder"
    assert not folder.exists()


def test_refuses_two_outputs_of_one_name(tmp_path: Path) -> None:
    assert _refused(tmp_path, [Artifact("x", b"1"), Artifact("x", b"1")])[1] == "two outputs have this name"
    assert list(tmp_path.iterdir()) == []


def test_refuses_a_folder_as_target(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    assert _refused(tmp_path, [Artifact("w", b"1"), Artifact("x", b"1")]) == (str(tmp_path / "x"), "it is a folder")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("leads_to", ["../outside", "inside", "nowhere", "/etc"])
def test_refuses_a_link_as_target(leads_to: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "outside").write_text("outside")
    (folder / "inside").write_text("inside")
    (folder / "x").symlink_to(leads_to)
    assert _refused(folder, [Artifact("w", b"1"), Artifact("x", b"1")]) == (str(folder / "x"), "it is a link")
    assert (tmp_path / "outside").read_text() == "outside"
    assert sorted(path.name for path in folder.iterdir()) == ["inside", "x"]


def test_refuses_a_pipe_as_target(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    assert _refused(tmp_path, [Artifact("x", b"1")])[1] == "it is not a regular file"


def test_refuses_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    assert _refused(tmp_path / "out", _artifacts("one")) == (str(tmp_path / "out"), "not a folder")
    assert _refused(tmp_path / "out" / "sub", _artifacts("one")) == (str(tmp_path / "out/sub"), "Not a directory")


def test_refuses_a_folder_without_rights() -> None:
    with open_folder() as folder:
        folder.chmod(0o555)
        with ordinary_user():
            assert _refused(folder, _artifacts("one")) == (str(folder / "nic.0"), "Permission denied")


# -- all or none ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("name", ["replace", "fsync", "fchmod"])
def test_a_failure_leaves_everything_as_it_was(
    name: str, turn: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all(tmp_path, _artifacts("old"))
    for path in tmp_path.iterdir():
        os.utime(path, ns=(turn, turn))
    before = _state(tmp_path)
    _fail_at(monkeypatch, name, {turn}, _FULL)
    assert _refused(tmp_path, _artifacts("new")) == (str(tmp_path / f"nic.{turn}"), "No space left on device")
    monkeypatch.undo()
    assert _state(tmp_path) == before
    assert len(write_all(tmp_path, _artifacts("new"))) == 4


@pytest.mark.parametrize("name", ["replace", "fsync", "open", "link", "mkdir", "fchmod", "urandom", "unlink"])
def test_any_call_may_fail_at_any_time(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New and old files mixed, a failure at every call in turn: either it worked, or nothing has changed."""
    turn, called = 0, 1
    while turn < called:
        folder = tmp_path / f"out{turn}"
        write_all(folder, _artifacts("old", 2))
        before = _state(folder)
        calls = _fail_at(monkeypatch, name, {turn}, _FULL)
        try:
            write_all(folder, _artifacts("new"))
        except Failed:
            assert _state(folder) == before
        else:
            shown = {file: row[0] for file, row in _state(folder).items() if not file.startswith(".vpci-")}
            assert shown == {a.name: a.data for a in _artifacts("new")}
        monkeypatch.undo()
        turn, called = turn + 1, len(calls)


def test_a_new_folder_goes_away_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept").mkdir()
    _fail_at(monkeypatch, "replace", {2}, _FULL)
    _refused(tmp_path / "kept" / "a" / "b", _artifacts("new"))
    assert [path.name for path in tmp_path.rglob("*")] == ["kept"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
def test_an_interruption_leaves_everything_as_it_was(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all(tmp_path, _artifacts("old"))
    before = _state(tmp_path)
    _fail_at(monkeypatch, "replace", {2}, error)
    with pytest.raises(type(error)):
        write_all(tmp_path, _artifacts("new"))
    assert _state(tmp_path) == before


def test_without_hard_links_a_copy_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all(tmp_path, _artifacts("old"))
    (tmp_path / "nic.1").chmod(0o604)
    before = _state(tmp_path)
    _fail_at(monkeypatch, "link", set(range(9)), OSError(errno.EPERM, "Operation not permitted"))
    _fail_at(monkeypatch, "replace", {3}, _FULL)
    _refused(tmp_path, _artifacts("new"))
    assert {name: row[:3] for name, row in _state(tmp_path).items()} == {name: row[:3] for name, row in before.items()}


def test_what_cannot_be_put_back_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all(tmp_path, _artifacts("old", 2))
    _fail_at(monkeypatch, "replace", set(range(1, 9)), _FULL)
    with pytest.raises(Failed) as caught:
        write_all(tmp_path, _artifacts("new", 2))
    (made,) = caught.value.diagnostics
    assert made.message == "cannot write: No space left on device; and the old files cannot be put back"
    (backup,) = (path for path in tmp_path.iterdir() if path.name.startswith(".vpci-"))
    assert backup.read_text() == "old 0\n"
    assert made.helps == (f"to have the old files back, rename {backup.name} to nic.0",)


def test_no_temporary_file_stays(tmp_path: Path) -> None:
    for text in ("one", "two", "two"):
        write_all(tmp_path, _artifacts(text))
    assert len(list(tmp_path.iterdir())) == 4


def test_everything_is_on_disk_before_the_first_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def note(name: str) -> None:
        true = getattr(os, name)

        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            order.append(name)
            return true(*arguments, **keywords)

        monkeypatch.setattr(os, name, wrapped)

    note("fsync")
    note("replace")
    write_all(tmp_path, _artifacts("one", 3))
    assert order == ["fsync"] * 3 + ["replace"] * 3 + ["fsync"]


# -- two at once ---------------------------------------------------------------------------------------------------


def test_writers_of_one_folder_do_not_mix(tmp_path: Path) -> None:
    errors: list[BaseException] = []
    texts = [f"writer{n} " * 500 for n in range(4)]
    whole = {f"{text} {n}\n".encode() for text in texts for n in range(4)}
    done = threading.Event()

    def work(text: str) -> None:
        try:
            for _ in range(10):
                write_all(tmp_path, _artifacts(text))
        except BaseException as error:
            errors.append(error)

    def look() -> None:
        while not done.is_set():
            half = [path for path in tmp_path.glob("nic.*") if path.read_bytes() not in whole]
            errors.extend(AssertionError(f"{path} is half") for path in half)

    threads = [threading.Thread(target=work, args=(text,)) for text in texts]
    reader = threading.Thread(target=look)
    for thread in (*threads, reader):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    reader.join()
    assert not errors
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert any(found == {a.name: a.data for a in _artifacts(text)} for text in texts)


_SCRIPT = """
import sys
from pathlib import Path
from vpci_compile.emit.artifact import Artifact
from vpci_compile.emit.writer import write_all

artifacts = [Artifact(f"nic.{n}", sys.argv[2].encode()) for n in range(4)]
for _ in range(10):
    write_all(Path(sys.argv[1]), artifacts)
"""


def test_processes_wait_for_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    environment = {**os.environ, "PYTHONPATH": str(Path(writer.__file__).resolve().parents[2])}
    runs = [
        subprocess.Popen([sys.executable, "-c", _SCRIPT, folder, letter * 9999], env=environment) for letter in "abc"
    ]
    assert [run.wait() for run in runs] == [0, 0, 0]
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(found) == {f"nic.{n}" for n in range(4)}
    assert len(set(found.values())) == 1
