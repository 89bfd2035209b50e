"""Every diagnostic code has its page, its smallest failing input and that input's exact output.

For VPCInnnn: docs/errors/VPCInnnn.md; tests/errors/VPCInnnn.* (a layout, a capture), which fails with this code alone
where that is possible; and VPCInnnn.txt, what the command writes to stderr for it. VPCI_ACCEPT=1 writes the .txt files
anew: then look at `git diff`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hosts import SYSFS, Host, answering
from judges import ROOT
from vpci_compile import api, cli, live
from vpci_compile.capture.collect import Taken
from vpci_compile.capture.read import MAX_FILE
from vpci_compile.cli.outcome import Format, State
from vpci_compile.diagnostics import REGISTRY, Code, Failed, render_text
from vpci_compile.emit import Options
from vpci_compile.emit.printed import migration_json
from vpci_compile.host.policy import Accepted

PAGES = ROOT / "docs/errors"
CASES = Path(__file__).parent / "errors"
SOURCES = ROOT / "compiler/vpci_compile"
ACCEPT = bool(os.environ.get("VPCI_ACCEPT"))

OPTIONS = {  # what a command needs besides the input
    "VPCI1702": ["--slot", "00:09.0"],
    "VPCI1811": ["--qemu-version", "10.2"],
    "VPCI1825": ["--qemu-version", "9.1"],
    "VPCI1917": ["--ram", "0x0..0x3fffffff"],
    "VPCI1918": ["--nodes", "4"],
    "VPCI1929": ["--nvidia"],
    "VPCI1933": ["--nodes", "2"],
    "VPCI1944": ["--guest", "x86-64"],
}
OF_MACHINES = ("VPCI1940", "VPCI1941")  # the others before VPCI1960 are of tables
LIVE = {  # commands that bring a function to life; a .sh stands in for a QEMU
    "VPCI1007": ["verify", "VPCI1007.yaml"],
    "VPCI2001": ["verify", "VPCI2001.yaml", "--qemu", "no-such-program"],
    "VPCI2002": ["verify", "minimal", "--qemu", "VPCI2002.sh"],
    "VPCI2003": ["verify", "minimal", "--qemu", "VPCI2003.sh"],
    "VPCI2004": ["verify", "VPCI2004.yaml"],
    "VPCI2005": ["serve", "VPCI2005.yaml", "--socket", "no/such/folder/x.sock"],
    "VPCI2008": ["probe", "--device", "e1000e", "--qemu", "VPCI2008.sh"],
    "VPCI2009": ["probe", "--device", "e1000e,id=nic", "--id", "net", "--qemu", "VPCI2009.sh"],
    "VPCI2006": ["verify", "VPCI2006.yaml", "--guest", "--kernel", "no-such-kernel"],
}
MACHINES = {
    "VPCI1974": ["--for", "nova"],
    "VPCI1975": ["--for", "kubevirt"],
    "VPCI1976": ["--monitor", "/run/vm.sock"],
}
ON_A_HOST = ["--stack", "linux-7.2/qemu-11.1", "--host"]
STACKS = {  # commands about kernels and VMMs
    "VPCI2101": ["predict", "VPCI2101.json", "--stack", "linux-7.2/qemu-11.1"],
    "VPCI2102": ["predict", "VPCI2102.json", "--stack", "qemu-11.1", "--option", "x-nv-gpudirect-clique=3"],
    "VPCI2103": ["predict", "VPCI2103.json", "--stack", "linux-7.2"],
    "VPCI2201": ["fleet", "VPCI2201"],
    "VPCI2202": ["fleet", "VPCI2202.lspci"],
    "VPCI2220": ["baseline", "VPCI2220.host.json", "VPCI2220.json", "--stack", "linux-7.2/qemu-11.1"],
    "VPCI2221": [
        *("baseline", "VPCI2221.host.json", "--migratable", "--stack", "linux-7.2/qemu-11.1"),
        *("--option", "viommu-pasid=on"),
    ],
    "VPCI2222": ["baseline", "VPCI2222.lspci", "--stack", "linux-7.2/qemu-11.1"],
    "VPCI2315": ["diff", "VPCI2315.lspci", "VPCI2315.lspci"],
    "VPCI2316": ["diff", "minimal", "minimal", "--policy", "VPCI2316.yaml"],
}
LIBRARIES = {  # what needs a library of the user's
    "VPCI1120": ["--library", "no-such-library"],
    "VPCI1122": ["--library", "VPCI1122.library"],
    "VPCI1333": ["--library", "VPCI1333.library"],
}
BESIDE = {  # inputs that cannot be without another code
    "VPCI1006": {"VPCI1103"},  # it ends a long list of others
    "VPCI2221": {"VPCI2114"},  # a host that says nothing of its driver
    "VPCI1708": {"VPCI1720"},  # a function that reads as ones has ones everywhere
    "VPCI1713": {"VPCI1720"},  # its header is none that is known
    "VPCI1331": {"VPCI1330"},  # a rule about quirks names the quirk
    "VPCI1332": {"VPCI1330"},
    "VPCI1334": {"VPCI1330"},
    "VPCI2102": {"VPCI1330"},  # only an NVIDIA GPU has a clique, and those have a quirk
    "VPCI1714": {"VPCI1720", "VPCI1721"},  # the copy of a header is no capability
}


def many_errors(folder: Path) -> list[str]:
    """Two hundred errors are no small file: the 200th ends the list."""
    layout = (CASES / "VPCI1102.yaml").read_text(encoding="utf-8") + "bytes: [" + "1, " * 200 + "]\n"
    path = folder / "VPCI1006.yaml"
    path.write_text(layout, encoding="utf-8")
    return ["check", str(path)]


def large_capture(folder: Path) -> list[str]:
    """Nobody keeps a capture of this size."""
    path = folder / "VPCI1710.lspci"
    with path.open("wb") as stream:
        stream.truncate(MAX_FILE + 1)
    return ["import", str(path)]


GENERATED: dict[str, Callable[[Path], list[str]]] = {"VPCI1006": many_errors, "VPCI1710": large_capture}


def address_of_no_device(folder: Path) -> None:
    """The command line refuses it by itself: only a program can ask for it."""
    api.build("VPCI1824.yaml", folder, Options("1:0"))


def guest_that_panics(folder: Path) -> None:
    """The stand-in for a QEMU cannot show a function first, as the command asks of one."""
    programs = folder / "usr/bin"
    programs.mkdir(parents=True)
    for name in ("busybox", "lspci"):
        (programs / name).write_bytes(b"\x7fELF\x02\x01" + bytes(58))  # it needs no library
    system = live.System(live.BOARDS["q35"], folder, Path("vmlinuz"), None)
    live.see(api.load("minimal").function, Path("VPCI2007.sh").absolute(), system, live.Place.PORT)


def migrating(code: str) -> str:
    """What SARIF says of a migration from one layout to the other; the text of `diff` has no codes."""
    accepted = [Accepted("header.subsystem", "--ignore header.subsystem")] if code == "VPCI2314" else []
    sides = [api.side(f"{code}{end}.yaml") for end in ("", ".dst")]
    found = migration_json.diagnostics(api.migration(*sides, accepted).there)
    return f"{render_text(found)}\n1 {REGISTRY[code].severity}\n"


MIGRATING = ("VPCI2310", "VPCI2311", "VPCI2312", "VPCI2313", "VPCI2314", "VPCI2317")

FROM_PYTHON: dict[str, Callable[[Path], None]] = {"VPCI1824": address_of_no_device, "VPCI2007": guest_that_panics}


def capturing(code: str, folder: Path) -> Taken:
    """What `capture --vfio` says of a made-up host."""
    config, slot = (SYSFS / "e1000e/config").read_bytes(), "0000:01:00.0"
    host = Host(folder / "sys")
    host.add(slot, config[:64] if code == "VPCI1726" else config)
    if code in ("VPCI1728", "VPCI1729"):
        host.bind(slot, node=None)
    nodes = ("/dev/vfio/vfio", "/dev/vfio/7") if code == "VPCI1729" else ()
    return host.take(slot, vfio=None if code == "VPCI1726" else answering(config, paths=nodes))


CAPTURING = ("VPCI1726", "VPCI1727", "VPCI1728", "VPCI1729")


def input_of(code: str) -> Path | None:
    return next((path for path in sorted(CASES.glob(f"{code}*")) if path.suffix not in (".txt", ".library")), None)


def command(code: str, folder: Path) -> list[str]:
    """What a person would type in tests/errors to see the code."""
    if code in GENERATED:
        return GENERATED[code](folder)
    path = input_of(code)
    assert path is not None, f"tests/errors has no input for {code}"
    if code == "VPCI1801":
        return ["build", path.name, "-o", f"{path.name}/out"]
    if code in LIVE:
        return LIVE[code]
    if code in STACKS:
        return STACKS[code]
    if code.startswith("VPCI211"):
        return ["build", f"{code}.yaml", "-o", str(folder / "out"), *ON_A_HOST, f"{code}.host.json"]
    if code.startswith("VPCI19") and code < "VPCI1960" and code not in OF_MACHINES:
        tables = sorted(one.name for one in CASES.glob(f"{code}*") if one.suffix != ".txt")
        return ["acpi", "lint", *tables, *OPTIONS.get(code, [])]
    if code.startswith("VPCI18") or code in MACHINES:
        return ["build", path.name, "-o", str(folder / "out"), *OPTIONS.get(code, []), *MACHINES.get(code, [])]
    rest = ["import" if code.startswith("VPCI17") else "check", path.name, *OPTIONS.get(code, [])]
    return [*LIBRARIES.get(code, []), *rest]


@pytest.fixture(autouse=True)
def _in_the_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(CASES)
    monkeypatch.setattr(State, "format", Format.TEXT)
    yield


def outcome(
    code: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Exit status and stderr."""
    if code in FROM_PYTHON:
        with pytest.raises(Failed) as caught:
            FROM_PYTHON[code](folder)
        return 1, f"{render_text(caught.value.diagnostics)}\n{len(caught.value.diagnostics)} error\n"
    if code in MIGRATING:
        return int(REGISTRY[code].severity == "error"), migrating(code)
    if code in CAPTURING:
        taken = capturing(code, folder)
        text = render_text(taken.diagnostics).replace(f"{folder}/", "")
        return int(not taken.complete), f"{text}\n1 {REGISTRY[code].severity}\n"
    monkeypatch.setattr(sys, "argv", ["vpci-compile", *command(code, folder)])
    status = cli.main()
    text = capsys.readouterr().err.replace(f"{folder}/", "")
    return status, text[text.rindex("\n\n", 0, text.index("[VPCI1006]")) + 2 :] if code == "VPCI1006" else text


