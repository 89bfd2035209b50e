"""A machine as it is emitted, started with real firmware: what SeaBIOS and edk2 make of its buses and windows."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from live.guests import need_guest
from machines.running import Row, program_of, served, stand_in
from vpci_compile.emit import Options
from vpci_compile.emit.machine import qemu as machine_qemu
from vpci_compile.ir.machine import Architecture
from vpci_compile.ir.topology import System
from vpci_compile.live.board import Q35, VIRT
from vpci_compile.live.verify import serving

PATIENCE_S = 120.0
_POLL_S = 0.05
_DONE = {Architecture.X86_64: "No bootable device", Architecture.AARCH64: "BdsDxe"}
"""What firmware says when it has given out everything, and looks for something to boot."""
_SEABIOS_SAYS = ("-chardev", "file,id=said,path={}", "-device", "isa-debugcon,iobase=0x402,chardev=said")
_EDK2_SAYS = ("-serial", "file:{}")


class Bridge(NamedTuple):
    """A port, or a switch's upstream port: bus numbers, and base and last byte of its prefetchable window."""

    primary: int
    secondary: int
    subordinate: int
    base: int
    limit: int

    @property
    def window(self) -> int:
        """Bytes; 0 for none."""
        return max(0, self.limit + 1 - self.base)


class Seen(NamedTuple):
    """Bridges and functions by their ids: the functions' (bus, device, function) and base addresses by BAR."""

    bridges: dict[str, Bridge]
    places: dict[str, tuple[int, int, int]]
    bars: dict[str, dict[int, int]]


def enumerate_served(system: System) -> Seen:
    """With the functions themselves, served."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vpci-")))
        sockets = {one.name: folder / f"{index}" for index, one in enumerate(system.devices)}
        for one in system.devices:
            stack.enter_context(serving(sockets[one.name], one.function))
        return enumerate_buses(system, served(sockets))


def enumerate_buses(system: System, device: Callable[[Row], Row]) -> Seen:
    """What the firmware made of the machine."""
    architecture = system.machine.architecture
    argv, _ = machine_qemu.arguments(system, Options())
    with tempfile.TemporaryDirectory(prefix="vpci-") as folder:
        said = Path(folder) / "said"
        more = [part.format(said) for part in (_EDK2_SAYS if architecture is Architecture.AARCH64 else _SEABIOS_SAYS)]
        if architecture is Architecture.AARCH64:
            more += ["-bios", os.fspath(need_guest(VIRT)[1].firmware or "")]
        command = [os.fspath(program_of(system)), "-nodefaults", *_emulated(stand_in(argv[1:], device)), *more]
        with _monitor([*command, "-accel", "tcg", "-display", "none", "-qmp", "stdio"]) as ask:
            deadline = time.monotonic() + PATIENCE_S
            while not said.exists() or _DONE[architecture] not in said.read_text(encoding="latin-1"):
                assert time.monotonic() < deadline, said.read_text(encoding="latin-1")[-500:]
                time.sleep(_POLL_S)
            roots = ask("query-pci", {})
            devices = [one for root in roots for one in _all(root["devices"])]
            return Seen(
                {one["qdev_id"]: _bridge(one) for one in devices if "pci_bridge" in one},
                {one["qdev_id"]: (one["bus"], one["slot"], one["function"]) for one in devices},
                {one["qdev_id"]: _bars(one, ask, architecture) for one in devices if "pci_bridge" not in one},
            )


def _emulated(argv: list[str]) -> list[str]:
    """For an emulated processor, which has addresses of a size of its own."""
    pairs = zip(argv[::2], argv[1::2], strict=True)
    return [
        part for key, text in pairs for part in (key, re.sub(r",phys-bits=\d+", "", text) if key == "-cpu" else text)
    ]


Ask = Callable[[str, dict[str, object]], Any]


@contextlib.contextmanager
def _monitor(command: list[str]) -> Iterator[Ask]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(name: str, arguments: dict[str, object]) -> Any:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            assert "error" not in answer, answer
        raise AssertionError(f"QEMU ended: {process.wait()}")

    try:
        ask("qmp_capabilities", {})
        yield ask
    finally:
        process.kill()
        process.communicate()


def _all(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield row
        yield from _all(row.get("pci_bridge", {}).get("devices", []))


def _bridge(row: dict[str, Any]) -> Bridge:
    bus = row["pci_bridge"]["bus"]
    window = bus["prefetchable_range"]
    return Bridge(bus["number"], bus["secondary"], bus["subordinate"], window["base"], window["limit"])


def _bars(row: dict[str, Any], ask: Ask, architecture: Architecture) -> dict[int, int]:
    """Read from the registers: edk2 turns decoding off again where it has no driver."""
    ecam = VIRT.ecam if architecture is Architecture.AARCH64 else Q35.ecam
    at = ecam + (row["bus"] << 20 | row["slot"] << 15 | row["function"] << 12) + 0x10
    text = ask("human-monitor-command", {"command-line": f"xp /6xw {at:#x}"})
    words = [int(word, 16) for line in text.splitlines() for word in line.partition(":")[2].split()]
    found: dict[int, int] = {}
    for region in row["regions"]:
        index = region["bar"]
        if region["type"] == "memory" and index < len(words):
            high = words[index + 1] << 32 if region["mem_type_64"] else 0
            found[index] = high | words[index] & ~0xF
    return found
