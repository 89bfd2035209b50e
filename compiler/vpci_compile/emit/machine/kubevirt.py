"""A machine of QEMU's for KubeVirt: a VirtualMachineInstance, and a hook that says to libvirt what its API cannot.

Sources, of KubeVirt at d923fdb8 (2026-08): staging/src/kubevirt.io/api/core/v1/schema.go (HostDevice, CPU, Memory),
types.go (PermittedHostDevices), cmd/sidecars/README.md (the hook, from a ConfigMap), pkg/virt-launcher/virtwrap/device/
hostdevice/generic/hostdev.go (a function's alias), pkg/virt-config/featuregate (Sidecar, IOMMUFD, HostDevices). Nothing
was run on a cluster; the hook is, on a domain like KubeVirt's, and libvirt judges what comes out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from xml.etree import ElementTree

from ...diagnostics import Report, Span
from ...ir.topology import System
from .. import render
from ..artifact import Artifact, Options
from . import libvirt, orchestrators, qemu, yaml_text
from .limits import MIB

PREFIX = f"{libvirt.PREFIX}hostdevice-"
"""KubeVirt's alias of a host device, before its name."""
_RESOURCES = "vpci.local"
_GATES = ("HostDevices", "IOMMUFD", "Sidecar")
_VENDOR_LABEL = "cpu-vendor.node.kubevirt.io/"
_VENDORS = {"intel": "Intel", "amd": "AMD"}
_PAGES = {2 << 20: "2Mi", 1 << 30: "1Gi"}
_HOOK_KEY = "on-define-domain.py"


def check(system: System, options: Options, report: Report) -> None:
    """Report VPCI1974 for what only the hook can say, VPCI1975 for what libvirt cannot say either."""
    for span, message in libvirt.unsayable(system, options):
        report.add("VPCI1975", span, f"{message}, and KubeVirt has no other way to a machine")
    for span, what in _unsaid(system, options):
        message = f"KubeVirt has no words for {what}: the hook says it to libvirt"
        report.add("VPCI1974", span, message)
    orchestrators.check_host("KubeVirt", system, options, report)


def _unsaid(system: System, options: Options) -> Iterator[tuple[Span, str]]:
    yield from orchestrators.parts(system)
    if len(system.machine.nodes) > 1 and not system.machine.initiators:
        yield system.origins["nodes"], "NUMA nodes other than those of the host (guestMappingPassthrough copies them)"
    if system.viommu is not None or any(bus.viommu for bus in system.buses):
        yield system.origins.get("viommu", system.origin), "a vIOMMU"
    for one in system.devices:
        if told := orchestrators.properties(one, system, options):
            yield one.origin, f"{', '.join(told)} of {one.name}"


def emit(system: System, options: Options) -> list[Artifact]:
    """NAME.kubevirt.yaml, the instance and its hook, and NAME.kubevirt-cr.yaml, what the cluster has to permit."""
    domain = libvirt.Domain(system, options, PREFIX)
    hook = render.render("kubevirt/hook.py.j2", {"machine": system.name, "wanted": _quoted(domain.whole())})
    needed, reason = libvirt.least(domain)
    hook_name = f"{_name(system)}-vpci-hook"
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": hook_name},
        "data": {_HOOK_KEY: hook},
    }
    instance = f"# Needs libvirt {needed} ({reason}) in virt-launcher. Disks, networks and volumes are yours to add.\n"
    instance += yaml_text.text(_instance(system, hook_name, options.huge_pages)) + "---\n" + yaml_text.text(config)
    permitted = (
        "# kubectl patch kubevirt kubevirt -n kubevirt --type merge --patch-file THIS-FILE\n"
        "# A merge replaces whole lists: join these with the gates and the devices that are there.\n"
    ) + yaml_text.text(_permitted(system))
    return [
        Artifact(f"{system.name}.kubevirt.yaml", instance.encode()),
        Artifact(f"{system.name}.kubevirt-cr.yaml", permitted.encode()),
    ]


def _quoted(domain: ElementTree.Element) -> list[str]:
    """The domain without its name and its text for people, line by line as Python's strings."""
    for tag in ("name", "description"):
        if (found := domain.find(tag)) is not None:
            domain.remove(found)
    ElementTree.indent(domain, space=" ")
    return [json.dumps(line) for line in ElementTree.tostring(domain, encoding="unicode").split("\n")]


def _name(system: System) -> str:
    """Of Kubernetes' objects: lower case, and no underscore."""
    return system.name.replace("_", "-").strip(".-")


def _resource(one: orchestrators.Ids) -> str:
    return f"{_RESOURCES}/{one.vendor:04x}-{one.device:04x}"


def _instance(system: System, hook_name: str, huge_pages: int) -> dict[str, object]:
    parts, machine = system.processors, system.machine
    hook = {"name": hook_name, "key": _HOOK_KEY, "hookPath": "/usr/bin/onDefineDomain"}
    annotation = json.dumps([{"args": ["--version", "v1alpha2"], "configMap": hook}])
    domain: dict[str, object] = {
        "machine": {"type": qemu.machine_type(system)},
        "cpu": {
            "sockets": parts.sockets,
            "maxSockets": parts.sockets,
            "cores": parts.dies * parts.clusters * parts.cores,
            "threads": parts.threads,
            "model": "host-passthrough",
        },
        "memory": {
            "guest": f"{machine.memory // MIB}Mi",
            **({"hugepages": {"pageSize": _PAGES[huge_pages]}} if huge_pages else {}),
        },
    }
    if orchestrators.architecture(system, "", "efi"):
        domain["firmware"] = {"bootloader": {"efi": {"secureBoot": False}}}
    domain["devices"] = {
        "autoattachGraphicsDevice": False,
        "autoattachMemBalloon": False,
        "hostDevices": [{"name": one.name, "deviceName": _resource(orchestrators.ids(one))} for one in system.devices],
    }
    spec: dict[str, object] = {"architecture": orchestrators.architecture(system, "amd64", "arm64")}
    if system.vendor:
        spec["nodeSelector"] = {f"{_VENDOR_LABEL}{_VENDORS[system.vendor]}": "true"}
    spec["domain"] = domain
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": _name(system), "annotations": {"hooks.kubevirt.io/hookSidecars": annotation}},
        "spec": spec,
    }


def _permitted(system: System) -> dict[str, object]:
    known = dict.fromkeys(orchestrators.ids(one) for one in system.devices)
    rows = [
        {"pciVendorSelector": f"{one.vendor:04X}:{one.device:04X}", "resourceName": _resource(one)} for one in known
    ]
    configuration: dict[str, object] = {"developerConfiguration": {"featureGates": list(_GATES)}}
    if rows:
        configuration["permittedHostDevices"] = {"pciHostDevices": rows}
    return {"spec": {"configuration": configuration}}
