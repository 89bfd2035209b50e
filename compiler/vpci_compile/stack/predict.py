"""A function, a stack, a place: what the guest finds, or why it finds nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ..ir import Bar, ConfigSpace
from . import drivers, other_vmms
from .chains import Place
from .hardware import Hardware
from .incoming import Check
from .layers import Change, View, device_image
from .linux.facts import Version, linux, version
from .linux.lengths import KernelError
from .linux.view import linux_view
from .qemu import refusals as qemu_refusals
from .qemu.facts import qemu
from .qemu.options import OPTIONS, OptionError, Pasid, QemuOptions, switch, with_options
from .qemu.refusals import Refusal
from .qemu.view import qemu_view

if TYPE_CHECKING:  # whoever asks about a release reads no captures
    from ..capture import IommuFacts

KERNEL = "linux"
QEMU = "qemu"
VIOMMUS = ("off", "on", "smmuv3-accel")
KERNEL_FACTS = {
    "driver": "the VFIO driver that has the function: vfio-pci if not said",
    "gpu-mem-size": "bytes of GPU memory, for nvgrace-gpu-vfio-pci (ACPI: nvidia,gpu-mem-size)",
    "disable_denylist": "1: vfio-pci is loaded so, and takes devices whose errata it refuses otherwise",
}
"""What can be said of the kernel of a stack beside its release, and what that means."""
_NAME = re.compile(r"([a-z][a-z-]*)-([0-9]{1,4}\.[0-9]{1,3}(?:\.[0-9]+)?)")


class Stack(NamedTuple):
    """The software between the function and the guest: a kernel, a VMM, or one on the other; with their releases."""

    kernel: Version | None
    vmm: str
    release: Version

    @property
    def name(self) -> str:
        """As it is written: linux-7.2/qemu-11.1."""
        parts = [f"{KERNEL}-{_text(self.kernel)}"] if self.kernel else []
        parts += [f"{self.vmm}-{_text(self.release)}"] if self.vmm else []
        return "/".join(parts)


class Prediction(NamedTuple):
    """What the guest finds, and every change of the function on the way to it.

    `config` is the space as far as it came; where `refusals` are not empty, the stack does not show the function.
    `made` are the structures that the VMM adds, as (first byte, bytes, name). `check` is what it compares when a
    migration comes in; None where it compares nothing.
    """

    stack: Stack
    place: Place
    config: ConfigSpace
    bars: tuple[Bar, ...]
    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...] = ()
    made: tuple[tuple[int, int, str], ...] = ()
    check: Check | None = None


def parse(name: str) -> Stack:
    """The stack that `name` names.

    Raises:
        ValueError: there is no such stack; the text says what there is.
    """
    kernel: Version | None = None
    vmm, release = "", (0, 0)
    parts = name.split("/")
    for index, part in enumerate(parts):
        match = _NAME.fullmatch(part)
        if match is None:
            raise ValueError(f"'{part}' is no program with its release; write linux-7.2/qemu-11.1")
        program, number = match[1], version(match[2])
        if program == KERNEL and index == 0:
            kernel = number
        elif program in VMMS and not vmm and index == len(parts) - 1:
            vmm, release = program, number
        else:
            known = ", ".join(VMMS)
            raise ValueError(f"'{name}' is no stack: a kernel (linux-7.2), a VMM ({known}), or kernel/VMM")
        low, high = next((one.oldest, one.newest) for one in known_programs() if one.program == program)
        if not low <= number <= high:
            raise ValueError(f"{program} {_text(number)}: releases {_text(low)} to {_text(high)} are known")
    return Stack(kernel, vmm, release)


def newest(vmm: Version | None = None) -> str:
    """The newest Linux that is known below QEMU `vmm`, or below the newest that is known: linux-7.2/qemu-11.1."""
    return f"{KERNEL}-{_text(linux().newest)}/{QEMU}-{_text(vmm or qemu().newest)}"


class Program(NamedTuple):
    """A program that can be part of a stack: its known releases, and how well they are known.

    `options` are those of its device, `facts` what else can be said with them, and what that means.
    """

    program: str
    oldest: Version
    newest: Version
    executed: tuple[Version, ...]
    read: tuple[Version, ...]
    what: str
    options: tuple[str, ...]
    facts: Mapping[str, str] = {}


def known_programs() -> list[Program]:
    """The programs of `schemas/stacks/`, kernels first."""
    kernel, vmm = linux(), qemu()
    return [
        Program(
            KERNEL, kernel.oldest, kernel.newest, kernel.executed, kernel.read,
            "vfio-pci; of its variant drivers nvgrace-gpu, virtio and hisi_acc are read, others change nothing",
            (),
            KERNEL_FACTS,
        ),
        Program(
            QEMU, vmm.oldest, vmm.newest, vmm.executed, (),
            "vfio-pci; without a kernel below it vfio-user-pci",
            OPTIONS,
            {
                "viommu-pasid": "on: a vIOMMU with PASID is above the function, and the host's IOMMU has PASID",
                "viommu": "on, or smmuv3-accel: a vIOMMU is above the function, with which nothing migrates",
                "machine": "release of the machine type: 9.0 and older compare vendor-specific capabilities whole",
            },
        ),
        *(
            Program(one.name, one.oldest, one.newest, (), (one.newest,), one.title, one.options)
            for one in map(other_vmms.facts, other_vmms.NAMES)
        ),
    ]  # fmt: skip


def _text(number: Version) -> str:
    return f"{number[0]}.{number[1]}"


def predict(
    hardware: Hardware,
    name: str,
    place: Place = Place.PORT,
    options: Mapping[str, str] | None = None,
    iommu: IommuFacts | None = None,
) -> Prediction:
    """What a guest finds of `hardware` below the stack `name`.

    `options` are those of the VMM's device (x-nv-gpudirect-clique=3), and facts of the machine: KERNEL_FACTS;
    `viommu-pasid=on`, a vIOMMU with PASID above the function; `machine`, the release of QEMU's machine type.

    Raises:
        ValueError: no such stack or option; the text says which.
    """
    stack = parse(name)
    words = dict(options or {})
    changes: list[Change] = []
    bars = hardware.bars
    if stack.kernel is not None:
        try:
            driver, denied = words.pop("driver", ""), _switched("disable_denylist", words.pop("disable_denylist", "0"))
            view = linux_view(hardware, stack.kernel, driver, takes_denied=denied)
            view, bars = drivers.with_driver(hardware, driver, view, words)
        except KernelError as error:
            refusal = Refusal(error.offset, str(error), error.rule, error.way_out)
            return Prediction(stack, place, device_image(hardware.value), bars, (), (refusal,))
        except drivers.DriverError as error:
            raise ValueError(str(error)) from None
        words.pop("gpu-mem-size", None)
    else:
        view = View(device_image(hardware.value), ())
    changes.extend(view.changes)
    if not stack.vmm:
        if words:
            raise ValueError(f"'{next(iter(words))}' is an option of a VMM, and {stack.name} has none")
        return Prediction(stack, place, view.config, bars, tuple(changes), ())
    return VMMS[stack.vmm](stack, place, view, bars, words, iommu)


def _qemu(
    stack: Stack,
    place: Place,
    below: View,
    bars: tuple[Bar, ...],
    words: dict[str, str],
    iommu: IommuFacts | None,
) -> Prediction:
    options = _qemu_options(stack, words, iommu)
    config = below.config
    refusals = qemu_refusals.refusals(config, bars, place, options)
    if refusals:
        return Prediction(stack, place, config, bars, below.changes, tuple(refusals))
    try:
        if options.ats == "on" and not options.kernel_ats:
            raise OptionError(0, "ATS requested but not supported by kernel", "vfio_pci_realize")
        view = qemu_view(config, bars, place, options)
    except OptionError as error:
        refusal = Refusal(error.offset, str(error), f"{error.note}: QEMU ends")
        return Prediction(stack, place, config, bars, below.changes, (refusal,))
    changes = tuple(sorted((*below.changes, *view.changes)))
    return Prediction(stack, place, view.config, view.bars, changes, (), view.made, view.check)


def _qemu_options(stack: Stack, words: dict[str, str], iommu: IommuFacts | None) -> QemuOptions:
    has_pasid = switch("viommu-pasid", words.pop("viommu-pasid", "off"))
    _viommu(words.pop("viommu", "off"))
    machine = machine_release(words.pop("machine", _text(stack.release)))
    for name in words:
        since = qemu().since.get(name, (0, 0))
        if since > stack.release:
            raise ValueError(f"QEMU has {name} since {_text(since)}, and {stack.name} is older")
    options = QemuOptions(
        version=stack.release, vfio_user=stack.kernel is None, skip_vsc=min(machine, stack.release) >= (9, 1)
    )
    options = with_options(options, words)
    if iommu is not None:
        options = replace(options, kernel_ats=iommu.ats)
        if has_pasid and iommu.max_pasid_log2 and not options.vfio_user and stack.release >= (11, 0):
            facts = Pasid(iommu.max_pasid_log2, iommu.pasid_exec, iommu.pasid_priv)
            options = replace(options, pasid=facts)
    return options


def _switched(name: str, word: str) -> bool:
    """A module parameter of the kernel that is on or off."""
    if word not in ("0", "1"):
        raise ValueError(f"{name}={word}: 0 or 1")
    return word == "1"


def _viommu(word: str) -> None:
    """What kind of vIOMMU is above the function decides a migration, not what a guest finds."""
    if word not in VIOMMUS:
        raise ValueError(f"viommu: '{word}' is none of {', '.join(VIOMMUS)}")


def machine_release(text: str) -> Version:
    """The release in a machine type: 9.0, or pc-q35-9.0."""
    match = re.fullmatch(r"(?:[a-z0-9-]+-)?([0-9]{1,3}\.[0-9]{1,3})", text)
    if match is None:
        raise ValueError(f"machine: '{text}' is no release of a machine type; write 9.0 or pc-q35-9.0")
    return version(match[1])


def _other(
    stack: Stack,
    place: Place,
    below: View,
    bars: tuple[Bar, ...],
    words: dict[str, str],
    iommu: IommuFacts | None,
) -> Prediction:
    try:
        view = other_vmms.view(stack.vmm, below.config, bars, words)
    except OptionError as error:
        refusal = Refusal(error.offset, str(error), error.note)
        return Prediction(stack, place, below.config, bars, below.changes, (refusal,))
    changes = tuple(sorted((*below.changes, *view.changes)))
    return Prediction(stack, place, view.config, view.bars, changes, (), view.made)


VMMS = {QEMU: _qemu, **dict.fromkeys(other_vmms.NAMES, _other)}
"""The engine of each VMM."""
