"""Bus numbers and windows that we predict are those that firmware gives: SeaBIOS on x86-64, edk2 on aarch64."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given, seed, settings

from machines.drawn_topology import topologies, write_functions
from machines.enumerated import Seen, enumerate_served
from machines.test_drawn import ARCHITECTURES, quick
from machines.test_shipped import OF_QEMU
from vpci_compile import api
from vpci_compile.ir import BarKind
from vpci_compile.ir.machine import Architecture
from vpci_compile.ir.topology import Instance, PciePort, System

_TCG_HOLE = 256 << 30  # an emulated x86 processor has 40 bits of addresses
_EMPTY = 2 << 20  # what firmware gives a port where nothing asks for more


def placed_as_predicted(system: System, seen: Seen) -> None:
    for port in system.ports:
        found = seen.bridges[port.name]
        assert (port.name, found[:3]) == (port.name, (port.primary, port.secondary, port.subordinate))
    for switch in system.switches:
        over = system.port(switch.port)
        assert over is not None
        found = seen.bridges[switch.name]
        assert (switch.name, found[:3]) == (switch.name, (over.secondary, switch.number, over.subordinate))
    for one in system.devices:
        guest = one.function.guest
        assert (one.name, seen.places[one.name]) == (one.name, (guest.bus, guest.device, guest.function))


def windows_as_predicted(system: System, seen: Seen) -> None:
    roots = [port for port in system.ports if system.switch(port.bus) is None]
    for port in system.ports:
        found = seen.bridges[port.name]
        if port in roots and port.window > _EMPTY:
            assert (port.name, found.window) == (port.name, port.window)
        elif port.window and port not in roots:  # nothing is reserved: what is behind it takes no more than we say
            assert (port.name, found.window <= max(port.window, _EMPTY)) == (port.name, True)
    for one in system.devices:
        for index, bar in _large(one):
            at, port = seen.bars[one.name][index], system.port(one.port)
            assert at % bar == 0
            while port is not None:  # inside every window above it
                found = seen.bridges[port.name]
                assert found.base <= at and at + bar - 1 <= found.limit, (one.name, index, port.name)
                port = _over(system, port)
    ends = [(seen.bridges[port.name].base, seen.bridges[port.name].limit) for port in roots if port.window > _EMPTY]
    if ends:
        assert max(limit for _, limit in ends) - min(base for base, _ in ends) < system.pci_hole


def _large(one: Instance) -> list[tuple[int, int]]:
    return [(b.index, b.size) for b in one.function.bars if b.kind is BarKind.MEM64 and b.prefetchable and b.size]


def _over(system: System, port: PciePort) -> PciePort | None:
    switch = system.switch(port.bus)
    return system.port(switch.port) if switch is not None else None


def too_wide(path: Path) -> bool:
    """Whether the windows are larger than what TCG's x86-64 can address."""
    system = api.load_machine(path).system
    return system.machine.architecture is Architecture.X86_64 and system.pci_hole > _TCG_HOLE


def judge(path: Path) -> None:
    system = api.check_machine(path).system
    seen = enumerate_served(system)
    placed_as_predicted(system, seen)
    windows_as_predicted(system, seen)
    for one in system.devices:  # what _DSD says of a BAR's address is where the BAR is
        if one.memory_base is not None:
            assert one.memory_base in seen.bars[one.name].values()


def drawn(folder: Path, text: str) -> None:
    path = folder / "drawn.yaml"
    path.write_text(text, encoding="utf-8")
    assume(not too_wide(path))
    judge(path)


@pytest.mark.parametrize(("architecture", "examples"), [("x86-64", 6), ("aarch64", 2)])
def test_firmware_places_some_machines_as_predicted(architecture: str, examples: int, tmp_path: Path) -> None:
    write_functions(tmp_path)

    @seed(1)
    @quick(examples)
    @given(topologies(architecture))
    def judged(text: str) -> None:
        drawn(tmp_path, text)

    judged()


@pytest.mark.stack
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_firmware_places_many_machines_as_predicted(architecture: str, tmp_path: Path) -> None:
    write_functions(tmp_path)

    @settings(quick(40), print_blob=True)
    @given(topologies(architecture))
    def judged(text: str) -> None:
        drawn(tmp_path, text)

    judged()


@pytest.mark.stack
@pytest.mark.parametrize("path", OF_QEMU, ids=lambda path: path.stem)
def test_firmware_places_what_is_shipped_as_predicted(path: Path) -> None:
    if too_wide(path):
        pytest.skip("its windows need more addresses than QEMU's own x86-64 processor has: no KVM here to lend them")
    judge(path)
