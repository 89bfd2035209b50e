"""A whole machine as QEMU's command line: an array of arguments, and a shell line of it.

`-device` and `-object` are JSON with strict types; `-machine`, `-m`, `-smp` and `-numa` are key=value, as QEMU takes
nothing else there: every value that goes into them is a number or a word of ours.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ...acpi.qemu_memory import HOLE64, above_4g, hotplug_window, ranges
from ...diagnostics import Report
from ...ir.machine import Architecture, Locality, Machine, Measure
from ...ir.topology import ROOT, Bus, Instance, PciePort, System, Viommu
from ...passes.machine import SINCE_HYPERTRANSPORT
from ...stack.qemu.facts import qemu as facts
from ...stack.qemu.facts import release
from .. import qemu
from ..artifact import Artifact, Options
from ..sizes import size
from . import host_facts

IOMMUFD = qemu.IOMMUFD
_ROOT_BUS = {"q35": "pcie.0", "virt": "pcie.0", "pc": "pci.0"}
_CXL_REGISTERS = 1 << 20  # of all CXL host bridges, behind RAM (QEMU hw/i386/pc.c, pc_get_cxl_range_start)
_BITS = 40  # what a processor addresses that nobody says more of (QEMU target/i386/cpu.h, TCG_PHYS_ADDR_BITS)
_LEAST_WINDOW = 512 << 30  # QEMU 10.0 hw/arm/virt.c: highmem-mmio-size cannot be less
_HEADER_TYPE, _MULTIFUNCTION = 0x0E, 0x80
OAS = 48
"""Bits of an accelerated SMMU's output addresses."""
TYPES = {"q35": "pc-q35", "pc": "pc-i440fx", "virt": "virt"}
"""QEMU's names of the machine types, without their version."""
_ASSOCIATIVITY = ("none", "direct", "complex")
_POLICY = ("none", "write-back", "write-through")
_PARTS = ("sockets", "cores", "threads")
VENDORS = {"intel": "GenuineIntel", "amd": "AuthenticAMD"}
"""What CPUID says of who made a processor."""


def check(system: System, options: Options, report: Report) -> None:
    """Report VPCI1966 for what the QEMU cannot make of the machine, and what the check of its functions says."""
    machine = system.machine
    own = machine.vmm.release
    for one in system.devices:
        if one.function.guest.segment:
            report.add("VPCI1966", one.origin, f"{one.name}: QEMU's machines have PCI segment 0 only")
        if not one.port and one.bus != ROOT:
            message = f"{one.name} is on the expander {one.bus} without a port: QEMU plugs bridges into expanders only"
            report.add("VPCI1966", one.origin, message, help="ports: a root port on that bus, the function behind it")
            continue
        if one.name not in options.sockets:
            qemu.check(one.function, host_options(one, options, machine), report)
    limit = facts().nodes
    if len(machine.nodes) > limit:
        report.add("VPCI1966", system.origins["nodes"], f"{len(machine.nodes)} NUMA nodes: QEMU has at most {limit}")
    for since, what, key in _needs(system, options):
        if own < since:
            message = f"QEMU {release(own)} cannot make {what}: that needs QEMU {release(since)} or newer"
            report.add("VPCI1966", system.origins.get(key, system.origin), message)
    _vendor(system, report)
    if machine.vmm.machine == "pc" and (system.ports or system.buses):
        message = "the machine type pc has no PCI Express: no root port and no expander of it"
        report.add("VPCI1966", system.origins.get("ports", system.origin), message, help="vmm: {type: q35}")


def _needs(system: System, options: Options) -> Iterator[tuple[tuple[int, int], str, str]]:
    """(The first QEMU that has it, what, the key of the layout)."""
    known, machine = facts().machines, system.machine
    smmus = [bus.viommu for bus in system.buses if bus.viommu is not None]
    there = {
        "json": ("a device that is told in JSON", "", True),
        "iommufd": ("functions of the host's, through iommufd", "devices", set(options.sockets) < _names(system)),
        "vfio-user": ("functions behind a socket", "devices", options.sockets),
        "generic-initiator": ("generic initiators", "devices", machine.initiators),
        "generic-port": ("generic ports", "generic_ports", machine.ports),
        "highmem-mmio-size": (
            f"a 64-bit window of {system.pci_hole:#x} bytes",
            "ports",
            machine.vmm.machine == "virt" and system.pci_hole > _LEAST_WINDOW,
        ),
        "smmuv3-device": ("an SMMUv3 for a bus", "buses", smmus),
        "smmuv3-accel": ("a vIOMMU in the host's hardware", "buses", [one for one in smmus if one.accel]),
        "intel-first-stage": ("a vIOMMU in the host's hardware", "viommu", system.viommu and system.viommu.accel),
        "intel-pasid": ("a vIOMMU with PASID", "viommu", system.viommu and system.viommu.pasid_bits),
    }
    for name, (what, key, is_there) in there.items():
        if is_there:
            yield known[name], what, key


