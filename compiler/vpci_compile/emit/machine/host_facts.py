"""What of the host goes into a machine's configurations: told at build time, so that one layout serves a fleet."""

from __future__ import annotations

import re
from dataclasses import replace

from ...diagnostics import Report
from ...ir.topology import Instance, System
from .. import qemu
from ..artifact import Options

_BUSES = range(1, 256)
_PATH = re.compile(r"/[A-Za-z0-9._@+:/-]{1,106}")
"""Of a socket: 108 bytes with a NUL (sockaddr_un), and nothing that a shell, a VMM's option or XML reads as its own."""
_MIB = 1 << 20
_SAYS = {
    "qemu": {"sockets", "huge_pages", "monitor", "iommufd_fd"},
    "cloud-hypervisor": {"sockets", "huge_pages", "monitor"},
    "crosvm": {"monitor"},
    "firecracker": {"huge_pages"},
}
"""What each VMM has words for; of crosvm's --hugepages only an advice to the kernel comes."""
_WORDS = {
    "sockets": "functions behind a socket (vfio-user)",
    "huge_pages": "a size of huge pages",
    "monitor": "a place for its monitor",
    "iommufd_fd": "a descriptor of iommufd",
}


def check(system: System, options: Options, report: Report) -> None:
    """Report VPCI1976 for what the machine's VMM has no words for, and for what no configuration can hold."""
    machine = system.machine
    for fact, what in _WORDS.items():
        if getattr(options, fact) not in ({}, 0, "", None) and fact not in _SAYS[machine.vmm.name]:
            report.add("VPCI1976", system.origin, f"{machine.vmm.name} has no words for {what}")
    for one in system.devices:
        if one.name in options.sockets and one.name in options.host_devices:
            report.add("VPCI1976", one.origin, f"{one.name} has an address on the host and a socket: it is behind one")
    paths = [(f"the socket of {name}", path) for name, path in options.sockets.items()]
    for what, path in [*paths, ("the monitor", options.monitor)]:
        if path and not _PATH.fullmatch(path):
            message = f"{what}: {path!r} is no path that every format holds as it is"
            report.add("VPCI1976", system.origin, message, help="an absolute path of letters, digits and ._@+:-")
    for number, node in enumerate(machine.nodes):
        if options.huge_pages and node.memory % options.huge_pages:
            message = f"node {number}: its memory is no multiple of pages of {options.huge_pages // _MIB} MiB"
            report.add("VPCI1976", system.origins["nodes"], message)


def completed(system: System, options: Options) -> Options:
    """`options` with an address that stands for that of each function of which nobody told where it is.

    No two are the same: libvirt refuses a domain with a device of the host twice.
    """
    taken = {address.lower() for address in options.host_devices.values()}
    free = (address for bus in _BUSES if (address := f"0000:{bus:02x}:00.0") not in taken)
    untold = [one.name for one in system.devices if one.name not in options.host_devices]
    return options._replace(stand_ins=dict(zip(untold, free, strict=False)))


def made(system: System, options: Options) -> System:
    """The machine with these facts: where all functions are behind sockets QEMU has no object for iommufd, and the
    objects decide about the order of its SRAT.
    """
    if any(one.name not in options.sockets for one in system.devices):
        return system
    objects = tuple(name for name in system.machine.objects if name != qemu.IOMMUFD)
    return replace(system, machine=replace(system.machine, objects=objects))


def address(one: Instance, options: Options) -> str:
    """Where the function is on the host, or what stands for it."""
    told = {**options.stand_ins, **options.host_devices}
    return told.get(one.name, options.host_address)
