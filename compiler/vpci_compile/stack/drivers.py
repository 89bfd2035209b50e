"""What VFIO variant drivers change of what vfio-pci-core shows: GPU memory as BARs, a virtio device of old, half a BAR.

Source: Linux 7.2, drivers/vfio/pci/{nvgrace-gpu,virtio,hisilicon}. None of it was executed: it needs their hardware.
All other variant drivers leave the configuration space as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..ir import Bar, BarKind, Beyond, Caching, ConfigSpace, Enable, Origin
from .chains import extended_chain
from .hardware import Hardware
from .layers import Change, View
from .linux.facts import linux
from .pci import CLASS, COMMAND, IO_ENABLE, SUBSYSTEM

NVGRACE, VIRTIO, HISI = "nvgrace-gpu-vfio-pci", "virtio-vfio-pci", "hisi-acc-vfio-pci"
_SURE = "read"
_GIB, _BLOCK = 1 << 30, 512 << 20
_MIG_DVSEC, _MIG_WORKS = (0x10DE, 3), 0x1
_FLAGS = 0xC  # memory, 64 bits, prefetchable
_RESERVED, _USABLE = 2, 4
_LEGACY_BYTES = 32


class DriverError(Exception):
    """The driver needs to be told something; the text says what."""


def with_driver(hardware: Hardware, name: str, view: View, facts: Mapping[str, str]) -> tuple[View, tuple[Bar, ...]]:
    """The view and the BARs with what the variant driver `name` changes; unchanged for other drivers.

    `facts` may have `gpu-mem-size`, the bytes that the ACPI property nvidia,gpu-mem-size gives.

    Raises:
        DriverError: a fact is missing or wrong.
    """
    plain = name.replace("_", "-")
    if plain == NVGRACE:
        return _nvgrace(hardware, view, facts)
    if facts.get("gpu-mem-size"):
        raise DriverError(f"gpu-mem-size is a fact for driver={NVGRACE}, and the driver is '{name or 'vfio-pci'}'")
    if plain == VIRTIO and _is_legacy(hardware):
        return _virtio(hardware, view)
    if plain == HISI:
        return view, _hisilicon(hardware.bars)
    return view, hardware.bars


def grace_bars(memory: int, *, has_mig_bug: bool) -> dict[int, tuple[int, int]]:
    """(BAR size, real length) by index, of a GPU with `memory` bytes (nvgrace_gpu_init_nvdev_struct)."""
    if not has_mig_bug:
        return {_USABLE: (_power(memory), memory)}
    usable = (memory - _GIB) // _BLOCK * _BLOCK
    return {_RESERVED: (_power(memory - usable), memory - usable), _USABLE: (_power(memory - _GIB), usable)}


def _power(size: int) -> int:
    return 1 << (size - 1).bit_length()


def _nvgrace(hardware: Hardware, view: View, facts: Mapping[str, str]) -> tuple[View, tuple[Bar, ...]]:
    text = facts.get("gpu-mem-size", "")
    if not text:
        return view, hardware.bars  # without the property the driver shows the function as it is
    try:
        memory = int(text, 0)
    except ValueError:
        raise DriverError(f"gpu-mem-size: '{text}' is no number of bytes") from None
    if memory <= 2 * _GIB:
        raise DriverError(f"gpu-mem-size: {memory:#x} bytes are too few for such a GPU")
    made = grace_bars(memory, has_mig_bug=not _mig_works(hardware.value))
    bars = [bar for bar in hardware.bars if bar.index not in made and bar.index - 1 not in made]
    value, changes = bytearray(view.config.value), list(view.changes)
    masks = {name: bytearray(getattr(view.config, name)) for name in ("emulated", "writable", "forwarded")}
    origin = hardware.bars[0].origin if hardware.bars else None
    for index, (size, length) in made.items():
        at = 0x10 + 4 * index
        value[at : at + 8] = _FLAGS.to_bytes(8, "little")
        masks["emulated"][at : at + 8] = b"\xff" * 8
        masks["writable"][at : at + 8] = ((1 << 64) - size).to_bytes(8, "little")
        masks["forwarded"][at : at + 8] = bytes(8)
        caching = Caching.WRITE_BACK if index == _USABLE else Caching.WRITE_COMBINE
        if origin is not None:
            enable, beyond = Enable.FIRST_AFTER_RESET, Beyond.ONES
            made_by = Origin.SYNTHESIZED
            bars.append(Bar(index, BarKind.MEM64, True, size, length, made_by, caching, beyond, enable, origin))
        text = f"nvgrace-gpu makes BAR {index} of {length:#x} bytes of GPU memory, {size:#x} with its rounding"
        changes.append(Change(at, text, f"nvgrace_gpu_read_config_emu, {_SURE}", 8))
    config = _with(view.config, value, masks)
    return View(config, tuple(sorted(changes))), tuple(sorted(bars, key=lambda bar: bar.index))


def _mig_works(value: bytes) -> bool:
    """Bit 0 at 0x0a of NVIDIA's DVSEC 3: MIG works with cached memory (nvgrace_gpu_has_mig_hw_bug)."""
    for one in extended_chain(value):
        body = value[one.offset : one.offset + 12]
        if one.id == 0x23 and len(body) == 12:
            key = int.from_bytes(body[4:6], "little"), int.from_bytes(body[8:10], "little")
            if key == _MIG_DVSEC:
                return bool(body[10] & _MIG_WORKS)
    return False


