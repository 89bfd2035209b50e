"""Each command: what it prints and writes, and its exit status."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from command import Done, Run, process
from compiling import ROOT, whole_layouts
from vpci_compile import api
from vpci_compile.diagnostics import REGISTRY

from .inputs import CAPTURE, ESCAPE, MANY, MINIMAL


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
    for path in whole_layouts():
        name = path.relative_to(ROOT / "layouts").with_suffix("").as_posix()
        done = run("check", name)
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


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ("import {} -o {} --force", "a.lspci"),
        ("show {} --svg {}", "a.lspci"),
        ("show {} --svg link/{}", "a.lspci"),
        ("report {} -o {}", "a.lspci"),
        ("report minimal {} -o {}", "a.lspci"),
        ("predict {} --stack qemu-11.1 -o {}", "a.lspci"),
        ("baseline {} --stack linux-7.2/qemu-11.1 -o {} --force", "a.lspci"),
        ("build host.yaml -o . --host {} --stack linux-7.2/qemu-11.1", "host.lspci"),
    ],
)
def test_no_output_takes_the_place_of_its_input(run: Run, arguments: str, name: str) -> None:
    """Captures are hard to come by."""
    text = CAPTURE.read_text()
    Path(name).write_text(text)
    Path("link").symlink_to(".")
    guest = run("predict", name, "--stack", "linux-7.2/qemu-11.1", "-o", "guest.lspci")
    assert guest.status == 0
    Path("host.yaml").write_text(run("import", "guest.lspci").out.replace("device: 8086-10d3", "device: host"))
    before = sorted(Path().iterdir())
    done = run(*arguments.format(*2 * [name]).split())
    assert done.status == 1 and "error[VPCI1801]" in done.err and "it is what this output is made of" in done.err
    assert Path(name).read_text() == text and sorted(Path().iterdir()) == before


def test_a_layout_of_any_name_outlives_its_build(run: Run) -> None:
    Path("nic.yaml").rename("nic.json")
    done = run("build", "nic.json", "-o", ".")
    assert done.status == 1 and "nic.json:1:1: error[VPCI1801]" in done.err
    assert sorted(path.name for path in Path().iterdir()) == ["bad.yaml", "nic.json"]


def test_names_of_files_that_are_fine_move_no_cursor(run: Run) -> None:
    name = f"a{ESCAPE}[31m.yaml"
    Path("nic.yaml").rename(name)
    for arguments in (
        ("check", name),
        ("show", name, "--svg", f"{ESCAPE}.svg"),
        ("report", name, "-o", f"{ESCAPE}.html"),
    ):
        done = run(*arguments)
        assert done.status == 0 and ESCAPE not in done.out + done.err
