"""`diff` as a person and as a program see it: verdicts, documents, SARIF, policies, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

from compiling import HEAD
from vpci_compile import resources
from vpci_compile.cli.app import app
from vpci_compile.emit.printed.migration_json import diff_schema
from vpci_compile.host.document_format import function_schema

CAPTURES = Path(__file__).parents[1] / "captures"
IGB, NVME, SRIOV = (str(CAPTURES / f"{name}.lspci") for name in ("igb", "nvme", "nvme-sriov"))
POLICY = "vpci-policy: 1\naccept:\n  - {field: msix.ctrl, why: one queue less is fine}\n"


def diff(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["diff", *arguments])


def test_verdicts_come_first() -> None:
    same, other = diff(IGB, IGB), diff(NVME, SRIOV)
    assert (same.exit_code, other.exit_code) == (0, 1)
    assert same.stdout.startswith("can migrate below linux-7.2/qemu-11.1, today: ")
    lines = other.stdout.splitlines()
    words = "get_pci_config_device: Bad config data: i=0x42 read: 40 device: 38 cmask: ff wmask: 0 w1cmask:0"
    assert lines[:4] == [
        "cannot migrate below linux-7.2/qemu-11.1: 1 difference rejected",
        f"  from {NVME}",
        f"  to   {SRIOV}",
        f"  it would say: {words}",
    ]
    assert "  msix.ctrl.table_size at 0x42: Table Size" in lines and "    - 0x40 (65)  (" in other.stdout


def test_a_policy_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    done = diff(NVME, SRIOV, "--policy", str(path))
    assert done.exit_code == 0
    assert f"  msix.ctrl.table_size (rejected), by {path}:3: one queue less is fine" in done.stdout
    by_hand = diff(NVME, SRIOV, "--ignore", "msix")
    assert by_hand.exit_code == 0 and "(rejected), by --ignore msix" in by_hand.stdout
    assert diff(NVME, SRIOV, "--ignore", "msix", "--strict").exit_code == 1
    path.write_text("")
    assert diff(NVME, SRIOV, "--policy", str(path)).exit_code == 1
    path.write_text(POLICY.replace("field", "feild"))
    assert diff(NVME, SRIOV, "--policy", str(path)).exit_code == 1
    assert diff(NVME, SRIOV, "--policy", str(tmp_path / "none.yaml")).exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [IGB, IGB],
        [NVME, SRIOV, "--ignore", "msix.ctrl"],
        [SRIOV, "minimal"],
        ["nvidia/gh200", "nvidia/h100-clique"],
        [IGB, IGB, "--stack", "linux-7.2/crosvm-2026.8"],
    ],
)
def test_the_document_is_as_its_schema_says(arguments: list[str]) -> None:
    done = diff(*arguments, "--format", "json")
    document = json.loads(done.stdout)
    Draft202012Validator(json.loads(diff_schema())).validate(document)
    assert (
        (done.exit_code == 0)
        == (document["verdict"] == "can-migrate")
        == (document["there"]["verdict"] == "can-migrate")
    )
    rejected = [one for one in document["there"]["findings"] if one["class"] == "rejected" and not one["ignored"]]
    assert bool(rejected) == (done.exit_code == 1)


def test_the_other_documents_are_as_their_schema_says(tmp_path: Path) -> None:
    validator = Draft202012Validator(json.loads(function_schema()))
    run = CliRunner()
    assert run.invoke(app, ["build", "nvidia/gh200", "-o", str(tmp_path)]).exit_code == 0
    assert run.invoke(app, ["predict", IGB, "--stack", "qemu-11.1", "-o", str(tmp_path / "igb.json")]).exit_code == 0
    for name in ("nvidia-gh200.json", "igb.json"):
        (path,) = tmp_path.glob(f"*{name.partition('-')[2] or name}")
        validator.validate(json.loads(path.read_text()))


@pytest.mark.parametrize(("name", "made"), [("diff", diff_schema), ("function", function_schema)])
def test_the_schemas_that_are_kept(name: str, made: object) -> None:
    kept = (resources.folder("schemas") / f"{name}.schema.json").read_text(encoding="utf-8")
    assert callable(made) and kept == made()


def test_sarif() -> None:
    done = diff(NVME, SRIOV, "--format", "sarif", "--ignore", "sriov")
    (run,) = json.loads(done.stdout)["runs"]
    rules = [one["ruleId"] for one in run["results"]]
    assert done.exit_code == 1
    assert rules.count("VPCI2310") == 1 and "VPCI2312" in rules and "VPCI2314" in rules


def test_raw_contracts(tmp_path: Path) -> None:
    layout = tmp_path / "a.yaml"
    layout.write_text(HEAD)
    assert diff("--raw", str(layout), str(layout)).stdout == "equal: the contracts are the same\n"
    assert diff("--raw", str(layout), IGB).exit_code == 1
    assert diff("--raw", str(layout), IGB, "--format", "json").exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [IGB],
        [IGB, IGB, "--stack", "linux-1.0"],
        [IGB, IGB, "--option", "x"],
        [IGB, IGB, "--option", "nosuch=1"],
        [IGB, IGB, "--dst-option", "viommu=maybe"],
        ["minimal", IGB, "--src-slot", "00:01.0"],
        ["minimal", "minimal", "--option", "ats=off"],
        ["minimal", "minimal", "--place", "root"],
        ["minimal", "minimal", "--raw", "--stack", "qemu-11.1"],
        ["minimal", "minimal", "--raw", "--ignore", "header"],
        ["machines/smallest", "machines/smallest", "--option", "ats=off"],
        ["machines/smallest", "machines/smallest", "--dst-slot", "00:01.0"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    assert diff(*arguments).exit_code == 2


def test_options_that_a_document_cannot_hear(tmp_path: Path) -> None:
    """What `predict` wrote is below its own options; of one side that is told, of both it is wrong usage."""
    document = str(tmp_path / "igb.json")
    predict = ["predict", IGB, "--stack", "linux-7.2/qemu-11.1", "-o", document]
    assert CliRunner().invoke(app, predict).exit_code == 0
    assert diff(document, document, "--option", "multifunction=on").exit_code == 2
    assert diff(document, document, "--option", "viommu=on").exit_code == 1
    one = diff(document, IGB, "--option", "multifunction=on")
    assert one.exit_code == 1
    assert f"note: {document} is as it says itself: nothing of it depends on multifunction\n" in one.stdout
    for rest in (["--option", "multifunction=on"], ["--place", "root"], ["--slot", "00:01.0"]):
        page = CliRunner().invoke(app, ["report", document, "-o", str(tmp_path / "x.html"), *rest])
        assert page.exit_code == 2 and not (tmp_path / "x.html").exists()


@pytest.mark.parametrize("rest", [["--place", "root"], ["--slot", "00:01.0"], ["--option", "ats=off"]])
@pytest.mark.parametrize("command", [["show", "minimal"], ["show", "machines/smallest"], ["explain", "minimal", "0"]])
def test_options_that_nobody_would_read_are_refused(command: list[str], rest: list[str]) -> None:
    assert CliRunner().invoke(app, [*command, *rest]).exit_code == 2


def test_the_destinations_own_stack_and_options() -> None:
    done = diff(IGB, IGB, "--dst-stack", "linux-6.1/qemu-7.2", "--format", "json")
    document = json.loads(done.stdout)
    assert (document["there"]["stack"], document["back"]["stack"]) == ("linux-6.1/qemu-7.2", "linux-7.2/qemu-11.1")
    multi = diff(IGB, IGB, "--dst-option", "multifunction=on", "--format", "json")
    words = json.loads(multi.stdout)["there"]["words"]
    assert words == ["get_pci_config_device: Bad config data: i=0xe read: 0 device: 80 cmask: ff wmask: 0 w1cmask:0"]


def test_names_and_reasons_move_no_cursor(tmp_path: Path) -> None:
    """What others wrote stands in one line, and a terminal obeys none of it; documents stay valid."""
    hostile, policy = tmp_path / "a\x1b[31m\n\x9bb.lspci", tmp_path / "policy\x1b[2J.yaml"
    hostile.write_text(Path(NVME).read_text())
    policy.write_text('vpci-policy: 1\naccept: [{field: msix, why: "\\e]0;x\\a\\n"}]\n')
    arguments = [str(hostile), SRIOV, "--policy", str(policy), "--all"]
    text = diff(*arguments)
    assert text.exit_code == 0 and "a.[31m .b.lspci" in text.stdout and "]0;x" in text.stdout
    assert all(line.isprintable() for line in text.stdout.split("\n"))
    document = json.loads(diff(*arguments, "--format", "json").stdout)
    Draft202012Validator(json.loads(diff_schema())).validate(document)
    assert all(char.isprintable() for char in document["there"]["source"])


def test_a_prediction_stays_below_its_stack(tmp_path: Path) -> None:
    """Bytes and masks are those of the stack that it was made for: no other one answers for it."""
    path = tmp_path / "igb.json"
    made = ["predict", IGB, "--stack", "linux-7.2/cloud-hypervisor-53.0", "-o", str(path)]
    assert CliRunner().invoke(app, made).exit_code == 0
    assert diff(str(path), str(path)).exit_code == 0
    assert diff(str(path), str(path), "--stack", "linux-7.2/cloud-hypervisor-53.0").exit_code == 0
    other = diff(str(path), str(path), "--stack", "linux-7.2/qemu-11.1")
    assert other.exit_code == 2 and "was predicted below" in other.stderr
    for option in ("--src-slot", "--dst-slot"):
        assert diff(str(path), str(path), option, "01:00.0").exit_code == 2


def test_a_field_that_nobody_has_is_said() -> None:
    """A misspelt --ignore accepts nothing, and whoever wrote it must hear so."""
    done = diff(IGB, IGB, "--ignore", "pcie.lnkst", "--ignore", "pcie.lnksta", "--ignore", "bar0.size")
    assert "note: --ignore pcie.lnkst accepts nothing: no side has 'pcie.lnkst'\n" in done.stdout
    assert done.stdout.count("accepts nothing") == 1
