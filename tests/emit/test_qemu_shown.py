"""What QEMU on Linux can show is no error."""

from __future__ import annotations

import pytest

from emit.qemu_layouts import (
    AER,
    ATS,
    GPU,
    MSIX,
    NIC,
    ON_ROOT_BUS,
    PASID,
    PCIE,
    REBAR,
    UNLINKED,
    Layout,
    changed,
    compiled,
    complaints,
    express,
    extended,
    hidden,
    old,
)
from vpci_compile.emit.artifact import Options

_ACCEPTED: dict[str, tuple[Layout, Options]] = {
    "plain": (NIC, Options()),
    "plain on an old release": (NIC, old(6, 2)),
    "pasid": (extended(PASID), Options()),
    "pasid between two": (
        changed(NIC, extended=[AER, {**PASID, "at": 0x140}, ATS]),
        old(11, 0),
    ),
    "pasid over the device's own, which Linux hides": (
        extended(hidden("pasid", 0x200, name="own"), PASID),
        Options(),
    ),
    "gpu": (GPU, Options()),
    "gpu, driver by its module's name": (changed(GPU, physical={"driver": "nvgrace_gpu_vfio_pci"}), Options()),
    "gpu, memory enable ignored": (
        changed(GPU, bars={"2": {"enable": "ignore"}, "4": {"enable": "ignore"}}),
        Options(),
    ),
    "clique at 0xc8": (
        changed(GPU, capabilities=[GPU["capabilities"][0], {**GPU["capabilities"][2], "at": 0xC8}]),
        Options(),
    ),
    "hidden at 0x100": (changed(NIC, extended=[hidden("ari", 0x100), ATS]), Options()),
    "rebar before 8.1": (extended(hidden("rebar", 0x200)), old(8, 0)),
    "rebar with one size": (extended({**REBAR, "raw": {"0x04": "00 02 00 00 20 05 00 00"}}), Options()),
    "rciep on the root bus": (express("rciep", guest=ON_ROOT_BUS), Options()),
    "legacy endpoint on the root bus, hidden": (
        changed(
            NIC,
            capabilities=[
                {**PCIE, **UNLINKED, "fields": {"flags": {"version": 2, "type": "legacy-endpoint"}}},
                MSIX,
            ],
            guest=ON_ROOT_BUS,
            accept={"VPCI1310": "QEMU leaves the extended chain where it was"},
        ),
        Options(),
    ),
    "express on a conventional machine": (
        changed(NIC, guest={"place": "conventional", "address": "00:04.0"}, extended=None, config_size=256),
        Options(),
    ),
    "conventional bridge": (
        changed(
            NIC,
            capabilities=[{**PCIE, **UNLINKED}, MSIX],
            guest={"place": "conventional", "address": "01:04.0"},
            extended=None,
            config_size=256,
        ),
        Options(),
    ),
    "other ids": (
        changed(NIC, physical={"vendor": 1, "device": 2, "class": 3, "subsystem": "0004:0005", "revision": 0}),
        Options(),
    ),
    "legacy virtio": (
        changed(
            NIC,
            identity={"vendor": 0x1AF4, "device": 0x1000, "revision": 0, "subsystem": "1af4:0001"},
            physical={"driver": "virtio-vfio-pci", "device": 0x1041, "revision": 1, "subsystem": "1af4:1100"},
            bars={
                "0": {"kind": "io", "size": 32, "source": "synthesized", "prefetchable": None},
                "2": {"kind": "mem32", "size": "16K", "source": "copied"},
            },
            capabilities=[PCIE, {**MSIX, "fields": {"table": "bar2+0x2000", "pba": "bar2+0x3000"}}],
        ),
        Options(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _ACCEPTED)
def test_accepted(name: str) -> None:
    layout, options = _ACCEPTED[name]
    assert [(d.code, d.message) for d in complaints(compiled(layout), options)] == []