def _names(system: System) -> set[str]:
    return {one.name for one in system.devices}


def _vendor(system: System, report: Report) -> None:
    """With AMD's processors much RAM moves: then somebody has to say whose they are."""
    machine = system.machine
    if system.vendor or machine.architecture is not Architecture.X86_64:
        return
    if system.type_release < SINCE_HYPERTRANSPORT:
        return
    others = replace(machine, amd=True)
    if [*ranges(machine), *hotplug_window(machine)] != [*ranges(others), *hotplug_window(others)]:
        message = "where the RAM is depends on who made the processors: AMD's leave the last 12 GiB below 1 TiB free"
        report.add("VPCI1991", system.origin, message, help="processor: {vendor: intel}, or amd")


def host_options(one: Instance, options: Options, machine: Machine) -> Options:
    """The options of one function: its address on the host, and the machine's release."""
    return options._replace(host_address=host_facts.address(one, options), qemu_version=machine.vmm.release)


def emit(system: System, options: Options) -> list[Artifact]:
    """NAME.qemu.json, the arguments and what they need, and NAME.qemu.sh, which starts the machine."""
    argv, requires = arguments(system, options)
    program = "qemu-system-x86_64" if system.machine.architecture is Architecture.X86_64 else "qemu-system-aarch64"
    document = {
        "qemu": release(system.machine.vmm.release),
        "machine": system.name,
        "program": program,
        "argv": argv,
        "requires": requires,
        "shell": shlex.join(argv),
    }
    script = (
        "#!/bin/sh\n"
        "# Starts the machine; what is given to this script follows: an accelerator, disks, a console.\n"
        f'exec {program} {qemu.script_lines(argv)} \\\n    "$@"\n'
    )
    return [
        Artifact(f"{system.name}.qemu.json", (json.dumps(document, indent=2) + "\n").encode()),
        Artifact(f"{system.name}.qemu.sh", script.encode()),
    ]


def arguments(system: System, options: Options) -> tuple[list[str], list[str]]:
    """The arguments, one an entry, and what they require of the host and of the rest of the command line."""
    machine = system.machine
    requires: list[str] = []
    argv = ["-nodefaults", "-machine", _machine(system), "-cpu", _cpu(system, requires)]
    argv += ["-m", _memory(machine), "-smp", _smp(system)]
    argv += _window(system, requires)
    if any(one.name not in options.sockets for one in system.devices):
        inherited = {} if options.iommufd_fd is None else {"fd": str(options.iommufd_fd)}
        argv += ["-object", _json({"qom-type": "iommufd", "id": IOMMUFD, **inherited})]
    argv += _backends(machine, options) + _numa(machine)
    if system.viommu is not None:
        argv += ["-device", _json(_intel_iommu(system.viommu))]
    root = _ROOT_BUS[machine.vmm.machine]
    for bus in system.buses:
        argv += _expander(bus, root)
    for port in system.ports:
        argv += ["-device", _json(_port(port, root, system))]
        if (switch := system.switch_behind(port)) is not None:
            upstream = {"driver": "x3130-upstream", "id": switch.name, "bus": port.name, "addr": "00.0"}
            argv += ["-device", _json(upstream)]
    for one in system.devices:
        argv += ["-device", _json(_device(one, options, machine, root, requires))]
    # QEMU's table depends on the order in which objects are made, too.
    for initiator in sorted(machine.initiators, key=lambda one: machine.objects.index(one.id)):
        name = next(one.name for one in system.devices if _place(one) == initiator[1:5])
        row = {"qom-type": "acpi-generic-initiator", "id": initiator.id, "pci-dev": name, "node": initiator.node}
        argv += ["-object", _json(row)]
    for generic in machine.ports:
        bus_name = generic.id.rpartition("-gp")[0]
        row = {"qom-type": "acpi-generic-port", "id": generic.id, "pci-bus": bus_name, "node": generic.node}
        argv += ["-object", _json(row)]
    if options.monitor:
        argv += ["-chardev", f"socket,id=monitor,path={options.monitor},server=on,wait=off"]
        argv += ["-mon", "chardev=monitor,mode=control"]
    return argv, list(dict.fromkeys(requires))


def _place(one: Instance) -> tuple[int, int, int, int]:
    guest = one.function.guest
    return guest.segment, guest.bus, guest.device, guest.function


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, separators=(",", ":"))


def machine_type(system: System) -> str:
    """The machine type with its version: pc-q35-11.1."""
    return f"{TYPES[system.machine.vmm.machine]}-{release(system.type_release)}"


