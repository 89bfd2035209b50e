"""The commands on machine layouts: what they take, what they refuse, what they say of the host."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from vpci_compile import api
from vpci_compile.diagnostics import Failed
from vpci_compile.emit import Options

MACHINE = "machines/gb300-four"
SAME = {"gpu0": "0009:01:00.0", "gpu1": "0009:01:00.0"}


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "vpci_compile", *map(str, arguments)]
    return subprocess.run(line, timeout=60, text=True, check=False, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["build", MACHINE, "--host-address", "01:00.0"], "--host-address"),
        (["build", MACHINE, "--stack", "linux-7.2/qemu-11.1"], "--stack"),
        (["build", MACHINE, "--qemu-version", "9.0"], "--qemu-version"),
        (["check", MACHINE, "--qemu-version", "9.0"], "--qemu-version"),
        (["show", MACHINE, "--slot", "01:00.0"], "--slot"),
        (["explain", MACHINE, "gpu0", "--stack", "linux-7.2/qemu-11.1"], "--stack"),
        (["build", "nvidia/gh200", "--host-device", "gpu0=01:00.0"], "--host-device"),
        (["build", MACHINE, "--host-device", "gpu9=01:00.0"], "--host-device"),
    ],
)
def test_an_option_that_says_nothing_here_is_refused_before_a_file_is_written(
    arguments: list[str], option: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = command(*arguments, *(["-o", out] if arguments[0] == "build" else []))
    assert (done.returncode, done.stdout, out.exists()) == (2, "", False)
    assert f"Invalid value for {option}" in done.stderr


def test_a_device_that_is_not_there_leads_to_those_that_are(tmp_path: Path) -> None:
    done = command("build", MACHINE, "-o", tmp_path / "out", "--host-device", "gpu=01:00.0")
    assert done.returncode == 2
    assert "no device 'gpu'; its devices: gpu0, gpu1, gpu2, gpu3" in done.stderr


def test_build_asks_for_the_addresses_that_nobody_told(tmp_path: Path) -> None:
    done = command("build", MACHINE, "-o", tmp_path, "--host-device", "gpu1=0009:01:00.0")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].endswith(": gpu0, gpu2, gpu3")
    document = json.loads((tmp_path / "gb300-four.qemu.json").read_text())
    untold = [one for one in document["requires"] if "nobody told" in one]
    assert [one.partition(":")[0] for one in untold] == ["gpu0", "gpu2", "gpu3"]


def test_two_functions_cannot_be_one_of_the_host(tmp_path: Path) -> None:
    with pytest.raises(Failed) as found:
        api.build_machine(MACHINE, tmp_path / "out", Options(host_devices=SAME))
    assert [(one.code, one.message) for one in found.value.diagnostics] == [
        ("VPCI1824", "gpu1 and gpu0 have the same address on the host: 0009:01:00.0")
    ]


def test_what_the_machine_decides_is_not_required_of_anybody() -> None:
    """Bus numbers, windows and releases are the layout's; a function alone has to ask for them."""
    from vpci_compile.emit.machine import qemu as machine_qemu

    _, requires = machine_qemu.arguments(api.load_machine(MACHINE).system, Options())
    assert not [one for one in requires if "numbers the bus" in one or "root port's window" in one or "newer" in one]


def test_the_script_gives_the_arguments_one_option_a_line(tmp_path: Path) -> None:
    api.build_machine(MACHINE, tmp_path)
    document = json.loads((tmp_path / "gb300-four.qemu.json").read_text())
    script = (tmp_path / "gb300-four.qemu.sh").read_text()
    shown = script.replace(f"exec {document['program']}", 'printf "%s\\0"')
    told = subprocess.run(["sh", "-c", shown, "x", "more"], capture_output=True, check=True).stdout
    assert told.decode().split("\0")[:-1] == [*document["argv"], "more"]
    assert max(map(len, script.splitlines())) < 200
    assert shlex.split(document["shell"]) == document["argv"]


@pytest.mark.parametrize("name", ['""', "UP", '"a b"'])
def test_a_part_whose_name_is_none(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        f"vpci: 1\nmachine: x\narchitecture: x86_64\nvmm: {{qemu: 11.1}}\nbuses:\n  {name}: {{number: 1, node: 0}}\n"
    )
    done = command("check", path)
    assert done.returncode == 1
    assert f"{path}:6:3: error[VPCI1103]" in done.stderr and "is no name" in done.stderr
