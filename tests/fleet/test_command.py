"""The command: groups and outliers as a person, a program and a spreadsheet see them; and input of every kind."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from command import Done, Run
from rights import open_folder, ordinary_user
from vpci_compile import api
from vpci_compile.capture.read import MAX_FILE
from vpci_compile.emit.printed.fleet_format import COLUMNS, fleet_schema
from vpci_compile.fleet.report import MOST_FAMILIES
from vpci_compile.stack.chains import standard_chain

from .hosts_of import OWN, ROOT, host, own, put, text, unit

EXTENDED = 0x100  # where the extended capabilities begin

SCHEMA = ROOT / "schemas/fleet.schema.json"


@pytest.fixture
def run(run: Run) -> Run:
    """The command `fleet` in this process, in an empty folder."""
    return partial(run, "fleet")


def document(done: Done) -> dict[str, Any]:
    """What `--format json` wrote, as the schema says it is."""
    made: dict[str, Any] = json.loads(done.out)
    jsonschema.validate(made, json.loads(SCHEMA.read_text()))
    return made


def test_the_published_schema_is_that_of_the_program() -> None:
    """`make schema` writes it."""
    assert SCHEMA.read_text() == fleet_schema()
    jsonschema.Draft202012Validator.check_schema(json.loads(fleet_schema()))


# -- answers -------------------------------------------------------------------------------------------------------


def nvme(aspm: str = "11 0c 10") -> bytes:
    """A function without anything that differs from unit to unit; `aspm`: bytes of its Link Capabilities."""
    data = own("nvme")
    at = next(one.offset for one in standard_chain(data) if one.id == 0x10) + 0x0C
    return put(data, at, aspm)


def test_hosts_alike_are_one_group(run: Run, tmp_path: Path) -> None:
    for number in range(5):
        host(tmp_path, number, put(nvme(), 0x3C, f"{number + 5:02x}"), own("pcie-root-port"))
    done = run(".")
    assert (done.status, done.err) == (0, "")
    assert "10 functions of 2 models in 5 files, below linux-7.2/qemu-11.1, behind a root port" in done.out
    assert "each function can migrate to each other one of its model" in done.out
    assert "a bridge's: vfio-pci takes endpoints alone" in done.out


def test_an_outlier_is_found_and_decoded(run: Run, tmp_path: Path) -> None:
    for number in range(20):
        host(tmp_path, number, nvme("41 0c 10" if number == 17 else "11 0c 10"))
    done = run(".")
    assert done.status == 1
    lines = done.out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.endswith("outlier"))
    assert lines[at].startswith("  2. 1 function, ")
    assert "pcie.lnkcap.width" in lines[at + 1] and "x4" in lines[at + 1] and "x1" in lines[at + 1]
    assert lines[at + 2].strip() == "h0017.lspci 01:00.0"
    assert "get_pci_config_device: Bad config data: i=" in done.out
    (model,) = document(run(".", "--format", "json"))["models"]
    first, second = model["families"]
    assert (first["functions"], second["functions"], second["outlier"]) == (19, 1, True)
    assert [row["path"] for row in second["differences"]] == ["pcie.lnkcap.width"]
    assert second["groups"][0]["members"] == [{"file": "h0017.lspci", "slot": "0000:01:00.0"}]
    assert [(way["to"], way["refused"][:23]) for way in second["ways"]] == [(1, "get_pci_config_device: ")]


def test_units_are_a_family_and_reach_nobody(run: Run, tmp_path: Path) -> None:
    """QEMU compares the Device Serial Number: it is said once, not a thousand times."""
    for number in range(40):
        data = unit(own("e1000e"), number)
        host(tmp_path, number, put(data, 0x08, "03") if number == 7 else data)
    done = run(".")
    assert done.status == 1
    assert "1. 39 functions in 39 contracts, alike but for dsn" in done.out
    assert "header.revision" in done.out and len(done.out.splitlines()) < 25
    (model,) = document(run(".", "--format", "json"))["models"]
    assert [len(family["groups"]) for family in model["families"]] == [39, 1]
    assert model["families"][0]["units"]


def test_a_way_can_be_open_in_one_direction(run: Run, tmp_path: Path) -> None:
    """The destination alone decides: QEMU compares an extended capability at 0x100 only where it has one itself."""
    data = own("e1000e")
    alone = put(data, EXTENDED, "01000200")  # AER, and nothing behind it
    for number, one in enumerate((alone, alone, put(alone, EXTENDED, "00000000"))):
        host(tmp_path, number, one)
    (model,) = document(run(".", "--format", "json"))["models"]
    with_aer, without = model["families"]
    assert [way["refused"] for way in with_aer["ways"]] == [None]
    (back,) = without["ways"]
    assert back["refused"].startswith("get_pci_config_device: Bad config data: i=0x100 read: 0 device: 1 ")
    said = run(".")
    assert said.status == 1 and "1 can migrate to 2, not back, but a guest sees aer" in said.out


def test_a_file_that_goes_away_while_the_fleet_is_read(tmp_path: Path) -> None:
    """It is named, and the rest is answered."""
    files = [host(tmp_path, number, nvme()) for number in range(3)]

    def gone(number: int, path: str) -> None:
        files[1].unlink(missing_ok=True)

    found = api.fleet([tmp_path], progress=gone)
    assert [(one.code, one.span.path) for one in found.problems] == [("VPCI1001", str(files[1]))]
    assert found.functions == 2 and not found.fine


def test_hosts_that_do_not_say_sizes_are_no_other_hosts(run: Run) -> None:
    """Whether a guest would see a BAR of another size is not known: nobody refuses, and it is no outlier's fault."""
    with_sizes = (OWN / "nvme.lspci").read_text()
    without = "".join(line for line in with_sizes.splitlines(keepends=True) if "[size=" not in line)
    Path("a.lspci").write_text(with_sizes)
    Path("b.lspci").write_text(without)
    done = run(".")
    assert done.status == 1
    assert "  1 and 2 can migrate to each other, but whether a guest sees bar0.size" in done.out
    assert done.out.endswith("1 model with functions whose guests see a migration, or may\n")
    (model,) = document(run(".", "--format", "json"))["models"]
    ways = [way for family in model["families"] for way in family["ways"]]
    assert len(ways) == 2 and all(way["unknown"] and not way["seen"] and way["refused"] is None for way in ways)


