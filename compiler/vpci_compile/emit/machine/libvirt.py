"""A machine of QEMU's as libvirt domain XML: the whole domain, and its devices alone.

What libvirt has no element for is an override of a property of the device. Of PCI addresses a `bus` is the index of a
controller here, not a bus number. libvirt 12.8.0 makes the same machine of it as our own arguments are
(tests/machines/test_libvirt.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from xml.etree import ElementTree

from ...diagnostics import Report, Span
from ...ir.machine import Architecture
from ...ir.topology import ROOT, Bus, Instance, PciePort, Switch, System, Viommu
from ...stack.libvirt_facts import since
from .. import qemu
from ..artifact import Artifact, Options
from . import libvirt_initiators, libvirt_numa
from .qemu import OAS, host_options, machine_type, told_window

Element = ElementTree.Element
_ROOT_PORT = ("pcie-root-port", "pcie-root-port")  # libvirt's name, and QEMU's
_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
PREFIX = "ua-"
"""What a user's own alias begins with."""
_LAST_BUS = 254  # pcie-expander-bus: busNr
_SAID = {"driver", "id", "bus", "addr", "host", "iommufd", "rombar", "multifunction"}
"""Properties of vfio-pci that have an element of libvirt's own."""
_ILLEGAL = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2; and CR, which is not kept


def check(system: System, options: Options, report: Report) -> None:
    """Report VPCI1970 for what libvirt has no words for, VPCI1971 for text that XML cannot hold."""
    for span, message in unsayable(system, options):
        report.add("VPCI1970", span, f"{message}: there will be no libvirt domain")
    if (found := _ILLEGAL.search(system.about)) is not None:
        span = system.origins.get("about", system.origin)
        report.add("VPCI1971", span, f"character U+{ord(found[0]):04X}, which XML has not", help="leave it out")


def unsayable(system: System, options: Options) -> Iterator[tuple[Span, str]]:
    """What keeps the machine from being a domain, each with its place."""
    machine = system.machine
    for bus in system.buses:
        if bus.cxl:
            yield bus.origin, f"{bus.name}: libvirt has no CXL host bridge"
        if bus.number > _LAST_BUS:
            yield bus.origin, f"{bus.name}: libvirt's expanders have bus numbers up to {_LAST_BUS}"
    for one in system.devices:
        if not one.port and one.bus != ROOT:
            yield one.origin, f"{one.name}: libvirt puts nothing but ports on an expander"
        address = host_options(one, options, machine).host_address
        if one.name in options.sockets:
            yield one.origin, f"{one.name}: libvirt has no vfio-user"
        if len(address.partition(":")[0]) > 4:
            yield one.origin, f"{one.name}: libvirt has host addresses of domains up to ffff, not {address}"
    for key, message in libvirt_numa.unsayable(machine):
        yield system.origins.get(key, system.origin), message


def emit(system: System, options: Options) -> list[Artifact]:
    """NAME.libvirt.xml, NAME.libvirt.devices.xml, and NAME.libvirt.json: which libvirt they need, and why.

    None of them where libvirt cannot say the machine (`check` told).
    """
    if any(unsayable(system, options)):
        return []
    domain = Domain(system, options)
    root = domain.whole()
    rows = sorted(((since()[name], name) for name in domain.uses), reverse=True)
    needed, reason = least(domain)
    root.insert(0, ElementTree.Comment(f" needs libvirt {needed} ({reason}) "))
    document = {
        "machine": system.name,
        "libvirt": needed,
        "since": {name: _release(first) for first, name in rows},
        "requires": list(domain.requires()),
    }
    stem = f"{system.name}.libvirt"
    return [
        Artifact(f"{stem}.xml", _text(root)),
        Artifact(f"{stem}.devices.xml", _text(domain.devices())),
        Artifact(f"{stem}.json", (json.dumps(document, indent=2) + "\n").encode()),
    ]


def least(domain: Domain) -> tuple[str, str]:
    """The release of libvirt that a finished domain needs, and for what."""
    first, name = max((since()[name], name) for name in domain.uses)
    return _release(first), name


