"""The program itself and bad input: what it says, what it costs, and what it leaves behind.

Never a traceback, a hang or a half-written output; exit status 1 and a diagnostic.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from vpci_compile import api
from wild import BOMBS, CAPTURES, MINIMAL

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def run(*arguments: str, folder: Path, **limits: int) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own; `limits` are RLIMIT_ names and values."""

    def limit() -> None:
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))

    command = [sys.executable, "-m", "vpci_compile", *arguments]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, preexec_fn=limit, check=False
    )
    assert "Traceback" not in done.stderr
    return done


def test_a_file_of_100_megabytes_is_refused_at_little_cost(folder: Path) -> None:
    with (folder / "huge.yaml").open("wb") as file:
        file.write(b"vpci: 1\n")
        file.truncate(100 << 20)
    (folder / "small.yaml").write_text("vpci: 1\nextends: huge.yaml\n")
    for command in (["check", "huge.yaml"], ["check", "small.yaml"], ["import", "huge.yaml"]):
        done = run(*command, folder=folder, AS=300 << 20)
        assert done.returncode == 1 and re.search(r"error\[VPCI1(005|710)\]", done.stderr)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["check", "pipe.yaml"], "nothing came through this pipe"),
        (["import", "pipe"], "nothing came through this pipe"),
        (["import", "device"], "nothing came through this pipe"),
        (["diff", "pipe.json", "minimal"], "nothing came through this pipe"),
        (["diff", "minimal", "minimal", "--policy", "pipe"], "nothing came through this pipe"),
        (["acpi", "lint", "pipe"], "nothing came through this pipe"),
        (["import", "/dev/zero"], "it is neither a file nor a pipe"),
    ],
)
def test_what_never_ends_is_refused_at_once(command: list[str], words: str, folder: Path) -> None:
    (folder / "device").mkdir()
    (folder / "base.yaml").write_text("vpci: 1\nextends: pipe.yaml\n")
    for name in ("pipe", "pipe.yaml", "pipe.json", "device/config"):
        os.mkfifo(folder / name)
    done = run(*command, folder=folder)
    assert done.returncode == 1 and "error[VPCI1001]" in done.stderr and words in done.stderr


@pytest.mark.parametrize(
    ("command", "begins"),
    [
        (["check", "empty.yaml"], "layouts/minimal.yaml is the smallest layout"),
        (["diff", "minimal", "minimal", "--policy", "empty.yaml"], "vpci-policy: 1, and accept: [{field: "),
        (["acpi", "lint", "empty.yaml"], "table: SRAT"),
        (["--library", "own", "check", "mellanox/connectx-vf"], "title: "),
    ],
)
def test_who_gives_an_empty_file_is_told_how_one_begins(command: list[str], begins: str, folder: Path) -> None:
    (folder / "own/quirks").mkdir(parents=True)
    for name in ("empty.yaml", "own/quirks/empty.yaml"):
        (folder / name).write_text("# nothing\n")
    done = run(*command, folder=folder)
    assert done.returncode == 1 and "error[VPCI1002]" in done.stderr and f"help: {begins}" in done.stderr


@pytest.mark.parametrize("command", ["import <(cat {0})", "cat {0} | {1} import /dev/stdin", "fleet <(cat {0})"])
def test_the_pipes_of_a_shell_are_read(command: str, folder: Path) -> None:
    program = f"{sys.executable} -m vpci_compile"
    capture = Path(__file__).parent / "captures/nvme.lspci"
    line = command.format(capture, program)
    line = line if line.startswith("cat") else f"{program} {line}"
    done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_capture_of_too_many_functions_is_refused_at_little_cost(folder: Path) -> None:
    (folder / "rows").write_text("00: 86 80 d3 10 07 00 10 00 00 00 00 02 10 00 00 00\n" * 500_000)
    done = run("import", "rows", folder=folder, AS=400 << 20)
    assert done.returncode == 1 and "error[VPCI1710]" in done.stderr


