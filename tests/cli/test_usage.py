"""Help that a newcomer can use, and wrong usage that says how it is right."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from command import Run

from .inputs import CAPTURE, MANY

COMMANDS = ("build", "check", "import", "show", "explain", "diff", "schema", "predict", "fleet")


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


@pytest.mark.parametrize("arguments", [("import", ""), ("build", "nic.yaml", "-o", ""), ("acpi", "nodes", "")])
def test_an_empty_argument_is_not_the_working_folder(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.status, done.out) == (2, "") and "an argument is empty" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--library", "{}", "layouts", "list"),
        ("report", "{}", "-o", "x.html"),
        ("baseline", "nic.yaml", "--stack", "qemu-11.1", "-o", "{}"),
        ("check", "{}"),
    ],
)
def test_a_name_too_long_is_a_users_mistake(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*(word.format("a" * 300) for word in arguments))
    assert (done.status, done.out) == (1, "") and "aaa" in done.err


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
