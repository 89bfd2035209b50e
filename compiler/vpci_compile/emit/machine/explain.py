"""`explain` of a machine's part: where it is, which rule put it there, and the line that decided it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...diagnostics import Span
from ...ir import BarKind
from ...ir.topology import ROOT, Bus, Instance, PciePort, Switch, System
from ..sizes import size
from .image import guest_nodes
from .tables import tables


def names(system: System) -> list[str]:
    """What `explain` knows: buses, ports and functions by their names, and nodes (`node3`) by proximity domain."""
    parts = [one.name for one in system.buses] + [one.name for one in system.ports]
    parts += [one.name for one in system.switches] + [one.name for one in system.devices]
    return [ROOT, *parts, *(f"node{number}" for number in range(len(system.machine.nodes)))]


def explain(system: System, name: str) -> str:
    """Lines about the part; `name` is one of `names`."""
    bus, port, switch = system.bus(name), system.port(name), system.switch(name)
    device = next((one for one in system.devices if one.name == name), None)
    if bus is not None:
        lines = _bus(bus, system)
    elif port is not None:
        lines = _port(port, system)
    elif switch is not None:
        lines = _switch(switch, system)
    elif device is not None:
        lines = _device(device, system)
    elif name == ROOT:
        own = [port.name for port in system.ports if port.bus == ROOT]
        lines = iter(["root: the machine's own root bus, bus 00", _row("ports", ", ".join(own) or "none")])
    else:
        lines = _node(int(name.removeprefix("node")), system)
    return "\n".join(lines) + "\n"


def _row(title: str, text: str) -> str:
    return f"  {title:<11}{text}"


def _where(span: Span) -> str:
    return _row("decided", f"{span.path}:{span.line}")


def _bus(bus: Bus, system: System) -> Iterator[str]:
    kind = "CXL host bridge (pxb-cxl)" if bus.cxl else "expander host bridge (pxb-pcie)"
    yield f"{bus.name}: {kind}"
    yield _row("bus", f"{bus.number:02x}, as the layout says; the buses behind its ports count on from there")
    yield _row("sits at", f"00:{bus.slot:02x}.0 of the root bus")
    if bus.node is not None:
        yield _row("node", f"{bus.node} (_PXM): Linux gives it to all functions below")
    if bus.viommu is not None:
        yield _row("vIOMMU", bus.viommu.type)
    yield _row("ports", ", ".join(port.name for port in system.ports if port.bus == bus.name) or "none")
    yield _where(bus.origin)


def _switch(switch: Switch, system: System) -> Iterator[str]:
    above = system.port(switch.port)
    yield f"{switch.name}: a switch, its upstream port {above.secondary if above else 0:02x}:00.0 behind {switch.port}"
    yield _row("bus inside", f"{switch.number:02x}: the next number behind that of its upstream port")
    yield _row("ports", ", ".join(port.name for port in system.ports if port.bus == switch.name) or "none")
    yield _where(switch.origin)


def _port(port: PciePort, system: System) -> Iterator[str]:
    behind = [one for one in system.devices if one.port == port.name]
    kind = "downstream port" if system.switch(port.bus) else "root port"
    yield f"{port.name}: {kind} {port.primary:02x}:{port.slot:02x}.{port.function} on {port.bus}"
    rule = f"firmware numbers the ports of a bus by device and function, depth first, from {port.primary:02x}"
    yield _row("bus behind", f"{port.secondary:02x}: {rule}")
    if port.subordinate > port.secondary:
        yield _row("last below", f"{port.subordinate:02x}")
    switch = system.switch_behind(port)
    if port.window and switch is not None:
        yield _row("window", f"{size(port.window)} of 64-bit prefetchable addresses, for all ports of {switch.name}")
    elif port.window:
        bars = [bar for one in behind for bar in one.function.bars if bar.kind is BarKind.MEM64 and bar.prefetchable]
        unknown = sum(bar.size is None for bar in bars)
        beside = f", {unknown} of unknown size beside" if unknown else ""
        told = f"{size(port.window)} of 64-bit prefetchable addresses"
        yield _row("window", f"{told}; the BARs behind it take {size(sum(bar.size or 0 for bar in bars))}{beside}")
    names = [*([switch.name] if switch else []), *(one.name for one in behind)]
    yield _row("behind it", ", ".join(names) or "nothing")
    yield _where(port.origin)


def _device(one: Instance, system: System) -> Iterator[str]:
    guest = one.function.guest
    yield f"{one.name}: {one.layout}, version {one.function.version}"
    yield _row("address", f"{guest.segment:04x}:{guest.bus:02x}:{guest.device:02x}.{guest.function}")
    if one.near is not None:
        yield _row("near", f"node {one.near}")
    port = system.port(one.port)
    if port is not None:
        yield _row("because", f"it is behind {port.name}, and bus {port.secondary:02x} is what firmware gives that")
    if one.nodes:
        numbers = {node.domain: node.number for node in guest_nodes(system).nodes}
        yield _row("nodes", f"generic initiator of proximity domains {_numbered(one.nodes, numbers)}")
    if one.memory_base is not None:
        yield _row("memory", f"at {one.memory_base:#x} (_DSD)")
    yield _row("contract", one.function.digest)
    yield _where(one.origin)


def _node(number: int, system: System) -> Iterator[str]:
    machine, made = system.machine, guest_nodes(system)
    node = machine.nodes[number]
    linux = next((one.number for one in made.nodes if one.domain == number), None)
    yield f"node{number}: proximity domain {number}"
    nowhere = "no node: nothing in the SRAT belongs to it" if tables(system) else "not known: the VMM makes the tables"
    yield _row("Linux", nowhere if linux is None else f"node {linux}")
    cpus = sum(cpu.node == number for cpu in machine.cpus)
    owner = next((one for one in system.devices if number in one.nodes), None)
    has = [f"{cpus} processors"] * bool(cpus) + [f"{size(node.memory)} of RAM"] * bool(node.memory)
    if owner is not None:
        has.append(f"{owner.name} as generic initiator")
    if machine.hotplug and number == len(machine.nodes) - 1:
        has.append(f"{size(machine.hotplug)} that can be plugged in: QEMU gives them to the last node")
    yield _row("has", ", ".join(has) or "nothing")
    far = sorted((value, other) for (start, other), value in machine.distances.items() if start == number)
    if far:
        yield _row("distances", _ranges(far))
    yield _where(owner.origin if owner is not None else system.origins["nodes"])


def _numbered(domains: Sequence[int], numbers: Mapping[int, int]) -> str:
    """`2..9 (Linux: 2..9)`, or each by itself where Linux has them in another order."""
    known = [numbers.get(domain) for domain in domains]
    first, start = domains[0], known[0]
    if len(domains) > 1 and start is not None and known == [start + domain - first for domain in domains]:
        return f"{first}..{domains[-1]} (Linux: {start}..{known[-1]})"
    return ", ".join(f"{domain} (Linux: {numbers.get(domain, 'none')})" for domain in domains)


def _ranges(far: list[tuple[int, int]]) -> str:
    """`40 to 1; 254 to 2..33`."""
    by_value: dict[int, list[int]] = {}
    for value, other in far:
        by_value.setdefault(value, []).append(other)
    shown = []
    for value, others in by_value.items():
        runs: list[list[int]] = []
        for other in others:
            if runs and other == runs[-1][-1] + 1:
                runs[-1].append(other)
            else:
                runs.append([other])
        words = [f"{run[0]}..{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs]
        shown.append(f"{value} to {', '.join(words)}")
    return "; ".join(shown)
