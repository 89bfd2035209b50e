"""BARs, traces and ends of clients, with a real QEMU as the client."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compiling import compiled
from judges import need
from vpci_compile import live
from vpci_compile.live import qtest

_LAYOUT = """
bars:
  0: {kind: mem32, size: 1M, source: synthesized, backing: {length: 0xC0000, beyond: ones}}
  1: {kind: io, size: 32, source: synthesized}
  2: {kind: mem64, prefetchable: true, size: 16G, source: synthesized}
capabilities:
  - {cap: pcie, at: 0x40, source: synthesized, fields: {flags: {version: 2, type: rciep}, devcap.flr: 1}}
guest: {place: root, address: "00:01.0"}
"""
_MEMORY, _PORTS, _LARGE = 0xC0000000, 0x6000, 0x8_0000_0000
_SLOT = 1


@contextmanager
def _machine(path: Path) -> Iterator[qtest.Machine]:
    device = {
        "driver": "vfio-user-pci",
        "bus": "pcie.0",
        "addr": f"{_SLOT:#x}",
        "socket": {"type": "unix", "path": str(path)},
    }
    with qtest.Machine(need("VPCI_QEMU", live.PROGRAM), ["-device", json.dumps(device)]) as machine:
        machine.open_ecam()
        yield machine


def _place(machine: qtest.Machine) -> None:
    """As firmware would: addresses, then decoding."""
    for offset, value in ((0x10, _MEMORY), (0x14, _PORTS), (0x18, _LARGE & 0xFFFFFFFF), (0x1C, _LARGE >> 32)):
        machine.commands([qtest.write(0, _SLOT, offset, 4, value)])
    machine.commands([qtest.write(0, _SLOT, 0x04, 2, 3)])


def _number(machine: qtest.Machine, command: str) -> int:
    (answer,) = machine.commands([command])
    return int(answer, 16)


def test_memory_as_the_layout_declares_it(tmp_path: Path) -> None:
    with live.serve(compiled(_LAYOUT), tmp_path / "s") as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            with _machine(tmp_path / "s") as machine:
                _place(machine)
                machine.commands([f"writel {_MEMORY:#x} 0x11223344", f"writel {_MEMORY + 0xBFFFC:#x} 0x55667788"])
                machine.commands([f"writel {_MEMORY + 0xC0000:#x} 0x99"])
                assert _number(machine, f"readl {_MEMORY:#x}") == 0x11223344
                assert _number(machine, f"readw {_MEMORY + 2:#x}") == 0x1122
                assert _number(machine, f"readl {_MEMORY + 0xBFFFC:#x}") == 0x55667788
                assert _number(machine, f"readl {_MEMORY + 0xC0000:#x}") == 0xFFFFFFFF
                assert _number(machine, f"readl {_MEMORY + 0xFFFFC:#x}") == 0xFFFFFFFF
                machine.commands([f"outl {_PORTS + 8:#x} 0xcafe"])
                assert _number(machine, f"inl {_PORTS + 8:#x}") == 0xCAFE
                last = _LARGE + (16 << 30) - 8
                machine.commands([f"writeq {last:#x} 0x0102030405060708"])
                assert _number(machine, f"readq {last:#x}") == 0x0102030405060708
                # Initiate FLR: the memory is zeros again, and decoding is off until it is turned on once more.
                machine.commands([qtest.write(0, _SLOT, 0x48, 2, 0x8000)])
                assert _number(machine, qtest.read(0, _SLOT, 0x04, 2)) == 0
                machine.commands([qtest.write(0, _SLOT, 0x04, 2, 3)])
                assert _number(machine, f"readl {_MEMORY:#x}") == 0
            # QEMU was killed; the next one finds a function as new.
            with _machine(tmp_path / "s") as machine:
                assert _number(machine, qtest.read(0, _SLOT, 0x04, 2)) == 0
                _place(machine)
                assert _number(machine, f"readl {_MEMORY + 0xBFFFC:#x}") == 0
        finally:
            server.stop()
            thread.join()


def test_the_trace_of_a_qemu(tmp_path: Path) -> None:
    lines: list[str] = []
    with live.serve(compiled(_LAYOUT), tmp_path / "s", lines.append) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            with _machine(tmp_path / "s") as machine:
                lines.clear()
                machine.commands([qtest.write(0, _SLOT, 0x04, 2, 6), qtest.read(0, _SLOT, 0x04, 2)])
                machine.commands([qtest.read(0, _SLOT, 0x4A, 2), qtest.read(0, _SLOT, 0x34, 1)])
                assert [line for line in lines if "command" in line][
                    -1
                ] == "read 0x04.2 command = 0x0006 (memory, master)"
                assert lines[-1] == "read 0x4a.2 pcie.devsta = 0x0000"  # the pointer at 0x34 is QEMU's own
        finally:
            server.stop()
            thread.join()
