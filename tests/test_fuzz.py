"""Bad input: whatever a file holds, the answer is a diagnostic; never a traceback, a hang or a half-written output.

The same examples every time; VPCI_FUZZ=20 runs twenty times as many, others each time.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vpci_compile import api, cli, pipeline
from vpci_compile.diagnostics import (
    REGISTRY,
    Diagnostic,
    Failed,
    Severity,
    Source,
    render_json,
    render_sarif,
    render_text,
)
from vpci_compile.diagnostics.report import MAX_ERRORS
from vpci_compile.emit.printed import terminal_map
from vpci_compile.emit.printed.difference_text import render as render_difference
from vpci_compile.emit.printed.explain import explain
from vpci_compile.ir import Function
from vpci_compile.loader import parse
from vpci_compile.loader.yaml_reader import MAX_CHARACTERS
from wild import BOMBS, MINIMAL, ROOT, TEXTS, YAML_WORDS, any_capture, any_layout, mutated_text, mutated_tree

FUZZ = int(os.environ.get("VPCI_FUZZ", "1"))
SHIPPED = ROOT / "layouts/nvidia/x.yaml"  # where a text is said to stand, so that it may extend another layout
MANY = ROOT / "tests/captures/q35-all.lspci"
SEEDS = st.integers(0, 1 << 48)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
SECPCI = "accept: {VPCI1310: x}\nextended: [{cap: secpci, at: 0x100, source: synthesized, fields: {? %s : 1}}]\n"


def examples(number: int) -> settings:
    return settings(
        max_examples=number * FUZZ,
        derandomize=FUZZ == 1,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


# -- what is demanded of every answer ------------------------------------------------------------------------------


def readable(diagnostics: tuple[Diagnostic, ...], *, error: bool) -> None:
    """Registered codes, and a form for people and for programs that holds together."""
    assert any(d.severity is Severity.ERROR for d in diagnostics) == error
    assert all(d.code in REGISTRY for d in diagnostics)
    text = render_text(diagnostics)
    assert not CONTROL.search(text), "a terminal would obey this"
    text.encode()
    assert len(text) <= 20_000 + 5_000 * len(diagnostics)
    rows = json.loads(render_json(diagnostics))
    assert [row["code"] for row in rows] == [d.code for d in diagnostics]
    results = json.loads(render_sarif(diagnostics))["runs"][0]["results"]
    assert [row["ruleId"] for row in results] == [d.code for d in diagnostics]
    for row in results:
        region = row["locations"][0]["physicalLocation"]["region"]
        assert region["startLine"] >= 1 and 1 <= region["startColumn"] <= region["endColumn"]


def answer(text: str, path: Path = SHIPPED) -> pipeline.Compiled | None:
    """The function that a layout's text gives, or None when it has errors; anything but Failed is a bug of ours."""
    try:
        compiled = pipeline.compile_source(Source("some/layout.yaml", text), path)
    except Failed as failed:
        readable(failed.diagnostics, error=True)
        return None
    readable(compiled.diagnostics, error=False)
    assert len(compiled.function.config.value) in (256, 4096)
    return compiled


def built(text: str, folder: Path) -> bool:
    """Build a layout that compiles: everything is written, and nothing the second time; or nothing at all is."""
    name = folder / f"l{len(list(folder.iterdir()))}.yaml"
    name.write_text(text, encoding="utf-8")
    out = name.with_suffix("")
    try:
        made = api.build(name, out)
    except Failed as failed:
        readable(failed.diagnostics, error=True)
        assert not out.exists()
        return False
    assert sorted(out.iterdir()) == sorted(made.files) and made.changed == made.files
    assert api.build(name, out).changed == ()
    return True


def described(left: Function, right: Function, dice: random.Random) -> None:
    """Everything that is printed of functions is there, and a terminal does not obey it."""
    size = left.config.size
    texts = [terminal_map.render(left), *(explain(left, dice.randrange(size)) for _ in range(8))]
    found = api.compare(left, right)
    assert bool(found) == (left.digest != right.digest)
    texts.append(render_difference(found, "left", "right"))
    assert not CONTROL.search("".join(texts))


