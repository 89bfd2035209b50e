"""Captures as text: what lspci writes, however it travelled."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vpci_compile.capture import BarFact, read, read_all

from .judge import OWN
from .reading import E1000E, codes, fails, write


def test_bar_facts_of_lspci_words() -> None:
    assert read(E1000E).bars == (
        BarFact(0, 0x20000),
        BarFact(1, 0x20000),
        BarFact(2, 32, io=True),
        BarFact(3, 0x4000),
        BarFact(6, 0x40000),
    )
    assert read(OWN / "igb-vf.lspci").bars == tuple(
        BarFact(index, 0x4000, prefetchable=True, wide=True) for index in (0, 3)
    )


def test_lspci_v_gives_regions_without_a_number(tmp_path: Path) -> None:
    text = re.sub(r"Region \d: ", "", E1000E.read_text())
    assert sorted(b.index for b in read(write(tmp_path, text)).bars) == [0, 1, 2, 3, 6]
    assert {b.index: b.size for b in read(write(tmp_path, text)).bars} == {b.index: b.size for b in read(E1000E).bars}


def test_what_older_lspci_writes_of_regions(tmp_path: Path) -> None:
    rows = "".join(line for line in E1000E.read_text().splitlines(keepends=True)[1:] if line[0] != "\t")
    words = (
        "\tRegion 0: [virtual] Memory at 2000000000 (64-bit, prefetchable) [size=128G]\n"
        "\tRegion 2: I/O ports at <ignored> [disabled] [size=256]\n"
        "\t[virtual] Expansion ROM at 000c0000 [disabled] [size=128K]\n"
        "\t\tRegion 4: Memory at 0000000000000000 (64-bit, prefetchable)\n"
    )
    capture = read(write(tmp_path, f"01:00.0 x\n{words}{rows}"))
    assert capture.bars == (BarFact(0, 128 << 30, prefetchable=True, wide=True), BarFact(2, 256, io=True))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "   \n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: re.sub("^", "> ", text, flags=re.MULTILINE),
        lambda text: re.sub("^", "> > ", text, flags=re.MULTILINE),
        lambda text: re.sub("^", "    ", text, flags=re.MULTILINE),
        lambda text: re.sub(
            r"^(\w{2,3}): (.*)$", lambda m: f"{m[1].upper()}: {m[2].upper()}", text, flags=re.MULTILINE
        ),
        lambda text: re.sub(r"^(\w{2,3}: .{24})", r"\1 ", text, flags=re.MULTILINE),
        lambda text: "$ lspci -xxxx\nSome words: before\n\n" + text + "\nand words after\n",
        lambda text: "\ufeff" + text,
        lambda text: ("\ufeff" + text).encode("utf-16-le"),
        lambda text: text.replace("Intel", "Intel\xae").encode("latin-1"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace("01:00.0 ", "0000:01:00.0 "),
        lambda text: text.rstrip("\n"),
    ],
)
def test_the_same_bytes_however_the_text_travelled(tmp_path: Path, change: object) -> None:
    path = write(tmp_path, change(E1000E.read_text()))  # type: ignore[operator]
    assert read(path).data == read(E1000E).data
    assert read(path).slot == "0000:01:00.0"


def test_the_slot_line_may_be_gone(tmp_path: Path) -> None:
    rows = E1000E.read_text().split("\n", 1)[1]
    capture = read(write(tmp_path, rows))
    assert (capture.slot, len(capture.data)) == ("", 4096)
    assert read(write(tmp_path, rows), "3d:00.0").slot == "0000:3d:00.0"
    assert "the capture holds 2 functions" in fails(write(tmp_path, f"01:00.0 x\n{rows}\n{rows}"))


def test_a_byte_knows_its_line() -> None:
    capture = read(E1000E)
    span = capture.place(0x12)
    assert capture.origin.source.line(span.line).startswith("10: ")
    assert capture.origin.source.line(span.line)[span.col - 1 :][: span.width] == f"{capture.data[0x12]:02x}"
    assert capture.place(0xFFF).source.line(capture.place(0xFFF).line).startswith("ff0: ")


def test_bad_hex_is_pointed_at(tmp_path: Path) -> None:
    text = E1000E.read_text()
    line = next(n for n, row in enumerate(text.splitlines(), 1) if row.startswith("20: "))
    broken = re.sub(r"\n20: .", "\n20: x", text)
    refusal = fails(write(tmp_path, broken), shown="dump.lspci")
    assert refusal.startswith(
        f"dump.lspci:{line}:5: error[VPCI1704]: 'x0' is not a byte: two hex digits are expected\n"
    )
    assert "    ^^\n" in refusal


def test_bad_hex_of_another_function_does_not_matter(tmp_path: Path) -> None:
    text = E1000E.read_text()
    path = write(tmp_path, text.replace("01:00.0", "02:00.0").replace("\n20: 0", "\n20: g") + "\n" + text)
    assert read(path, "01:00.0").diagnostics == ()
    found = read_all(path)
    assert [c.slot for c in found.captures] == ["0000:01:00.0"]
    assert [d.code for d in found.diagnostics] == ["VPCI1704"]


def test_prose_that_starts_like_a_row_is_prose(tmp_path: Path) -> None:
    text = E1000E.read_text() + "\ndd: command not found\nAdd: some words\nfee: 10 euro\n"
    assert read(write(tmp_path, text)).data == read(E1000E).data


def test_rows_that_contradict_each_other(tmp_path: Path) -> None:
    text = E1000E.read_text() + "10: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
    assert "byte 0x12 is given twice, as 0x" in fails(write(tmp_path, text))


def test_a_row_beyond_the_end(tmp_path: Path) -> None:
    text = E1000E.read_text() + "ff8: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
    assert "row 0xff8 goes beyond 4096 bytes" in fails(write(tmp_path, text))


def test_a_missing_row_is_a_gap(tmp_path: Path) -> None:
    text = re.sub(r"^80: .*\n", "", E1000E.read_text(), flags=re.MULTILINE)
    capture = read(write(tmp_path, text))
    assert capture.missing == ((0x80, 0x90),)
    assert codes(capture) == ["VPCI1705"]
    assert capture.diagnostics[0].message == "bytes 0x80..0x8f are missing before this row"
    assert capture.place(0x90).line == capture.diagnostics[0].span.line
    assert not capture.covers(0x80)
    assert capture.covers(0x90)
    assert capture.data[0x80:0x90] == bytes(16)


def test_a_text_cut_anywhere_keeps_what_it_has(tmp_path: Path) -> None:
    text, whole = E1000E.read_text(), read(E1000E)
    for cut in range(len(text) - 60, len(text) - 1):
        capture = read(write(tmp_path, text[:cut]))
        assert whole.data.startswith(capture.data)
        assert codes(capture) in ([], ["VPCI1705"], ["VPCI1705", "VPCI1705"])
        assert ("VPCI1705" in codes(capture)) == (len(capture.data) < 4096 or capture.missing != ())
        assert len(capture.data) % 4 == 0


def test_too_short_for_a_header(tmp_path: Path) -> None:
    lines = E1000E.read_text().splitlines()
    rows = [line for line in lines if not line.startswith("\t")]
    assert "here are 48 of them" in fails(write(tmp_path, "\n".join(rows[:4])))
    assert "here are 48 of them" in fails(write(tmp_path, "\n".join([*rows[:2], *rows[3:]])))
