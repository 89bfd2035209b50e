"""Captures that mean harm: no size, no text and no bytes bring the reader down."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vpci_compile.capture import read, read_all
from vpci_compile.diagnostics import Failed, Severity, render_text

from .judge import OWN
from .reading import E1000E, Q35, fails, make_device, write

HANG_S = 60  # a guard against hangs, not a measure of speed: each takes a fraction of a second


def test_a_large_file_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(100 << 20)
    assert "error[VPCI1710]: file has 104,857,600 bytes, more than 32 MiB" in fails(path)
    assert "it is neither a file nor a pipe" in fails(Path("/dev/zero"))


def test_a_machine_with_800_functions(tmp_path: Path) -> None:
    rows = E1000E.read_text().split("\n", 1)[1]
    path = write(tmp_path, "\n".join(f"{n:04x}:00:00.0 x\n{rows}" for n in range(800)))
    assert len(read_all(path).captures) == 800


@pytest.mark.parametrize(
    "line",
    [
        "00:00.0\n",
        "00: 00 00 00 00\n",
        "00: 00 00 00 00\n10: zz\n",
        "00:00.0\n10: 00 00 00 00\n",
        "> " * 400 + "\n",
        "00" + " " * 4000 + "\n",
        "00: " + "00 " * 4000 + "\n",
        "0000: 00 00 00 00\n",
        "[size=" * 300 + "\n",
        "\x0c\x1c\u2028\n",
        "\n",
    ],
)
def test_hostile_text_ends_in_time(tmp_path: Path, line: str) -> None:
    text = "00:01.0 x\n00: 00 00 00 00\n" + line * (2_000_000 // len(line.encode()))
    path = write(tmp_path, text)
    start = time.process_time()
    read_all(path)
    assert time.process_time() - start < HANG_S


def survives(path: Path) -> None:
    found = read_all(path)
    render_text(found.diagnostics)
    for capture in found.captures:
        assert 64 <= len(capture.data) <= 4096
        for offset in range(0, len(capture.data), 61):
            capture.place(offset)
    try:
        assert read(path) in found.captures
    except Failed as failed:
        assert any(d.severity is Severity.ERROR for d in failed.diagnostics)


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(st.binary(max_size=5000))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    survives(write(tmp_path, data))


@FUZZ
@given(st.data())
def test_a_capture_with_damage(tmp_path: Path, data: st.DataObject) -> None:
    original = data.draw(st.sampled_from([E1000E, OWN / "e1000.lspci", Q35])).read_bytes()
    text = bytearray(original)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(text) - 1))
        end = min(len(text), at + data.draw(st.integers(0, 120)))
        text[at:end] = data.draw(st.binary(max_size=6) | st.sampled_from([b"\n", b"00: ", b"01:00.0 ", b"\r\n", b" "]))
        if not text:
            return
    survives(write(tmp_path, bytes(text)))


@FUZZ
@given(st.text(alphabet="0123456789abcdef: .\n>\t[]=Regionsz", max_size=2000))
def test_text_that_is_nearly_a_dump(tmp_path: Path, text: str) -> None:
    survives(write(tmp_path, "01:00.0 x\n00: 86 80 00 00\n" + text))


@FUZZ
@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(min_size=60, max_size=4200))
def test_any_attributes(tmp_path_factory: pytest.TempPathFactory, resource: bytes, event: bytes, config: bytes) -> None:
    folder = tmp_path_factory.mktemp("sysfs")
    survives(make_device(folder, resource=resource, uevent=event, config=config))
