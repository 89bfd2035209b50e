"""Where everything of a machine sits: device numbers, and bus numbers as firmware will give them.

Source: PCIe 6.0 7.5.1.3 (bus numbers); SeaBIOS src/fw/pciinit.c and edk2 PciBusDxe number the bridges of a bus
in the order of their device and function numbers, depth first; an expander's buses count on from its own number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..diagnostics import Report, Span, nearest
from ..ir import Function
from ..ir.topology import ROOT, Bus, PciePort, Switch, Viommu
from ..loader import Node
from .windows import BUSES, GRAIN, Windows

if TYPE_CHECKING:
    from ..spec.machine import DeviceEntry, MachineLayout, PortEntry, ViommuEntry

_SLOTS = 32
_TAKEN = {"q35": (0, 31), "virt": (0,), "pc": (0, 1)}
"""Device numbers of the root bus that QEMU's machines have for themselves."""
_SLOT_0_IS_FREE = (54, 0)
"""Up to v53 cloud-hypervisor kept device 0 of every segment, then that of segment 0 alone (37b2a0783, fd86afefe)."""
_Wish = tuple[str, str, str, int | None, int]
"""Kind, name, bus, device number where one is said, function number."""


@dataclass
class Plan:
    """What is placed so far; `places` leads from (bus, slot, function) to who has it."""

    layout: MachineLayout
    tree: Node
    report: Report
    functions: dict[str, Function]
    places: dict[tuple[str, int, int], str] = field(default_factory=dict)
    slots: dict[str, int] = field(default_factory=dict)  # expanders, ports, switches and devices by "kind name"

    def span(self, *path: str | int) -> Span:
        """Where something stands."""
        return self.tree.span_of(*path)


def expander_slots(plan: Plan) -> None:
    """Give device numbers: said ones first, then the others in their order, each in the first slot that is free."""
    taken = _TAKEN.get(plan.layout.vmm.type or "", (0,))
    plan.places |= {(ROOT, slot, 0): "the machine" for slot in taken}
    segments = {one.segment for one in plan.layout.devices.values() if one.segment}
    if tuple(map(int, plan.layout.vmm.release.split("."))) < _SLOT_0_IS_FREE:
        plan.places |= {(f"segment {number}", 0, 0): "the machine" for number in segments}
    said: list[_Wish] = []
    free: list[_Wish] = [("buses", name, ROOT, None, 0) for name in plan.layout.buses]
    for name, port in plan.layout.ports.items():
        (said if port.slot is not None else free).append(("ports", name, port.bus, port.slot, port.function))
    for name, device in plan.layout.devices.items():
        if device.port is None and device.bus is not None:
            bus = f"segment {device.segment}" if device.segment and device.bus == ROOT else device.bus
            row = ("devices", name, bus, device.slot, device.function)
            (said if device.slot is not None else free).append(row)
    for kind, name, bus, wanted, function in [*said, *free]:
        if not _is_bus(plan, (kind, name), bus):
            continue
        number = wanted if wanted is not None else _first_free(plan, bus)
        key = (bus, number, function)
        own = bus == ROOT and number in taken
        holder = plan.places.get(key) or ("the machine" if own else None)
        if number >= _SLOTS or holder is not None:
            message = f"{name}: {bus} {number:02x}.{function} is taken by {holder}" if holder else f"{bus} is full"
            plan.report.add("VPCI1961", plan.span(kind, name), message, help="another slot, or another bus")
            continue
        plan.places[key] = name
        plan.slots[f"{kind} {name}"] = number
    for name, switch in plan.layout.switches.items():
        _place_switch(plan, name, switch.port)


def _place_switch(plan: Plan, name: str, port: str) -> None:
    """Its upstream port is device 0, function 0 behind the port."""
    if port not in plan.layout.ports:
        _unknown(plan, ("switches", name, "port"), "port", port, plan.layout.ports)
        return
    key = (f"behind {port}", 0, 0)
    if key in plan.places:
        message = f"{name}: behind {port} there is {plan.places[key]} already"
        plan.report.add("VPCI1961", plan.span("switches", name), message, help="another port")
        return
    plan.places[key] = name
    plan.slots[f"switches {name}"] = 0


def _is_bus(plan: Plan, who: tuple[str, str], bus: str) -> bool:
    switches = plan.layout.switches if who[0] == "ports" else ()  # of a switch there are ports alone
    if bus == ROOT or bus.startswith("segment ") or bus in plan.layout.buses or bus in switches:
        return True
    _unknown(plan, (*who, "bus"), "bus", bus, [ROOT, *plan.layout.buses, *switches])
    return False


def _unknown(plan: Plan, path: tuple[str, ...], what: str, name: str, known: Iterable[str]) -> None:
    names = [*known]
    near = nearest(name, names)
    way_out = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(names) or 'none'}"
    plan.report.add("VPCI1960", plan.span(*path), f"there is no {what} '{name}'", help=way_out)


def _first_free(plan: Plan, bus: str) -> int:
    used = {slot for own, slot, _ in plan.places if own == bus}
    return next((slot for slot in range(_SLOTS) if slot not in used), _SLOTS)


def buses(plan: Plan) -> list[Bus]:
    """The expanders, by their numbers."""
    found = [
        Bus(
            name,
            entry.number,
            plan.slots.get(f"buses {name}", 0),
            entry.node,
            entry.cxl,
            viommu(entry.viommu),
            plan.span("buses", name),
        )
        for name, entry in plan.layout.buses.items()
    ]
    return sorted(found, key=lambda one: one.number)


