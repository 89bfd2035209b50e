"""What grouping a fleet costs, against reading the same bytes and hashing them: ratios taken in one run, on one core.

The captures are real ones, varied: addresses of BARs, status and interrupt line of each function, the serial number
where there is one, and in one of 500 a bit of the contract. They lie in one file, as binary. Parsing text is measured
apart, against reading the same text and hashing it.

    python benchmarks/fleet.py [--functions N] [--models N]
"""

from __future__ import annotations

import argparse
import hashlib
import random
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

from vpci_compile import capture
from vpci_compile.fleet import Groups, Member, below
from vpci_compile.stack.chains import extended_chain

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (ROOT / "tests" / "captures", ROOT.parent / "shared" / "captures")
STACK = "linux-7.2/qemu-11.1"
ROUNDS = 3
SERIAL = 0x0003  # Device Serial Number
WHOLE = 4096
Fleet = tuple[bytes, list[int]]  # all functions one after the other, and the bytes of each


def models(count: int) -> list[bytes]:
    """Functions of this many models that the stack shows, the largest spaces first."""
    known = Groups(below(STACK, "port", {}))
    found: dict[str, bytes] = {}
    for folder in FOLDERS:
        for path in sorted(folder.glob("*.lspci")):
            for one in capture.read_all(path).captures:
                if len(one.data) > 64:
                    group = known.add(one.data, Member(path.name, one.slot))
                    if not group.refusal:
                        found.setdefault(group.model.name, one.data)
    return sorted(found.values(), key=len, reverse=True)[:count]


def varied(data: bytes, dice: random.Random) -> bytes:
    """The same function in another host."""
    made = bytearray(data)
    for at in range(0x10, 0x28, 4):
        if made[at + 3]:
            made[at + 2 : at + 4] = dice.randrange(1, 1 << 16).to_bytes(2, "little")
    made[0x3C] = dice.randrange(256)
    made[0x07] ^= dice.choice((0, 0, 0, 0x20))  # received master abort
    if len(made) == WHOLE:
        for one in extended_chain(data):
            if one.id == SERIAL:
                made[one.offset + 4 : one.offset + 8] = dice.randbytes(4)
    if dice.randrange(500) == 0:
        made[0x08] ^= 1  # the revision
    return bytes(made)


def fleet(kinds: list[bytes], count: int) -> Fleet:
    """`count` functions of all kinds in turn."""
    dice = random.Random(1)
    rows = [varied(kinds[number % len(kinds)], dice) for number in range(count)]
    return b"".join(rows), [len(row) for row in rows]


def pieces(path: Path, sizes: list[int]) -> Iterator[bytes]:
    """The functions in a file, one by one."""
    with path.open("rb") as stream:
        for size in sizes:
            yield stream.read(size)


def hashed(path: Path, sizes: list[int]) -> None:
    sha256 = hashlib.sha256
    for octets in pieces(path, sizes):
        sha256(octets).digest()


def grouped(path: Path, sizes: list[int]) -> Groups:
    groups = Groups(below(STACK, "port", {}))
    member, add = Member(path.name, ""), groups.add
    for octets in pieces(path, sizes):
        add(octets, member)
    return groups


def best(action: Callable[[], object]) -> float:
    """CPU seconds of the fastest run."""
    fastest = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        action()
        fastest = min(fastest, time.process_time() - start)
    return fastest


def memory(path: Path, sizes: list[int]) -> tuple[int, int]:
    """Bytes that are held after all functions were grouped, and the number of groups."""
    tracemalloc.start()
    groups = grouped(path, sizes)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held, sum(len(model.groups) for model in groups.models.values())


def text_speed(folder: Path) -> tuple[float, float]:
    """Microseconds a function of 4096 bytes: reading lspci text and hashing it, and parsing it."""
    data = bytes(random.Random(2).randbytes(WHOLE - 64))
    rows = [f"{at:02x}: {octets.hex(' ')}" for at, octets in _rows(b"\x86\x80" + bytes(62) + data)]
    count = 200
    path = folder / "host.lspci"
    path.write_text("\n\n".join("\n".join([f"{bus:02x}:00.0 Device", *rows]) for bus in range(count)) + "\n")
    reading = best(lambda: hashlib.sha256(path.read_bytes()).digest())
    return reading / count * 1e6, best(lambda: capture.read_all(path)) / count * 1e6


def _rows(data: bytes) -> Iterator[tuple[int, bytes]]:
    return ((at, data[at : at + 16]) for at in range(0, len(data), 16))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", type=int, default=100_000)
    parser.add_argument("--models", type=int, default=24)
    options = parser.parse_args()
    kinds = models(options.models)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "fleet.bin"
        for count in (options.functions // 10, options.functions):
            data, sizes = fleet(kinds, count)
            path.write_bytes(data)
            base, cost = best(lambda s=sizes: hashed(path, s)), best(lambda s=sizes: grouped(path, s))  # type: ignore[misc]
            held, groups = memory(path, sizes)
            what = f"{count:>8,} functions of {len(kinds)} models, {len(data) / count:,.0f} bytes each"
            print(
                f"{what}: {cost / base:.2f} x reading and sha256 ({cost / count * 1e6:.1f} us, "
                f"{base / count * 1e6:.1f} us); "
                f"{groups:,} groups, {held / 1e6:.1f} MB held"
            )
        reading, parsing = text_speed(Path(name))
        print(f"lspci text of 4096 bytes: {parsing:.0f} us to parse, {reading:.0f} us to read and hash")


if __name__ == "__main__":
    main()
