"""Bad input: whatever a file holds, the answer is a diagnostic; never a traceback, a hang or a half-written output.

The same examples every time; VPCI_FUZZ=20 runs twenty times as many, others each time.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from hypothesis import given
from vpci_compile import api, catalog, pipeline, resources
from vpci_compile.catalog import Chain, View
from vpci_compile.diagnostics import (
    REGISTRY,
    Diagnostic,
    Failed,
    Report,
    Severity,
    Source,
    nearest,
    render_json,
    render_sarif,
    render_text,
)
from vpci_compile.loader import parse
from vpci_compile.loader.yaml_reader import MAX_CHARACTERS

FUZZ = int(os.environ.get("VPCI_FUZZ", "1"))
ROOT = Path(__file__).parents[1]
LAYOUTS = sorted(resources.folder("layouts").rglob("*.yaml"))
TEXTS = [path.read_text(encoding="utf-8") for path in LAYOUTS]
CAPTURES = sorted((ROOT / "tests/captures").glob("*.lspci"))
ACCEPTABLE = sorted(code for code, entry in REGISTRY.items() if entry.acceptable)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")


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
        assert 1 <= region["startLine"] and 1 <= region["startColumn"] <= region["endColumn"]


def answer(text: str, path: Path) -> pipeline.Compiled | None:
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


# -- the loader ----------------------------------------------------------------------------------------------------

_YAML_WORDS = st.sampled_from(
    (
        *"{}[],:?-#&*!|>'\"%@`\n\t \0\r",
        "\n  ", "\n    ", "- ", ": ", "? ", "? - ", "--- ", "...\n", "&a ", "*a", "!!int ", "!x ", "<<: *a\n", "|2\n",
        ">-\n", "\ufeff", "\x85", "\u2028", "\r\n", '"\\ud800"', '"\\x00"', "'", "vpci: 1\n", "device: ", "0x", "1_0",
        "010", "00:02.0", "1e5", "~", "null", "\x1b[31m", "\U0001f600", "é", "%YAML 1.1\n---\n", "%TAG ! x\n---\n",
    )
)  # fmt: skip


@given(st.one_of(st.text(max_size=200), st.lists(_YAML_WORDS, max_size=40).map("".join)))
@examples(400)
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UnicodeEncodeError):  # no file holds a lone surrogate
        text.encode()
        answer(text, ROOT / "x.yaml")


@given(st.one_of(st.binary(max_size=300), st.builds(lambda a, b: a.encode() + b, st.sampled_from(TEXTS), st.binary())))
@examples(60)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    path = Path(os.devnull).with_name("shm") / f"vpci-fuzz-{os.getpid()}.yaml"
    if not path.parent.is_dir():
        pytest.skip("no memory to keep files in")
    path.write_bytes(data)
    try:
        api.check(path)
    except Failed as failed:
        readable(failed.diagnostics, error=True)
    finally:
        path.unlink()


MINIMAL = next(text for text in TEXTS if "device: minimal" in text)
BOMBS = {
    "flow": "[" * 200_000,
    "flow maps": "{a: " * 100_000,
    "maps and lists": "[{a: " * 100_000,
    "block lists": "- " * 200_000,
    "block maps": "".join(f"{' ' * depth}a:\n" for depth in range(1200)),
    "complex keys": "? " * 200_000,
    "aliases": "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "merge keys": "a: &a {b: 1}\nc:\n  <<: *a\n",
    "tags": "!!python/object:os.system x",
    "plain scalar": "a" * 1_000_000,
    "quoted scalar": '"' + "a" * 1_000_000,
    "escapes": '"' + "\\x41" * 200_000 + '"',
    "plain lines": "a\n" * 300_000,
    "spaces": " " * 1_000_000,
    "empty lines": "\n" * 1_000_000,
    "comments": "# x\n" * 200_000,
    "tabs": "\t" * 100_000,
    "colons": ":" * 500_000,
    "quotes": "'" * 500_000,
    "documents": "---\n" * 200_000,
    "directives": "%A b\n" * 100_000,
    "literal": "a: |\n" + "  x\n" * 200_000,
    "many keys": "vpci: 1\n" + "".join(f"key{n}: 1\n" for n in range(60_000)),
    "one key": "vpci: 1\n" + "a: 1\n" * 100_000,
    "many items": MINIMAL + "bytes: [" + "1," * 200_000 + "]\n",
    "many header fields": MINIMAL + "header: {" + ", ".join(f"k{n}: 1" for n in range(24_000)) + "}\n",
    "long key": MINIMAL + "? " + "status" * 100_000 + "\n: 1\n",
    "long field": MINIMAL + "header: {? " + "status" * 100_000 + " : 1}\n",
    "digits": MINIMAL + "header: {bar" + "9" * 10_000 + ": 1}\n",
    "a long number": MINIMAL + "config_size: " + "9" * 100_000 + "\n",
    "a long hex number": MINIMAL + "physical: {capabilities: {0x" + "f" * 10_000 + ": pm}}\n",
    "many capabilities": MINIMAL + "extended:\n" + "- {cap: ats, source: synthesized}\n" * 8_000,
    "many pinned": MINIMAL + "capabilities:\n" + "- {cap: pm, at: 0x40, source: synthesized}\n" * 8_000,
    "many bytes": MINIMAL + "bytes:\n" + '- {at: 0x40, hex: "00", source: synthesized}\n' * 8_000,
    "many ranges": MINIMAL + "physical: {used: [" + "0x40..0xfff, " * 30_000 + "]}\n",
    "many parameters": MINIMAL + "parameters: {" + "".join(f"p{n}: 1, " for n in range(20_000)) + "}\n"
    "accept: {" + "".join(f'{n}: "${{q{n}}}", ' for n in range(2_000)) + "}\n",
    "parameters": MINIMAL + f"parameters: {{a: {'b' * 500_000}}}\nname: {'${a}' * 100_000}\n",
    "unknown parameters": MINIMAL + "name: " + "${a}" * 200_000 + "\n",
    "many ignored": MINIMAL.replace("migrates: true", "migrates: true, ignore: [" + "a.b, " * 20_000 + "]"),
    "many raw": MINIMAL + "capabilities: [{cap: vndr, source: synthesized, raw: {"
    + ", ".join(f'{n}: "00"' for n in range(20_000)) + "}}]\n",
    "long hex": MINIMAL + 'bytes: [{at: 0, source: synthesized, hex: "' + "00 " * 300_000 + '"}]\n',
    "almost hex": MINIMAL + 'bytes: [{at: 0, source: synthesized, hex: "' + "00 " * 300_000 + 'x"}]\n',
    "spaces in hex": MINIMAL + 'bytes: [{at: 0, source: synthesized, hex: "00' + " " * 300_000 + 'x"}]\n',
    "spaces in a range": MINIMAL + 'reserved: [{why: x, range: "0x10' + " " * 300_000 + 'x"}]\n',
    "spaces in a size": MINIMAL + 'bars: {0: {kind: io, source: synthesized, size: "1' + " " * 300_000 + 'x"}}\n',
    "many accepted": MINIMAL + "accept: {" + ", ".join(f"VPCI{n}: x" for n in range(1000, 9999)) + "}\n",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_soon(name: str) -> None:
    text = BOMBS[name]
    assert len(text) <= MAX_CHARACTERS
    with quick(3):
        assert answer(text, ROOT / "x.yaml") is None


def test_a_deep_tree_that_is_no_bomb_is_read() -> None:
    tree = parse(Source("x", "[" * 30 + "]" * 30))
    for _ in range(29):
        (tree,) = tree.entries()
    assert tree.value == []


def test_a_text_longer_than_the_limit_is_refused() -> None:
    with pytest.raises(Failed, match="VPCI1005"):
        parse(Source("x", " " * (MAX_CHARACTERS + 1)))