def viommu(entry: ViommuEntry | None) -> Viommu | None:
    """A vIOMMU as it is said."""
    return None if entry is None else Viommu(entry.type, entry.accel, entry.ats, entry.pasid_bits)


class Numbered(NamedTuple):
    """Ports and switches with their bus numbers, in the order in which firmware meets them."""

    ports: list[PciePort]
    switches: list[Switch]


def ports(plan: Plan, expanders: list[Bus], windows: Windows) -> Numbered:
    """The ports below all root buses; reports VPCI1964 where bus numbers collide, VPCI1997 for what no root bus has."""
    for key, port in plan.layout.ports.items():
        _check_window(plan, key, port, windows)
    found = Numbered([], [])
    starts = [(0, ROOT), *((bus.number, bus.name) for bus in expanders)]
    for index, (first, name) in enumerate(starts):
        last = _number(plan, windows, found, name, first)
        limit = starts[index + 1][0] if index + 1 < len(starts) else BUSES
        if last >= limit:
            other = starts[index + 1][1] if index + 1 < len(starts) else ""
            what = f"bus {limit:#x} is that of {other}" if other else "there are no buses above 0xff"
            span = plan.span("buses", other) if other else plan.tree.span
            message = f"the ports of {name} take buses {first + 1:#x}..{last:#x}, and {what}"
            plan.report.add("VPCI1964", span, message, help="number: a higher one, with room for the ports before it")
    met = {switch.name for switch in found.switches}
    if plan.report.failed:
        return found
    for name, entry in plan.layout.switches.items():
        if name not in met and f"switches {name}" in plan.slots:
            message = f"{name} is behind {entry.port}, which is behind {name} itself"
            plan.report.add("VPCI1997", plan.span("switches", name), message, help="port: one on a root bus")
    return found


def _number(plan: Plan, windows: Windows, found: Numbered, bus: str, number: int) -> int:
    """Number the buses behind the ports of one bus, depth first; the last number that is given."""
    own = [(key, port) for key, port in plan.layout.ports.items() if port.bus == bus]
    own.sort(key=lambda row: (plan.slots.get(f"ports {row[0]}", 0), row[1].function))
    last = number
    for key, port in own:
        if last >= BUSES:  # what follows has no number, and who has asked says so
            break
        secondary, place, slot = last + 1, len(found.ports), plan.slots.get(f"ports {key}", 0)
        made = PciePort(
            key, bus, slot, port.function, number, secondary, secondary, windows.of(key), port.io, place + 1,
            plan.span("ports", key),
        )  # fmt: skip
        found.ports.append(made)
        last = secondary
        for name, entry in plan.layout.switches.items():
            if entry.port == key and f"switches {name}" in plan.slots:
                found.switches.append(Switch(name, key, secondary + 1, plan.span("switches", name)))
                last = _number(plan, windows, found, name, secondary + 1)
        found.ports[place] = made._replace(subordinate=last)
    return last


def _check_window(plan: Plan, name: str, port: PortEntry, windows: Windows) -> None:
    span = plan.span("ports", name, "window")
    if windows.is_downstream(name):
        for key, said in (("window", port.window != "auto"), ("io", not port.io)):
            if said:
                message = f"{key} of {name}: a switch's port reserves nothing, firmware gives it what is behind it"
                plan.report.add("VPCI1998", plan.span("ports", name, key), message, help="leave it out")
        return
    if isinstance(port.window, str):
        return
    need = windows.need(name)
    if port.window < need:
        message = f"the window of {name} has {port.window:#x} bytes, the BARs behind it take {need:#x}"
        plan.report.add("VPCI1965", span, message, help="window: auto")
    elif port.window % GRAIN:
        message = f"the window of {name} has {port.window:#x} bytes, and a bridge counts its windows in MiB"
        plan.report.add("VPCI1965", span, message, note="PCIe 6.0 7.5.1.3.8", help="window: auto")


def of_device(plan: Plan, name: str, entry: DeviceEntry, rows: dict[str, PciePort]) -> tuple[str, int, int] | None:
    """(place, bus number, device number) of a function; None, and a complaint, where there is none."""
    span = plan.span("devices", name)
    if (entry.port is None) == (entry.bus is None):
        what = "both a port and a bus" if entry.port else "neither a port nor a bus"
        plan.report.add("VPCI1962", span, f"{name} has {what}", help="port: rp1, or bus: root")
        return None
    if entry.port is not None:
        port = rows.get(entry.port)
        if port is None:
            _unknown(plan, ("devices", name, "port"), "port", entry.port, rows)
            return None
        key = (f"behind {port.name}", 0, entry.function)
        if entry.slot or key in plan.places:
            message = (
                f"{name}: behind a port there is device 0 alone"
                if entry.slot
                else f"{name}: function {entry.function} behind {port.name} is {plan.places[key]}"
            )
            plan.report.add("VPCI1961", span, message, help="another port")
            return None
        plan.places[key] = name
        return "port", port.secondary, 0
    if f"devices {name}" not in plan.slots:
        return None
    assert entry.bus is not None
    number = 0 if entry.bus == ROOT else plan.layout.buses[entry.bus].number
    return "root", number, plan.slots[f"devices {name}"]
