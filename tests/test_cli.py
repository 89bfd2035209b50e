"""The commands: exit status, what goes to which stream, and help that a newcomer can use."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from compiling import device_layouts
from vpci_compile import api, cli
from vpci_compile.cli import outcome
from vpci_compile.diagnostics import REGISTRY

ROOT = Path(__file__).parents[1]
MINIMAL = (ROOT / "layouts/minimal.yaml").read_text(encoding="utf-8")
CAPTURE = ROOT / "tests/captures/e1000e.lspci"
MANY = ROOT / "tests/captures/q35-all.lspci"
COMMANDS = ("build", "check", "import", "show", "explain", "diff", "schema", "predict", "fleet")
ESCAPE = "\x1b"


@dataclass
class Done:
    status: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process, in a folder with nic.yaml (fine) and bad.yaml (two errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("nic.yaml").write_text(MINIMAL.replace("device: minimal", "device: nic"))
    Path("bad.yaml").write_text(MINIMAL.replace("vendor: 0x1234", "vender: 0x1234, revision: 0x100"))

    def call(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["vpci-compile", *map(str, arguments)])
        status = cli.main()
        return Done(status, *capsys.readouterr())

    return call


def process(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vpci_compile", *map(str, arguments)]
    return subprocess.run(command, timeout=60, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


# -- each command --------------------------------------------------------------------------------------------------


def test_build_says_what_it_wrote_and_then_that_nothing_changed(run: Run) -> None:
    first = run("build", "nic.yaml", "-o", "out")
    assert (first.status, first.err) == (0, "")
    *files, contract = first.out.splitlines()
    assert sorted(files) == sorted(str(path) for path in Path("out").iterdir())
    assert contract == f"contract {api.check('nic.yaml').function.digest}"
    second = run("build", "nic.yaml", "-o", "out")
    assert second.out.splitlines() == [*(f"{path}  (unchanged)" for path in files), contract]
    Path("out/nic.bin").write_bytes(b"")
    third = run("build", "nic.yaml", "-o", "out")
    assert [line for line in third.out.splitlines() if "unchanged" not in line] == ["out/nic.bin", contract]


def test_build_of_a_bad_layout_writes_nothing(run: Run) -> None:
    done = run("build", "bad.yaml")
    assert (done.status, done.out) == (1, "")
    assert done.err.count("error[VPCI1101]") == 1 and done.err.count("error[VPCI1103]") == 1
    assert done.err.endswith("\n2 errors\n")
    assert not Path("out").exists()


def test_options_of_build_reach_the_outputs(run: Run) -> None:
    options = (
        "--host-address",
        "3d:00.1",
        "--guest-address",
        "05:00.0",
        "--first-node",
        "7",
        "--qemu-version",
        "11.1.2",
    )
    assert run("build", "nvidia/gh200", "-o", "out", *options).status == 0
    assert "0000:3d:00.1" in Path("out/nvidia-gh200.qemu.json").read_text()
    document = json.loads(Path("out/nvidia-gh200.json").read_text())
    assert document["guest"]["bus"] == 5 and document["guest"]["first_node"] == 7


def test_check_says_fine_or_what_is_wrong(run: Run) -> None:
    fine = run("check", "nic.yaml")
    digest = api.check("nic.yaml").function.digest
    assert fine == Done(0, f"nic.yaml: fine, contract {digest}\n", "")
    bad = run("check", "bad.yaml")
    assert (bad.status, bad.out) == (1, "")
    assert re.search(r"^bad\.yaml:6:\d+: error\[VPCI1101\]", bad.err, re.MULTILINE)
    assert sorted(path.name for path in Path().iterdir()) == ["bad.yaml", "nic.yaml"]


def test_shipped_layouts_go_by_their_names(run: Run) -> None:
    for path in device_layouts():
        name = path.relative_to(ROOT / "layouts").with_suffix("").as_posix()
        done = run("check", name)
        if name != "nvidia/hopper-base":  # a part of other layouts
            assert done.status == 0 and done.out.startswith(f"{name}: fine, contract ")


def test_import_gives_a_layout_that_compiles(run: Run) -> None:
    printed = run("import", CAPTURE)
    assert printed.status == 0 and "vpci: 1" in printed.out
    written = run("import", CAPTURE, "-o", "card.yaml")
    assert (written.status, written.out, written.err) == (0, "card.yaml\n", printed.err)
    assert Path("card.yaml").read_text() == printed.out
    assert run("check", "card.yaml").status == 0
    assert run("diff", "--raw", CAPTURE, "card.yaml") == Done(0, "equal: the contracts are the same\n", printed.err)


def test_import_writes_nothing_when_it_fails(run: Run) -> None:
    done = run("import", "nic.yaml", "-o", "card.yaml")
    assert done.status == 1 and "error[VPCI1701]: this is a layout, not a capture" in done.err
    assert not Path("card.yaml").exists()
    assert run("import", CAPTURE, "-o", "nosuch/../nic.yaml/card.yaml").status == 1


def test_slot_chooses_a_function(run: Run) -> None:
    for command in (["import"], ["show"], ["explain", "0"]):
        unclear = run(command[0], MANY, *command[1:])
        assert unclear.status == 1 and "VPCI1703" in unclear.err and "0000:00:1f.2" in unclear.err
        assert run(command[0], MANY, *command[1:], "--slot", "00:1f.2").status == 0
        none = run(command[0], MANY, *command[1:], "--slot", "00:1d.0")
        assert none.status == 1 and "no function at '00:1d.0'" in none.err
        assert "'zz' is not a slot" in run(command[0], MANY, *command[1:], "--slot", "zz").err
    both = ("--src-slot", "00:1f.2", "--dst-slot", "0000:00:1f.2")
    assert run("diff", MANY, MANY, *both).status == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "nic.yaml", "--slot", "00:1f.2"),
        ("explain", "nvidia/gh200", "0", "--slot", "00:1f.2"),
        ("diff", "nic.yaml", "nic.yaml", "--dst-slot", "00:1f.2"),
    ],
)
def test_a_layout_has_no_slots(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert "is a layout: it has one function" in done.err


def test_show_draws_layouts_and_captures(run: Run) -> None:
    for what in ("nic.yaml", "nvidia/gh200", CAPTURE):
        done = run("show", what)
        assert done.status == 0 and "Type 0 Configuration Header" in done.out and ESCAPE not in done.out


def test_show_says_what_an_access_of_a_bar_comes_to(run: Run) -> None:
    said = run("show", "nvidia/gh200").out
    assert (
        "  BAR 4      64-bit memory, prefetchable, 128 GiB, synthesized\n"
        "             94.5 GiB real, past it an access reads ones, drops writes; write-back; only the first access"
        " after a reset needs the memory enable bit\n"
    ) in said
    assert "all of it real; uncached; every access needs the memory enable bit" in said
    assert "all of it real; every access needs the I/O enable bit" in run("show", "virtio/net-vf-transitional").out


def test_show_writes_a_picture(run: Run) -> None:
    done = run("show", "nvidia/gh200", "--svg", "made/gh200.svg")
    assert (done.status, done.out) == (0, "made/gh200.svg\n")
    assert Path("made/gh200.svg").read_text().startswith("<svg ")
    assert run("show", "nic.yaml", "--svg", "nic.yaml/picture.svg").status == 1


def test_explain_of_a_byte_and_of_a_code(run: Run) -> None:
    assert "Vendor ID" in run("explain", "nic.yaml", "0x0").out
    assert run("explain", "nic.yaml", "0x10") == run("explain", "nic.yaml", "16")
    assert run("explain", "VPCI1801").out.startswith("# VPCI1801: ")
    assert run("explain", "vpci1801") == run("explain", "VPCI1801")


@pytest.mark.parametrize("code", [code for code in REGISTRY if (ROOT / f"docs/errors/{code}.md").exists()])
def test_every_code_has_a_page_that_explain_shows(code: str) -> None:
    from vpci_compile.cli.show_commands import _page

    assert _page(code).startswith(f"# {code}: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nic.yaml",), "say which byte"),
        (("nic.yaml", "0x100"), "0x100 is outside this space (0x000..0xff)"),
        (("nic.yaml", "-1"), "No such option: -1"),
        (("nic.yaml", "68h"), "'68h' is no byte and no name in this function; write 0x68, 104 or pcie.devctl"),
        (("VPCI1339",), "there is no code VPCI1339; did you mean VPCI1933"),
        (("VPCI13",), "there is no code VPCI13"),
    ],
)
def test_explain_refuses_what_is_no_byte(run: Run, arguments: tuple[str, ...], words: str) -> None:
    done = run("explain", *arguments)
    assert (done.status, done.out) == (2, "") and words in done.err


def test_diff_is_the_answer(run: Run) -> None:
    same = run("diff", "nic.yaml", "nic.yaml")
    assert (same.status, same.err) == (0, "") and same.out.startswith("can migrate below linux-7.2/qemu-11.1\n")
    Path("other.yaml").write_text(MINIMAL.replace("device: 0x0001", "device: 0x0002"))
    done = run("diff", "nic.yaml", "other.yaml")
    assert (done.status, done.err) == (1, "")
    assert "header.device" in done.out and "nic.yaml:6" in done.out and "other.yaml:6" in done.out
    broken = run("diff", "nic.yaml", "bad.yaml")
    assert (broken.status, broken.out) == (1, "") and "VPCI1101" in broken.err


def test_schema_and_the_catalogues_words(run: Run) -> None:
    assert json.loads(run("schema").out)["title"] == "vpci-compile device layout"
    names = run("schema", "--capabilities")
    assert names.status == 0 and "pcie" in names.out and "pasid" in names.out
    assert "devcap" in run("schema", "--fields", "pcie").out
    wrong = run("schema", "--fields", "pcei")
    assert wrong.status == 2 and "there is no capability 'pcei'; did you mean 'pcie'?" in wrong.err
    assert run("schema", "--fields", "pcie", "--capabilities").status == 2


def test_version(run: Run) -> None:
    assert re.fullmatch(r"vpci-compile \d+\.\d+\.\d+\S*\n", run("--version").out)


def test_the_module_is_the_program(run: Run) -> None:
    done = process("--version", capture_output=True)
    assert (done.returncode, done.stdout) == (0, run("--version").out)


# -- usage and help ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("biuld", "nic.yaml"), "Did you mean 'build'?"),
        (("nosuch",), "No such command 'nosuch'"),
        (("--",), "say which command"),
        (("check", "--fromat", "json", "nic.yaml"), "--format"),
        (("check", "--format", "xml", "nic.yaml"), "'xml' is not one of 'text', 'json', 'sarif'"),
        (("check",), "Missing argument 'LAYOUT'"),
        (("check", "nic.yaml", "bad.yaml"), "unexpected extra argument"),
        (("build", "nic.yaml", "--qemu-version", "eleven"), "'eleven' is not a version; write 11.1"),
        (("build", "nic.yaml", "--host-address", "1"), "'1' is not a PCI address; write 0000:3d:00.0"),
        (("build", "nic.yaml", "--guest-address", "00:20.0"), "'00:20.0' is not a PCI address"),
        (("build", "nic.yaml", "--first-node", "-1"), "0<=x<=65535"),
        (("build", "nic.yaml", "--first-node", "65536"), "0<=x<=65535"),
    ],
)
def test_wrong_usage_is_2_and_says_how_it_is_right(run: Run, arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert words in done.err and "--help" in done.err
    assert not Path("out").exists()


def test_an_option_without_its_value_is_wrong_usage(run: Run) -> None:
    done = run("build", "nic.yaml", "-o")
    assert (done.status, done.out) == (2, "") and "requires an argument" in done.err


def test_no_arguments_show_the_help_and_are_wrong_usage(run: Run) -> None:
    done = run()
    assert (done.status, done.out) == (2, "")
    assert done.err == run("--help").out


def test_the_list_of_commands_has_whole_sentences(run: Run) -> None:
    done = run("--help")
    assert (done.status, done.err) == (0, "")
    assert "..." not in done.out.replace("[ARGS]...", "")
    listed = re.search(r"Commands:\n((?:  \w.*\n)+)", done.out)
    assert listed is not None
    rows = [line.split(None, 1) for line in listed[1].splitlines()]
    assert {*COMMANDS} <= {name for name, _ in rows}
    for _, sentence in rows:
        assert sentence[0].isupper() and sentence.endswith(".")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert re.match(rf"Usage: vpci-compile {command} \[OPTIONS\][A-Z .]*( \[OFFSET\])?$", lines[0])
    examples = lines[lines.index("  Examples:") + 1 :]
    examples = examples[: examples.index("")]
    assert 2 <= len(examples) <= 3
    for example in examples:  # one on each line, and nothing else there
        assert re.fullmatch(r"    (vpci-compile|lspci) [^;]*", example) and example.count("vpci-compile") <= 1
    assert any(example.startswith(f"    vpci-compile {command} ") for example in examples)


def test_the_examples_of_the_help_are_no_wrong_usage(run: Run) -> None:
    for source, name in ((CAPTURE, "host.lspci"), (MANY, "CAPTURE")):
        Path(name).write_text(source.read_text().replace("00:1f.2", "3d:00.0").replace("00:1f.0", "3d:00.1"))
    shutil.copy(MANY, "host.lspci")
    for name in ("old", "new"):
        shutil.copy("nic.yaml", f"{name}.yaml")
    for command in COMMANDS:
        for line in re.findall(r"^    vpci-compile (.*)$", run(command, "--help").out, re.MULTILINE):
            assert run(*line.partition(" > ")[0].split()).status in (0, 1), line


# -- diagnostics for programs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "build"])
def test_json(run: Run, command: str) -> None:
    fine = run(command, "nic.yaml", "--format", "json")
    assert fine == Done(0, "[]\n", "")
    bad = run(command, "bad.yaml", "--format", "json")
    assert (bad.status, bad.err) == (1, "")
    rows = json.loads(bad.out)
    assert [row["code"] for row in rows] == ["VPCI1101", "VPCI1103"]
    for row in rows:
        assert row["severity"] == "error" and row["path"] == "bad.yaml" and row["line"] == 6 and row["column"] > 0
        assert row["message"] and isinstance(row["helps"], list) and isinstance(row["labels"], list)


@pytest.mark.parametrize("command", ["check", "build"])
def test_sarif(run: Run, command: str) -> None:
    Path("a b").mkdir()
    shutil.copy("bad.yaml", "a b/é.yaml")
    for name, status, codes in (("nic.yaml", 0, []), ("a b/é.yaml", 1, ["VPCI1101", "VPCI1103"])):
        done = run(command, name, "--format", "sarif")
        assert (done.status, done.err) == (status, "")
        log = json.loads(done.out)
        assert log["version"] == "2.1.0" and log["$schema"].startswith("https://")
        (ran,) = log["runs"]
        assert ran["columnKind"] == "unicodeCodePoints"
        driver = ran["tool"]["driver"]
        assert driver["name"] == "vpci-compile"
        assert [rule["id"] for rule in driver["rules"]] == codes
        assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
        assert [result["ruleId"] for result in ran["results"]] == codes
        for result in ran["results"]:
            assert result["level"] == "error" and result["message"]["text"]
            (place,) = result["locations"]
            assert place["physicalLocation"]["artifactLocation"]["uri"] == "a%20b/%C3%A9.yaml"
            region = place["physicalLocation"]["region"]
            assert region["startLine"] == 6 and 1 <= region["startColumn"] < region["endColumn"]


def test_the_format_of_one_call_is_not_that_of_the_next(run: Run) -> None:
    run("check", "nic.yaml", "--format", "json")
    assert "error[VPCI1001]" in run("show", "nosuch").err


# -- streams -------------------------------------------------------------------------------------------------------


def on_a_terminal(*arguments: str, folder: Path, **variables: str) -> str:
    """What the program writes to a terminal, both streams."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", **variables}
    command = [sys.executable, "-m", "vpci_compile", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=theirs, stderr=theirs, stdin=theirs, env=environment) as started:
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):  # Linux: the other side is closed
            while piece := os.read(ours, 65536):
                text += piece
        os.close(ours)
        assert started.wait(60) == 1
    return text.decode()


