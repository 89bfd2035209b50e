"""What of the host goes into a machine's configurations: told at build time, so that one layout serves a fleet."""

from __future__ import annotations

from ...ir.topology import Instance, System
from ..artifact import Options

_BUSES = range(1, 256)


def completed(system: System, options: Options) -> Options:
    """`options` with an address that stands for that of each function of which nobody told where it is.

    No two are the same: libvirt refuses a domain with a device of the host twice.
    """
    taken = {address.lower() for address in options.host_devices.values()}
    free = (address for bus in _BUSES if (address := f"0000:{bus:02x}:00.0") not in taken)
    untold = [one.name for one in system.devices if one.name not in options.host_devices]
    return options._replace(stand_ins=dict(zip(untold, free, strict=False)))


def address(one: Instance, options: Options) -> str:
    """Where the function is on the host, or what stands for it."""
    told = {**options.stand_ins, **options.host_devices}
    return told.get(one.name, options.host_address)
