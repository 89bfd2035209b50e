"""Configuration spaces through the whole real stack: Linux vfio-pci, and a QEMU above it.

A function is served by us (`hardware`), plugged into a QEMU that runs a real Linux, bound to vfio-pci there, and read
through vfio's file descriptor or through another QEMU that runs inside that Linux. Many go through at a time.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeVar

from vpci_compile.live import Place

from .guest import IOMMU, PORTS, Guest, GuestError
from .hardware import Hardware, Image, Write, forwarded, physical, served
from .spare import spared

_FIRST_BUS_SLOT = 1
_HEADER_TYPE, _MULTIFUNCTION = 0x0E, 0x80
_QEMU = (
    "/qemu/lib/ld-linux-x86-64.so.2 --library-path /qemu/lib /qemu/qemu -L /qemu/firmware -machine q35 -accel qtest "
    "-nodefaults -display none -m 16 -qtest stdio -qtest-log /dev/null"
)
_SAID = "cat /tmp/said; dmesg | grep 'segfault.*qemu' | tail -n 1; dmesg -c > /dev/null"
_FORM = re.compile(r"dump \d+ [124] (?:[0-9a-f]{2})+|probe \d+ (?:[0-9a-f]{2})+")
_T = TypeVar("_T")
_U = TypeVar("_U")
_CLIENT_S = 55  # less than the guest's patience


class Observed(NamedTuple):
    """What software shows of a function.

    `state` is what the function itself holds at that time; `space`, `by_word` and `by_byte` what is read 4, 2 and 1
    bytes at a time (empty if not asked for). `tried` are the bits that were written with ones and zeros: `writable`
    those that followed as read back, `forwarded` those that reached the function.
    """

    state: bytes
    space: bytes
    by_word: bytes
    by_byte: bytes
    tried: bytes
    writable: bytes
    forwarded: bytes


class Refused(NamedTuple):
    """The software does not take the function; `text` is what it said."""

    text: str


class _Plugged(NamedTuple):
    hardware: Hardware
    device: str
    address: str
    unbound: str = ""  # why vfio-pci does not take it


class Rig:
    """The machine that does it, started once."""

    def __init__(self, program: Path, kernel: Path, initrd: Path, iommu: str = IOMMU) -> None:
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="vpci-stack-")))
        self._start: Callable[[], Guest] = lambda: Guest(program, kernel, initrd, self._folder, iommu)
        self._running: Guest | None = None
        self._servers = ExitStack()  # of the functions that were unplugged last
        self._count = 0

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._give_up()
        self._servers.close()
        self._stack.close()

    @property
    def _guest(self) -> Guest:
        """The machine; another one if the last came to grief."""
        if self._running is None:
            self._running = self._start()
        return self._running

    def _give_up(self) -> None:
        if self._running is not None:
            self._running.close()
        self._running = None

    # -- the two views ---------------------------------------------------------------------------------------------

    def kernel(self, images: Sequence[Image], *, widths: str = "421", probe: bool = True) -> list[Observed | Refused]:
        """What a VMM reads through vfio's file descriptor, and what its writes do."""

        def show(batch: Sequence[Image]) -> list[Observed | Refused]:
            with self._plugged(batch) as plugged:
                bound = [one for one in plugged if not one.unbound]
                command = f"timeout {_CLIENT_S} client kernel {widths} {' '.join(one.address for one in bound)}"
                shown = iter(self._observe(bound, command, probe, nested=False) if bound else [])
                return [Refused(one.unbound) if one.unbound else next(shown) for one in plugged]

        return [seen for start in range(0, len(images), PORTS) for seen in _again(show, images[start : start + PORTS])]

    def qemu(
        self,
        images: Sequence[Image],
        place: Place = Place.PORT,
        options: Sequence[Mapping[str, str]] | None = None,
        *,
        machine: str = "",
        probe: bool = True,
    ) -> list[Observed | Refused]:
        """What a guest of QEMU's vfio-pci reads, and what its writes do.

        `options` are those of each device, `machine` are words for the whole machine.
        """
        pairs = list(zip(images, options or [{}] * len(images), strict=True))

        def show(batch: Sequence[tuple[Image, Mapping[str, str]]]) -> list[Observed | Refused]:
            with self._plugged([image for image, _ in batch]) as plugged:
                return self._nested(plugged, place, [more for _, more in batch], machine, probe)

        return [seen for start in range(0, len(pairs), PORTS) for seen in _again(show, pairs[start : start + PORTS])]

    def _nested(
        self,
        plugged: Sequence[_Plugged],
        place: Place,
        options: Sequence[Mapping[str, str]],
        machine: str,
        probe: bool,
    ) -> list[Observed | Refused]:
        """All in one QEMU; without each that it refuses, once more; one by one where it does not say which."""
        found: dict[str, Observed | Refused] = {one.address: Refused(one.unbound) for one in plugged if one.unbound}
        waiting = [[(one, more) for one, more in zip(plugged, options, strict=True) if not one.unbound]]
        while waiting:
            left = waiting.pop()
            if not left:
                continue
            seats, words = _arrange([one.address for one, _ in left], place, [more for _, more in left])
            command = f"timeout {_CLIENT_S} client nested {seats} -- {_QEMU} {machine} {words} 2>/tmp/said"
            try:
                shown = self._observe([one for one, _ in left], command, probe, nested=True)
            except _Ended:
                said = "\n".join(self._guest.run(_SAID))
                named = left if len(left) == 1 else [one for one in left if one[0].address in said]
                if len(named) != 1:
                    waiting.extend([one] for one in left)
                    continue
                found[named[0][0].address] = Refused(said)
                waiting.append([one for one in left if one not in named])
            else:
                found.update(zip([one.address for one, _ in left], shown, strict=True))
        return [found[one.address] for one in plugged]

    # -- one batch -------------------------------------------------------------------------------------------------

    def _observe(
        self, plugged: Sequence[_Plugged], command: str, probe: bool, *, nested: bool
    ) -> list[Observed | Refused]:
        mark = self._guest.begin(command)
        dumps: dict[tuple[int, int], bytes] = {}
        probes: dict[int, bytes] = {}
        errors: dict[int, str] = {}
        states: list[bytes] = []
        masks: list[bytes] = []
        writes: list[list[Write]] = [[] for _ in plugged]
        while (line := self._guest.line()) != mark:
            what, _, rest = line.partition(" ")
            if what in ("dump", "probe") and not _FORM.fullmatch(line):
                raise GuestError(f"a damaged line: {line[:40]} ... {line[-200:]}")
            if what == "dump":
                number, width, octets = rest.split(" ")
                dumps[int(number), int(width)] = bytes.fromhex(octets)
            elif what == "probe":
                number, octets = rest.split(" ")
                probes[int(number)] = bytes.fromhex(octets)
            elif what == "error":
                number, _, text = rest.partition(" ")
                errors[int(number)] = text
            elif what == "ready":
                states = [bytes(one.hardware.state) for one in plugged]
                masks = [spared(state, nested=nested) if probe else bytes(len(state)) for state in states]
                for one, mask in zip(plugged, masks, strict=True):
                    one.hardware.writes.clear()
                    self._guest.send(mask.hex() if probe else "-")
            elif what == "done":
                writes = [list(one.hardware.writes) for one in plugged]
                self._guest.send("")
            elif line:
                raise GuestError(line)
        if not states:
            raise _Ended
        return [
            Refused("\n".join([errors[number], *self._said_of(one)]))
            if number in errors
            else Observed(
                states[number],
                dumps.get((number, 4), b""),
                dumps.get((number, 2), b""),
                dumps.get((number, 1), b""),
                masks[number],
                probes.get(number, bytes(len(states[number]))),
                forwarded(len(states[number]), writes[number]),
            )
            for number, one in enumerate(plugged)
        ]

    def _said_of(self, one: _Plugged) -> list[str]:
        """What Linux said of a function last."""
        return self._guest.run(f"dmesg | grep 'vfio-pci {one.address}' | tail -n 2")

    @contextmanager
    def _plugged(self, images: Sequence[Image]) -> Iterator[list[_Plugged]]:
        """Functions plugged in, each bound to vfio-pci: one in each root port, or all virtual ones below the first."""
        servers = ExitStack()
        plugged: list[_Plugged] = []
        virtual = any(image.virtual for image in images)
        try:
            for number, image in enumerate(images):
                seat = (0, number + 1) if virtual else (number, 0)
                plugged.append(self._plug(servers, image, *seat))
            if virtual:
                above = self._plug(servers, physical(images[0]), 0, 0)
                self._enable(above, len(images))
            yield self._bind(plugged)
            self._unplug([above] if virtual else plugged)
            # A root port lets go of all its functions when it lets go of the first one.
            self._guest.wait_gone([one.device for one in plugged])
        except BaseException:
            self._give_up()
            raise
        finally:
            # QEMU still talks to a function for a moment after it says that it is gone, and ends if nobody listens.
            self._servers.close()
            self._servers = servers

    def _plug(self, servers: ExitStack, image: Image, port: int, function: int) -> _Plugged:
        hardware = Hardware(image)
        self._count += 1
        name = f"f{self._count}"
        path = self._folder / name
        servers.enter_context(served(path, hardware))
        self._guest.qmp(
            "device_add",
            driver="vfio-user-pci",
            id=name,
            bus=f"port{port}",
            addr=f"0.{function}",
            multifunction=bool(image.value[_HEADER_TYPE] & _MULTIFUNCTION),
            socket={"type": "unix", "path": str(path)},
        )
        return _Plugged(hardware, name, f"0000:{port + 1:02x}:00.{function}")

    def _enable(self, above: _Plugged, count: int) -> None:
        """Let a physical function have virtual ones: the functions beside it, which nobody has looked at so far."""
        path = f"/sys/bus/pci/devices/{above.address}"
        self._bind([above], "pci-pf-stub")
        said = self._guest.run(f"echo {count} > {path}/sriov_numvfs; ls -d {path}/virtfn*")
        if len(said) != count:
            raise GuestError("\n".join([*said, *self._guest.run("dmesg | tail -n 20")]))

    def _bind(self, plugged: Sequence[_Plugged], driver: str = "vfio-pci") -> list[_Plugged]:
        """Give them to a driver; those that it does not take say why."""
        names = " ".join(one.address for one in plugged)
        # Linux may take its time to find a function; then there is a moment when no driver may have it yet.
        unbound = self._guest.run(
            f"for d in {names}; do p=/sys/bus/pci/devices/$d; n=0; "
            "while [ ! -e $p/driver_override -a $n -lt 1000 ]; do usleep 20000; n=$((n+1)); done; n=0; "
            f"while [ ! -e $p/driver -a $n -lt 25 ]; do echo {driver} > $p/driver_override; "
            "echo $d > /sys/bus/pci/drivers_probe; [ -e $p/driver ] || usleep 20000; n=$((n+1)); done; "
            "[ -e $p/driver ] || echo $d; done"
        )
        return [
            one._replace(unbound="\n".join(["not bound", *self._said_of(one)])) if one.address in unbound else one
            for one in plugged
        ]

    def _unplug(self, plugged: Sequence[_Plugged]) -> None:
        names = " ".join(one.address for one in plugged)
        self._guest.run(f"for d in {names}; do echo 1 > /sys/bus/pci/devices/$d/remove; done")
        # One at a time: ACPI tells the guest of all that are waiting whenever one is unplugged, and the second time
        # that it hears of one, it may eject what has been plugged in there since.
        for one in plugged:
            self._guest.qmp("device_del", id=one.device)
            self._guest.wait_gone([one.device])


