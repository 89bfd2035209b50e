"""Asking a QEMU what it would take in a migration: it gets its own saved state back, with bytes changed.

Nothing is predicted here. QEMU prints the masks of a byte that it does not take (hw/pci/pci.c, get_pci_config_device).
So every byte of a configuration space is changed; the byte that QEMU names is put right; and so on until it names
none: what was named is what it compares, with its masks.

A snapshot in a file of its own serves for that: QEMU loads it as it loads a migration, and as often as it is asked to.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..stack.emulated.machine import Bar, Emulated, Equal, Machine, Saved, Scalar
from ..stack.incoming import Check
from ..stack.pci import INTERRUPT_PIN
from . import saved_state
from .firmware import Firmware
from .qmp import Monitor, RefusedError
from .qtest import QemuError
from .virtio_state import IRQ_BYTES

_DISK, _TAG = "vpci-probe", "probe"
_CLUSTER = 2 << 20  # one piece of the file holds a section
_PERIPHERAL = "/machine/peripheral"
_BAD = re.compile(
    r"Bad config data: i=0x([0-9a-f]+) read: ([0-9a-f]+) device: ([0-9a-f]+) "
    r"cmask: ([0-9a-f]+) wmask: ([0-9a-f]+) w1cmask:([0-9a-f]+)"
)
_ROM, _PINS = 6, 4
_IRQ_REFUSED = "irq state -1: must be 0 or 1"
_TRANSIENT = {"type", "realized", "hotplugged", "hotpluggable", "parent_bus", "busnr"}


class NoFunctionError(QemuError):
    """The machine has no PCI function with this id."""


def probe(program: Path, machine: str, arguments: Sequence[str], ids: Iterable[str]) -> Machine:
    """Start a QEMU with these arguments, and ask it of the functions that have these ids.

    Raises:
        NoFunctionError: it has no such function.
        QemuError: it does not start, or does not answer.
        StreamError: what it saves is not understood.
    """
    with tempfile.TemporaryDirectory(prefix="vpci-") as folder, Monitor(program, machine, arguments) as monitor:
        return _Probe(monitor, Path(folder)).machine(list(ids))


class _Probe:
    def __init__(self, monitor: Monitor, folder: Path) -> None:
        self._monitor = monitor
        self._folder = folder

    def machine(self, ids: Sequence[str]) -> Machine:
        monitor = self._monitor
        version = monitor.execute("query-version")["qemu"]
        kind = str(self._get("/machine", "type")).removesuffix("-machine")
        paths = {name: self._place(name) for name in ids}
        path = self._folder / "state"
        blocked = monitor.migrate(path)
        state = None if blocked else saved_state.read(path.read_bytes())
        sections = state.sections if state is not None else ()
        firmware = Firmware(monitor)
        functions = [self._function(name, place, sections, firmware) for name, place in paths.items()]
        if not blocked:
            snapshot = self._snapshot()
            functions = [self._measured(one, sections, snapshot) for one in functions]
        return Machine(
            qemu=".".join(str(version[part]) for part in ("major", "minor", "micro")),
            type=state.machine if state is not None and state.machine else kind,
            blocked=blocked,
            ram_version=state.ram_version if state is not None else 0,
            blocks=state.blocks if state is not None else (),
            sections=tuple(_saved(section) for section in sections),
            functions=tuple(functions),
        )

    # -- what a device is ------------------------------------------------------------------------------------------

    def _get(self, path: str, name: str) -> Any:
        return self._monitor.execute("qom-get", {"path": path, "property": name})

    def _place(self, name: str) -> str:
        try:
            return self._path(f"{_PERIPHERAL}/{name}")
        except RefusedError as refused:
            raise NoFunctionError(name) from refused

    def _function(self, name: str, path: str, sections: Sequence[saved_state.Section], firmware: Firmware) -> Emulated:
        where = f"{_PERIPHERAL}/{name}"
        own = [section for section in sections if section.name.rpartition("/")[0] == path]
        holding = next((section for section in own if section.holder), None)
        regions = firmware.devices.get(name, {}).get("regions", ())
        return Emulated(
            id=name,
            driver=str(self._get(where, "type")),
            path=path,
            section=holding.name if holding is not None else own[0].name if own else "",
            check=None,
            guest=firmware.space(name),
            bars=tuple(_bar(region) for region in regions),
            properties=dict(self._properties(where)),
        )

    def _measured(self, one: Emulated, sections: Sequence[saved_state.Section], snapshot: Path) -> Emulated:
        """The same function, with what QEMU compares of it."""
        section = next((section for section in sections if section.name == one.section and section.holder), None)
        return one if section is None else replace(one, check=_Measure(self._monitor, snapshot, section).check())

    def _path(self, where: str) -> str:
        """The function's place as QEMU's stream names it: the root bus, then slot and function on each bus."""
        bus = str(self._get(where, "parent_bus"))
        number = int(self._get(where, "addr"))
        own = f"{number >> 3:02x}.{number & 7:x}"
        parent, _, name = bus.rpartition("/")
        if parent.startswith(f"{_PERIPHERAL}/"):
            return f"{self._path(parent)}:{own}"
        expander = f"{_PERIPHERAL}/{name}"
        with suppress(RefusedError):  # no expander bridge has the name of a bus: it is the machine's own
            root = int(self._get(expander, "bus_nr"))
            return f"0000:{root:02x}:{self._path(expander).rpartition(':')[2]}:{own}"
        return f"0000:00:{own}"

    def _properties(self, where: str) -> Iterator[tuple[str, Scalar]]:
        for entry in sorted(self._monitor.execute("qom-list", {"path": where}), key=lambda entry: str(entry["name"])):
            name, kind = str(entry["name"]), str(entry["type"])
            if name in _TRANSIENT or kind.startswith(("child<", "link<")):
                continue
            with suppress(RefusedError):  # some can only be set
                value = self._get(where, name)
                if isinstance(value, Scalar):
                    yield name, value

    # -- the snapshot ----------------------------------------------------------------------------------------------

    def _snapshot(self) -> Path:
        """The machine's state in a file, in QEMU's own form."""
        path = self._folder / "snapshot"
        path.touch()
        monitor, file = self._monitor, f"{_DISK}-file"
        monitor.execute("blockdev-add", {"driver": "file", "node-name": file, "filename": str(path)})
        made = {"driver": "qcow2", "file": file, "size": 1 << 16, "cluster-size": _CLUSTER}
        self._done("blockdev-create", {"options": made})
        monitor.execute("blockdev-add", {"driver": "qcow2", "node-name": _DISK, "file": file})
        self._done("snapshot-save", {"tag": _TAG, "vmstate": _DISK, "devices": [_DISK]})
        return path

    def _done(self, command: str, arguments: dict[str, Any]) -> None:
        problem = self._monitor.job(command, arguments)
        if problem:
            raise QemuError(problem)


class _Measure:
    """What QEMU compares of the configuration space that one section holds."""

    def __init__(self, monitor: Monitor, snapshot: Path, section: saved_state.Section) -> None:
        self._monitor = monitor
        self._section = section
        self._snapshot = snapshot

    def check(self) -> Check:
        """QEMU's bytes and its masks; where it compares nothing, the masks stay 0."""
        config = self._section.config
        masks = tuple(bytearray(len(config)) for _ in range(3))
        stream = self._snapshot.read_bytes()
        at = stream.find(self._section.key)
        if at < 0 or stream.find(self._section.key, at + 1) >= 0:
            raise QemuError(f"{self._section.name} is not in the snapshot once")
        at += len(self._section.key) + self._section.config_at
        # The interrupt lines behind it are changed, too: so no load succeeds, and no device starts with such bytes.
        kept = stream[at : at + len(config) + IRQ_BYTES]
        with self._snapshot.open("r+b", buffering=0) as file:
            os.pwrite(file.fileno(), _changed(kept), at)
            while (bad := self._load()) is not None:
                offset, *found = bad
                if masks[0][offset]:
                    raise QemuError(f"it names byte {offset:#x} of {self._section.name} twice")
                for mask, value in zip(masks, found, strict=True):
                    mask[offset] = value
                os.pwrite(file.fileno(), kept[offset : offset + 1], at + offset)
            os.pwrite(file.fileno(), kept, at)
        return Check(config, *(bytes(mask) for mask in masks))

    def _load(self) -> tuple[int, int, int, int] | None:
        """Load the snapshot: the byte that QEMU does not take and its masks cmask, wmask, w1cmask."""
        problem = self._monitor.job("snapshot-load", {"tag": _TAG, "vmstate": _DISK, "devices": [_DISK]})
        said = "\n".join(self._monitor.said)
        found = _BAD.search(said)
        if found is not None:
            offset, _, _, cmask, wmask, w1cmask = (int(word, 16) for word in found.groups())
            return offset, cmask, wmask, w1cmask
        if _IRQ_REFUSED not in said or self._section.name not in problem:
            raise QemuError(f"it does not come to the interrupt lines of {self._section.name}: {problem}")
        return None


def _changed(octets: bytes) -> bytes:
    """Every byte another one: inverted, but the interrupt pin is one that there is (or QEMU would end)."""
    made = bytearray(octet ^ 0xFF for octet in octets)
    made[INTERRUPT_PIN] = octets[INTERRUPT_PIN] % _PINS + 1
    return bytes(made)


def _bar(region: dict[str, Any]) -> Bar:
    kind = "io" if region["type"] == "io" else "mem64" if region["mem_type_64"] else "mem32"
    prefetch = " prefetchable" if region.get("prefetch") else ""
    return Bar(region["bar"], "rom" if region["bar"] == _ROM else kind + prefetch, region["size"])


def _saved(section: saved_state.Section) -> Saved:
    return Saved(
        name=section.name,
        instance=section.instance,
        version=section.version,
        number=section.number,
        size=section.size,
        holder=section.holder,
        equals=tuple(
            Equal(field.name, field.type, int.from_bytes(field.content, "big"))
            for field in section.fields
            if field.type.endswith(" equal")
        ),
        queues=section.queues,
    )
