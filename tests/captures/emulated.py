"""Play the firmware of an emulated machine: find its PCI functions, place them, read their config spaces."""

import subprocess
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

ECAM = 0xB0000000
TIMEOUT_S = 60.0

# (bus it sits on, slot.function, its label = QEMU id, QEMU device; no device: part of the machine)
Topology = list[tuple[str, str, str, str]]


class Qtest:
    """A QEMU under qtest; the watchdog ends it, and so every read, when it hangs."""

    def __init__(self, qemu: Path, arguments: list[str]) -> None:
        command = [str(qemu), *arguments, "-qtest", "stdio", "-qtest-log", "/dev/null"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.watchdog = threading.Timer(TIMEOUT_S, self.process.kill)
        self.watchdog.start()

    def command(self, text: str) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("OK"):
                return int(line[2:].strip() or "0", 16)
            if not line.startswith("IRQ"):
                raise SystemExit(f"QEMU answers {line.strip()!r} to {text!r}")
        raise SystemExit(f"QEMU ended at {text!r}")

    def close(self) -> None:
        self.watchdog.cancel()
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True)
class Bar:
    """One BAR, the expansion ROM (index 6) or a VF BAR (index 7 and up), as sysfs `resource` numbers them."""

    index: int
    offset: int
    type_bits: int
    size: int
    address: int
    count: int = 1

    @property
    def is_io(self) -> bool:
        return self.index != 6 and bool(self.type_bits & 1)

    @property
    def is_64(self) -> bool:
        return self.index != 6 and self.type_bits & 7 == 4

    @property
    def flags(self) -> int:
        """IORESOURCE_*: the kind, SIZEALIGN, and the register's own type bits, as the kernel has them."""
        if self.index == 6:
            return 0x46200
        prefetch = 0x2000 if self.type_bits & 8 and not self.is_io else 0
        return 0x40000 | (0x100 if self.is_io else 0x200) | prefetch | (0x100000 if self.is_64 else 0) | self.type_bits

    def text(self, *, virtual: bool) -> str:
        """Say it as `lspci -vv` does."""
        if self.index == 6:
            return f"\tExpansion ROM at {self.address:08x} [disabled] [size={human(self.size)}]"
        if self.is_io:
            return f"\tRegion {self.index}: I/O ports at {self.address:04x} [size={human(self.size)}]"
        kind = f"({64 if self.is_64 else 32}-bit, {'' if self.type_bits & 8 else 'non-'}prefetchable)"
        where = f"{self.address:0{8 if self.address < 1 << 32 else 9}x}"
        note = " [virtual]" if virtual else ""
        return f"\tRegion {self.index}: Memory at {where} {kind}{note} [size={human(self.size)}]"


def human(size: int) -> str:
    for unit in ("", "K", "M", "G"):
        if size % 1024:
            return f"{size}{unit}"
        size //= 1024
    return f"{size}T"


@dataclass
class Function:
    """One function of the machine, and what firmware gave it."""

    label: str
    bus: int
    devfn: int
    bars: list[Bar] = field(default_factory=list)
    config: bytes = b""
    virtual: bool = False

    @property
    def bdf(self) -> str:
        return f"{self.bus:02x}:{self.devfn >> 3:02x}.{self.devfn & 7}"


