"""Reading captures: each form, each fault, and that no bytes bring it down."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rights import open_folder, ordinary_user
from vpci_compile.capture import BarFact, Capture, read, read_all
from vpci_compile.diagnostics import Failed, Severity, render_text

from .judge import OWN, files, lspci_bytes

E1000E = OWN / "e1000e.lspci"
Q35 = OWN / "q35-all.lspci"


def write(folder: Path, text: str | bytes, name: str = "dump.lspci") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def codes(capture: Capture) -> list[str]:
    return [d.code for d in capture.diagnostics]


def fails(path: Path, slot: str | None = None, shown: str | None = None) -> str:
    """The whole text of a refusal."""
    with pytest.raises(Failed) as caught:
        read(path, slot, shown)
    return render_text(caught.value.diagnostics)


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


# -- text ----------------------------------------------------------------------------------------------------------


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
        assert ("VPCI1705" in codes(capture)) == (len(capture.data) < 4096)


def test_too_short_for_a_header(tmp_path: Path) -> None:
    lines = E1000E.read_text().splitlines()
    rows = [line for line in lines if not line.startswith("\t")]
    assert "here are 48 of them" in fails(write(tmp_path, "\n".join(rows[:4])))
    assert "here are 48 of them" in fails(write(tmp_path, "\n".join([*rows[:2], *rows[3:]])))


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


# -- sysfs ---------------------------------------------------------------------------------------------------------


def test_a_device_folder() -> None:
    capture = read(OWN / "sysfs" / "e1000e")
    text = read(E1000E)
    assert capture.data == text.data
    assert capture.bars == text.bars
    assert capture.ids == (0x8086, 0x10D3)
    assert capture.name == "e1000e"
    assert read(OWN / "sysfs" / "igb").bars == read(OWN / "igb.lspci").bars
    assert read(OWN / "sysfs" / "igb").bars[3] == BarFact(3, 0x4000, wide=True)


def test_a_folder_of_device_folders() -> None:
    assert [len(c.data) for c in read_all(OWN / "sysfs").captures] == [4096, 4096]
    assert "error[VPCI1703]: the capture holds 2 functions that say no slot" in fails(OWN / "sysfs")


def make_device(folder: Path, slot: str = "0000:3d:00.0", **attributes: str | bytes) -> Path:
    device = folder / slot
    device.mkdir(parents=True)
    for name, value in {"config": read(E1000E).data, **attributes}.items():
        (device / name).write_bytes(value if isinstance(value, bytes) else value.encode())
    return device


def test_what_a_device_folder_says_of_itself(tmp_path: Path) -> None:
    drivers = tmp_path / "drivers" / "vfio-pci"
    drivers.mkdir(parents=True)
    device = make_device(tmp_path / "devices", vendor="0x8086\n", device="0x10d3\n")
    (device / "driver").symlink_to(drivers)
    capture = read(device)
    assert (capture.slot, capture.driver, capture.bars) == ("0000:3d:00.0", "vfio-pci", ())
    make_device(tmp_path / "devices", "0000:3d:00.1", uevent="DRIVER=e1000e\nPCI_SLOT_NAME=0000:3d:00.1\n")
    assert read(tmp_path / "devices", "3d:00.1").driver == "e1000e"
    assert [c.slot for c in read_all(tmp_path / "devices").captures] == ["0000:3d:00.0", "0000:3d:00.1"]
    assert read(device / "config").slot == ""  # without 'resource' beside it, just a file
    (device / "resource").write_text("0x0 0x0 0x0\n" * 13)
    assert read(device / "config").slot == "0000:3d:00.0"


def test_a_link_to_a_device_folder_knows_its_slot(tmp_path: Path) -> None:
    device = make_device(tmp_path / "pci0000:00")
    link = tmp_path / "device"
    link.symlink_to(device)
    assert read(link).slot == "0000:3d:00.0"


def test_the_shadow_of_a_rom_is_no_bar(tmp_path: Path) -> None:
    lines = ["0x0 0x0 0x0"] * 6 + ["0x00000000000c0000 0x00000000000dffff 0x0000000000000212"]
    assert read(make_device(tmp_path, resource="\n".join(lines))).bars == ()


def test_attributes_that_make_no_sense(tmp_path: Path) -> None:
    capture = read(make_device(tmp_path, resource="rubbish\n", vendor="8086", uevent=b"\xff\xfe\x00", device="\n"))
    assert codes(capture) == ["VPCI1712"]
    assert capture.ids is None


def test_a_config_that_is_another_device(tmp_path: Path) -> None:
    capture = read(make_device(tmp_path, vendor="0x15b3\n", device="0x101e\n"))
    assert codes(capture) == ["VPCI1709"]
    assert capture.diagnostics[0].message == "bytes say 8086:10d3, the words beside them 15b3:101e"


def test_ids_of_a_virtual_function_come_from_sysfs(tmp_path: Path) -> None:
    config = read(OWN / "igb-vf.lspci").data
    capture = read(make_device(tmp_path, config=config, vendor="0x8086\n", device="0x10ca\n"))
    assert codes(capture) == []
    assert capture.ids == (0x8086, 0x10CA)


def test_a_config_that_may_not_be_read() -> None:
    with open_folder() as folder:
        device = make_device(folder)
        assert read(device).data
        (device / "config").chmod(0)
        with ordinary_user():
            assert "Permission denied" in fails(device)


def test_a_config_that_cannot_be_read(tmp_path: Path) -> None:
    device = tmp_path / "0000:3d:00.0"
    (device / "config").mkdir(parents=True)
    assert "error[VPCI1001]" in fails(device)
    make_device(tmp_path, "0000:3e:00.0")
    assert read(tmp_path, "3e:00.0").slot == "0000:3e:00.0"
    assert "error[VPCI1001]" in fails(tmp_path, "3d:00.0")
    assert [d.code for d in read_all(tmp_path).diagnostics] == ["VPCI1001"]


def test_a_folder_that_is_no_device(tmp_path: Path) -> None:
    assert "error[VPCI1701]" in fails(tmp_path)


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


HANG_S = 60  # a guard against hangs, not a measure of speed: each takes a fraction of a second

# -- size and time -------------------------------------------------------------------------------------------------


def test_a_large_file_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(100 << 20)
    assert "error[VPCI1710]: file has 104,857,600 bytes, more than 32 MiB" in fails(path)
    assert "VPCI1710" in fails(Path("/dev/zero"))


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
