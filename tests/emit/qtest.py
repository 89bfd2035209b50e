"""A QEMU that never runs a guest: its bus and its ACPI tables, read over the qtest protocol on its standard streams."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_SELECT, _READ = 0x08, 0x02
_DIRECTORY = 0x19  # fw_cfg item: the list of files
_NAME_BYTES = 56
_FW_CFG_PORT = 0x514  # x86: DMA address, high half first, big-endian
_FW_CFG_BASE = 0x09020000  # arm virt: DMA address at + 16
_SCRATCH = {"q35": 0x100000, "pc": 0x100000, "virt": 0x40100000}  # guest memory that nobody uses


class Machine:
    """A stopped machine: `q35` or `virt`."""

    def __init__(self, process: subprocess.Popen[str], kind: str) -> None:
        self._process = process
        self._kind = kind

    def command(self, text: str) -> str:
        """One command of the qtest protocol; its answer without "OK"."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer.startswith("OK"), (
            f"{text}: {answer} {self._process.stderr.read() if self._process.stderr else ''}"
        )
        return answer[2:].strip()

    def memory(self, address: int, size: int) -> bytes:
        """Bytes of guest memory."""
        return bytes.fromhex(self.command(f"read {address:#x} {size:#x}")[2:])

    def config_write(self, bus: int, device: int, offset: int, value: int) -> None:
        """Write a dword of configuration space (x86)."""
        self.command(f"outl 0xcf8 {0x80000000 | bus << 16 | device << 11 | offset:#x}")
        self.command(f"outl 0xcfc {value:#x}")

    def _item(self, key: int, size: int) -> bytes:
        scratch = _SCRATCH[self._kind]
        data = scratch + 0x1000
        access = (key << 16 | _SELECT | _READ).to_bytes(4, "big") + size.to_bytes(4, "big") + data.to_bytes(8, "big")
        self.command(f"write {scratch:#x} {len(access):#x} 0x{access.hex()}")
        half = (scratch & 0xFFFFFFFF).to_bytes(4, "big")
        if self._kind == "virt":
            self.command(f"writel {_FW_CFG_BASE + 20:#x} {int.from_bytes(half, 'little'):#x}")
        else:
            self.command(f"outl {_FW_CFG_PORT + 4:#x} {int.from_bytes(half, 'little'):#x}")
        assert self.memory(scratch, 4) == bytes(4), "fw_cfg DMA failed"
        return self.memory(data, size)

    def acpi_tables(self, signature: bytes) -> list[bytes]:
        """The tables with a signature, as firmware would find them; the checksum is left to firmware."""
        count = int.from_bytes(self._item(_DIRECTORY, 4), "big")
        rows = self._item(_DIRECTORY, 4 + 64 * count)[4:]
        for row in (rows[start : start + 64] for start in range(0, len(rows), 64)):
            if row[8 : 8 + _NAME_BYTES].rstrip(b"\0") == b"etc/acpi/tables":
                blob = self._item(int.from_bytes(row[4:6], "big"), int.from_bytes(row[0:4], "big"))
                return list(_tables(blob, signature))
        return []


def _tables(blob: bytes, signature: bytes) -> Iterator[bytes]:
    offset = 0
    while blob[offset : offset + 4].strip(b"\0"):
        length = int.from_bytes(blob[offset + 4 : offset + 8], "little")
        if blob[offset : offset + 4] == signature:
            yield blob[offset : offset + length]
        offset += length


@contextmanager
def machine(program: Path, kind: str, arguments: Sequence[str]) -> Iterator[Machine]:
    """Start QEMU with `arguments`, stopped; it ends with the block."""
    process = subprocess.Popen(
        [program, "-machine", kind, *_QUIET, "-qtest", "stdio", "-qtest-log", "/dev/null", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Machine(process, kind)
    finally:
        process.kill()
        process.communicate(timeout=20)


_QUIET = ["-accel", "qtest", "-S", "-nodefaults", "-display", "none", "-m", "256"]


def refusal(program: Path, kind: str, arguments: Sequence[str], descriptors: Sequence[int] = ()) -> str:
    """What QEMU says when it ends by itself.

    Raises:
        subprocess.TimeoutExpired: it did not end.
    """
    done = subprocess.run(
        [program, "-machine", kind, *_QUIET, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        pass_fds=tuple(descriptors),
    )
    assert done.returncode == 1, f"{done.returncode}: {done.stderr}"
    return done.stderr.strip()


def properties(program: Path, device: str) -> set[str]:
    """The options of a device, as `-device NAME,help` lists them."""
    done = subprocess.run(
        [program, "-device", f"{device},help"], capture_output=True, text=True, timeout=60, check=True
    )
    return {line.split("=")[0].strip() for line in done.stdout.splitlines() if line.startswith("  ") and "=<" in line}


def to_json(value: object) -> str:
    """One argument's JSON."""
    return json.dumps(value, separators=(",", ":"))
