"""Speed and memory, as ratios taken in one run: timings of a machine drift, a ratio stays.

Cold commands are whole processes against `python -c "import pydantic, yaml, jinja2, typer"`, the price of the libraries
alone; both alternate, and the minimum of CPU time counts. Warm figures are the best of many in this process.

The server's figure is the CPU time of the serving process alone; `verify` is a whole process, QEMU's start included,
and needs a QEMU ('make judges' fetches one).

    python benchmarks/run.py [--rounds N] [--markdown]
"""

from __future__ import annotations

import argparse
import compileall
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vpci_compile.capture import Capture

ROOT = Path(__file__).resolve().parent.parent
GH200 = ROOT / "layouts" / "nvidia" / "gh200.yaml"
LIBRARIES = [sys.executable, "-c", "import pydantic, yaml, jinja2, typer"]


def cold(command: list[str]) -> tuple[float, int]:
    """CPU seconds and peak memory (KiB) of one process.

    Linux counts what the parent held at the time of the spawn as the child's peak: this module must stay small until
    the cold commands are through, so it imports the product later.
    """
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
    _, status, used = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss


def best_of(rounds: int, *commands: list[str]) -> list[tuple[float, int]]:
    """Minimum CPU time and median memory of each command, all of them taking turns."""
    rows: list[list[tuple[float, int]]] = [[] for _ in commands]
    for _ in range(rounds):
        for row, command in zip(rows, commands, strict=True):
            row.append(cold(command))
    return [(min(t for t, _ in row), sorted(m for _, m in row)[len(row) // 2]) for row in rows]


def warm(action: Callable[[], object], seconds: float = 1.0) -> float:
    """Seconds of the fastest run within `seconds`."""
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return best


def served_read(reads: int = 20_000, rounds: int = 3) -> float:
    """CPU seconds that `serve` takes to answer a read of 4 bytes of the configuration space."""
    from vpci_compile.live import protocol

    version = protocol.HEADER.pack(0, protocol.Command.VERSION, protocol.HEADER_BYTES + protocol.VERSION.size, 0, 0)
    access = protocol.REGION_ACCESS.pack(0, protocol.CONFIG_REGION, 4)
    asked = protocol.HEADER.pack(1, protocol.Command.REGION_READ, protocol.HEADER_BYTES + len(access), 0, 0) + access
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as client:
        path = f"{folder}/s"
        command = [sys.executable, "-m", "vpci_compile", "serve", str(GH200), "--socket", path]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
            try:
                assert server.stdout is not None and server.stdout.readline()  # "serving ...": it listens
                client.connect(path)
                client.sendall(version + protocol.VERSION.pack(0, 0))
                client.recv(4096)
                clock = ~server.pid << 3 | 2  # the CPU time of that process: clock_getcpuclockid(3)
                best = float("inf")
                for _ in range(rounds):
                    start = time.clock_gettime(clock)
                    for _ in range(reads):
                        client.sendall(asked)
                        client.recv(4096)
                    best = min(best, (time.clock_gettime(clock) - start) / reads)
                return best
            finally:
                server.terminate()


def verified(rounds: int = 3) -> str:
    """Wall time of a whole `verify` of GH200; says so where there is no QEMU."""
    from vpci_compile import live
    from vpci_compile.diagnostics import Failed

    try:
        live.find_qemu(None)
    except Failed:
        return "no QEMU here"
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "vpci_compile", "verify", str(GH200)], stdout=subprocess.DEVNULL, check=True
        )
        best = min(best, time.perf_counter() - start)
    return f"{best:.2f} s"


def captured_pairs() -> Iterator[tuple[Capture, Capture]]:
    """Pairs of captures of one model, each with other bits of its own turned."""
    from vpci_compile import capture

    read = capture.read(ROOT / "tests" / "captures" / "igb.lspci")
    dice = random.Random(1)

    def varied() -> Capture:
        octets = bytearray(read.data)
        for _ in range(2):
            octets[0x110 + dice.randrange(0x20)] ^= 1 << dice.randrange(8)  # AER, which hardware changes
        return replace(read, data=bytes(octets))

    while True:
        yield varied(), varied()


def migration(source: Capture, destination: Capture) -> object:
    """What `diff` answers of two captures that were read."""
    from vpci_compile import api
    from vpci_compile.host import sides
    from vpci_compile.stack import Place, newest

    below = newest()
    here, there = (sides.of_capture(one, "", below, Place.PORT, {}) for one in (source, destination))
    return api.migration(here, there)


def machine(devices: int = 8, nodes: int = 64, *, matrix: bool = False) -> str:
    """A machine layout with many nodes; every distance follows from a rule, or is written."""
    rows = [
        'vpci: 1\nmachine: large\narchitecture: x86-64\nvmm: {name: qemu, release: "11.1", type: q35}',
        f"cpus: {nodes}\nprocessor: {{vendor: intel}}\nnodes:",
        *["  - {memory: 1G}"] * nodes,
        "ports:",
        *(f"  rp{index}: {{}}" for index in range(devices)),
        "devices:",
        *(f"  gpu{index}: {{layout: nvidia/h100-clique, port: rp{index}}}" for index in range(devices)),
        "distances:" if matrix else "distances: {remote: 21}",
    ]
    if matrix:
        written = ([10 if a == b else 11 + (a + b) % 200 for b in range(nodes)] for a in range(nodes))
        rows += ["  matrix:", *(f"    - [{', '.join(map(str, row))}]" for row in written)]
    return "\n".join(rows) + "\n"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--markdown", action="store_true", help="print the table of the README")
    options = parser.parse_args()
    os.environ["PYTHONHASHSEED"] = "0"
    # As an installer does with the libraries; an environment may keep Python from writing its byte code.
    compileall.compile_dir(ROOT / "compiler", quiet=1)
    program = [sys.executable, "-m", "vpci_compile"]
    with tempfile.TemporaryDirectory() as folder:
        libraries, check, build = best_of(
            options.rounds,
            LIBRARIES,
            [*program, "check", str(GH200)],
            [*program, "build", str(GH200), "-o", folder],
        )
    from vpci_compile import pipeline
    from vpci_compile.diagnostics import Report, Source
    from vpci_compile.diff import compare
    from vpci_compile.emit import Options, artifacts

    base = libraries[0]
    function = pipeline.compile_file(GH200).function
    other = pipeline.compile_file(ROOT / "layouts" / "nvidia" / "h100-clique.yaml").function
    compile_ms = warm(lambda: pipeline.compile_file(GH200)) * 1e3
    large = Source("large.yaml", machine())
    machine_ms = warm(lambda: pipeline.compile_machine(large, Path("large.yaml"))) * 1e3
    written = Source("large.yaml", machine(matrix=True))
    matrix_ms = warm(lambda: pipeline.compile_machine(written, Path("large.yaml"))) * 1e3
    emit_ms = warm(lambda: artifacts(function, Options(), Report())) * 1e3
    diff_ms = warm(lambda: compare(function, other)) * 1e3
    pairs = captured_pairs()
    migration_ms = warm(lambda: migration(*next(pairs))) * 1e3
    rows = [
        ("cold `check` of GH200, CPU time", f"{check[0] / base:.2f} x the libraries", "1.3 x"),
        (
            "cold `build` of GH200, all outputs, CPU time",
            f"{build[0] / base:.2f} x the libraries",
            "2.0 x",
        ),
        ("peak memory of that `check`", f"{check[1] / libraries[1]:.2f} x the libraries", "1.5 x"),
        ("peak memory of that `build`", f"{build[1] / libraries[1]:.2f} x the libraries", "1.5 x"),
        ("warm compile of GH200, text to image", f"{compile_ms:.2f} ms", "3 ms"),
        ("warm compile of a machine: 8 devices, 64 nodes, distances by rule", f"{machine_ms:.1f} ms", "50 ms"),
        ("the same with all 4,096 distances written", f"{matrix_ms:.1f} ms", "50 ms"),
        ("warm emit of all outputs", f"{emit_ms:.2f} ms", "-"),
        ("warm diff of two different functions", f"{diff_ms:.2f} ms", "-"),
        ("warm `diff` of two captures never seen, four bits apart, both ways", f"{migration_ms:.2f} ms", "1 ms"),
        ("`serve`: CPU time of a 4-byte read", f"{served_read() * 1e6:.0f} us", "100 us"),
        ("`verify` of GH200: 4096 bytes and 1024 dwords in QEMU, wall time", verified(), "1 s"),
    ]
    if options.markdown:
        print("| what | measured | goal |\n|---|---|---|")
        print("\n".join(f"| {what} | {value} | {goal} |" for what, value, goal in rows))
    else:
        width = max(len(what) for what, _, _ in rows)
        print("\n".join(f"{what:<{width}}  {value:<24} goal {goal}" for what, value, goal in rows))
    print(f"\n(libraries alone: {base * 1e3:.0f} ms CPU, {libraries[1] / 1024:.1f} MiB; rounds: {options.rounds})")


if __name__ == "__main__":
    main()