@pytest.mark.parametrize("code", REGISTRY)
def test_the_smallest_failing_input(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = outcome(code, tmp_path, monkeypatch, capsys)
    kept = CASES / f"{code}.txt"
    if ACCEPT:
        kept.write_text(text, encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8")
    found = set(re.findall(r"^\S+: (?:error|warning|note)\[(VPCI\d{4})\]: ", text, re.MULTILINE))
    assert code in found and found <= {code} | BESIDE.get(code, set())
    left_out = code in CAPTURING and "warning[" in text
    errors = "error[" in text or code in GENERATED or left_out
    assert status == (1 if errors else 0)
    assert re.search(rf"^\S+: {REGISTRY[code].severity}\[{code}\]: ", text, re.MULTILINE)


@pytest.mark.parametrize("entry", REGISTRY.values(), ids=REGISTRY)
def test_the_page(entry: Code) -> None:
    text = (PAGES / f"{entry.id}.md").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[0] == f"# {entry.id}: {entry.title}"
    assert [line for line in lines if line.startswith("## ")] == ["## Example", "## Why", "## What to do"]
    assert text.count("```") == 2 and text.endswith("\n") and not text.endswith("\n\n")
    assert 10 <= len(lines) <= 40 and max(map(len, lines)) <= 125
    assert (f"accept: {{{entry.id}: " in text) == entry.acceptable


def test_nothing_is_left_over() -> None:
    """No page and no input of a code that is not registered, no output without its input."""
    assert {path.name for path in PAGES.iterdir()} == {f"{code}.md" for code in REGISTRY}
    stems = {path.name.partition(".")[0] for path in CASES.iterdir()}
    assert stems == set(REGISTRY)
    without = {code for code in REGISTRY if input_of(code) is None}
    assert without == {*GENERATED, *CAPTURING}


def test_the_registry_and_the_source_agree() -> None:
    used = set()
    for path in SOURCES.rglob("*.py"):
        if path.name != "codes.py":
            used.update(re.findall(r'"(VPCI\d{4})"', path.read_text(encoding="utf-8")))
    assert used == set(REGISTRY)
    assert list(REGISTRY) == sorted(REGISTRY)


@pytest.mark.parametrize("code", ["VPCI1002", "VPCI1203", "VPCI1304", "VPCI1501", "VPCI1603", "VPCI1704", "VPCI1814"])
def test_the_program_itself_says_the_same(code: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "vpci_compile", *command(code, tmp_path)],
        cwd=CASES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr == (CASES / f"{code}.txt").read_text(encoding="utf-8")
    assert ran.returncode == (1 if "error[" in ran.stderr else 0)


def test_explain_prints_the_page() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "vpci_compile", "explain", "vpci1304"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == (PAGES / "VPCI1304.md").read_text(encoding="utf-8")


def test_ten_mistakes_are_ten_complaints(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One stage says all that it finds, and each mistake once."""
    layout = """vpci: 1
device: Ten Mistakes
versoin: 2
identity: {vendor: 0x12345, device: "1", clas: 0xff0000}
bars:
  0: {kind: mem63, size: 16Q, source: copied}
capabilities:
  - {cap: [msi], at: 0x1000, source: virtual}
migration: yes
"""
    path = tmp_path / "ten.yaml"
    path.write_text(layout, encoding="utf-8")
    with pytest.raises(Failed) as caught:
        api.check(path)
    codes = [diagnostic.code for diagnostic in caught.value.diagnostics]
    assert codes.count("VPCI1101") == 2 and codes.count("VPCI1103") == 9 and len(codes) == 11
    assert "did you mean 'class'?" in render_text(caught.value.diagnostics)


PLACEMENT = """vpci: 1
device: x
identity: {vendor: 0xffff, device: 1, class: 0x060400}
header: {interrupt_pin: 7}
capabilities:
  - {cap: pm, at: 0x40, source: copied, fields: {pmcsr.power_state: D3}}
  - {cap: msi, at: 0x44, source: copied}
  - {cap: pcie, at: 0x82, source: copied, fields: {flags: {version: 2, type: rciep}}}
  - {cap: vndr, at: 0xf8, length: 16, source: synthesized}
extended:
  - {cap: pasid, at: 0x120, source: synthesized, fields: {max_width: 31}}
  - {cap: pri, at: 0x130, source: copied}
migration: {migrates: false}
"""


def test_no_mistake_of_placement_hides_or_repeats_another(tmp_path: Path) -> None:
    path = tmp_path / "placement.yaml"
    path.write_text(PLACEMENT, encoding="utf-8")
    with pytest.raises(Failed) as caught:
        api.check(path)
    assert [diagnostic.code[4:] for diagnostic in caught.value.diagnostics] == (
        ["1201", "1202", "1205", "1505", "1304", "1301", "1506", "1303", "1508", "1306", "1507", "1509"]
    )
