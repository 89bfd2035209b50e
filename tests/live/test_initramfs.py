"""The archive of a guest's first files, read by busybox; what a program needs, asked of the loader itself."""

from __future__ import annotations

import platform
import re
import subprocess
from pathlib import Path

import pytest

from live.guests import need_guest
from vpci_compile.live import elf, initramfs
from vpci_compile.live.board import Q35, VIRT, Board

_ENTRIES = [
    initramfs.characters("dev/console", 5, 1),
    initramfs.folder("proc"),
    initramfs.file("init", b"#!/bin/sh\n", executable=True),
    initramfs.file("etc/empty", b""),
    initramfs.file("usr/lib/x/four", b"four"),
    initramfs.link("bin/sh", "busybox"),
    initramfs.folder("usr/lib"),  # there already, for its file
]


def _native() -> Board:
    board = next((one for one in (Q35, VIRT) if one.architecture == platform.machine()), None)
    if board is None:
        pytest.skip(f"no guest's programs run on {platform.machine()}")
    return board


def test_busybox_reads_it(tmp_path: Path) -> None:
    _, system = need_guest(_native())
    packed = initramfs.pack(_ENTRIES)
    assert len(packed) % 4 == 0
    busybox = system.folder / "usr/bin/busybox"
    listed = subprocess.run([busybox, "cpio", "-tv"], input=packed, capture_output=True, check=True).stdout.decode()
    rows = [re.fullmatch(r"(\S+) 0/0 +(\d+) 1970-01-01 00:00:00 (.*)", row) for row in listed.splitlines()]
    assert [" ".join(row.groups()) for row in rows if row is not None] == [
        "drwxr-xr-x 0 dev",
        "crw------- 0 dev/console",
        "drwxr-xr-x 0 proc",
        "-rwxr-xr-x 10 init",
        "drwxr-xr-x 0 etc",
        "-rw-r--r-- 0 etc/empty",
        "drwxr-xr-x 0 usr",
        "drwxr-xr-x 0 usr/lib",
        "drwxr-xr-x 0 usr/lib/x",
        "-rw-r--r-- 4 usr/lib/x/four",
        "drwxr-xr-x 0 bin",
        "lrwxrwxrwx 0 bin/sh -> busybox",
    ]
    unpacked = [one for one in _ENTRIES if one.device == (0, 0)]  # nodes are for root
    subprocess.run(
        [busybox, "cpio", "-id"], input=initramfs.pack(unpacked), capture_output=True, check=True, cwd=tmp_path
    )
    assert (tmp_path / "init").read_bytes() == b"#!/bin/sh\n"
    assert (tmp_path / "usr/lib/x/four").read_bytes() == b"four"
    assert str((tmp_path / "bin/sh").readlink()) == "busybox"


@pytest.mark.parametrize("name", ["/init", "../init", "a/../b", "a//b", "a/", ".", ""])
def test_a_name_that_is_no_place(name: str) -> None:
    with pytest.raises(ValueError, match="no place in an archive"):
        initramfs.pack([initramfs.file(name, b"")])


def test_a_name_comes_once() -> None:
    with pytest.raises(ValueError, match="'a' comes twice"):
        initramfs.pack([initramfs.file("a", b""), initramfs.file("a", b"x")])


def test_what_a_program_needs() -> None:
    """The loader itself is asked, where it runs."""
    _, system = need_guest(_native())
    libraries = system.folder / f"usr/lib/{system.board.architecture}-linux-gnu"
    program = system.folder / "usr/bin/lspci"
    found = dict(elf.closure(program, libraries))
    (loader,) = (path for name, path in found.items() if name.startswith("/"))
    said = subprocess.run(
        [loader, "--library-path", libraries, "--list", program], capture_output=True, text=True, check=True
    ).stdout
    names = {Path(name).name for name in found}
    assert names == {Path(name).name for name in re.findall(r"^\t(\S+)", said, re.MULTILINE)} - {"linux-vdso.so.1"}
    assert elf.needs((system.folder / "usr/bin/busybox").read_bytes()) == ("", ())


@pytest.mark.parametrize("octets", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01", b"\x7fELF\x02\x01" + bytes(70)[:20]])
def test_no_program(octets: bytes) -> None:
    with pytest.raises(ValueError, match="ELF file"):
        elf.needs(octets)


def test_a_damaged_program() -> None:
    """Every cut of a real one is told from a whole one, or needs less; none is a traceback of ours."""
    _, system = need_guest(VIRT)
    whole = (system.folder / "usr/bin/lspci").read_bytes()
    for end in range(0, len(whole), 997):
        try:
            elf.needs(whole[:end])
        except ValueError as error:
            assert "ELF" in str(error)