def test_colours_are_for_terminals_alone(run: Run, tmp_path: Path) -> None:
    assert ESCAPE in on_a_terminal("check", "bad.yaml", folder=tmp_path, NO_COLOR="")
    assert ESCAPE not in on_a_terminal("check", "bad.yaml", folder=tmp_path, NO_COLOR="1")
    assert ESCAPE not in on_a_terminal("check", "bad.yaml", folder=tmp_path, TERM="dumb", NO_COLOR="")
    assert ESCAPE not in run("check", "bad.yaml").err


@pytest.mark.parametrize("command", [("schema",), ("show", "nvidia/gh200"), ("check", "nosuch", "--format", "json")])
def test_a_reader_that_goes_away(command: tuple[str, ...]) -> None:
    line = f"{sys.executable} -m vpci_compile {' '.join(command)} | head -c 1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=True)
    assert (len(done.stdout), done.stderr) == (1, "")


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full"])
def test_output_that_cannot_be_written_is_no_success(tmp_path: Path, redirection: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    line = f"{sys.executable} -m vpci_compile check minimal {redirection}"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"vpci-compile: cannot write to standard output: .*\n", done.stderr)


def test_a_working_folder_that_is_gone(tmp_path: Path) -> None:
    line = f"mkdir gone; cd gone; rmdir ../gone; {sys.executable} -m vpci_compile check minimal"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("vpci-compile: the working folder is gone")


