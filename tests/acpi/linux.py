"""What a real Linux makes of tables: booted with them in its initrd, or written down by somebody who did."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from live.guests import need_guest
from vpci_compile.live import guest, initramfs
from vpci_compile.live.board import Board

RAM = 512 << 20
"""What a guest has, from address 0 on (x86-64; with the holes of a PC) or from 0x40000000 on (aarch64)."""
_LINES = """\
cd /sys/devices/system/node
for what in possible online has_cpu has_memory has_generic_initiator; do echo "$what: $(cat $what)"; done
for node in node*; do
    kib=$(sed -n 's/.*MemTotal: *//p' $node/meminfo)
    echo "$node cpulist=$(cat $node/cpulist) distance=$(cat $node/distance) mem=$kib"
    for one in $node/access0/initiators/*_* $node/memory_side_cache/*/*; do [ -f $one ] && echo "$one=$(cat $one)"; done
done
dmesg | sed 's/^\\[[^]]*\\] //; s/^/log: /'
"""


@dataclass
class Seen:
    """What Linux said of its nodes, and its log."""

    possible: set[int] = field(default_factory=set)
    online: set[int] = field(default_factory=set)
    initiators: set[int] = field(default_factory=set)
    with_memory: set[int] = field(default_factory=set)
    cpus: dict[int, list[int]] = field(default_factory=dict)
    memory: dict[int, int] = field(default_factory=dict)  # KiB that Linux uses
    distances: list[list[int]] = field(default_factory=list)
    performance: dict[str, int] = field(
        default_factory=dict
    )  # node0/access0/initiators/read_latency: 5, and memory-side caches
    log: list[str] = field(default_factory=list)


def _numbers(text: str) -> list[int]:
    """A list of Linux: 0-1,3."""
    ends = [part.partition("-") for part in text.split(",") if part]
    return [number for a, _, b in ends for number in range(int(a), int(b or a) + 1)]


def seen(text: str) -> Seen:
    """What is in the text."""
    made = Seen()
    sets = {"possible": made.possible, "online": made.online, "has_memory": made.with_memory}
    sets["has_generic_initiator"] = made.initiators
    for line in text.splitlines():
        name, _, rest = line.partition(": ")
        if name == "log":
            made.log.append(rest)
        elif name in sets:
            sets[name].update(_numbers(rest))
        elif match := re.match(r"node(\d+) cpulist=(\S*) distance=([\d ]+) mem=(\d+) kB", line):
            made.cpus[int(match[1])] = _numbers(match[2])
            made.memory[int(match[1])] = int(match[4])
            made.distances.append([int(value) for value in match[3].split()])
        elif match := re.match(r"(node\d+/(?:access0/initiators|memory_side_cache)/[\w/]+)=(\d+)$", line):
            made.performance[match[1]] = int(match[2])
    order = sorted(range(len(made.cpus)), key=lambda at: list(made.cpus)[at])  # node10 comes before node2
    made.distances = [made.distances[at] for at in order]
    return made


def boot(board: Board, tables: Sequence[bytes], *, cpus: int = 1, more: Sequence[str] = ()) -> Seen:
    """A Linux with these tables and none of QEMU's: there is no -numa.

    Raises:
        QemuError: it does not come up.
    """
    program, system = need_guest(board)
    files = [
        initramfs.file(f"kernel/firmware/acpi/{number}-{table[:4].decode('latin-1')}.aml", table)
        for number, table in enumerate(tables)
    ]
    return seen(guest.boot(program, system, ["-smp", str(cpus), *more], _LINES, files=files))
