"""Reading captures: every one as lspci reads it, which function is meant, and what is no capture."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vpci_compile.capture import read, read_all

from .judge import OWN, files, lspci_bytes
from .reading import E1000E, Q35, codes, fails, make_device, write

# -- the judge -----------------------------------------------------------------------------------------------------


def test_every_capture_gives_the_bytes_that_lspci_reads(tmp_path: Path) -> None:
    together = tmp_path / "all"
    wanted: list[bytes] = []
    with together.open("w") as stream:
        for path in files():
            wanted.extend(capture.data for capture in read_all(path, path.name).captures)
            # Each function in a domain of its own: lspci sorts by slot, and one slot may not come twice.
            lines = path.read_text().splitlines()
            heads = [n for n, line in enumerate(lines) if re.match(r"[0-9a-f:]+\.[0-7] ", line)]
            for count, number in enumerate(heads, len(wanted) - len(heads)):
                lines[number] = re.sub(r"^\S+", f"{count:04x}:00:00.0", lines[number])
            stream.write("\n".join([*lines, "", ""]))
    judged = lspci_bytes(together)
    assert len(judged) == len(wanted) > 40
    # lspci shows 64 bytes of what it takes for a function read without root.
    assert [(n, len(one)) for n, (one, other) in enumerate(zip(judged, wanted, strict=True)) if one != other] == []


def test_many_functions_in_one_file_come_in_its_order() -> None:
    found = read_all(Q35).captures
    assert len(found) == 9
    assert [c.data for c in sorted(found, key=lambda c: c.slot)] == lspci_bytes(Q35)
    assert all(c.name == "q35-all.lspci" for c in found)


# -- choosing ------------------------------------------------------------------------------------------------------


def test_a_single_function_needs_no_slot() -> None:
    capture = read(E1000E)
    assert capture.slot == "0000:01:00.0"
    assert capture.ids == (0x8086, 0x10D3)
    assert capture.title.startswith("Ethernet controller [0200]: Intel Corporation 82574L")
    assert len(capture.data) == 4096
    assert capture.missing == ()
    assert capture.diagnostics == ()


@pytest.mark.parametrize("slot", ["00:01.0", "0000:00:01.0", "0:1.0", " 0000:00:01.0 "])
def test_a_slot_can_be_written_short(slot: str) -> None:
    assert read(Q35, slot).slot == "0000:00:01.0"


def test_several_functions_and_no_slot_lists_the_slots() -> None:
    text = fails(Q35)
    assert "error[VPCI1703]: the capture holds 9 functions; choose one" in text
    assert "--slot: 0000:00:00.0, 0000:00:01.0" in text


def test_the_list_of_slots_is_cut_at_twenty(tmp_path: Path) -> None:
    rows = E1000E.read_text().split("\n", 1)[1]
    path = write(tmp_path, "\n".join(f"{bus:02x}:00.0 x\n{rows}" for bus in range(23)))
    assert " and 3 more" in fails(path)


def test_no_such_slot_lists_those_there_are() -> None:
    text = fails(Q35, "77:00.0")
    assert "error[VPCI1702]: no function at '77:00.0' in this capture" in text
    assert "0000:00:1f.2" in text


def test_a_slot_that_is_none() -> None:
    assert "error[VPCI1702]: 'eth0' is not a slot" in fails(Q35, "eth0")
    assert "VPCI1702" in fails(Q35, "00:20.0")


def test_a_short_slot_in_two_domains(tmp_path: Path) -> None:
    rows = E1000E.read_text().split("\n", 1)[1]
    path = write(tmp_path, f"0000:01:00.0 a\n{rows}\n10000:01:00.0 b\n{rows}")
    assert "error[VPCI1703]" in fails(path, "01:00.0")
    assert read(path, "0000:01:00.0").title == "a"
    assert read(path, "10000:01:00.0").title == "b"


def test_one_slot_twice(tmp_path: Path) -> None:
    text = E1000E.read_text()
    assert read(write(tmp_path, text + "\n" + text)).slot == "0000:01:00.0"
    head = "\n".join(line for line in text.splitlines() if not re.match(r"[1-9a-f]0+: |[4-9a-f]0: |\w{3}: ", line))
    assert len(read(write(tmp_path, head + "\n\n" + text)).data) == 4096
    other = text.replace("00: 86 80 d3 10", "00: 86 80 d3 11")
    refusal = fails(write(tmp_path, text + "\n" + other))
    assert "0000:01:00.0 stands in the capture 2 times, with other bytes" in refusal
    assert "first here" in refusal


def test_words_and_bytes_of_a_function_in_two_places(tmp_path: Path) -> None:
    lines = E1000E.read_text().splitlines(keepends=True)
    rows = [line for line in lines if line[0] != "\t"]
    words = [line for line in lines if line[0] == "\t"]
    text = "".join([rows[0], *words, "\tKernel driver in use: e1000e\n", "\n", *rows])
    capture = read(write(tmp_path, text))
    assert len(capture.bars) == 5
    assert capture.driver == "e1000e"


# -- read without root, or not answered ----------------------------------------------------------------------------


def test_only_the_header() -> None:
    capture = read(OWN / "noroot-e1000e.lspci")
    assert len(capture.data) == 64
    assert codes(capture) == ["VPCI1706"]
    assert "there are capabilities behind it" in capture.diagnostics[0].message
    assert "as root: lspci -xxxx -s 0000:01:00.0" in capture.diagnostics[0].helps[0]


def test_a_pci_express_function_in_256_bytes(tmp_path: Path) -> None:
    data = read(E1000E).data
    assert codes(read(write(tmp_path, data[:256], "config"))) == ["VPCI1707"]
    assert codes(read(write(tmp_path, data[:256] + b"\xff" * 3840, "config"))) == ["VPCI1707"]
    assert codes(read(write(tmp_path, read(OWN / "e1000.lspci").data[:256], "config"))) == []


@pytest.mark.parametrize("fill", [0xFF, 0])
def test_a_function_that_does_not_answer(tmp_path: Path, fill: int) -> None:
    capture = read(write(tmp_path, bytes([fill]) * 4096, "config"))
    assert codes(capture) == ["VPCI1708"]
    assert capture.blank == (fill == 0xFF)
    assert not capture.virtual


def test_a_virtual_function_reads_ffff() -> None:
    capture = read(OWN / "igb-vf.lspci")
    assert capture.virtual
    assert codes(capture) == []


# -- raw bytes, and what is no capture -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [64, 256, 4096])
def test_raw_bytes(tmp_path: Path, size: int) -> None:
    assert read(write(tmp_path, read(E1000E).data[:size], "raw")).data == read(E1000E).data[:size]


def test_raw_bytes_of_another_size(tmp_path: Path) -> None:
    data = read(E1000E).data
    assert codes(read(write(tmp_path, data[:0x600], "raw"))) == ["VPCI1705"]
    for size in (1, 63, 4097, 100_000):
        assert "VPCI1711" in fails(write(tmp_path, (data * 30)[:size], "raw"))
    assert "VPCI1711" in fails(make_device(tmp_path, config=data + b"\0"))
    assert "VPCI1005" in fails(make_device(tmp_path, "0000:3e:00.0", config=data * 100))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "file is empty"),
        (b"\x7fELF\x02\x01\x01" + bytes(7) + b"\x66" + bytes(200), "not the bytes of a configuration space"),
        ("01:00.0 Ethernet controller: Intel\n", "lspci text without bytes: run lspci with -xxxx"),
        ("vpci: 1\ndevice: x\n", "this is a layout, not a capture"),
        ("Just a few words.\n" * 9, "text without rows of bytes"),
        ("Nur ein paar W\xf6rter.\n" * 9, "text without rows of bytes"),
        ("00: 86 80 00\n", "text without rows of bytes"),
        ("xx\n40: 00 00 00 00\n", "of 64 bytes; here are 0 of them"),
    ],
)
def test_what_is_no_capture(tmp_path: Path, content: str | bytes, part: str) -> None:
    refusal = fails(write(tmp_path, content))
    assert part in refusal
    assert "= help: " in refusal


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "error[VPCI1001]" in fails(tmp_path / "none")
    assert "error[VPCI1001]" in fails(Path("a\0b"))
    assert read_all(tmp_path / "none").captures == ()


def test_a_header_type_that_does_not_exist(tmp_path: Path) -> None:
    text = re.sub(r"^(00: (?:\w\w ){14})00", r"\g<1>47", E1000E.read_text(), flags=re.MULTILINE)
    assert codes(read(write(tmp_path, text))) == ["VPCI1713"]
