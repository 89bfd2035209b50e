"""Where everything of a machine sits: device numbers, bus numbers as firmware will give them, windows.

Source: PCIe 6.0 7.5.1.3 (bus numbers, windows); SeaBIOS src/fw/pciinit.c and edk2 PciBusDxe number the bridges of a bus
in the order of their device and function numbers, depth first; an expander's buses count on from its own number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..diagnostics import Report, Span, nearest
from ..ir import Bar, BarKind, Function
from ..ir.topology import ROOT, Bus, RootPort, Viommu
from ..loader import Node

if TYPE_CHECKING:
    from ..spec.machine import DeviceEntry, MachineLayout, PortEntry, ViommuEntry

_SLOTS = 32
_TAKEN = {"q35": (0, 31), "virt": (0,), "pc": (0, 1)}
"""Device numbers of the root bus that QEMU's machines have for themselves."""
_SLOT_0_IS_FREE = (54, 0)
"""Up to v53 cloud-hypervisor kept device 0 of every segment, then that of segment 0 alone (37b2a0783, fd86afefe)."""
_Wish = tuple[str, str, str, int | None, int]
"""Kind, name, bus, device number where one is said, function number."""
_SPARE = 1 << 30
_GRAIN = 1 << 20  # a bridge's windows are counted in MiB (PCIe 6.0 7.5.1.3.8)


@dataclass
class Plan:
    """What is placed so far; `places` leads from (bus, slot, function) to who has it."""

    layout: MachineLayout
    tree: Node
    report: Report
    functions: dict[str, Function]
    places: dict[tuple[str, int, int], str] = field(default_factory=dict)
    slots: dict[str, int] = field(default_factory=dict)  # expanders, ports and devices by "kind name"

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


def _is_bus(plan: Plan, who: tuple[str, str], bus: str) -> bool:
    if bus == ROOT or bus.startswith("segment ") or bus in plan.layout.buses:
        return True
    _unknown(plan, (*who, "bus"), "bus", bus, [ROOT, *plan.layout.buses])
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


def ports(plan: Plan, expanders: list[Bus]) -> list[RootPort]:
    """The root ports in the order in which firmware meets them; reports VPCI1964 where bus numbers collide."""
    found: list[RootPort] = []
    for key, port in plan.layout.ports.items():
        _check_window(plan, key, port)
    starts = [(0, ROOT), *((bus.number, bus.name) for bus in expanders)]
    for index, (first, name) in enumerate(starts):
        own = [(key, port) for key, port in plan.layout.ports.items() if port.bus == name]
        own.sort(key=lambda row: (plan.slots.get(f"ports {row[0]}", 0), row[1].function))
        for count, (key, port) in enumerate(own, 1):
            slot = plan.slots.get(f"ports {key}", 0)
            window = _window(plan, key) if port.window == "auto" else 0 if port.window == "none" else int(port.window)
            found.append(
                RootPort(
                    key, name, slot, port.function, first + count, window, port.io, len(found) + 1,
                    plan.span("ports", key),
                )
            )  # fmt: skip
        last = first + len(own)
        limit = starts[index + 1][0] if index + 1 < len(starts) else 256
        if last >= limit:
            other = starts[index + 1][1] if index + 1 < len(starts) else ""
            what = f"bus {limit:#x} is that of {other}" if other else "there are no buses above 0xff"
            span = plan.span("buses", other) if other else plan.tree.span
            message = f"the ports of {name} take buses {first + 1:#x}..{last:#x}, and {what}"
            plan.report.add("VPCI1964", span, message, help="number: a higher one, with room for the ports before it")
    return found


def _check_window(plan: Plan, name: str, port: PortEntry) -> None:
    if isinstance(port.window, str):
        return
    span, need = plan.span("ports", name, "window"), _need(plan, name)
    if port.window < need:
        message = f"the window of {name} has {port.window:#x} bytes, the BARs behind it take {need:#x}"
        plan.report.add("VPCI1965", span, message, help="window: auto")
    elif port.window % _GRAIN:
        message = f"the window of {name} has {port.window:#x} bytes, and a bridge counts its windows in MiB"
        plan.report.add("VPCI1965", span, message, note="PCIe 6.0 7.5.1.3.8", help="window: auto")


def _behind(plan: Plan, port: str) -> list[Function]:
    return [plan.functions[name] for name, one in plan.layout.devices.items() if one.port == port]


def _need(plan: Plan, port: str) -> int:
    """Bytes that the 64-bit prefetchable BARs behind a port take, largest first."""
    return sum(size for function in _behind(plan, port) for size in _sizes(function))


def _window(plan: Plan, port: str) -> int:
    """A power of two: edk2 rounds what a port reserves up to one (OvmfPkg/PciHotPlugInitDxe).

    BARs whose size no layout states are taken to be, together, no larger than the largest that is known.
    """
    behind = _behind(plan, port)
    unknown = any(_is_prefetchable(bar) and bar.size is None for one in behind for bar in one.bars)
    need = _need(plan, port) + (max((size for one in behind for size in _sizes(one)), default=0) if unknown else 0)
    return _power_of_two(max(need, _GRAIN)) if need else 0


def _power_of_two(size: int) -> int:
    return 1 << (size - 1).bit_length()


def hole(rows: Iterable[RootPort], behind: dict[str, list[Function]], alone: Iterable[Function]) -> int:
    """The least power of two that holds all windows and the BARs of functions behind no port; 0 where there are none.

    Each window is aligned to its largest BAR. Some room stays for functions that a layout does not name (disks, a
    network card): without it firmware would take the window away from one that it names.
    """
    sized = [(_alignment(behind.get(port.name, [])), port.window) for port in rows if port.window]
    sized += [(size, size) for one in alone for size in _sizes(one)]
    end = 0
    for alignment, size in sorted(sized, reverse=True):
        end = -(-end // alignment) * alignment + size
    return _power_of_two(end + _SPARE) if end else 0


def _alignment(functions: list[Function]) -> int:
    return max((size for one in functions for size in _sizes(one)), default=_GRAIN)


def _sizes(function: Function) -> list[int]:
    """Bytes of each 64-bit prefetchable BAR whose size is known."""
    return [bar.size for bar in function.bars if _is_prefetchable(bar) and bar.size]


def _is_prefetchable(bar: Bar) -> bool:
    return bar.kind is BarKind.MEM64 and bar.prefetchable


def of_device(plan: Plan, name: str, entry: DeviceEntry, rows: dict[str, RootPort]) -> tuple[str, int, int] | None:
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
