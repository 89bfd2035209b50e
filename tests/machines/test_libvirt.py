"""What libvirt makes of our domains: the QEMU that it would start is the one of our own arguments."""

from __future__ import annotations

import json
import re
from math import prod
from pathlib import Path

import pytest

from emit import qtest
from machines import crafted, libvirt
from machines.qemu_arguments import Fact, facts, pairs
from machines.running import emulated, number_buses, ours, program_of, stand_in
from machines.test_configurations import compiled
from machines.test_shipped import OF_QEMU
from vpci_compile import api
from vpci_compile.emit.artifact import Options
from vpci_compile.emit.machine import libvirt as machine_libvirt
from vpci_compile.emit.machine import qemu as machine_qemu
from vpci_compile.ir.topology import System

ADDRESSES = [f"0000:{bus:02x}:00.0" for bus in range(1, 9)]
NO_WORDS = {"cxl-host-bridge"}  # libvirt has no CXL host bridge (VPCI1970)
DOMAINS = [path for path in OF_QEMU if path.stem not in NO_WORDS]
NAMES = ["x86", "arm", *(path.stem for path in DOMAINS)]
MACHINE = ("-machine", "-cpu", "-m", "-smp", "-numa", "-global", "-object", "-device")
OF_A_PROCESS = {  # how libvirt runs a QEMU: nothing that a guest finds
    *("-name", "-S", "-uuid", "-display", "-no-user-config", "-nodefaults", "-chardev", "-rtc", "-no-shutdown"),
    *("-boot", "-audiodev", "-sandbox", "-msg", "-overcommit", "-accel", "-blockdev", "-watchdog-action"),
}
LIBVIRTS_OWN = [  # (option, which, key, value) that libvirt adds, as patterns, and why they are no difference
    (r"-machine  usb off", "what q35 and virt have without being told"),
    (r"-machine  acpi on", "what they have without being told"),
    (r"-machine  dump-guest-core off", "of the host: what a core dump of QEMU has"),
    (r"-machine  pflash[01] .*", "firmware, which our arguments leave to whoever starts them"),
    (r"-global  ICH9-LPC.noreboot off", "the watchdog that q35 always has may act: libvirt's choice since 9.1"),
    (r"-object masterKey0 .*", "for secrets of disks"),
    (r"-object monitor .*", "libvirt's own connection"),
    (r"-device \S+ port 0", "what a root port has without being told"),
    (r"-numa node [0-9]+ initiator [0-9]+", "with HMAT: of nodes with processors, themselves"),
    (r"-smp  (sockets|dies|clusters|cores|threads) [0-9]+", "compared by numbers of each"),
]
OURS = [  # what we say and libvirt does not
    (r"-cpu  vendor \S+", "its processors are the host's: NAME.libvirt.json requires a host that has such ones"),
    (r"-device \S+ host .*", "it opens the device itself, and gives QEMU a descriptor"),
    (r"-smp  (sockets|dies|clusters|cores|threads) [0-9]+", "compared by numbers of each"),
]


def systems(folder: Path) -> dict[str, tuple[System, Options]]:
    """The shipped machines and the crafted ones, on a host with other addresses than those that stand in."""
    found: dict[str, tuple[System, Options]] = {}
    for path in DOMAINS:
        found[path.stem] = api.check_machine(path).system, Options()
    for name, text in {"x86": crafted.X86, "arm": crafted.ARM}.items():
        found[name] = compiled(folder, text.format(about="x")), Options()
    return {
        name: (system, Options(host_devices={one.name: ADDRESSES[7 - at] for at, one in enumerate(system.devices)}))
        for name, (system, _) in found.items()
    }


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[System, list[str], list[str]]]:
    """Of each machine: itself, our arguments, and libvirt's."""
    known = systems(tmp_path_factory.mktemp("machines"))
    domains = {name: machine_libvirt.emit(*one)[0].data for name, one in known.items()}
    theirs = libvirt.native(domains, ADDRESSES)
    return {name: (one[0], machine_qemu.arguments(*one)[0], theirs[name]) for name, one in known.items()}