def test_that_only_the_largest_families_are_compared_is_said(run: Run, tmp_path: Path) -> None:
    for number in range(MOST_FAMILIES + 2):
        host(tmp_path, number, put(nvme(), 0x08, f"{number:02x}"))
    done = run(".")
    assert f"and 2 smaller ones, with 2 functions: the {MOST_FAMILIES} largest of a model are compared" in done.out
    (model,) = document(run(".", "--format", "json"))["models"]
    assert [family["compared"] for family in model["families"]] == [True] * MOST_FAMILIES + [False] * 2


def test_csv_has_a_row_for_each_function(run: Run, tmp_path: Path) -> None:
    for number in range(3):
        host(tmp_path, number, unit(own("e1000e"), number), nvme(), own("pcie-root-port"))
    done = run(".", "--format", "csv")
    header, *rows = csv.reader(io.StringIO(done.out))
    assert tuple(header) == COLUMNS and len(rows) == 9
    assert len({row[4] for row in rows if row[2] == "8086:10d3"}) == 3
    assert len({row[3] for row in rows if row[2] == "1b36:0010"}) == 1
    assert all(bool(row[3]) != bool(row[5]) for row in rows)


def test_names_in_csv_are_no_formulas_and_move_no_cursor(run: Run, tmp_path: Path) -> None:
    for name in ("=1+2.lspci", "+a.lspci", "-b.lspci", "@c.lspci", "d\x1b[31m\n.lspci"):
        host(tmp_path, 1, nvme()).rename(tmp_path / name)
    done = run(".", "--format", "csv")
    names = {row[0] for row in csv.reader(io.StringIO(done.out))}
    assert names == {"file", "./=1+2.lspci", "./+a.lspci", "./-b.lspci", "./@c.lspci", "d.[31m .lspci"}


def test_every_form_of_a_capture_comes_into_one_group(run: Run) -> None:
    data = nvme()
    Path("a.bin").write_bytes(data)
    Path("b.lspci").write_text(text({"01:00.0": data}))
    folder = Path("host/0000:01:00.0")
    folder.mkdir(parents=True)
    (folder / "config").write_bytes(data)
    done = run(".", "--format", "json")
    (model,) = document(done)["models"]
    assert [family["functions"] for family in model["families"]] == [3]
    api.write_prediction(api.predict("b.lspci", "linux-7.2/qemu-11.1"), "c.json")
    (model,) = document(run(".", "--format", "json"))["models"]
    assert [family["functions"] for family in model["families"]] == [4]


