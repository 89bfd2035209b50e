"""The function as QEMU's vfio-pci shows it on a real host: arguments as an array, in JSON, and as a shell line.

`-device` and `-object` are JSON with strict types, which cannot be read in two ways; `-numa` is key=value, as QEMU
takes nothing else there. The device is always `vfio-pci`: `vfio-pci-nohotplug` has the same options and the same
configuration space, and adds a frame buffer that guests see before a driver does (`-device ...,help`, QEMU 11.1.3).
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...ir import ROM_INDEX, Bar, BarKind, Function, Kind, Origin
from ...stack.linux.facts import Version
from ...stack.qemu.facts import release
from ..artifact import Artifact, Options
from .facts import ATS, CONVENTIONAL, PASID, PORT, VNDR, Case, clique, is_gpudirect
from .rules import check, overrides
from .synthesis import gpudirect_place, pasid_values

__all__ = ["check", "emit", "identifier"]

IOMMUFD = "iommufd0"  # functions below one vIOMMU share one object of this name
_WINDOW_GRAIN = 1 << 20  # a bridge's memory windows are counted in MiB (PCIe 6.0 7.5.1.3.8)


@dataclass(slots=True)
class _Command:
    """The parts of a command line; `above` is the port or bridge over the device."""

    device: dict[str, object]
    above: dict[str, object] | None = None
    objects: list[dict[str, object]] = field(default_factory=list)
    numa: list[str] = field(default_factory=list)
    requires: list[str] = field(default_factory=list)
    around: set[str] = field(default_factory=set)
    """Those of `requires` that are about the rest of the command line."""

    def need_around(self, text: str) -> None:
        """Require something of the rest of the command line."""
        self.requires.append(text)
        self.around.add(text)

    @property
    def argv(self) -> list[str]:
        """One argument an entry."""
        early = [part for one in self.objects if one["qom-type"] == "iommufd" for part in ("-object", _json(one))]
        late = [part for one in self.objects if one["qom-type"] != "iommufd" for part in ("-object", _json(one))]
        above = ["-device", _json(self.above)] if self.above else []
        numa = [part for one in self.numa for part in ("-numa", one)]
        return [*early, *above, "-device", _json(self.device), *numa, *late]


def emit(function: Function, options: Options) -> list[Artifact]:
    """NAME.qemu.json, the arguments and what the host must bring, and NAME.qemu.sh, which appends them to a command.

    `function` has passed `check` with the same options.
    """
    command = _command(Case(function, options))
    document = {
        "qemu": release(options.qemu_version),
        "function": function.name,
        "argv": command.argv,
        "above": command.above,
        "device": command.device,
        "objects": command.objects,
        "numa": command.numa,
        "requires": command.requires,
        "shell": shlex.join(command.argv),
    }
    script = (
        "#!/bin/sh\n"
        "# Give it a QEMU command without this function, and it runs the command with the function:\n"
        "#     sh THIS-FILE qemu-system-x86_64 -machine q35 -m 4G ...\n"
        f'exec "$@" \\\n    {script_lines(command.argv)}\n'
    )
    return [
        Artifact(f"{function.name}.qemu.json", (json.dumps(document, indent=2) + "\n").encode()),
        Artifact(f"{function.name}.qemu.sh", script.encode()),
    ]


def of_device(function: Function, options: Options) -> tuple[dict[str, object], list[str]]:
    """The device alone, as JSON has it, and what it requires of the host; all around it is the machine's to say."""
    command = _command(Case(function, options))
    return command.device, [text for text in command.requires if text not in command.around]


def script_lines(argv: Sequence[str]) -> str:
    """Arguments for a shell script: an option and its value a line."""
    lines: list[str] = []
    for part in map(shlex.quote, argv):
        if lines and not part.startswith("-"):
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    return " \\\n    ".join(lines)


