"""Small layouts for the QEMU and SRAT emitters, compiled by the real pipeline: a network VF and a GPU."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from vpci_compile.diagnostics import Diagnostic, Report, Source
from vpci_compile.emit import qemu
from vpci_compile.emit.artifact import Options
from vpci_compile.ir import Function
from vpci_compile.pipeline import compile_source

Layout = dict[str, Any]

EXPRESS: Layout = {"flags": {"version": 2, "type": "endpoint"}, "devcap2": {"ee_prefix": 1}}

NIC: Layout = {
    "vpci": 1,
    "device": "nic-vf",
    "identity": {"vendor": 0x15B3, "device": 0x101E, "class": 0x020000, "subsystem": "15b3:0007"},
    "bars": {"0": {"kind": "mem64", "prefetchable": True, "size": "1M", "source": "copied"}},
    "capabilities": [
        {"cap": "pcie", "at": 0x60, "source": "copied", "fields": EXPRESS},
        {"cap": "msix", "at": 0x9C, "source": "copied", "fields": {"table": "bar0+0x2000", "pba": "bar0+0x3000"}},
    ],
    "extended": [
        {"cap": "aer", "at": 0x100, "source": "copied"},
        {"cap": "ats", "at": 0x150, "source": "copied"},
    ],
    "physical": {"driver": "vfio-pci"},
    "migration": {"migrates": False},
}
"""A VF with nothing of its own: everything is copied."""

PASID: Layout = {"cap": "pasid", "at": 0xFF8, "source": "synthesized", "fields": {"max_width": 20, "priv": 1}}

GPU: Layout = {
    "vpci": 1,
    "device": "gpu",
    "identity": {"vendor": 0x10DE, "device": 0x2342, "class": 0x030200, "subsystem": "10de:16eb"},
    "bars": {
        "0": {"kind": "mem64", "prefetchable": False, "size": "16M", "source": "copied"},
        "2": {
            "kind": "mem64",
            "prefetchable": True,
            "size": "1G",
            "source": "synthesized",
            "backing": {"length": "1G", "caching": "write-combine"},
            "enable": "ignore-except-first-after-reset",
        },
        "4": {
            "kind": "mem64",
            "prefetchable": True,
            "size": "128G",
            "source": "synthesized",
            "backing": {"length": 0x17A0000000, "caching": "write-back"},
            "enable": "ignore-except-first-after-reset",
        },
    },
    "capabilities": [
        {"cap": "pcie", "at": 0x40, "source": "copied", "fields": EXPRESS},
        {"cap": "msix", "at": 0xC8, "source": "copied", "fields": {"table": "bar0+0x2000", "pba": "bar0+0x3000"}},
        {"cap": "gpudirect", "at": 0xD4, "source": "synthesized", "fields": {"clique": 5}},
    ],
    "extended": [
        {"cap": "vc", "at": 0x100, "source": "copied"},
        {"cap": "l1ss", "at": 0x258, "source": "hidden", "style": "unlinked"},
        {"cap": "sriov", "at": 0x300, "source": "hidden", "style": "unlinked"},
        {"cap": "ats", "at": 0x400, "source": "hidden", "style": "unlinked"},
    ],
    "physical": {"driver": "nvgrace-gpu-vfio-pci"},
    "guest": {"address": "01:00.0", "first_node": 1},
    "initiators": 8,
    "migration": {"migrates": False},
}
"""A GPU with memory of its own behind two BARs that the driver makes, 8 NUMA nodes and a clique."""


def changed(base: Layout, **changes: Any) -> Layout:
    """A copy of `base` with other keys; a mapping is laid over the base's, None takes a key out."""

    def lay(under: Any, over: Any) -> Any:
        if not isinstance(under, dict) or not isinstance(over, dict):
            return over
        merged = {**under, **{key: lay(under.get(key), value) for key, value in over.items()}}
        return {key: value for key, value in merged.items() if value is not None}

    made: Layout = lay(deepcopy(base), changes)
    return made


def compiled(layout: Layout) -> Function:
    """The function of a layout; JSON is YAML."""
    return compile_source(Source("layout.yaml", json.dumps(layout, indent=1)), Path("layout.yaml")).function


def complaints(function: Function, options: Options | None = None) -> list[Diagnostic]:
    """What the QEMU emitter says of it."""
    report = Report()
    qemu.check(function, options or Options(), report)
    return report.sorted()


def document(function: Function, options: Options | None = None) -> dict[str, Any]:
    """NAME.qemu.json."""
    made: dict[str, Any] = json.loads(qemu.emit(function, options or Options())[0].data)
    return made


# -- variants ---------------------------------------------------------------------------------------------------

AER, ATS = NIC["extended"]
PCIE, MSIX = NIC["capabilities"]
UNLINKED = {"source": "hidden", "style": "unlinked"}


def old(major: int, minor: int) -> Options:
    return Options(qemu_version=(major, minor))


def extended(*more: Layout, **keys: Any) -> Layout:
    return changed(NIC, extended=[AER, ATS, *more], **keys)


def standard(*rows: Layout, **keys: Any) -> Layout:
    return changed(NIC, capabilities=list(rows), **keys)


def express(kind: str, version: int = 2, **keys: Any) -> Layout:
    fields = {**(EXPRESS if version > 1 else {}), "flags": {"version": version, "type": kind}}
    return standard({**PCIE, "fields": fields}, MSIX, **keys)


def hidden(cap: str, at: int, **keys: Any) -> Layout:
    return {"cap": cap, "at": at, **UNLINKED, **keys}


def gpu(**clique: Any) -> Layout:
    return changed(GPU, capabilities=[*GPU["capabilities"][:2], {**GPU["capabilities"][2], **clique}])


REBAR: Layout = {"cap": "rebar", "at": 0x200, "source": "copied"}
ON_ROOT_BUS = {"place": "root", "address": "00:04.0"}
ACCEPT_ON_ROOT = {"VPCI1506": "the test asks what QEMU says"}