def test_json_lines_have_a_capture_on_each(run: Run) -> None:
    captured = json.dumps(json.loads((ROOT / "tests/errors/VPCI1718.capture").read_text()))
    Path("fleet.jsonl").write_text(f"{captured}\n\n{captured}\n{{broken}}\n{captured}\n")
    done = run("fleet.jsonl", "--format", "json")
    made = document(done)
    assert done.status == 1 and made["functions"] == 3
    assert [row["path"] for row in made["problems"]] == ["fleet.jsonl:4"]


# -- bad input -----------------------------------------------------------------------------------------------------


def test_what_cannot_be_read_is_named_and_the_rest_is_answered(run: Run, tmp_path: Path) -> None:
    for number in range(6):
        host(tmp_path, number, nvme())
    Path("h0002.lspci").write_text(Path("h0002.lspci").read_text().replace("10: ", "10: zz ", 1))
    Path("empty.lspci").write_bytes(b"")
    Path("short.lspci").write_text(text({"02:00.0": own("nvme")[:64]}))
    Path("garbage").write_bytes(os.urandom(10_000_000))
    Path("words.txt").write_text("nothing of a kind\n" * 100_000)
    with Path("large").open("wb") as stream:
        stream.truncate(MAX_FILE + 1)
    Path("loop").symlink_to(".")
    Path("gone").symlink_to("nowhere")
    os.mkfifo("pipe")
    Path("folder").mkdir()
    done = run(".", "folder", "no-such-file", "*.capture", "--format", "json")
    made = document(done)
    assert done.status == 1 and made["functions"] == 5
    named = {Path(row["path"]).name: row["code"] for row in made["problems"]}
    assert named == {
        "h0002.lspci": "VPCI1704",
        "empty.lspci": "VPCI1701",
        "short.lspci": "VPCI2202",
        "garbage": "VPCI1711",
        "words.txt": "VPCI1701",
        "large": "VPCI1710",
        "gone": "VPCI1001",
        "pipe": "VPCI1001",
        "folder": "VPCI2201",
        "no-such-file": "VPCI2201",
        "*.capture": "VPCI2201",
    }
    for name, code in named.items():
        assert f"{name}:" in done.err and code in done.err


def test_a_closed_file_and_a_closed_folder(run: Run) -> None:
    with open_folder() as folder:
        host(folder, 1, nvme()).chmod(0o644)
        (folder / "closed.lspci").write_bytes(b"x")
        (folder / "closed.lspci").chmod(0)
        (folder / "closed").mkdir(0)
        run(folder / "h0001.lspci")  # everything is imported
        with ordinary_user():
            done = run(folder)
    assert done.status == 1 and done.err.count("error[VPCI1001]") == 2
    assert "1 function of 1 model" in done.out


def test_one_function_that_is_not_shown_among_others(run: Run, tmp_path: Path) -> None:
    host(tmp_path, 1, nvme())
    host(tmp_path, 2, nvme())
    host(tmp_path, 3, put(nvme(), 0x0E, "01"))
    done = run(".")
    assert done.status == 1
    assert "not shown by the stack: 1 function: the header type is 0x1, a bridge's" in done.out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("x", "--stack", "windows-11"),
        ("x", "--place", "moon"),
        ("x", "--option", "k"),
        ("x", "--format", "xml"),
    ],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    host(Path(), 1, nvme())
    assert run(*arguments).status == 2


def test_an_option_that_the_vmm_has_not(run: Run, tmp_path: Path) -> None:
    host(tmp_path, 1, nvme())
    done = run(".", "--option", "x-warp=9")
    assert done.status == 2 and "x-warp" in done.err


# -- a person at work ----------------------------------------------------------------------------------------------


def test_an_interrupt_ends_it_without_a_word_of_python(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    holder = os.open(pipe, os.O_RDWR)
    try:
        command = [sys.executable, "-m", "vpci_compile", "fleet", str(OWN / "igb.lspci"), str(pipe), "--progress"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            seen = ""
            while "reading file" not in seen:
                seen += process.stderr.read(1)
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    finally:
        os.close(holder)
    assert process.returncode == 130
    assert "Traceback" not in out + err


def test_progress_is_said_only_when_asked_for_or_seen(run: Run, tmp_path: Path) -> None:
    host(tmp_path, 1, nvme())
    assert run(".").err == ""
    assert "reading file 1: h0001.lspci" in run(".", "--progress").err


def test_the_answer_does_not_depend_on_the_order_of_files_in_a_folder(run: Run, tmp_path: Path) -> None:
    for number in (5, 3, 9):
        host(tmp_path, number, unit(own("e1000e"), number))
    first = run(".").out
    (tmp_path / "h0003.lspci").rename(tmp_path / "x")
    (tmp_path / "x").rename(tmp_path / "h0003.lspci")
    assert run(".").out == first