@contextlib.contextmanager
def quick(seconds: float) -> Iterator[None]:
    """End what takes more processor time than this."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s of processor time")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path  # one for all examples of a test


# -- texts that are no layouts -------------------------------------------------------------------------------------


@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(YAML_WORDS), max_size=40).map("".join)))
@examples(400)
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UnicodeEncodeError):  # no file holds a lone surrogate
        text.encode()
        answer(text)


@given(st.one_of(st.binary(max_size=300), st.builds(lambda a, b: a.encode() + b, st.sampled_from(TEXTS), st.binary())))
@examples(60)
def test_any_bytes_are_read_or_refused(folder: Path, data: bytes) -> None:
    path = folder / "x.yaml"
    path.write_bytes(data)
    try:
        readable(api.check(path).diagnostics, error=False)
    except Failed as failed:
        readable(failed.diagnostics, error=True)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_soon(name: str) -> None:
    text = BOMBS[name]
    assert len(text) <= MAX_CHARACTERS
    with quick(3):
        assert answer(text) is None


def test_a_deep_tree_that_is_no_bomb_is_read() -> None:
    tree = parse(Source("x", "[" * 30 + "]" * 30))
    for _ in range(29):
        (tree,) = tree.entries()
    assert tree.value == []


def test_a_text_longer_than_the_limit_is_refused() -> None:
    with pytest.raises(Failed, match="VPCI1005"):
        parse(Source("x", " " * (MAX_CHARACTERS + 1)))


def test_too_many_errors_end_the_list() -> None:
    with pytest.raises(Failed) as caught:
        pipeline.compile_source(Source("x", BOMBS["many header fields"]), SHIPPED)
    *errors, last = caught.value.diagnostics
    assert {d.code for d in errors} == {"VPCI1107"} and len(errors) == MAX_ERRORS
    assert (last.code, last.message) == ("VPCI1006", f"{MAX_ERRORS} errors: what follows is not checked")


# -- layouts -------------------------------------------------------------------------------------------------------


@given(SEEDS)
@examples(500)
def test_a_layout_with_changed_text_is_compiled_or_refused(seed: int) -> None:
    answer(mutated_text(random.Random(seed)))


@given(SEEDS)
@examples(600)
def test_a_layout_with_changed_values_is_compiled_or_refused(seed: int) -> None:
    answer(mutated_tree(random.Random(seed)))


@given(SEEDS)
@examples(600)
def test_a_layout_of_any_structures_is_compiled_or_refused(seed: int) -> None:
    answer(any_layout(random.Random(seed)))


Maker = Callable[[random.Random], str]


@given(SEEDS, st.sampled_from((mutated_text, mutated_tree, any_layout, any_layout)))
@examples(150)
def test_what_compiles_builds_whole_or_not_at_all(folder: Path, seed: int, make: Maker) -> None:
    text = make(random.Random(seed))
    if answer(text) is not None:
        built(text, folder)


@given(SEEDS, st.sampled_from((mutated_text, any_layout, any_layout)))
@examples(150)
def test_what_compiles_is_shown_explained_and_compared(seed: int, make: Maker) -> None:
    dice = random.Random(seed)
    one, other = answer(make(dice)), answer(dice.choice(TEXTS))
    if one is not None and other is not None:
        described(one.function, other.function, dice)
        described(other.function, one.function, dice)


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (f"extends: {'a' * 300}\n", "VPCI1104", "there is no layout 'aaa"),  # a name that the system refuses
        ('extends: "a\\0b"\n', "VPCI1104", "there is no layout 'a\0b'"),
        (f"physical: {{capture: {'a' * 300}}}\n", "VPCI1001", "no such file"),
        ("physical: {capabilities: {010: pm}}\n", "VPCI1103", "'010' is no offset"),  # int(text, 0) refuses these
        ("reserved: [{range: 010..0x20, why: x}]\n", "VPCI1103", "'010..0x20' is not a range"),
        (SECPCI % ("lane" + "9" * 5000), "VPCI1107", "has no register or field 'lane999"),  # too long for int()
        (SECPCI % "lane0..999", "VPCI1107", "'lane16' is at"),  # one complaint for a range
        (  # a structure of 256 TiB
            "accept: {VPCI1303: x}\ncapabilities: [{cap: 0x99, at: 0x40, source: copied, raw: {0xffffffffffff: 00}}]\n",
            "VPCI1109",
            "1 byte at 0xffffffffffff",
        ),
        (f"parameters: {{a: {'b' * 300}}}\nabout: ${{a}}\n", "VPCI1105", "has more than 256 characters"),
        ("capabilities: [" + "{cap: pm, source: synthesized}, " * 65 + "]\n", "VPCI1103", "at most 64 are allowed"),
        ("bytes: [{at: 0, source: copied, hex: '" + "00" * 4097 + "'}]\n", "VPCI1103", "4,097 bytes do not fit"),
        ("bytes: [{at: 0, source: copied, hex: 4097}]\n", "VPCI1103", "4097 without quotes is a number"),
    ],
)
def test_what_was_found_stays_mended(more: str, code: str, message: str) -> None:
    with pytest.raises(Failed) as caught:
        pipeline.compile_source(Source("x", MINIMAL.replace("about:", "# about:") + more), SHIPPED)
    readable(caught.value.diagnostics, error=True)
    (found,) = caught.value.diagnostics
    assert found.code == code and message in found.message and len(found.message) <= 1000


def test_text_of_a_layout_does_not_command_a_terminal() -> None:
    text = MINIMAL.replace("about: the", 'about: "\\e[31m').replace("behind it\n", 'behind it"\n')
    made = answer(text + 'reserved: [{range: 0x40..0x41, why: "\\e[2J"}]\n')
    assert made is not None and "\x1b" in made.function.about
    for offset in (0, 0x40):
        assert "\x1b" not in explain(made.function, offset)
    assert "\x1b" not in terminal_map.render(made.function)


def test_a_long_run_of_bytes_is_compared() -> None:
    dsec = "capabilities: [{cap: vndr, at: 0x40, source: synthesized, length: 0xa0, raw: {0x10: '%s'}}]\n"
    one, other = (answer(MINIMAL + dsec % (byte * 0x80)) for byte in ("11", "22"))
    assert one is not None and other is not None
    described(one.function, other.function, random.Random(0))


# -- captures ------------------------------------------------------------------------------------------------------


def imported(data: bytes, path: Path, dice: random.Random) -> None:
    """What reads as a capture becomes a layout that compiles and can be shown."""
    path.write_bytes(data)
    slot = dice.choice((None, None, "00:00.0", "00:02.0", "x", ""))
    try:
        found = api.import_capture(path, slot)
    except Failed as failed:
        readable(failed.diagnostics, error=True)
        return
    readable(found.diagnostics, error=False)
    one = api.load(path, slot).function
    described(one, one, dice)
    assert answer(found.text, path) is not None


@given(SEEDS)
@examples(60)
def test_any_capture_is_imported_or_refused(folder: Path, seed: int) -> None:
    dice = random.Random(seed)
    imported(any_capture(dice), folder / "capture", dice)


@pytest.mark.parametrize(
    "line",
    [
        "100: x" + " " * 1_000_000 + "y",
        "00:" + " " * 1_000_000 + "y",
        "> " * 500_000 + "y",
        "100: 00" + " 00" * 300_000 + " x",
        "\tRegion 0: " + "[a] " * 300_000 + "[size=1K]",
        "\tRegion 0: [" + "a" * 1_000_000 + "[size=1K]",
        "[size=" * 200_000,
        "00:02.0 " + "[8086:" * 200_000,
    ],
    ids=lambda line: str(line)[:20],
)
def test_a_long_line_of_a_capture_is_read_soon(folder: Path, line: str) -> None:
    (folder / "capture").write_text(f"{(ROOT / 'tests/captures/e1000.lspci').read_text()}\n{line}\n")
    with quick(5), contextlib.suppress(Failed):
        api.import_capture(folder / "capture")


@pytest.mark.parametrize("name", ["", ".", "folder"])
def test_a_folder_with_a_text_called_config_is_no_device(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "folder/.git").mkdir(parents=True)
    for place in ("config", "folder/.git/config", "folder/config"):
        (folder / place).write_text('[core]\n\tbare = false\n[remote "origin"]\n\tfetch = +refs/heads/*\n')
    with pytest.raises(Failed, match="VPCI1701"):
        api.import_capture(name)


# -- arguments -----------------------------------------------------------------------------------------------------

_WORDS = (
    "build", "check", "import", "show", "explain", "diff", "schema", "minimal", "nvidia/gh200", "x.yaml", "bad.yaml",
    "host.lspci", "folder", "nosuch", "", ".", "a" * 300, "0x10", "0", "-1", "0xfff", "9" * 5000, "VPCI1304", "VPCI9",
    "--slot", "00:1f.2", "-o", "out", "out/x.yaml", "--output=out", "--format", "json", "sarif", "--format=text",
    "--host-address", "3d:00.0", "0000:3d:00.0,x-vga=on", "--guest-address", "01:00.0", "--first-node", "7", "65535",
    "--qemu-version", "9.2", "99999.1", "--src-slot", "--dst-slot",
    "--raw", "--all", "--strict", "--ignore", "--policy", "--capabilities", "--fields", "pcie",
    "--version", "--help", "--", "-", "--nosuch", "\x1b[31m", "\udcff", "é", "\n",
)  # fmt: skip


@given(st.lists(st.sampled_from(_WORDS), max_size=7))
@examples(150)
def test_any_arguments_are_obeyed_or_refused(folder: Path, arguments: list[str]) -> None:
    (folder / "folder").mkdir(exist_ok=True)
    (folder / "x.yaml").write_text(MINIMAL)
    (folder / "bad.yaml").write_text(MINIMAL.replace("vendor", "vender"))
    (folder / "host.lspci").write_bytes(MANY.read_bytes())
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        before, sys.argv = sys.argv, ["vpci-compile", *arguments]
        try:
            status = cli.main()
        finally:
            sys.argv = before
    told = err.getvalue()
    assert status in (0, 1, 2), told
    assert "Traceback" not in told and "vpci-compile: " not in told
    assert told or out.getvalue()
