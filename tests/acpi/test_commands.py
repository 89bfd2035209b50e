"""`acpi decode`, `build`, `diff`, `lint` and `nodes`, as a person uses them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from command import Run
from vpci_compile.acpi import slit, srat
from vpci_compile.acpi.structures import Header, encode, make


@pytest.fixture
def run(run: Run) -> Run:
    """The commands `acpi`, in a folder with an SRAT of three domains and a SLIT of them."""
    gpus = [make(srat.INITIATOR, domain=domain, pci=srat.address(0, 9, 0, 0)) for domain in (3, 2)]
    structures = [srat.processor(0, 0), srat.memory(0, 0, 1 << 29), srat.memory(1, 1 << 32, 1 << 30), *gpus]
    Path("SRAT.aml").write_bytes(encode(srat.table(Header("SRAT", 3), structures)))
    rows = slit.matrix(4, {(0, 2): 40, (0, 3): 41, (2, 3): 11})
    Path("SLIT.aml").write_bytes(encode(slit.table(Header("SLIT", 1), rows)))

    return partial(run, "acpi")


def test_decode_and_build_give_the_table_back(run: Run) -> None:
    for name in ("SRAT", "SLIT"):
        assert run("decode", f"{name}.aml", "-o", f"{name}.yaml") == (0, f"{name}.yaml\n", "")
        status, out, _ = run("build", f"{name}.yaml", "-o", "made")
        assert (status, out) == (0, f"made/{name}.aml\nmade/{name}.dsl\n")
        assert Path(f"made/{name}.aml").read_bytes() == Path(f"{name}.aml").read_bytes()
    assert run("build", "SLIT.yaml", "-o", "made")[1] == "made/SLIT.aml  (unchanged)\nmade/SLIT.dsl  (unchanged)\n"


def test_decode_writes_to_the_terminal(run: Run) -> None:
    status, out, _ = run("decode", "SRAT.aml")
    assert status == 0
    assert '  - {type: generic-initiator, domain: 3, pci: "0000:09:00.0", flags: [enabled]}  # 3\n' in out


def test_a_table_without_source_is_built_and_says_so(run: Run) -> None:
    Path("odd.yaml").write_text("acpi: 1\ntable: SRAT\nstructures:\n  - {type: unknown, number: 99}\n")
    status, out, _ = run("build", "odd.yaml", "-o", "made")
    assert status == 0 and out.splitlines()[0] == "made/odd.aml"
    assert out.splitlines()[1].startswith("no odd.dsl: a structure of type 99")
    assert not Path("made/odd.dsl").exists()


def test_nodes_are_linuxs_and_not_the_domains(run: Run) -> None:
    assert run("nodes", "SRAT.aml", "SLIT.aml") == (0, _NODES, "")


_NODES = """\
node  domain  has
   0       0  1 processor, 512M RAM
   1       3  generic initiator
   2       2  generic initiator
   3       1  1G RAM
distances   0   1   2   3
        0  10  41  40  20
        1  41  10  11  20
        2  40  11  10  20
        3  20  20  20  10