BAD = {
    "empty": (b"", "VPCI1002"),
    "NUL": (b"vpci: 1\0\n", "VPCI1002"),
    "no UTF-8": (b"vpci: 1\ndevice: \xff\n", "VPCI1002"),
    "UTF-16": ("vpci: 1\n".encode("utf-16"), "VPCI1002"),
    "a tab": (b"vpci: 1\nidentity:\n\tvendor: 1\n", "VPCI1002"),
    "a program": (Path(sys.executable).read_bytes()[:4096], "VPCI1002"),
    "a capture": (CAPTURES[0].read_bytes(), "VPCI1"),
    "a bomb": (BOMBS["aliases"].encode(), "VPCI1004"),
    "deep": (BOMBS["flow"].encode(), "VPCI1005"),
    "a scalar": (b"x\r\n", "VPCI1103"),
    "merge keys": (BOMBS["merge keys"].encode(), "VPCI1004"),
    "a colour": (b'vpci: 1\ndevice: "\\e[31m"\n', "VPCI1103"),
}


@pytest.mark.parametrize("name", BAD)
def test_the_program_refuses_a_file_with_1(folder: Path, name: str) -> None:
    data, code = BAD[name]
    (folder / "x.yaml").write_bytes(data)
    done = run("build", "x.yaml", "-o", "out", folder=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"error[{code}" in done.stderr and not CONTROL.search(done.stderr)
    assert [path.name for path in folder.iterdir()] == ["x.yaml"]


def test_a_byte_order_mark_and_line_ends_of_windows_are_no_mistake(folder: Path) -> None:
    (folder / "x.yaml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert api.check(folder / "x.yaml").function.digest == api.check("minimal").function.digest


def test_names_that_cannot_be(folder: Path) -> None:
    long = "a" * 300
    for command in (["check", long], ["check", f"{long}.yaml"], ["show", long], ["import", long], ["build", long]):
        done = run(*command, folder=folder)
        assert (done.returncode, done.stdout) == (1, "") and "error[VPCI1001]" in done.stderr
    for out in (long, f"out/{long}/x"):
        done = run("build", "minimal", "-o", out, folder=folder)
        assert (done.returncode, done.stdout) == (1, "") and "error[VPCI1801]" in done.stderr
    assert list(folder.iterdir()) == []


# -- the output folder ---------------------------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(folder: Path, out: str, **limits: int) -> None:
    before = contents(folder)
    done = run("build", "minimal", "-o", out, folder=folder, **limits)
    assert (done.returncode, done.stdout) == (1, "") and "error[VPCI1801]" in done.stderr
    assert contents(folder) == before


def test_an_output_folder_that_is_a_file(folder: Path) -> None:
    (folder / "out").write_text("precious")
    refused(folder, "out")
    refused(folder, "out/deeper")


def test_an_output_that_is_a_folder_stops_all_of_them(folder: Path) -> None:
    (folder / "out/minimal.h").mkdir(parents=True)
    (folder / "out/minimal.bin").write_text("old")
    (folder / "out/notes").write_text("mine")
    refused(folder, "out")


def test_a_closed_folder(folder: Path) -> None:
    (folder / "shut").mkdir(mode=0o500)
    if os.access(folder / "shut", os.W_OK):
        pytest.skip("root writes everywhere")
    refused(folder, "shut")
    refused(folder, "shut/out")
    for arguments in (["import", "shut"], ["show", "shut/x"], ["check", "shut/x.yaml"]):
        (folder / "shut").chmod(0)
        done = run(*arguments, folder=folder)
        assert done.returncode == 1 and "error[VPCI1001]" in done.stderr


def test_a_place_where_nobody_writes(folder: Path) -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("no /proc")
    refused(folder, "/proc/nosuch/out")


def test_a_disk_that_is_full(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out/minimal.bin").write_text("old")
    refused(folder, "out", FSIZE=4096)


def test_other_files_stay(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out/notes").write_text("mine")
    assert run("build", "minimal", "-o", "out", folder=folder).returncode == 0
    assert (folder / "out/notes").read_text() == "mine"
    assert not [path for path in (folder / "out").iterdir() if path.name != "notes" and "minimal" not in path.name]
