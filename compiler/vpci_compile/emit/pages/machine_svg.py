"""`show MACHINE --svg`: the topology of a machine as a picture that needs nothing but itself.

The tree of buses, ports, switches and functions with the window of each port; below it all windows side by side in the
machine's own, the guest's nodes, and the matrix of their distances. Light and dark; no script, no font, no other file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...ir.topology import ROOT, Instance, PciePort, System
from ..machine import apertures
from ..machine import nodes as node_rows
from ..machine.nodes import Nodes
from ..machine.text import viommu_words
from ..sizes import size
from .svg_map import Canvas
from .svg_text import ADVANCE, CSS, elided, escaped

WIDTH = 760
_EDGE = 12
_STEP, _ROW, _BOX = 26, 32, 24  # a level to the right, a row down, the height of a box
_WINDOWS = 556  # where the column of windows begins
_BAR = 110  # the longest bar of it
_LINE = 19
_STRIP = 26
_LARGE_CELL, _SMALL_CELL = 34, 11
_NUMBERED = 14  # nodes up to which distances stand in their cells
MOST_NODES = 128
"""Nodes up to which their distances are shown: QEMU has no more."""
_SOFTER = 6.4  # width of a character of the small text
_LEAST_OPACITY, _MOST_OPACITY = 0.05, 0.6


class Row(NamedTuple):
    """A box of the tree: its level, its class in the style, what is in it and beside it, and its window in bytes."""

    level: int
    kind: str
    name: str
    facts: str
    window: int = 0


def render(system: System, *, prefix: str = "vpci", alone: bool = True, nodes_too: bool = True) -> str:
    """The picture as text, a whole SVG document. `prefix` begins its ids, where several stand in one page.

    With `alone` it brings its colours and its heading; else the page that it stands in has them (`svg_text.CSS`).
    Without `nodes_too` that page tells of nodes and distances itself.
    """
    canvas, nodes = Canvas(), node_rows.of(system)
    if alone:
        _title(canvas, system)
    _tree(canvas, [*rows(system)])
    _strip(canvas, system, prefix)
    if nodes_too:
        _nodes(canvas, nodes)
        _matrix(canvas, nodes)
    height = round(canvas.y + _EDGE)
    return "\n".join([*_frame(system, nodes, prefix, height, alone), *canvas.lines, "</svg>"]) + "\n"


def _frame(system: System, nodes: Nodes, prefix: str, height: int, alone: bool) -> Iterator[str]:
    box = f' viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    names = f"{prefix}-title {prefix}-desc"
    yield f'<svg xmlns="http://www.w3.org/2000/svg" class="vpci-map"{box} role="img" aria-labelledby="{names}">'
    yield f'<title id="{prefix}-title">Topology of {escaped(system.name)}</title>'
    yield f'<desc id="{prefix}-desc">{escaped(_description(system, nodes))}</desc>'
    if alone:
        yield f"<style>{CSS}</style>"
    yield (
        f'<defs><pattern id="{prefix}-hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><path d="M0 0V5" class="hatch"/></pattern></defs>'
    )
    if alone:
        yield f'<rect class="page" width="{WIDTH}" height="{height}" rx="6"/>'


def _description(system: System, nodes: Nodes) -> str:
    """The picture for who does not see it."""
    parts = [f"{one.kind} {one.name}, {one.facts}" for one in rows(system)]
    windows = f"Windows: {size(system.window)} in sum, {size(system.pci_hole)} aligned." if system.pci_hole else ""
    told = "; ".join(f"node {one.numbers}: {one.has}" for one in nodes.rows)
    return f"{'; '.join(parts)}. {windows} {told}.".replace("  ", " ")


def facts(system: System) -> str:
    """The machine in a line."""
    machine, vmm = system.machine, system.machine.vmm
    kind = f" {vmm.machine}-{system.type_release[0]}.{system.type_release[1]}" if vmm.machine else ""
    cpus = f"{len(machine.cpus)} processor{'' if len(machine.cpus) == 1 else 's'}"
    later = f", {size(machine.hotplug)} to be plugged in" if machine.hotplug else ""
    release = f"{vmm.release[0]}.{vmm.release[1]}"
    return f"{machine.architecture}, {vmm.name} {release}{kind}, {cpus}, {size(machine.memory)} of RAM{later}"


def _title(canvas: Canvas, system: System) -> None:
    canvas.text(_EDGE, 24, elided(system.name, WIDTH - 2 * _EDGE, 9.4), "name")
    canvas.text(_EDGE, 44, elided(facts(system), WIDTH - 2 * _EDGE, _SOFTER), "soft")
    canvas.y = 60


# -- the tree ------------------------------------------------------------------------------------------------------


def rows(system: System) -> Iterator[Row]:
    """The tree from top to bottom."""
    if system.machine.vmm.name == "cloud-hypervisor":
        yield from _segments(system)
        return
    yield Row(0, "bus", ROOT, f"bus 00{viommu_words(system.viommu)}")
    yield from _on(system, ROOT, 1)
    for bus in system.buses:
        node = f", node {bus.node}" if bus.node is not None else ""
        cxl = ", CXL" if bus.cxl else ""
        yield Row(0, "bus", bus.name, f"bus {bus.number:02x}{node}{cxl}{viommu_words(bus.viommu)}")
        yield from _on(system, bus.name, 1)


def _segments(system: System) -> Iterator[Row]:
    for share in apertures.plan(system).high:
        own = [one for one in system.devices if one.function.guest.segment == share.segment]
        near = {one.near for one in own if one.near is not None}
        node = f", node {min(near)}" if near else ""
        yield Row(0, "bus", f"segment {share.segment}", f"bus 00{node}", apertures.rounded(share.size, up=False))
        for one in sorted(own, key=lambda one: one.function.guest.device):
            yield _function(one, 1)


def _on(system: System, bus: str, level: int) -> Iterator[Row]:
    parts: list[tuple[int, int, PciePort | Instance]] = [
        (port.slot, port.function, port) for port in system.ports if port.bus == bus
    ]
    parts += [
        (one.function.guest.device, one.function.guest.function, one)
        for one in system.devices
        if not one.port and one.bus == bus
    ]
    for slot, function, part in sorted(parts, key=lambda row: row[:2]):
        if isinstance(part, Instance):
            yield _function(part, level)
            continue
        yield Row(level, "port", part.name, f"{slot:02x}.{function}, bus {part.secondary:02x} behind", part.window)
        switch = system.switch_behind(part)
        if switch is not None:
            yield Row(level + 1, "switch", switch.name, f"{part.secondary:02x}:00.0, bus {switch.number:02x} inside")
            yield from _on(system, switch.name, level + 2)
        for one in system.devices:
            if one.port == part.name:
                yield _function(one, level + 1)


def _function(one: Instance, level: int) -> Row:
    guest = one.function.guest
    segment = f"{guest.segment:04x}:" if guest.segment else ""
    where = f"{segment}{guest.bus:02x}:{guest.device:02x}.{guest.function}"
    nodes = ""
    if one.nodes:
        last = f"..{one.nodes[-1]}" if len(one.nodes) > 1 else ""
        nodes = f", domain{'s' if last else ''} {one.nodes[0]}{last}"
    return Row(level, "function", one.name, f"{where}, {one.layout}{nodes}")


def _tree(canvas: Canvas, tree: list[Row]) -> None:
    largest = max((row.window for row in tree), default=0)
    if largest:
        canvas.text(_WINDOWS, canvas.y + 10, "64-bit window", "small soft")
        canvas.y += 18
    tops = [
        canvas.y + _ROW * number + 8 * sum(not row.level for row in tree[1 : number + 1]) for number in range(len(tree))
    ]
    for number, row in enumerate(tree):
        over = next((up for up in range(number - 1, -1, -1) if tree[up].level < row.level), None)
        if over is not None:
            x, top = _x(tree[over].level) + 10, tops[over] + _BOX
            canvas.add(f'<path class="branch" d="M{x} {top:g}V{tops[number] + _BOX / 2:g}H{_x(row.level)}"/>')
    for row, top in zip(tree, tops, strict=True):
        _box(canvas, row, top, largest)
    canvas.y = (tops[-1] if tops else canvas.y) + _ROW


def _x(level: int) -> int:
    return _EDGE + _STEP * level


def _box(canvas: Canvas, row: Row, top: float, largest: int) -> None:
    x = _x(row.level)
    room = (_WINDOWS if row.window else WIDTH - _EDGE) - x - 16
    name = elided(row.name, min(room, 260), ADVANCE)
    width = len(name) * ADVANCE + 16
    canvas.add(f'<g class="s"><title>{escaped(f"{row.name}: {row.facts}")}</title>')
    canvas.rect(x, top, width, _BOX, f"part {row.kind}", rx="4")
    canvas.text(x + 8, top + 16.5, name, "mono strong")
    canvas.text(x + width + 8, top + 16.5, elided(row.facts, room - width, _SOFTER), "soft")
    canvas.add("</g>")
    if row.window:
        bar = max(3.0, round(_BAR * row.window / largest, 1))
        canvas.rect(_WINDOWS, top + 7, bar, 10, "window")
        canvas.text(_WINDOWS + bar + 8, top + 16.5, size(row.window), "small")


# -- windows -------------------------------------------------------------------------------------------------------


def _strip(canvas: Canvas, system: System, prefix: str) -> None:
    """All reserved windows side by side; what is left of the machine's own is hatched."""
    if not system.pci_hole:
        return
    reserved = [port for port in system.ports if port.window and system.switch(port.bus) is None]
    canvas.y += 14
    left = f", {size(system.pci_hole)} with room and aligned" if system.pci_hole != system.window else ""
    canvas.text(_EDGE, canvas.y + 12, "64-bit windows", "strong")
    canvas.text(_EDGE + 124, canvas.y + 12, f"{size(system.window)} in sum{left}", "soft")
    top, whole, x = canvas.y + 22, WIDTH - 2 * _EDGE, float(_EDGE)
    canvas.rect(_EDGE, top, whole, _STRIP, "tail", fill=f"url(#{prefix}-hatch)")
    for port in reserved:
        width = max(2.0, round(whole * port.window / system.pci_hole, 1))
        canvas.add(f'<g class="s"><title>{escaped(f"{port.name}: {size(port.window)}")}</title>')
        canvas.rect(x, top, width, _STRIP, "window")
        if len(port.name) * ADVANCE + 6 <= width:
            canvas.text(x + width / 2, top + 17, port.name, "mono mid")
        canvas.add("</g>")
        x += width
    canvas.y = top + _STRIP + 8