"""


def test_a_table_that_linux_drops_has_no_nodes(run: Run) -> None:
    status, out, _ = run("nodes", "SRAT.aml", "--nodes", "3")
    assert (status, out) == (1, "Linux does not use the SRAT: SRAT: Too many proximity domains\n")


def test_nodes_without_an_srat_is_wrong_usage(run: Run) -> None:
    status, _, err = run("nodes", "SLIT.aml")
    assert status == 2 and "name one" in err


def test_diff_shows_the_structures_that_differ(run: Run) -> None:
    assert run("diff", "SRAT.aml", "SRAT.aml") == (0, "the same\n", "")
    run("decode", "SRAT.aml", "-o", "srat.yaml")
    text = Path("srat.yaml").read_text()
    Path("srat.yaml").write_text(text.replace("structures:", "structures:\n  - {type: its, domain: 0, its_id: 0}"))
    status, out, _ = run("diff", "SRAT.aml", "srat.yaml")
    assert status == 1
    assert out.splitlines()[3:] == ["+  - {type: its, domain: 0, its_id: 0}"]


def test_lint_says_fine(run: Run) -> None:
    assert run("lint", "SRAT.aml", "SLIT.aml", "--nvidia") == (0, "fine\n", "")


def test_lint_compares_with_ram(run: Run) -> None:
    assert run("lint", "SRAT.aml", "--ram", "0x0..0x1fffffff", "--ram", "0x100000000..0x13fffffff")[0] == 0
    status, _, err = run("lint", "SRAT.aml", "--ram", "0x0..0x2fffffff")
    assert status == 1 and "RAM 0x20000000..0x2fffffff is in no domain" in err
    assert run("lint", "SRAT.aml", "--ram", "0x2..0x1")[0] == 2


def test_lint_speaks_sarif(run: Run) -> None:
    Path("bad.yaml").write_text("acpi: 1\ntable: SLIT\ndistances: [[11]]\n")
    status, out, _ = run("lint", "bad.yaml", "--format", "sarif")
    assert status == 1 and '"ruleId": "VPCI1920"' in out


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("acpi: 2\ntable: SRAT\nstructures: []\n", "VPCI1103", "begins with 'acpi: 1'"),
        ("acpi: 1\ntable: SRAD\n", "VPCI1103", "one of SRAT"),
        ("acpi: 1\ntable: SRAT\nstructures: [{type: memori}]\n", "VPCI1103", "did you mean 'memory'?"),
        ("acpi: 1\ntable: SRAT\nstructures: [{type: memory, bass: 1}]\n", "VPCI1101", "did you mean 'base'?"),
        ("acpi: 1\ntable: SRAT\nstructures: [{type: memory, domain: -1}]\n", "VPCI1103", "32 bits"),
        ("acpi: 1\ntable: SRAT\nstructures: [{type: memory, flags: [on]}]\n", "VPCI1103", "enabled, hot-pluggable"),
        ("acpi: 1\ntable: SRAT\nstructures: [{type: generic-initiator, pci: 1.2}]\n", "VPCI1103", "PCI address"),
        ("acpi: 1\ntable: SRAT\nrevision: 300\nstructures: 7\n", "VPCI1103", "8 bits"),
        ("acpi: 1\ntable: SLIT\ndistances: [[10, 20], [20]]\n", "VPCI1103", "2 rows need 2 numbers"),
        ("acpi: 1\ntable: SLIT\ntail: xyz\n", "VPCI1103", "in hex"),
        ("acpi: 1\ntable: HMAT\noem: {id: far-too-long}\nstructures: []\n", "VPCI1103", "at most 6"),
        ("acpi: 1\ntable: HMAT\nstructures: [{type: locality, targets: [0]}]\n", "VPCI1102", "'initiators' is missing"),
        ("[1]\n", "VPCI1103", "a mapping of keys"),
    ],
)
def test_mistakes_in_yaml(run: Run, text: str, code: str, words: str) -> None:
    Path("bad.yaml").write_text(text)
    status, _, err = run("lint", "bad.yaml")
    assert status == 1 and f"[{code}]" in err and words in err


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("dump.txt", "SRAT @ 0x000000007FFE1A2B\n  0000: 53 52 41 54\n", "acpixtract -a FILE"),
        ("srat.txt", "# a table\nacpi: 1\ntable: SRAT\nstructures: []\n", "end in .yaml"),
        ("srat.dsl", '/*\n * ACPI Data Table [SRAT]\n */\n[000h 0000 004h]  Signature : "SRAT"\n', "iasl FILE"),
        ("notes.txt", "what is to be done with all of these tables\n", "/sys/firmware/acpi/tables"),
        ("machine.yaml", "vpci: 1\nmachine: x\n", "'vpci-compile check' judges its tables"),
        ("empty", "", "0 bytes are less than the header"),
    ],
)
def test_files_that_are_no_tables(run: Run, name: str, text: str, words: str) -> None:
    Path(name).write_text(text)
    for command in ("decode", "lint", "nodes"):
        status, out, err = run(command, name)
        assert (status, out) == (1, "") and words in err


def test_a_table_that_is_not_there_is_no_layout(run: Run) -> None:
    status, _, err = run("decode", str(Path("tables", "SRAT").absolute()))
    assert status == 1 and "did you mean" not in err


def test_bytes_behind_a_table_are_one_complaint(run: Run) -> None:
    octets = Path("SRAT.aml").read_bytes()
    for more in (b"xx", bytes(60)):
        Path("more.aml").write_bytes(octets + more)
        status, _, err = run("lint", "more.aml")
        assert status == 1 and err.count("error[") == 1 and "[VPCI1902]" in err
        run("decode", "more.aml", "-o", "more.yaml")
        run("build", "more.yaml", "-o", "made")
        assert Path("made/more.aml").read_bytes() == octets + more


def test_whose_table_it_is_the_processors_say(run: Run) -> None:
    arm = [make(srat.GICC, domain=0, uid=0), srat.memory(0, 1 << 30, 1 << 29)]
    Path("arm.aml").write_bytes(encode(srat.table(Header("SRAT", 3), arm)))
    assert run("lint", "arm.aml") == (0, "fine\n", "")
    assert "1 processor" in run("nodes", "arm.aml")[1]
    status, _, err = run("lint", "arm.aml", "--guest", "x86-64")
    assert status == 0 and "[VPCI1944]" in err
    assert "1 processor" not in run("nodes", "arm.aml", "--guest", "x86-64")[1]
