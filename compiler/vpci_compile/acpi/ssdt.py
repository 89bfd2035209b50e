"""An SSDT, as source for iasl, with the properties by which NVIDIA's driver finds the memory of a GPU, and its _PXM.

Source: Linux drivers/vfio/pci/nvgrace-gpu/main.c reads `nvidia,gpu-mem-base-pa` and `-size` of the host's device;
NVIDIA's open-gpu-kernel-modules nv-pci.c reads `nvidia,gpu-mem-pxm-start` and `-count` where an SRAT has no generic
initiators. _DSD: the device properties UUID (UEFI forum, "Device Properties UUID For _DSD").
"""

from __future__ import annotations

from typing import NamedTuple

from .lint_aml import WIDE_REVISION

_PROPERTIES = "daffd814-6eba-4d8c-8a91-bc9bbf4aa301"
_ROOT = r"\_SB.PCI0"


class GpuMemory(NamedTuple):
    """A GPU at `device`.`function` on the bus of the object `parent`; without a `name` that object is the GPU's own.

    Its coherent memory (`base`, `size` in bytes; size 0: not told) and its proximity domains (`count` 0: none).
    `bridges` are ports between the two that no table describes: (device, function), the uppermost first.
    """

    name: str  # four characters, as ACPI names are: "GPU0"
    device: int
    function: int
    base: int = 0
    size: int = 0
    first_domain: int = 0
    domains: int = 0
    parent: str = _ROOT
    bridges: tuple[tuple[int, int], ...] = ()


def source(gpus: list[GpuMemory], revision: int = WIDE_REVISION) -> str:
    """The SSDT of these GPUs.

    Raises:
        ValueError: a value has more than 32 bits and the revision is 1: iasl would cut it.
    """
    lines = [
        "/*",
        " * The memory and the proximity domains of GPUs, for their driver.",
        " *",
        " *     iasl -z THIS-FILE",
        " */",
        f'DefinitionBlock ("", "SSDT", {revision}, "VPCI", "VPCIGPUS", 1)',
        "{",
    ]
    lines += [f"    External ({parent}, DeviceObj)" for parent in sorted({gpu.parent for gpu in gpus})]
    for gpu in gpus:
        lines += _device(gpu, revision)
    return "\n".join([*lines, "}"]) + "\n"


def properties(gpu: GpuMemory) -> dict[str, int]:
    """What the device says of itself."""
    told = {"nvidia,gpu-mem-base-pa": gpu.base, "nvidia,gpu-mem-size": gpu.size} if gpu.size else {}
    if gpu.domains:
        told |= {"nvidia,gpu-mem-pxm-start": gpu.first_domain, "nvidia,gpu-mem-pxm-count": gpu.domains}
    return told


def _device(gpu: GpuMemory, revision: int) -> list[str]:
    for key, value in properties(gpu).items():
        if value >= 1 << 32 and revision < WIDE_REVISION:
            raise ValueError(
                f"{key} {value:#x} has more than 32 bits, which a table of revision {revision} does not hold"
            )
    body = [
        *([f"Name (_PXM, {gpu.first_domain})"] if gpu.domains else []),
        "Name (_DSD, Package ()",
        "{",
        f'    ToUUID ("{_PROPERTIES}"),',
        "    Package ()",
        "    {",
        *(f'        Package () {{ "{key}", {value:#x} }},' for key, value in properties(gpu).items()),
        "    }",
        "})",
    ]
    if gpu.name:
        body = _block(f"Device ({gpu.name})", [_address(gpu.device, gpu.function), *body])
    for device, function in reversed(gpu.bridges):
        body = _block(f"Device (S{device << 3 | function:02X})", [_address(device, function), *body])
    return ["", *(f"    {line}" for line in _block(f"Scope ({gpu.parent})", body))]


def _address(device: int, function: int) -> str:
    return f"Name (_ADR, 0x{device:04X}{function:04X})"


def _block(head: str, lines: list[str]) -> list[str]:
    return [head, "{", *(f"    {line}" for line in lines), "}"]