@dataclass
class Pool:
    """Addresses handed out upwards; a bridge window begins and ends on `step`."""

    next: int
    step: int

    def take(self, size: int) -> int:
        start = self.align(size)
        self.next = start + size
        return start

    def align(self, to: int = 0) -> int:
        to = to or self.step
        self.next = -(-self.next // to) * to
        return self.next


class Firmware:
    """Find the functions and place them, depth first, as a BIOS would."""

    def __init__(self, qtest: Qtest, topology: Topology) -> None:
        self.qtest = qtest
        self.topology = topology
        self.functions: list[Function] = []
        self.last_bus = 0
        self.io, self.mem, self.pref = Pool(0x6000, 0x1000), Pool(0xC0000000, 0x100000), Pool(0x800000000, 0x100000)
        qtest.command("outl 0xcf8 0x80000064")  # the host bridge's PCIEXBAR: it decodes nothing out of reset
        qtest.command("outl 0xcfc 0")
        qtest.command("outl 0xcf8 0x80000060")
        qtest.command(f"outl 0xcfc {ECAM | 1:#x}")

    def read(self, function: Function, offset: int, size: int = 4) -> int:
        """Read 1, 2 or 4 bytes of config space."""
        return self.qtest.command(f"read{' bw_l'[size]} {self._address(function, offset)}")

    def write(self, function: Function, offset: int, value: int, size: int = 4) -> None:
        self.qtest.command(f"write{' bw_l'[size]} {self._address(function, offset)} {value:#x}")

    @staticmethod
    def _address(function: Function, offset: int) -> str:
        return f"{ECAM | function.bus << 20 | function.devfn << 12 | offset:#x}"

    def scan(self, bus: int, bus_label: str) -> None:
        """Find what the topology says is on this bus, and all below it."""
        self.last_bus = max(self.last_bus, bus)
        for parent, place, label, _ in self.topology:
            if parent != bus_label:
                continue
            slot, _, number = place.partition(".")
            function = Function(label, bus, int(slot, 16) << 3 | int(number))
            if self.read(function, 0) == 0xFFFFFFFF:
                raise SystemExit(f"{label} does not answer at {function.bdf}")
            self.functions.append(function)
            is_bridge = self.read(function, 0x0E, 1) & 0x7F == 1
            self.place_bars(function, is_bridge)
            if is_bridge:
                self.open_bridge(function)

    def open_bridge(self, bridge: Function) -> None:
        """Number the bus behind a bridge, scan it, then make the windows fit what was placed there."""
        secondary = self.last_bus + 1
        io, mem, pref = (pool.align() for pool in (self.io, self.mem, self.pref))
        self.write(bridge, 0x18, 0xFF0000 | secondary << 8 | bridge.bus)
        self.scan(secondary, bridge.label)
        self.write(bridge, 0x18, self.last_bus << 16 | secondary << 8 | bridge.bus)
        # an unused window so has its limit below its base, which is how a bridge is told to forward nothing
        io_end, mem_end, pref_end = (pool.align() - 1 for pool in (self.io, self.mem, self.pref))
        self.write(bridge, 0x1C, (io >> 8 & 0xF0) | (io_end & 0xF000), 2)
        self.write(bridge, 0x20, (mem >> 16 & 0xFFF0) | (mem_end & 0xFFF00000))
        self.write(bridge, 0x24, (pref >> 16 & 0xFFF0) | (pref_end & 0xFFF00000))
        self.write(bridge, 0x28, pref >> 32)
        self.write(bridge, 0x2C, pref_end >> 32)
        self.write(bridge, 0x04, 7, 2)

    def place_bars(self, function: Function, is_bridge: bool) -> None:
        """Size each BAR by writing ones, give it an address, turn decoding on and route the interrupt."""
        registers = [(index, 0x10 + 4 * index) for index in range(2 if is_bridge else 6)]
        self.place(function, [*registers, (6, 0x38 if is_bridge else 0x30)], 1)
        sriov = self.find_extended(function, 0x10)
        if sriov:
            total_vfs = self.read(function, sriov + 0x0E, 2)
            self.place(function, [(7 + index, sriov + 0x24 + 4 * index) for index in range(6)], total_vfs)
        own = [bar for bar in function.bars if bar.index < 6]
        self.write(function, 0x04, any(bar.is_io for bar in own) | any(not bar.is_io for bar in own) << 1, 2)
        if self.read(function, 0x3D, 1):
            self.write(function, 0x3C, 10 + (function.devfn >> 3) % 2, 1)

    def place(self, function: Function, registers: list[tuple[int, int]], count: int) -> None:
        upper_half = False
        for index, offset in registers:
            if upper_half:
                upper_half = False
                continue
            type_bits = 0 if index == 6 else self.read(function, offset) & 0xF
            upper_half = type_bits & 7 == 4 and index != 6
            self.write(function, offset, 0xFFFFF800 if index == 6 else 0xFFFFFFFF)
            ones = self.read(function, offset) & (~0x7FF if index == 6 else ~3 if type_bits & 1 else ~0xF)
            if upper_half:
                self.write(function, offset + 4, 0xFFFFFFFF)
                ones |= self.read(function, offset + 4) << 32
            if ones == 0:
                self.write(function, offset, 0)
                continue
            size = ones & -ones
            bar = Bar(index, offset, type_bits & (3 if type_bits & 1 else 0xF), size, 0, count)
            pool = self.io if bar.is_io else self.pref if bar.is_64 and type_bits & 8 else self.mem
            start = pool.take(size)
            pool.next += size * (count - 1)
            function.bars.append(replace(bar, address=start))
            self.write(function, offset, start & 0xFFFFFFFF)
            if upper_half:
                self.write(function, offset + 4, start >> 32)

    def find_extended(self, function: Function, wanted: int) -> int:
        offset = 0x100
        while offset:
            header = self.read(function, offset)
            if header in (0, 0xFFFFFFFF) or header & 0xFFFF == wanted:
                return offset if header & 0xFFFF == wanted else 0
            offset = header >> 20 & 0xFFC
        return 0

    def enable_first_vf(self, physical: Function) -> Function:
        """Turn on one VF; the kernel would know its BARs only from the PF's SR-IOV capability."""
        sriov = self.find_extended(physical, 0x10)
        self.write(physical, sriov + 0x10, 1, 2)
        self.write(physical, sriov + 0x08, 0x9, 2)  # VF Enable, VF Memory Space Enable
        devfn = physical.devfn + self.read(physical, sriov + 0x14, 2)
        bars = [replace(bar, index=bar.index - 7) for bar in physical.bars if bar.index >= 7]
        return Function(f"{physical.label}-vf", physical.bus, devfn, bars, virtual=True)

    def capture(self, function: Function) -> None:
        """Read it all; a conventional function has no more than 256 bytes."""
        size = 256 if self.read(function, 0x100) == 0xFFFFFFFF else 4096
        digits = self.qtest.command(f"read {self._address(function, 0)} {size:#x}")
        function.config = digits.to_bytes(size, "big")  # one hex string, in the order of the bytes