def names(system: System) -> dict[str, str]:
    """Ids of libvirt's by ours."""
    controllers = [one.name for one in system.buses]
    for port in system.ports:
        switch = system.switch_behind(port)
        controllers += [port.name, *([switch.name] if switch else [])]
    found = {f"pci.{index}": name for index, name in enumerate(controllers, 1)}
    found |= {f"ua-{one.name}": one.name for one in system.devices} | {"ua-viommu": "intel-iommu"}
    found |= {f"ram-node{number}": f"ram{number}" for number in range(len(system.machine.nodes))}
    smmus = [f"{bus.name}-smmu" for bus in system.buses if bus.viommu is not None]
    return found | {f"iommu{index}": name for index, name in enumerate(smmus)}


def differences(found: set[Fact], known: list[tuple[str, str]]) -> list[str]:
    """Those that no pattern explains."""
    texts = sorted(" ".join(map(str, fact)) for fact in found)
    return [text for text in texts if not any(re.fullmatch(pattern, text) for pattern, _ in known)]


def without_initiators(found: set[Fact]) -> tuple[set[Fact], set[tuple[object, object]]]:
    """Their objects have other ids: what counts is which function is that of which node."""
    ids = {which for _, which, key, value in found if (key, value) == ("qom-type", "acpi-generic-initiator")}
    rows = [{key: value for _, which, key, value in found if which == one} for one in ids]
    return {fact for fact in found if fact[1] not in ids}, {(row["pci-dev"], row["node"]) for row in rows}


@pytest.mark.parametrize("name", NAMES)
def test_the_machine_is_ours(name: str, both: dict[str, tuple[System, list[str], list[str]]]) -> None:
    system, ours_, theirs_ = both[name]
    us, initiators = without_initiators(facts(ours_, {}))
    them, wanted = without_initiators(facts(theirs_, names(system)))
    assert initiators == wanted
    them = {fact for fact in them if fact[0] not in OF_A_PROCESS}
    us = {fact for fact in us if fact[0] not in OF_A_PROCESS}
    assert differences(them - us, LIBVIRTS_OWN) == []
    assert differences(us - them, OURS) == []
    assert topology(us) == topology(them)


def topology(found: set[Fact]) -> dict[str, int]:
    """How many of each there are in the next larger one; cores are what is left of the processors."""
    told = {key: int(str(value)) for option, _, key, value in found if option == "-smp"}
    parts = {part: told.get(part, 1) for part in ("sockets", "dies", "clusters", "threads")}
    return {**parts, "cores": told.get("cores", told["cpus"] // prod(parts.values()))}


@pytest.mark.parametrize("name", NAMES)
def test_its_tables_are_ours(name: str, both: dict[str, tuple[System, list[str], list[str]]]) -> None:
    """Generic initiators stand in them in an order that follows from the names of all objects, libvirt's own too."""
    system, _, argv = both[name]
    with qtest.machine(program_of(system), system.machine.vmm.machine, started(system, argv)) as machine:
        number_buses(machine, system)
        found = [table.hex() for table in (b"SRAT", b"SLIT", b"HMAT") for table in machine.acpi_tables(table)]
    assert found == ours(system)


def started(system: System, argv: list[str]) -> list[str]:
    """libvirt's arguments with no host behind them: what a machine is made of, and objects of the same names."""
    made: list[str] = []
    for option, text in pairs(argv):
        row = json.loads(text) if option == "-object" else {}
        if row.get("id") in ("masterKey0", "monitor"):
            text = json.dumps({"qom-type": "secret", "id": row["id"], "data": "none"})
        if option == "-machine":
            text = ",".join(part for part in text.split(",") if not part.startswith("pflash"))
        if option == "-cpu" and system.vendor:  # the host's that the domain requires
            text += f",vendor={machine_qemu.VENDORS[system.vendor]}"
        if option in MACHINE:
            made += [option, text]
    return stand_in(made, emulated)