def identifier(name: str) -> str:
    """`name` as an id that QEMU takes: a letter, then letters, digits, '-', '.' and '_'."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", name)
    return plain if plain[:1].isalpha() else f"f{plain}"


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _command(case: Case) -> _Command:
    function, options = case.function, case.options
    own_id = identifier(function.name)
    bus, above = _above(function)
    # A domain above ffff (Intel VMD, Hyper-V) fits only a path: 'host' has 16 bits for it.
    wide = len(options.host_address.partition(":")[0]) > 4
    device: dict[str, object] = {"driver": "vfio-pci", "id": own_id}
    device |= {"sysfsdev": f"/sys/bus/pci/devices/{options.host_address}"} if wide else {"host": options.host_address}
    device["bus"] = bus
    device["addr"] = f"{function.guest.device:02x}.{function.guest.function}"
    if function.config.value[0x0E] & 0x80:
        device["multifunction"] = True
    command = _Command(device, above)
    _host_and_place(case, command)
    _passed_on(function, command)
    device |= {case.qemu.overrides[name]: value for name, (value, _) in overrides(case).items()}
    device["rombar"] = int(any(bar.index == ROM_INDEX for bar in function.bars))
    _capabilities(case, command)
    _nodes(function, own_id, command)
    command.requires.insert(0, _releases(case, command))
    command.around.add(command.requires[0])
    return command


def _above(function: Function) -> tuple[str, dict[str, object] | None]:
    """The bus that the function sits on, named after its number, and the port or bridge that makes it.

    Function 0 of a slot brings the port or bridge; the others find it there.
    """
    guest = function.guest
    if guest.place == CONVENTIONAL and guest.bus > 0:
        above: dict[str, object] = {"driver": "pcie-pci-bridge", "id": f"br{guest.bus:02x}", "bus": "pcie.0"}
    elif guest.place == PORT:
        # The chassis number is what tells ports apart: one bus, one port.
        above = {"driver": "pcie-root-port", "id": f"rp{guest.bus:02x}", "bus": "pcie.0", "chassis": guest.bus}
        if window := _window(function):
            above["pref64-reserve"] = window
    else:
        return ("pci.0" if guest.place == CONVENTIONAL else "pcie.0"), None
    return str(above["id"]), None if guest.function else above


def _prefetchable(function: Function) -> list[Bar]:
    return [bar for bar in function.bars if bar.kind is BarKind.MEM64 and bar.prefetchable]


def _window(function: Function) -> int:
    """Bytes of 64-bit prefetchable window that the BARs take, largest first; 0 where there is none, or one unknown."""
    sizes = [bar.size for bar in _prefetchable(function)]
    known = [size for size in sizes if size is not None]
    return -(-sum(known) // _WINDOW_GRAIN) * _WINDOW_GRAIN if len(known) == len(sizes) else 0


def _size(value: int) -> str:
    return f"{value >> 30}G" if value % (1 << 30) == 0 else f"{value >> 20}M"


def _host_and_place(case: Case, command: _Command) -> None:
    function, guest = case.function, case.function.guest
    driver = function.physical.driver if function.physical else "vfio-pci"
    say = command.need_around
    told = ", which must be loaded with disable_denylist=1 for this device" if case.is_denied else ""
    command.requires.append(f"the host binds {case.options.host_address} to {driver}{told}")
    if guest.place == PORT:
        say(f"firmware numbers the bus behind {command.device['bus']} as {guest.bus:02x}")
    if guest.place == CONVENTIONAL and guest.bus == 0:
        say("a machine that is conventional all the way: -machine pc")
    if guest.function:
        say("function 0 of the slot, with multifunction, comes first on the command line, and brings what is above it")
    unknown = [f"BAR {bar.index}" for bar in _prefetchable(function) if bar.size is None]
    if unknown and guest.place == PORT:
        known = sum(bar.size or 0 for bar in _prefetchable(function))
        rest = f", and {_size(known)} more for the others" if known else ""
        say(f"the root port's window has room for {', '.join(unknown)}, whose size the layout does not state{rest}")
    window, largest = _window(function), max((bar.size or 0 for bar in _prefetchable(function)), default=0)
    if window >= 1 << 30:
        say(
            f"{_size(window)} of 64-bit MMIO window, aligned to {_size(largest)} "
            "(virt: -machine highmem-mmio-size=, a power of two, 512G unless said; QEMU 10.0)"
        )


def _passed_on(function: Function, command: _Command) -> None:
    """What Linux and QEMU let through, or compare, though the layout says otherwise."""
    say = command.requires.append
    say(
        "bytes outside every structure read as zero on the device: Linux and QEMU pass reads and writes of them on, "
        "where the layout says that nobody is there"
    )
    made = [s for s in function.structures if s.source is Origin.SYNTHESIZED and s.kind is Kind.EXTENDED]
    for structure in made:
        say(
            f"nothing on the device minds writes to {structure.offset:#x}..{structure.end - 1:#x}: "
            f"QEMU passes those to the synthesized {structure.name} on as well"
        )
    if function.migrates:
        left_out = ", ".join(dict.fromkeys(_left_out(function)))
        if left_out:
            say(
                f"the same values on both hosts when QEMU starts there, for QEMU compares them at a migration although "
                f"the layout calls them volatile: {left_out}"
            )


def _left_out(function: Function) -> Iterator[str]:
    """Registers of copied structures that the device answers and the contract leaves out."""
    for structure in function.structures:
        if structure.source is not Origin.COPIED or structure.kind not in (Kind.STANDARD, Kind.EXTENDED):
            continue
        for at in function.fields(structure):
            first, size = at.offset, at.place.size
            live = ~function.config.number("emulated", first, size) & ~function.config.number("compared", first, size)
            if live & at.field.mask and not (structure.kind is Kind.STANDARD and structure.id == VNDR):
                yield f"{structure.name}.{at.register}"


def _capabilities(case: Case, command: _Command) -> None:
    function, device, say = case.function, command.device, command.requires.append
    if case.has("ats"):
        if case.shows(ATS, Origin.HIDDEN):
            device["ats"] = "off"
        elif case.shows(ATS, Origin.COPIED):
            device["ats"] = "on"  # 'auto' would hide it without a word where the kernel reports no ATS
            say("the host's kernel does not report ATS as unsupported (IOMMU_GET_HW_INFO)")
    for structure in function.structures:
        if structure.source is not Origin.SYNTHESIZED:
            continue
        if is_gpudirect(function, structure):
            device["x-nv-gpudirect-clique"] = clique(function, structure)
        elif structure.kind is Kind.EXTENDED and structure.id == PASID:
            width, execute, privileged = pasid_values(case, structure)
            command.objects.append({"qom-type": "iommufd", "id": IOMMUFD})
            device["iommufd"] = IOMMUFD
            device["x-vpasid-cap-offset"] = structure.offset
            say(
                f"the host's kernel reports PASID for the device (IOMMU_GET_HW_INFO): {width} bits, "
                f"execute {'yes' if execute else 'no'}, privileged {'yes' if privileged else 'no'}"
            )
            command.need_around(
                f"a vIOMMU with PASID above the function: -device arm-smmuv3,accel=on,ssidsize={width}, the port on "
                f"its primary-bus, or (QEMU 11.1) -device intel-iommu,scalable-mode=on,pasid-bits={width}; without one "
                "QEMU leaves PASID out and says nothing"
            )
            command.need_around(
                f"-object iommufd,id={IOMMUFD} stands once on the command line, whatever number of functions use it"
            )


def _nodes(function: Function, own_id: str, command: _Command) -> None:
    guest = function.guest
    first = guest.first_node
    if not guest.initiators or first is None:
        return
    for index in range(guest.initiators):
        command.numa.append(f"node,nodeid={first + index}")
        command.objects.append(
            {
                "qom-type": "acpi-generic-initiator",
                "id": f"{own_id}-gi{index}",
                "pci-dev": own_id,
                "node": first + index,
            }
        )
    say = command.need_around
    if first:
        nodes = "node 0 has" if first == 1 else f"nodes 0..{first - 1} have"
        say(f"NUMA {nodes} processors and all memory (-numa node,memdev=)")
    say("the guest maps proximity domains to nodes itself: QEMU lists generic initiators in an order of its own")


def _releases(case: Case, command: _Command) -> str:
    """Which releases take the command and show the function."""
    since = case.qemu.since
    used: list[Version] = [since["json"], *(since[name] for name in command.device if name in since)]
    used += [since[str(one["qom-type"])] for one in command.objects]
    if case.function.migrates:
        used.append(since["enable-migration"])
    if command.numa:
        used.append(since["generic-initiator-byte-order"])
    if "x-nv-gpudirect-clique" in command.device:
        place = gpudirect_place(case)
        used += [place[1]] if place else []
    text = f"QEMU {release(max(used))} or newer"
    hidden = {s.id for s in case.function.structures if (s.kind, s.source) == (Kind.EXTENDED, Origin.HIDDEN)}
    rules = [case.qemu.hide(number, case.version) for number in sorted(hidden)]
    until = [rule.until for rule in rules if rule and rule.until]
    return text + (f", older than {release(min(until))}" if until else "")