def _release(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def _text(root: Element) -> bytes:
    ElementTree.register_namespace("qemu", _NAMESPACE)
    ElementTree.indent(root)
    data: bytes = ElementTree.tostring(root, encoding="utf-8")
    return data + b"\n"


class Domain:
    """A domain in the making; `uses` are the dated elements of it, `prefix` is that of the aliases of functions."""

    def __init__(self, system: System, options: Options, prefix: str = PREFIX) -> None:
        self.prefix = prefix
        self.system = system
        self.options = options
        self.uses: set[str] = {"numa"}
        self.overrides: dict[str, dict[str, object]] = {}
        # libvirt makes controllers in the order of their indexes: a switch comes between the ports above and below it.
        names = [ROOT, *(bus.name for bus in system.buses)]
        for port in system.ports:
            switch = system.switch_behind(port)
            names += [port.name, *([switch.name] if switch else [])]
        self.index = {name: index for index, name in enumerate(names)}

    def whole(self) -> Element:
        """The domain."""
        system, machine = self.system, self.system.machine
        root = ElementTree.Element("domain", type="kvm")
        _add(root, "name", system.name)
        if system.about:
            _add(root, "description", system.about)
        if machine.hotplug:
            self.uses.add("maxMemory")
            total = machine.memory + machine.hotplug
            _add(root, "maxMemory", str(total >> 10), slots=str(machine.slots), unit="KiB")
        _add(root, "memory", str(machine.memory >> 10), unit="KiB")
        if self.options.huge_pages:
            self.uses.add("memfd")
            backing = _add(root, "memoryBacking")
            pages = _add(backing, "hugepages")
            _add(pages, "page", size=str(self.options.huge_pages >> 10), unit="KiB")
            _add(backing, "source", type="memfd")
        _add(root, "vcpu", str(len(machine.cpus)), placement="static")
        aarch64 = machine.architecture is Architecture.AARCH64
        os = _add(root, "os", **({"firmware": "efi"} if aarch64 else {}))  # ACPI needs it there
        _add(os, "type", "hvm", arch="aarch64" if aarch64 else "x86_64", machine=machine_type(system))
        features = _add(root, "features")
        _add(features, "acpi")
        if aarch64:
            _add(features, "gic", version="3")
        if system.viommu is not None:
            _add(features, "ioapic", driver="qemu")  # interrupt remapping needs it
        root.append(libvirt_numa.cpu(system, self.uses))
        root.append(self.devices())
        if self.overrides:
            self.uses |= {"override", "user-alias"}
            root.append(self._overrides())
        if more := list(libvirt_initiators.arguments(system, self.prefix)):
            self.uses.add("commandline")
            found = _add(root, f"{{{_NAMESPACE}}}commandline")
            for text in more:
                _add(found, f"{{{_NAMESPACE}}}arg", value=text)
        return root

    def devices(self) -> Element:
        """Its devices alone."""
        system = self.system
        found = ElementTree.Element("devices")
        _add(found, "controller", type="usb", model="none")
        express = system.machine.vmm.machine != "pc"
        top = _add(found, "controller", type="pci", index="0", model="pcie-root" if express else "pci-root")
        if window := told_window(system):
            self.uses.add("pcihole64")
            _add(top, "pcihole64", str(window >> 10), unit="KiB")
        for bus in system.buses:
            found.append(self._expander(bus))
        for port in system.ports:
            found.append(self._port(port))
            if (switch := system.switch_behind(port)) is not None:
                found.append(self._switch(switch))
        if system.viommu is not None:
            found.append(self._intel_iommu(system.viommu))
        for bus in system.buses:
            if bus.viommu is not None:
                found.append(self._smmu(bus, bus.viommu))
        for one in system.devices:
            found.append(self._function(one))
        _add(found, "memballoon", model="none")
        return found

    def requires(self) -> Iterator[str]:
        """What the files cannot bring along."""
        name = self.system.name
        if self.system.devices:
            yield f"everything of the host that {name}.qemu.json requires"
        if self.options.monitor or self.options.iommufd_fd is not None:
            yield "nothing of what was told of a monitor or of iommufd: libvirt has its own"
        if self.system.vendor:
            yield f"a host with processors of {self.system.vendor}"
        beside = [f"qemu:{what}" for what in ("override", "commandline") if what in self.uses]
        if beside:
            yield f"with {name}.libvirt.devices.xml alone: the {' and the '.join(beside)} of {name}.libvirt.xml"
        if len(self.system.machine.initiators) > 1:
            yield (
                "a look at the guest's nodes where the domain has more objects (iothreads, secrets, TLS): "
                f"{name}.srat.aml has generic initiators in the order that QEMU gives them without any"
            )

    def _expander(self, bus: Bus) -> Element:
        self.uses.add("pcie-expander-bus")
        found = self._controller(self.index[bus.name], "pcie-expander-bus", "pxb-pcie")
        target = _add(found, "target", busNr=str(bus.number))
        if bus.node is not None:
            _add(target, "node", str(bus.node))
        found.append(_address(0, bus.slot, 0))
        return found

    def _switch(self, switch: Switch) -> Element:
        found = self._controller(self.index[switch.name], "pcie-switch-upstream-port", "x3130-upstream")
        found.append(_address(self.index[switch.port], 0, 0))
        return found

    def _port(self, port: PciePort) -> Element:
        index, downstream = self.index[port.name], self.system.switch(port.bus) is not None
        model, name = ("pcie-switch-downstream-port", "xio3130-downstream") if downstream else _ROOT_PORT
        self.uses.add("pcie-switch" if downstream else "pcie-root-port")
        found = self._controller(index, model, name)
        _add(found, "target", chassis=str(port.chassis), port="0x0")
        ports = self.system.ports
        shared = any((one.bus, one.slot) == (port.bus, port.slot) and one is not port for one in ports)
        found.append(_address(self.index[port.bus], port.slot, port.function, shared=shared))
        told: dict[str, object] = {"pref64-reserve": port.window} if port.window and not downstream else {}
        if not port.io:
            told["io-reserve"] = 0
        if told:
            self.overrides[f"pci.{index}"] = told  # controllers keep libvirt's own names
        return found

    @staticmethod
    def _controller(index: int, model: str, name: str) -> Element:
        found = ElementTree.Element("controller", type="pci", index=str(index), model=model)
        _add(found, "model", name=name)
        return found

    def _intel_iommu(self, one: Viommu) -> Element:
        self.uses.add("intel-iommu")
        found = ElementTree.Element("iommu", model="intel")
        _add(found, "driver", intremap="on", caching_mode="on", **({"iotlb": "on"} if one.ats else {}))
        told: dict[str, object] = {"scalable-mode": True} if one.accel or one.pasid_bits else {}
        told |= {"fsts": True} if one.accel else {}
        told |= {"pasid-bits": one.pasid_bits} if one.pasid_bits else {}
        if told:
            _add(found, "alias", name="ua-viommu")
            self.overrides["ua-viommu"] = told
        return found

    def _smmu(self, bus: Bus, one: Viommu) -> Element:
        self.uses.add("smmuv3-accel" if one.accel else "smmuv3-bus")
        found = ElementTree.Element("iommu", model="smmuv3")
        told = {"pciBus": str(self.index[bus.name])}
        if one.accel:
            told |= {"accel": "on", "ats": "on" if one.ats else "off", "ril": "off"}
            told |= {"ssidsize": str(one.pasid_bits), "oas": str(OAS)}
        _add(found, "driver", **told)
        return found

    def _function(self, one: Instance) -> Element:
        self.uses |= {"vfio", "hostdev-iommufd", "user-alias"}
        options = host_options(one, self.options, self.system.machine)
        row, _ = qemu.of_device(one.function, options)
        found = ElementTree.Element("hostdev", mode="subsystem", type="pci", managed="no")
        driver = {"iommufd": "yes"}
        physical = one.function.physical
        if physical is not None and physical.driver and physical.driver != "vfio-pci":
            self.uses.add("driver-model")
            driver = {"model": physical.driver.replace("-", "_"), **driver}
        _add(found, "driver", **driver)
        source = _add(found, "source")
        domain, bus, rest = options.host_address.split(":")
        device, function = rest.split(".")
        _add(source, "address", domain=f"0x{domain}", bus=f"0x{bus}", slot=f"0x{device}", function=f"0x{function}")
        _add(found, "rom", bar="on" if row["rombar"] else "off")
        _add(found, "alias", name=f"{self.prefix}{one.name}")
        above = self.index[one.port] if one.port else 0
        guest = one.function.guest
        found.append(_address(above, guest.device, guest.function, shared="multifunction" in row))
        told = {name: value for name, value in row.items() if name not in _SAID}
        if told:
            self.overrides[f"{self.prefix}{one.name}"] = told
        return found

    def _overrides(self) -> Element:
        found = ElementTree.Element(f"{{{_NAMESPACE}}}override")
        for alias, told in self.overrides.items():
            device = _add(found, f"{{{_NAMESPACE}}}device", alias=alias)
            frontend = _add(device, f"{{{_NAMESPACE}}}frontend")
            for name, value in told.items():
                _add(frontend, f"{{{_NAMESPACE}}}property", name=name, **_typed(value))
        return found


def _typed(value: object) -> dict[str, str]:
    """Type and value of an override; numbers are decimal, as libvirt reads no other."""
    if isinstance(value, bool):
        return {"type": "bool", "value": "true" if value else "false"}
    if isinstance(value, int):
        return {"type": "unsigned", "value": str(value)}
    return {"type": "string", "value": str(value)}


def _add(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    found = ElementTree.SubElement(parent, tag, attributes)
    found.text = text
    return found


def _address(bus: int, slot: int, function: int, *, shared: bool = False) -> Element:
    found = ElementTree.Element("address", type="pci", domain="0x0000", bus=f"{bus:#04x}", slot=f"{slot:#04x}")
    found.set("function", f"{function:#x}")
    if shared:
        found.set("multifunction", "on")
    return found