def _is_legacy(hardware: Hardware) -> bool:
    ids = hardware.ids or (int.from_bytes(hardware.value[0:2], "little"), int.from_bytes(hardware.value[2:4], "little"))
    return hardware.virtual and ids == (0x1AF4, 0x1041) and all(bar.index != 0 for bar in hardware.bars)


def _virtio(hardware: Hardware, view: View) -> tuple[View, tuple[Bar, ...]]:
    ids = linux().driver(VIRTIO).ids
    value = bytearray(view.config.value)
    masks = {name: bytearray(getattr(view.config, name)) for name in ("emulated", "writable", "forwarded")}
    for at, size, key in (
        (2, 2, "device"),
        (CLASS - 1, 1, "revision"),
        (SUBSYSTEM, 2, "subsystem_vendor"),
        (SUBSYSTEM + 2, 2, "subsystem"),
    ):
        value[at : at + size] = ids[key].to_bytes(size, "little")
        masks["emulated"][at : at + size] = b"\xff" * size
    value[0x10:0x14] = (1).to_bytes(4, "little")
    masks["emulated"][0x10:0x14] = b"\xff" * 4
    masks["writable"][0x10:0x14] = ((1 << 32) - _LEGACY_BYTES).to_bytes(4, "little")
    masks["emulated"][COMMAND] |= IO_ENABLE
    masks["writable"][COMMAND] |= IO_ENABLE
    text = "virtio-vfio-pci shows a transitional device: its ids, and an I/O BAR of 32 bytes"
    changes = (*view.changes, Change(2, text, f"virtiovf_pci_read_config, {_SURE}", 2))
    changes += tuple(
        Change(at, text, f"virtiovf_pci_read_config, {_SURE}", size) for at, size in ((8, 1), (0x10, 4), (0x2C, 4))
    )
    bars = hardware.bars
    if bars:
        made = Bar(
            0, BarKind.IO, False, _LEGACY_BYTES, _LEGACY_BYTES, Origin.SYNTHESIZED, Caching.UNCACHED, Beyond.ERROR,
            Enable.ENFORCE, bars[0].origin,
        )  # fmt: skip
        bars = (made, *bars)
    return View(_with(view.config, value, masks), tuple(sorted(changes))), bars


def _hisilicon(bars: Sequence[Bar]) -> tuple[Bar, ...]:
    """BAR 2 is mapped to half its size: the upper half are the registers of the migration."""
    return tuple(replace(bar, size=bar.size // 2, length=None) if bar.index == 2 and bar.size else bar for bar in bars)


def _with(config: ConfigSpace, value: bytearray, masks: Mapping[str, bytearray]) -> ConfigSpace:
    return replace(config, value=bytes(value), **{name: bytes(mask) for name, mask in masks.items()})