def _again(show: Callable[[Sequence[_T]], list[_U]], batch: Sequence[_T]) -> list[_U]:
    """A guest that came to grief is replaced: one that was too slow on a busy machine gets a second chance."""
    try:
        return show(batch)
    except GuestError:
        return show(batch)


class _Ended(Exception):  # noqa: N818 - how a run ends
    """The client ended before it showed anything."""


def _arrange(addresses: Sequence[str], place: Place, options: Sequence[Mapping[str, str]]) -> tuple[str, str]:
    """Where the functions are seen in the nested machine, and the arguments that put them there."""
    seats, words = [], []
    if place is Place.CONVENTIONAL:
        words.append(f"-device pcie-pci-bridge,id=above,addr={_FIRST_BUS_SLOT:#x}")
    for number, (address, more) in enumerate(zip(addresses, options, strict=True)):
        slot = _FIRST_BUS_SLOT + number
        bus, at, seat = "pcie.0", slot, f"0.{slot:x}"
        if place is Place.PORT:
            words.append(f"-device pcie-root-port,id=above{number},chassis={slot},addr={slot:#x}")
            bus, at, seat = f"above{number}", 0, f"{slot:x}.0"
        elif place is Place.CONVENTIONAL:
            bus, seat = "above", f"{_FIRST_BUS_SLOT:x}.{slot:x}"
        device = {"host": address, "bus": bus, "addr": f"{at:#x}", **more}
        words.append("-device vfio-pci," + ",".join(f"{key}={value}" for key, value in device.items()))
        seats.append(seat)
    return ",".join(seats), " ".join(words)