def test_no_error_stream_and_a_poor_encoding(tmp_path: Path) -> None:
    line = f"{sys.executable} -m vpci_compile check nosuch 2>&-"
    assert subprocess.run(["sh", "-c", line], cwd=tmp_path, timeout=60, check=False).returncode == 1
    (tmp_path / "x.yaml").write_text(MINIMAL.replace("device: minimal", "device: é"), encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for form in ("text", "json"):
        done = process("check", "x.yaml", "--format", form, cwd=tmp_path, env=environment, capture_output=True)
        assert done.returncode == 1 and "fault" not in done.stderr and "VPCI1103" in done.stdout + done.stderr


# -- a fault of ours -----------------------------------------------------------------------------------------------


def test_a_fault_of_ours_is_70_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_into_it() -> None:
        raise ZeroDivisionError("on \x1b[31m purpose")

    monkeypatch.delenv("VPCI_COMPILE_TRACEBACK", raising=False)
    assert outcome.guarded(run_into_it) == 70
    told = capsys.readouterr().err
    assert "a fault of ours: ZeroDivisionError: on .[31m purpose" in told and "Traceback" not in told
    monkeypatch.setenv("VPCI_COMPILE_TRACEBACK", "1")
    assert outcome.guarded(run_into_it) == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert outcome.guarded(interrupted) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "words",
    [
        *(
            "check {}",
            "build {}",
            "show {}",
            "explain {} 0",
            "import {}",
            "free {}",
            "fleet {}",
            "diff {} nvidia/gh200",
        ),
        *("diff nvidia/gh200 {}", "diff --raw {} minimal", "report {} -o unused.html", "layouts show {}"),
        *("predict {} --stack linux-7.2/qemu-11.1", "verify {}", "serve {} --socket unused", "acpi build {}"),
    ],
)
@pytest.mark.parametrize(("typed", "meant"), [("nvidia/gh20", "nvidia/gh200"), ("machines/gh20", "machines/gh200")])
def test_a_misspelt_name_is_answered_with_the_near_one(run: Run, words: str, typed: str, meant: str) -> None:
    done = run(*words.format(typed).split())
    assert done.status == 1 and f"did you mean '{meant}'?" in done.err


def test_a_misspelt_machine_beside_another_one(run: Run) -> None:
    for words in ("machines/gh20 machines/gh200", "machines/gh200 machines/gh20"):
        done = run("diff", *words.split())
        assert done.status == 1 and "did you mean 'machines/gh200'?" in done.err