def _machine(system: System) -> str:
    machine = system.machine
    text = machine_type(system)
    if machine.hmat:
        text += ",hmat=on"
    if any(bus.cxl for bus in system.buses):
        text += ",cxl=on"
    if machine.vmm.machine == "virt":
        text += ",gic-version=3"  # the older one, which QEMU takes for some hosts, has 8 processors at most
    if system.viommu is not None:
        text += ",kernel-irqchip=split"  # interrupt remapping needs it with KVM; others do not mind
    if machine.vmm.machine == "virt" and (window := told_window(system)):
        text += f",highmem-mmio-size={window}"
    return text


def told_window(system: System) -> int:
    """The size of the 64-bit window where QEMU is told it, else 0: virt has one that is large by itself."""
    if system.machine.vmm.machine == "virt" and system.pci_hole > _LEAST_WINDOW:
        return system.pci_hole
    return system.machine.pci_hole64 or 0


def address_bits(system: System) -> int:
    """Bits that the processors of a PC must address for its RAM and its 64-bit window; 0 where any do."""
    machine = system.machine
    if machine.architecture is not Architecture.X86_64:
        return 0
    hole = machine.pci_hole64 or HOLE64[machine.vmm.machine]
    end = max(above_4g(machine), *(one.base + one.size for one in (*ranges(machine), *hotplug_window(machine))))
    if any(bus.cxl for bus in system.buses):
        end += _CXL_REGISTERS
    bits = ((-(-end // hole) + 1) * hole - 1).bit_length()  # firmware aligns the window to its size
    return bits if machine.pci_hole64 or bits > _BITS else 0


def _cpu(system: System, requires: list[str]) -> str:
    """`max` is the host's processor where KVM runs it; another `-cpu` behind it counts instead."""
    text = "max"
    if bits := address_bits(system):
        requires.append(f"a host whose processors address {bits} bits of memory, with KVM")
        text += f",phys-bits={bits}"
    if system.vendor:
        text += f",vendor={VENDORS[system.vendor]}"
    return text


def _smp(system: System) -> str:
    """Parts are named where there are more than cores: QEMU's own choice is one socket of cores."""
    parts, count = system.processors, len(system.machine.cpus)
    if parts.cores == count:
        return str(count)
    made = {name: number for name, number in parts._asdict().items() if number > 1 or name in _PARTS}
    return f"{count}," + ",".join(f"{name}={number}" for name, number in made.items())


def _window(system: System, requires: list[str]) -> list[str]:
    if system.machine.pci_hole64:
        return ["-global", f"q35-pcihost.pci-hole64-size={system.machine.pci_hole64}"]
    if system.window:
        requires.append(f"firmware that gives the ports {size(system.window)} of 64-bit windows")
    return []


def _memory(machine: Machine) -> str:
    text = f"size={machine.memory}B"
    if machine.hotplug:
        text += f",slots={machine.slots},maxmem={machine.memory + machine.hotplug}B"
    return text


def _backends(machine: Machine, options: Options) -> list[str]:
    """The RAM of the nodes: by a descriptor where it is shared with a server, or of huge pages."""
    rows: list[str] = []
    for number, node in enumerate(machine.nodes):
        backend: dict[str, object] = {"qom-type": "memory-backend-ram", "id": f"ram{number}", "size": node.memory}
        if options.sockets or options.huge_pages:
            backend["qom-type"] = "memory-backend-memfd"  # shared, unless it is told otherwise
        if options.huge_pages:
            backend |= {"hugetlb": True, "hugetlbsize": options.huge_pages}
        rows += ["-object", _json(backend)] if node.memory else []
    return rows


def _numa(machine: Machine) -> list[str]:
    """Nodes, distances and HMAT."""
    rows: list[str] = []
    for number, node in enumerate(machine.nodes):
        text = f"node,nodeid={number}"
        text += "".join(f",cpus={first}-{last}" for first, last in runs(machine, number))
        text += f",memdev=ram{number}" if node.memory else ""
        text += f",initiator={node.initiator}" if machine.hmat and node.initiator is not None else ""
        rows += ["-numa", text]
    rows += [part for text in _distances(machine) for part in ("-numa", text)]
    rows += [part for one in machine.localities for text in _locality(one) for part in ("-numa", text)]
    for one in machine.caches:
        text = (
            f"hmat-cache,node-id={one.node},size={one.size},level={one.level},"
            f"associativity={_ASSOCIATIVITY[one.associativity]},policy={_POLICY[one.policy]},line={one.line}"
        )
        rows += ["-numa", text]
    return rows


def runs(machine: Machine, node: int) -> Iterator[tuple[int, int]]:
    """The processors of a node as runs of numbers."""
    run: list[int] = []
    for index, cpu in enumerate(machine.cpus):
        if cpu.node != node:
            continue
        if run and index != run[-1] + 1:
            yield run[0], run[-1]
            run = []
        run.append(index)
    if run:
        yield run[0], run[-1]


def _distances(machine: Machine) -> Iterator[str]:
    """Every pair once; every ordered pair where one goes both ways otherwise: so QEMU asks for it."""
    given = machine.distances
    uneven = any(given.get((b, a), value) != value for (a, b), value in given.items())
    for (a, b), value in sorted(given.items()):
        if uneven or a < b:
            yield f"dist,src={a},dst={b},val={value}"


def _locality(one: Locality) -> Iterator[str]:
    kind = one.measure.name.lower().replace("_", "-")
    level = one.hierarchy.name.lower().replace("_", "-")
    word = "latency" if Measure(one.measure).is_latency else "bandwidth"
    for (initiator, target), value in one.values.items():
        yield f"hmat-lb,initiator={initiator},target={target},hierarchy={level},data-type={kind},{word}={value}"


def _intel_iommu(one: Viommu) -> dict[str, object]:
    row: dict[str, object] = {"driver": "intel-iommu", "intremap": "on", "caching-mode": True}
    if one.accel:
        row |= {"scalable-mode": True, "fsts": True}
    if one.pasid_bits:
        row |= {"scalable-mode": True, "pasid-bits": one.pasid_bits}
    if one.ats:
        row["device-iotlb"] = True
    return row


def _expander(bus: Bus, root: str) -> list[str]:
    row: dict[str, object] = {"driver": "pxb-cxl" if bus.cxl else "pxb-pcie", "id": bus.name, "bus": root}
    row |= {"addr": f"{bus.slot:02x}.0", "bus_nr": bus.number}
    if bus.node is not None:
        row["numa_node"] = bus.node
    argv = ["-device", _json(row)]
    if bus.viommu is not None:
        argv += ["-device", _json(_smmu(bus.viommu, bus.name))]
    return argv


def _smmu(one: Viommu, bus: str) -> dict[str, object]:
    row: dict[str, object] = {"driver": "arm-smmuv3", "primary-bus": bus, "id": f"{bus}-smmu"}
    if one.accel:
        row |= {"accel": True, "ats": "on" if one.ats else "off", "ril": "off"}
        row |= {"ssidsize": str(one.pasid_bits), "oas": str(OAS)}
    return row


def _port(port: PciePort, root: str, system: System) -> dict[str, object]:
    downstream, bus = system.switch(port.bus) is not None, system.bus(port.bus)
    root_port = "cxl-rp" if bus is not None and bus.cxl else "pcie-root-port"
    row: dict[str, object] = {
        "driver": "xio3130-downstream" if downstream else root_port,
        "id": port.name,
        "bus": root if port.bus == ROOT else port.bus,
    }
    row |= {"addr": f"{port.slot:02x}.{port.function}", "chassis": port.chassis}
    if any((one.bus, one.slot) == (port.bus, port.slot) and one is not port for one in system.ports):
        row["multifunction"] = True
    if port.window and not downstream:
        row["pref64-reserve"] = port.window
    if not port.io:
        row["io-reserve"] = 0
    return row


def _device(one: Instance, options: Options, machine: Machine, root: str, requires: list[str]) -> dict[str, object]:
    own = host_options(one, options, machine)
    if one.name in options.sockets:
        return _served(one, options.sockets[one.name], root, requires)
    told, needs = qemu.of_device(one.function, own)
    if one.name not in options.host_devices:
        requires.append(f"{one.name}: its address on the host, which nobody told: {own.host_address} stands for it")
    requires.extend(f"{one.name}: {text}" for text in needs)
    bus = one.port or (root if one.bus == ROOT else one.bus)
    addr = f"{one.function.guest.device:02x}.{one.function.guest.function}"
    row = {**told, "id": one.name, "bus": bus, "addr": addr}
    return row if "iommufd" in row else {**row, "iommufd": IOMMUFD}


def _served(one: Instance, socket: str, root: str, requires: list[str]) -> dict[str, object]:
    """A function that a server shows as it is: nothing of it is QEMU's to make."""
    requires.append(f"{one.name}: a vfio-user server at {socket} that shows it ('vpci-compile serve' is one)")
    guest = one.function.guest
    row: dict[str, object] = {"driver": "vfio-user-pci", "socket": {"type": "unix", "path": socket}, "id": one.name}
    row |= {"bus": one.port or (root if one.bus == ROOT else one.bus), "addr": f"{guest.device:02x}.{guest.function}"}
    return {**row, "multifunction": True} if one.function.config.value[_HEADER_TYPE] & _MULTIFUNCTION else row
