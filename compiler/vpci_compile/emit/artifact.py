"""What an emitter gives back, and what the outside may choose."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file to be written: `name` within the output folder."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Options:
    """Facts of the host and of the target that no layout holds."""

    host_address: str = "0000:01:00.0"
    qemu_version: tuple[int, int] = (11, 1)
