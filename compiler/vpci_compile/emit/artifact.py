"""What an emitter gives back, and what the outside may choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Artifact(NamedTuple):
    """A file to be written: `name` within the output folder."""

    name: str
    data: bytes


class Options(NamedTuple):
    """Facts of the host and of the target that no layout holds."""

    host_address: str = "0000:01:00.0"
    qemu_version: tuple[int, int] = (11, 1)
    host_devices: Mapping[str, str] = {}
    """Of a machine: its functions' names to their addresses on the host."""
    sockets: Mapping[str, str] = {}
    """Of a machine: functions that a vfio-user server shows, by name, and its socket."""
    huge_pages: int = 0
    """Of a machine: the size of the pages that its RAM is made of, 0 for the host's own choice."""
    monitor: str = ""
    """Of a machine: the socket by which it is controlled (QMP, or the VMM's own), "" for none."""
    iommufd_fd: int | None = None
    """Of a machine: an open descriptor of /dev/iommu that QEMU inherits."""
    orchestrators: tuple[str, ...] = ()
    """Of a machine: "kubevirt", "nova", which are asked for as no machine is wholly theirs to make."""
    stand_ins: Mapping[str, str] = {}
    """The same for functions of which nobody told where they are, each with another one."""