# -- nodes ---------------------------------------------------------------------------------------------------------


def _nodes(canvas: Canvas, nodes: Nodes) -> None:
    canvas.y += 14
    canvas.text(_EDGE, canvas.y + 12, "Nodes that Linux makes", "strong")
    canvas.y += 22
    if nodes.fault:
        canvas.text(_EDGE, canvas.y + 12, elided(f"none: {nodes.fault}", WIDTH - 2 * _EDGE, _SOFTER))
        canvas.y += _LINE
        return
    if not nodes.rows:
        canvas.text(_EDGE, canvas.y + 12, "not known: its VMM makes the tables", "soft")
        canvas.y += _LINE
        return
    for x, title in ((_EDGE, "node"), (_EDGE + 80, "domain"), (_EDGE + 170, "has")):
        canvas.text(x, canvas.y + 12, title, "small soft")
    canvas.y += _LINE
    for one in nodes.rows:
        canvas.text(_EDGE, canvas.y + 12, one.numbers, "mono")
        canvas.text(_EDGE + 80, canvas.y + 12, one.domains, "mono")
        canvas.text(_EDGE + 170, canvas.y + 12, elided(one.has, WIDTH - 2 * _EDGE - 170, _SOFTER))
        canvas.y += _LINE


def _matrix(canvas: Canvas, nodes: Nodes) -> None:
    count = len(nodes.numbers)
    if count < 2:
        return
    if count > MOST_NODES:
        canvas.text(_EDGE, canvas.y + 26, f"Distances between {count} nodes: too many to draw", "soft")
        canvas.y += 34
        return
    numbered = count <= _NUMBERED
    cell = _LARGE_CELL if numbered else min(_SMALL_CELL, (WIDTH - 3 * _EDGE - 24) / count)
    canvas.y += 14
    canvas.text(_EDGE, canvas.y + 12, "Distances", "strong")
    canvas.y += 40
    left, shades = _EDGE + 30, opacities(nodes)
    every = 1 if numbered else 4  # more numbers than that would touch
    for at, number in enumerate(nodes.numbers):
        if at % every == 0:
            canvas.text(left + (at + 0.5) * cell, canvas.y - 6, f"{number}", "mono small soft mid")
            middle = canvas.y + (at + 0.5) * cell + 4
            canvas.text(left - 8, middle, f"{number}", "mono small soft", **{"text-anchor": "end"})
    canvas.rect(left, canvas.y, cell * count, cell * count, "free", fill="none")
    for y, row in enumerate(nodes.distances):
        for x, value in enumerate(row):
            corner = left + x * cell, canvas.y + y * cell
            words = f"from node {nodes.numbers[y]} to {nodes.numbers[x]}: {value}"
            canvas.add(f"<g><title>{words}</title>")
            canvas.rect(corner[0], corner[1], cell, cell, "cell", **{"fill-opacity": f"{shades[value]:g}"})
            if numbered:
                canvas.text(corner[0] + cell / 2, corner[1] + cell / 2 + 4.5, f"{value}", "mono small mid")
            canvas.add("</g>")
    canvas.y += cell * count + 10
    _legend(canvas, shades)


def _legend(canvas: Canvas, shades: dict[int, float]) -> None:
    x = float(_EDGE + 30)
    for value, shade in shades.items():
        if x > WIDTH - 80:
            break
        canvas.rect(x, canvas.y, 16, 12, "cell", **{"fill-opacity": f"{shade:g}"})
        canvas.text(x + 22, canvas.y + 10.5, f"{value}", "small")
        x += 34 + 8 * len(f"{value}")
    canvas.y += 20


def opacities(nodes: Nodes) -> dict[int, float]:
    """How dark each distance is: by its rank, as 254 would leave no shade between 10 and 40."""
    values = sorted({value for row in nodes.distances for value in row})
    step = (_MOST_OPACITY - _LEAST_OPACITY) / max(1, len(values) - 1)
    return {value: round(_LEAST_OPACITY + step * rank, 3) for rank, value in enumerate(values)}
