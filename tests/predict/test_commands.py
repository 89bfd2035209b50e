"""The commands that know stacks: exit status, files, and what lspci finds in them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from catalog import lspci
from command import Run

CAPTURES = lspci.ROOT / "tests/captures"
NIC = CAPTURES / "igb.lspci"
STACK = "linux-7.2/qemu-11.1"


def test_predict_says_what_there_is_and_what_was_changed(run: Run) -> None:
    done = run("predict", NIC, "--stack", STACK)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "8086-10c9 below linux-7.2/qemu-11.1, behind a root port: 4096 bytes"
    assert "  extended  aer 0x100" in lines
    assert any("QEMU unlinks ARI; its bytes can still be read at 0x150" in line for line in lines)


@pytest.mark.parametrize("name", ["igb", "e1000e", "nvme", "cxl-type3", "virtio-net-modern", "ich9-ahci"])
@pytest.mark.parametrize("stack", ["linux-7.2", STACK, "linux-7.2/crosvm-2026.8"])
def test_lspci_finds_the_same_capabilities(run: Run, name: str, stack: str, tmp_path: Path) -> None:
    lspci.require(newest=False, of_captures=False)
    done = run("predict", CAPTURES / f"{name}.lspci", "--stack", stack, "-o", "guest.lspci")
    assert done.status == 0
    assert done.out.splitlines()[-1] == "guest.lspci"
    program = lspci.binary()
    assert program is not None
    text = subprocess.run([program, "-F", tmp_path / "guest.lspci", "-vv"], capture_output=True, text=True, check=True)
    theirs = re.findall(r"^\tCapabilities: \[([0-9a-f]+)(?: v\d+)?\]", text.stdout, re.MULTILINE)
    rows = [line.split(maxsplit=1) for line in done.out.splitlines() if line.startswith(("  standard ", "  extended "))]
    ours = [int(one.split()[-1], 16) for _, row in rows for one in row.split(", ")]
    assert [int(at, 16) for at in theirs] == ours


def test_predict_writes_an_image(run: Run) -> None:
    assert run("predict", NIC, "--stack", STACK, "-o", "guest.bin").status == 0
    assert run("predict", NIC, "--stack", STACK, "-o", "guest.json").status == 0
    octets, plain = Path("guest.bin").read_bytes(), json.loads(Path("guest.json").read_text())
    assert len(octets) == 4096
    assert octets[0x100:0x104].hex() == "01000100"
    assert (plain["stack"], plain["place"]) == (STACK, "port")
    assert {"offset", "length", "text", "source"} == set(plain["changes"][0])


def test_a_function_that_the_stack_does_not_show(run: Run) -> None:
    done = run("predict", CAPTURES / "pcie-root-port.lspci", "--stack", "linux-7.2", "-o", "guest.bin")
    assert done.status == 1
    assert "error[VPCI2101]: linux-7.2 does not show this function: the header type is 0x1, a bridge's" in done.err
    assert not Path("guest.bin").exists()


def test_a_capture_of_64_bytes(run: Run) -> None:
    done = run("predict", CAPTURES / "noroot-e1000e.lspci", "--stack", STACK)
    assert done.status == 1
    assert "only 64 bytes were captured" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("predict", NIC), "Missing option '--stack'"),
        (("predict", NIC, "--stack", "xen-4"), "is no program"),
        (("predict", NIC, "--stack", "linux-9.9"), "linux 9.9: releases 5.10 to 7.2 are known"),
        (("predict", NIC, "--stack", STACK, "--option", "ats"), "'ats' is not KEY=VALUE"),
        (("predict", NIC, "--stack", STACK, "--option", "ats=7"), "ats: '7' is none of auto, on, off"),
        (("predict", NIC, "--stack", STACK, "--option", "x-foo=7"), "'x-foo' is no option"),
        (("predict", NIC, "--stack", "linux-7.2", "--option", "ats=on"), "is an option of a VMM"),
        (("predict", NIC, "--stack", STACK, "--place", "here"), "'here' is not one of"),
        (("predict", NIC, "--stack", STACK, "-o", "guest.txt"), "ends with none of .json, .bin, .lspci"),
        (("show", NIC, "--stack", "nothing"), "is no program"),
        (("explain", NIC, "0x100", "--stack", "linux-1.0"), "releases 5.10 to 7.2"),
        (("build", "minimal", "--stack", STACK), "--host and --stack go together"),
        (("build", "minimal", "--host", NIC), "--host and --stack go together"),
    ],
)
def test_wrong_usage(run: Run, arguments: tuple[str | Path, ...], said: str) -> None:
    done = run(*arguments)
    assert done.status == 2
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_explain_says_who_changed_a_byte(run: Run) -> None:
    done = run("explain", NIC, "0x103", "--stack", STACK)
    assert done.status == 0
    last = done.out.splitlines()[-1]
    assert last == "  QEMU makes the pointer lead to 0x0; below it leads to 0x150 [vfio_add_ext_cap, executed]"
    assert "QEMU" not in run("explain", NIC, "0x104", "--stack", STACK).out
    assert "QEMU" not in run("explain", NIC, "0x103").out


def test_show_draws_what_the_guest_finds(run: Run) -> None:
    assert " sriov " in run("show", NIC).out
    done = run("show", NIC, "--stack", STACK)
    assert done.status == 0
    assert " sriov " not in done.out
    assert run("show", NIC, "--stack", STACK, "--place", "conventional").out.count(" aer ") == 0


@pytest.mark.parametrize("command", ["show", "explain"])
def test_a_layout_stands_below_no_stack(run: Run, command: str) -> None:
    more = ("0x0",) if command == "explain" else ()
    done = run(command, lspci.ROOT / "layouts/minimal.yaml", *more, "--stack", STACK)
    assert done.status in (1, 2)
    assert "this is a layout, not a capture" in done.err


def test_stacks_lists_every_program(run: Run) -> None:
    done = run("stacks")
    assert done.status == 0
    programs = [line.split()[0] for line in done.out.splitlines() if line[:1].isalpha()][1:]
    assert programs == ["linux", "qemu", "cloud-hypervisor", "crosvm", "firecracker"]
    assert re.search(r"executed: .*7\.2; read: 5\.10, 6\.1, 6\.12, 7\.2", done.out)


def test_every_stack_that_is_listed_is_taken(run: Run) -> None:
    rows = [re.split(r"  | to ", line) for line in run("stacks").out.splitlines() if re.match(r"[a-z-]+  \d", line)]
    assert len(rows) == 5
    for program, *releases in rows:
        for release in releases:
            stack = f"{program}-{release}" if program in ("linux", "qemu") else f"linux-7.2/{program}-{release}"
            assert run("predict", NIC, "--stack", stack).status == 0, stack


@pytest.mark.parametrize("size", [65, 129, 131, 163, 254, 257, 259, 301, 4093])
@pytest.mark.parametrize("stack", [STACK, "linux-7.2/cloud-hypervisor-53.0", "qemu-10.0"])
def test_a_capture_cut_off_inside_a_dword_is_predicted(run: Run, stack: str, size: int) -> None:
    Path("cut.bin").write_bytes((CAPTURES / "sysfs/igb/config").read_bytes()[:size])
    done = run("predict", "cut.bin", "--stack", stack)
    assert done.status in (0, 1)
    assert "error[VPCI2101]" in done.err or f": {(size + 3) // 4 * 4} bytes" in done.out.splitlines()[0]
