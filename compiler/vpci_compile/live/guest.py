"""A real Linux in QEMU, on an emulated processor: it is given functions, runs a few lines of shell, and is ended.

No disk, no network, no root: a kernel, and an archive of its first files with busybox and lspci.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from . import elf, initramfs
from .board import Board
from .initramfs import Entry
from .qtest import QemuError

BOOT_S = 300.0
"""How long a guest may take from its start to the end of its lines (seconds): four on an idle machine."""
_BEGIN, _END = "vpci-guest-begins", "vpci-guest-ends"
_LAST_LINES, _TAIL = 6, 1000  # of what was said last: lines, and characters, that are shown
_CURSOR = re.compile(r"\x1b\[[0-9;=?]*[a-zA-Z]")  # what moves the cursor of a terminal
_CHUNK = 1 << 16
_MEMORY_MIB = 512
_KERNEL = "usr/lib/modules/*/vmlinuz"
_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin LD_LIBRARY_PATH=/usr/lib
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
dmesg -n 1
echo {begin}
{lines}
echo {end}
poweroff -f
"""


class System(NamedTuple):
    """What a guest is made of: a folder of unpacked programs, the kernel, firmware where the board needs some."""

    board: Board
    folder: Path
    kernel: Path
    firmware: Path | None

    def programs(self) -> Iterator[Entry]:
        """Busybox, and lspci with what it needs.

        Raises:
            OSError: one of them is missing.
            ValueError: one of them is no program.
        """
        libraries = self.folder / f"usr/lib/{self.board.architecture}-linux-gnu"
        for name in ("busybox", "lspci"):
            path = self.folder / "usr/bin" / name
            yield initramfs.file(f"bin/{name}", path.read_bytes(), executable=True)
            for wanted, found in elf.closure(path, libraries):
                place = wanted.removeprefix("/") if wanted.startswith("/") else f"usr/lib/{wanted}"
                yield initramfs.file(place, found.read_bytes(), executable=True)


def find(board: Board, folder: Path, kernel: Path | None = None) -> System:
    """The system in a folder, with another kernel if one is named.

    Raises:
        FileNotFoundError: there is none; names what is missing.
    """
    named = kernel or max(folder.glob(_KERNEL), default=folder / _KERNEL.replace("*", "VERSION"))
    firmware = folder / board.firmware if board.firmware else None
    programs = [folder / "usr/bin/busybox", folder / "usr/bin/lspci"]
    for path in [named, *programs, *([firmware] if firmware is not None else [])]:
        if not path.is_file():
            raise FileNotFoundError(path)
    return System(board, folder, named, firmware)


def boot(
    program: Path,
    system: System,
    devices: Sequence[str],
    lines: str,
    *,
    files: Sequence[Entry] = (),
    iommu: bool = False,
) -> str:
    """Boot the system with `devices` (arguments of QEMU), and give what its shell says to `lines`.

    `files` are in its file system, too; with `iommu` the machine has an IOMMU, and Linux uses it.

    Raises:
        QemuError: QEMU or Linux ended before the last line, or took longer than `BOOT_S`.
        OSError: a program of the system is missing.
        ValueError: a program of the system is none.
    """
    script = _INIT.format(begin=_BEGIN, end=_END, lines=lines)
    archive = initramfs.pack(
        [
            initramfs.characters("dev/console", 5, 1),
            *(initramfs.folder(name) for name in ("proc", "sys")),
            initramfs.file("init", script.encode(), executable=True),
            *system.programs(),
            *files,
        ]
    )
    with tempfile.NamedTemporaryFile(prefix="vpci-", suffix=".cpio") as first_files:
        first_files.write(archive)
        first_files.flush()
        said = _run([os.fspath(program), *_arguments(system, first_files.name, iommu=iommu), *devices])
    found = re.search(rf"{_BEGIN}\n(.*?)^{_END}$", said, re.MULTILINE | re.DOTALL)  # firmware leaves half a line
    assert found is not None
    return found[1]


def _arguments(system: System, first_files: str, *, iommu: bool) -> Iterator[str]:
    board = system.board
    yield from ("-machine", f"{board.machine},accel=tcg", "-cpu", board.processor, "-m", str(_MEMORY_MIB))
    yield from ("-nodefaults", "-no-reboot", "-display", "none", "-monitor", "none", "-serial", "stdio")
    yield from board.boot
    if system.firmware is not None:
        yield from ("-bios", os.fspath(system.firmware))
    yield from ("-kernel", os.fspath(system.kernel), "-initrd", first_files)
    linux = f"console={board.console} quiet panic=-1 {board.quick}"
    yield from ("-append", f"{linux} {board.iommu_linux}" if iommu else linux)
    if iommu:
        yield from board.iommu


def _run(command: Sequence[str]) -> str:
    """Start QEMU, and end it after the guest's last line; what the guest said."""
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
    except OSError as error:
        raise QemuError(error.strerror or str(error)) from error
    assert process.stdout is not None and process.stderr is not None
    said = {process.stdout.fileno(): b"", process.stderr.fileno(): b""}
    guest, qemu = said
    end, open_pipes = f"\n{_END}\r\n".encode(), {*said}
    deadline = time.monotonic() + BOOT_S
    try:
        while end not in said[guest]:
            left = deadline - time.monotonic()
            ready = select.select(list(open_pipes), [], [], max(0.0, left))[0] if open_pipes else []
            if not ready:
                why = f"the guest was not done within {BOOT_S:.0f} s" if open_pipes else "the guest ended too soon"
                raise QemuError(f"{why}: {_last(said[qemu] + said[guest])}")
            for pipe in ready:
                piece = os.read(pipe, _CHUNK)
                said[pipe] += piece
                if not piece:
                    open_pipes.discard(pipe)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    return said[guest].decode(errors="replace").replace("\r\n", "\n")


def _last(octets: bytes) -> str:
    """Why Linux panicked, if it did; else the end of what was said, on one line."""
    text = _CURSOR.sub("", octets.decode(errors="replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    panic = [line for line in lines if "Kernel panic" in line]
    return " / ".join(panic[:1] or lines[-_LAST_LINES:])[-_TAIL:] or "it said nothing"
