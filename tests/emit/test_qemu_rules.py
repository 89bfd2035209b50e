"""What QEMU on Linux cannot show is an error that names it; what it can show is none."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from emit.qemu_layouts import (
    ACCEPT_ON_ROOT,
    AER,
    ATS,
    EXPRESS,
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
    gpu,
    hidden,
    old,
    standard,
)
from judges import ROOT
from vpci_compile.diagnostics import REGISTRY, Severity
from vpci_compile.emit.artifact import Options
from vpci_compile.emit.qemu import facts as qemu_facts
from vpci_compile.ir import Kind

# name: layout, options, codes in order of the layout's lines, a part of the first message
_REFUSED: dict[str, tuple[Layout, Options, list[str], str]] = {
    "synthesized extended": (
        extended({"cap": "dsn", "at": 0x200, "source": "synthesized"}),
        Options(),
        ["VPCI1810"],
        "cannot synthesize 'dsn' at 0x200",
    ),
    "synthesized standard": (
        standard(PCIE, MSIX, {"cap": "msi", "at": 0xC0, "source": "synthesized"}),
        Options(),
        ["VPCI1810"],
        "cannot synthesize 'msi'",
    ),
    "synthesized bytes": (
        changed(NIC, bytes=[{"at": 0x40, "hex": "01", "source": "synthesized"}]),
        Options(),
        ["VPCI1810"],
        "bytes@0x40",
    ),
    "pasid before 11.0": (extended(PASID), old(10, 2), ["VPCI1811"], "needs QEMU 11.0 or newer"),
    "ats off before 11.1": (
        changed(NIC, extended=[AER, {**ATS, **UNLINKED}]),
        old(11, 0),
        ["VPCI1811"],
        "cannot hide 'ats' at 0x150: that needs QEMU 11.1",
    ),
    "class before 10.1": (
        changed(NIC, physical={"class": 0x010000}),
        old(10, 0),
        ["VPCI1811"],
        "cannot show class 0x20000",
    ),
    "initiators before 9.0": (changed(GPU, extended=None), old(8, 2), ["VPCI1811"], "that needs QEMU 9.0"),
    "json before 6.2": (changed(NIC), old(6, 1), ["VPCI1811"], "cannot be given a device in JSON"),
    "clique at 0xd4 before 8.1": (
        changed(GPU, extended=None, initiators=0),
        old(8, 0),
        ["VPCI1811"],
        "cannot place GPUDirect at 0xd4",
    ),
    "pasid not the last by offset": (
        changed(NIC, extended=[AER, {**PASID, "at": 0x400}, ATS]),
        Options(),
        ["VPCI1812"],
        "links PASID at the end",
    ),
    "pasid after a later one": (
        changed(NIC, extended=[AER, {**ATS, "at": 0x500}, {**PASID, "at": 0x400}]),
        Options(),
        ["VPCI1812"],
        "links PASID before 0x500",
    ),
    "pasid in an empty chain": (
        changed(NIC, extended=[{**PASID, "at": 0x100}]),
        Options(),
        ["VPCI1812"],
        "nothing in it",
    ),
    "pasid width 0": (
        extended({**PASID, "fields": {}}, accept={"VPCI1507": "the test asks what QEMU says"}),
        Options(),
        ["VPCI1812"],
        "PASID width 0",
    ),
    "pasid enabled": (
        extended({**PASID, "fields": {"max_width": 20, "ctrl": {"enable": 1}}}),
        Options(),
        ["VPCI1812"],
        "PASID control 0x0001",
    ),
    "pasid reserved bits": (
        extended({**PASID, "raw": {"0x04": "01 14"}, "fields": {}}),
        Options(),
        ["VPCI1812"],
        "reserved bits 0x0001",
    ),
    "pasid version": (extended({**PASID, "version": 2}), Options(), ["VPCI1812"], "PASID version 2"),
    "clique away from 0xc8": (
        changed(GPU, capabilities=[GPU["capabilities"][0], GPU["capabilities"][2]]),
        Options(),
        ["VPCI1813"],
        "GPUDirect at 0xd4: QEMU places it at 0xc8",
    ),
    "clique version 1": (
        gpu(fields={"clique": 5, "p2p.version": 1}),
        Options(),
        ["VPCI1813"],
        "are not those that QEMU writes",
    ),
    "hidden that nothing hides": (extended(hidden("dsn", 0x200)), Options(), ["VPCI1814"], "'dsn' at 0x200"),
    "hidden standard": (
        standard(PCIE, MSIX, hidden("pm", 0x50)),
        Options(),
        ["VPCI1814"],
        "neither Linux vfio-pci nor QEMU 11.1 hides it",
    ),
    "hidden rebar from 8.1 on": (extended(hidden("rebar", 0x200)), Options(), ["VPCI1814"], "'rebar' at 0x200"),
    "hidden pcie behind a port": (
        changed(NIC, capabilities=[{**PCIE, **UNLINKED}, MSIX], extended=None, config_size=256),
        Options(),
        ["VPCI1814"],
        "'pcie' at 0x60",
    ),
    "zeroed": (extended(hidden("l1ss", 0x200, style="zeroed")), Options(), ["VPCI1815"], "'l1ss' at 0x200"),
    "zeroed, and hidden by nobody": (
        extended(hidden("dsn", 0x200, style="zeroed")),
        Options(),
        ["VPCI1814", "VPCI1815"],
        "'dsn' at 0x200",
    ),
    "copied pasid": (extended({**PASID, "source": "copied"}), Options(), ["VPCI1816"], "Linux vfio-pci hides it"),
    "copied l1ss": (extended({"cap": "l1ss", "at": 0x200, "source": "copied"}), Options(), ["VPCI1816"], "'l1ss'"),
    "copied dpc": (extended({"cap": "dpc", "at": 0x200, "source": "copied"}), Options(), ["VPCI1816"], "'dpc'"),
    "copied unknown id": (extended({"cap": 0x77, "at": 0x200, "source": "copied"}), Options(), ["VPCI1816"], "0x200"),
    "copied ea": (
        standard(PCIE, MSIX, {"cap": "ea", "at": 0x50, "source": "copied"}),
        Options(),
        ["VPCI1816"],
        "'ea' at 0x50",
    ),
    "copied ari": (extended({"cap": "ari", "at": 0x200, "source": "copied"}), Options(), ["VPCI1817"], "QEMU hides"),
    "copied rebar before 8.1": (extended(REBAR), old(8, 0), ["VPCI1817"], "QEMU hides"),
    "several sizes": (
        extended({**REBAR, "raw": {"0x04": "f0 03 00 00 20 05 00 00"}}),
        Options(),
        ["VPCI1817"],
        "resizable BAR 0 offers several sizes",
    ),
    "endpoint on the root bus": (
        express("endpoint", guest=ON_ROOT_BUS, accept=ACCEPT_ON_ROOT),
        Options(),
        ["VPCI1818"],
        "root complex integrated endpoint (type 9)",
    ),
    "legacy endpoint on the root bus": (
        express("legacy-endpoint", guest=ON_ROOT_BUS, accept=ACCEPT_ON_ROOT),
        Options(),
        ["VPCI1818"],
        "no PCI Express capability",
    ),
    "rciep behind a port": (express("rciep", accept=ACCEPT_ON_ROOT), Options(), ["VPCI1818"], "2.5 GT/s"),
    "express version 0": (express("endpoint", 0), Options(), ["VPCI1818"], "version 0: QEMU shows 1"),
    "bar that nobody makes": (
        changed(GPU, physical={"driver": "vfio-pci"}),
        Options(),
        ["VPCI1819", "VPCI1819"],
        "BAR 2 is synthesized, and the driver 'vfio-pci' makes none",
    ),
    "bar that the driver makes otherwise": (
        changed(GPU, bars={"4": {"backing": {"caching": "uncached", "beyond": "zeros"}}}),
        Options(),
        ["VPCI1819", "VPCI1819"],
        "makes it beyond ones, not zeros",
    ),
    "region": (
        changed(GPU, bars={"4": {"size": None, "region": {"type": 0x800010DE, "subtype": 1}}}),
        Options(),
        ["VPCI1820"],
        "region 0x800010de subtype 0x1 in place of BAR 4",
    ),
    "revision": (changed(NIC, physical={"revision": 3}), Options(), ["VPCI1821"], "revision 0x0: the host shows 0x3"),
    "no device": (
        {
            **changed(NIC, physical=None, bars=None, extended=None),
            "capabilities": [{"cap": "pm", "at": 0x40, "source": "synthesized"}],
        },
        Options(),
        ["VPCI1822"],
        "vfio-pci needs a device",
    ),
    "segment": (changed(NIC, guest={"address": "0001:01:00.0"}), Options(), ["VPCI1823"], "segment 0 only"),
    "device behind a port": (changed(NIC, guest={"address": "01:02.0"}), Options(), ["VPCI1823"], "device 00 alone"),
    "bus 0 behind a port": (changed(NIC, guest={"address": "00:00.0"}), Options(), ["VPCI1823"], "is the root bus"),
    "host bridge": (
        express("rciep", guest={"place": "root", "address": "00:00.1"}),
        Options(),
        ["VPCI1823"],
        "the host bridge",
    ),
    "root bus 1": (
        express("rciep", guest={"place": "root", "address": "01:04.0"}),
        Options(),
        ["VPCI1823"],
        "the root bus is bus 00",
    ),
    "4096 bytes on a conventional bus": (
        changed(NIC, guest={"place": "conventional", "address": "00:04.0"}),
        Options(),
        ["VPCI1823"],
        "256 bytes",
    ),
    "pcie below a conventional bridge": (
        changed(NIC, guest={"place": "conventional", "address": "01:04.0"}, extended=None, config_size=256),
        Options(),
        ["VPCI1818"],
        "QEMU shows no PCI Express capability",
    ),
    "too many nodes": (changed(GPU, guest={"first_node": 121}), Options(), ["VPCI1826"], "NUMA nodes 121..128"),
    "left out": (
        changed(
            NIC,
            physical={
                "capabilities": {"0x60": "pcie", "0x9c": "msix"},
                "extended": {"0x100": "aer", "0x150": "ats", "0x200": "acs", "0x300": "ptm"},
            },
        ),
        Options(),
        ["VPCI1827"],
        "capability 0x0d at 0x200",
    ),
    "chain that leaks behind abutting structures": (
        changed(
            NIC,
            extended=[
                {"cap": "vsec", "at": 0x100, "source": "copied", "fields": {"vsec": {"length": 0x10}}},
                {"cap": "vsec", "at": 0x110, "source": "copied", "fields": {"vsec": {"length": 0x10}}},
                hidden("l1ss", 0x140),
                hidden("sriov", 0x180),
                {"cap": "aer", "at": 0x200, "source": "copied"},
            ],
        ),
        Options(),
        ["VPCI1830"],
        "'l1ss' at 0x140 is hidden, and a guest finds it all the same",
    ),
    "head without a stub": (
        changed(NIC, extended=[{**hidden("x", 0x100), "cap": 0x4200}, hidden("pasid", 0x140)]),
        Options(),
        ["VPCI1830"],
        "'pasid' at 0x140 is hidden",
    ),
    "driver that cannot migrate": (
        changed(NIC, migration={"migrates": True}, capabilities=[], extended=[]),
        Options(),
        ["VPCI1828"],
        "the driver 'vfio-pci' cannot",
    ),
    "power management events": (
        standard(
            {"cap": "pm", "at": 0x40, "source": "copied", "fields": {"pmc": {"pme_d0": 1, "pme_d3hot": 1}}},
            {**PCIE, "fields": EXPRESS},
            MSIX,
        ),
        Options(),
        ["VPCI1829"],
        "a guest reads 0 for pme_d0, pme_d3hot",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _REFUSED)
def test_refused(name: str) -> None:
    layout, options, codes, text = _REFUSED[name]
    found = complaints(compiled(layout), options)
    assert [d.code for d in found] == codes, [(d.code, d.message) for d in found]
    assert any(text in d.message for d in found), [d.message for d in found]
    assert all(d.severity is Severity.ERROR and d.span.width for d in found)


def test_swapped_address_is_a_warning() -> None:
    found = complaints(compiled(changed(GPU, extended=None)), old(9, 1))
    assert [(d.code, d.severity) for d in found] == [("VPCI1825", Severity.WARNING)]


def test_many_at_once() -> None:
    layout = extended(
        {"cap": "dsn", "at": 0x200, "source": "synthesized"},
        hidden("acs", 0x220),
        {"cap": "ptm", "at": 0x240, "source": "copied"},
        physical={"revision": 9},
        guest={"address": "0002:01:00.0"},
    )
    found = complaints(compiled(layout), Options(host_address="nowhere"))
    assert {d.code for d in found} == {"VPCI1810", "VPCI1814", "VPCI1816", "VPCI1821", "VPCI1823", "VPCI1824"}


def test_complaints_point_at_the_structure() -> None:
    function = compiled(extended({"cap": "dsn", "at": 0x200, "source": "synthesized"}))
    (found,) = complaints(function)
    assert found.span == next(s.origin for s in function.structures if s.name == "dsn")
    assert '"dsn"' in found.span.source.line(found.span.line)


@pytest.mark.parametrize(
    "address",
    ["", "01:00.0", "0000:01:00.8", "0000:01:20.0", "0000:01:00.0 ", "0000:01:00.0\n", "0000:01:00.0,x=y", "$(reboot)"],
)
def test_host_address_must_be_one(address: str) -> None:
    found = complaints(compiled(NIC), Options(host_address=address))
    assert [d.code for d in found] == ["VPCI1824"]


def test_linux_tables_are_those_of_7_2() -> None:
    facts = qemu_facts.linux()
    assert facts.visible[Kind.STANDARD] == {1, 2, 3, 5, 7, 8, 9, 0x10, 0x11, 0x12, 0x13}
    extended = {1, 2, 3, 4, 8, 9, 0xB, 0xD, 0xE, 0xF, 0x10, 0x12, 0x13, 0x15, 0x16, 0x17, 0x18, 0x23}
    assert facts.visible[Kind.EXTENDED] == extended


def test_tables_are_read_once() -> None:
    assert qemu_facts.linux() is qemu_facts.linux()
    assert qemu_facts.qemu() is qemu_facts.qemu()


def _codes(path: Path) -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("VPCI18")
    }


def test_every_code_has_a_case_and_a_page() -> None:
    sources = (ROOT / "compiler" / "vpci_compile" / "emit" / "qemu").glob("*.py")
    used = {code for path in sources for code in _codes(path) if code in REGISTRY}
    here = _codes(Path(__file__))
    assert used == {code for code in REGISTRY if "VPCI1810" <= code <= "VPCI1839"}
    assert used - here == set()
    for code in used:
        page = (ROOT / "docs" / "errors" / f"{code}.md").read_text()
        assert page.startswith(f"# {code}: {REGISTRY[code].title}\n")
