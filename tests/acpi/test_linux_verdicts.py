"""Each verdict of `acpi lint`, shown by a Linux that boots with the table: what it says, and the nodes it then has.

Where they fit, the tables are the smallest failing ones of tests/errors, which are made for a guest of 512 MiB.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from acpi.linux import RAM, Seen, boot
from acpi.tables import ROOT
from judges import need
from vpci_compile.acpi import hmat, slit, srat, ssdt
from vpci_compile.acpi.decode import decode
from vpci_compile.acpi.lint import Loaded, Wishes, lint
from vpci_compile.acpi.load import load
from vpci_compile.acpi.node_map import DEFAULT_NODES, Guest, distances, node_map
from vpci_compile.acpi.structures import Header, Structure, Table, encode, make, structure_bytes
from vpci_compile.diagnostics import Report, whole_file
from vpci_compile.ir.machine import Architecture, Cache, Range
from vpci_compile.live.board import Q35, VIRT, Board
from vpci_compile.live.qtest import QemuError

pytestmark = pytest.mark.stack
_ERRORS = ROOT / "tests" / "errors"
_ARM_RAM = 0x4000_0000
_GUESTS = {
    Q35: Guest(Architecture.X86_64, DEFAULT_NODES[Architecture.X86_64]),
    VIRT: Guest(Architecture.AARCH64, DEFAULT_NODES[Architecture.AARCH64]),
}

_X86 = [srat.processor(0, 0), srat.memory(0, 0, RAM)]
_ARM = [make(srat.GICC, domain=0, uid=0), srat.memory(0, _ARM_RAM, RAM)]
_FINE = encode(srat.table(Header("SRAT", 3), _X86))


def _initiators(domains: Sequence[int]) -> list[Structure]:
    return [make(srat.INITIATOR, domain=domain, pci=srat.address(0, 1, 0, 0)) for domain in domains]


def _srat(structures: Sequence[Structure], revision: int = 3) -> bytes:
    return encode(srat.table(Header("SRAT", revision), list(structures)))


def _octets(structures: Sequence[Structure]) -> bytes:
    assert srat.FORMAT.head is not None
    return b"".join(structure_bytes(one, srat.FORMAT.head) for one in structures)


def _raw(octets: bytes) -> bytes:
    """An SRAT of these bytes of structures."""
    made = srat.table(Header("SRAT", 3), [])
    return encode(Table(made.header, made.format, made.fixed, tail=octets))


def _cut(one: Structure) -> Structure:
    """Without its last field."""
    return Structure(one.type, one.shape, {name: one[name] for name in list(one.values)[:-1]})


def _slit(rows: list[list[int]]) -> bytes:
    return encode(slit.table(Header("SLIT", 1), rows))


def _hmat(structures: Sequence[Structure], tail: bytes = b"") -> bytes:
    made = hmat.table(Header("HMAT", 2), structures)
    return encode(replace(made, tail=tail))


class Verdict(NamedTuple):
    """A code, what Linux says, and how many nodes it has (online, of these with initiators)."""

    code: str
    said: str
    nodes: tuple[int, int] = (1, 0)
    tables: tuple[bytes, ...] = ()  # those of tests/errors where there are none
    board: Board = Q35
    more: tuple[str, ...] = ()


_TOO_MANY = _srat([*_ARM, *_initiators(range(1, 20))])
_TOO_HIGH = _srat([*_X86, srat.memory(1024, 1 << 32, 1 << 30)])
_TWO, _THREE = _srat([*_X86, *_initiators([1])]), _srat([*_X86, *_initiators([1, 2])])
_HALVES = [srat.memory(0, 0, RAM // 2), srat.memory(300, RAM // 2, RAM // 2)]
_NARROW = _srat([_X86[0], *_HALVES], revision=1)
_ZERO = bytes([srat.MEMORY.type, 0]) + bytes(srat.MEMORY_BYTES - 2)
_PIECES = [srat.memory(0, _ARM_RAM + at, RAM // 64) for at in range(0, RAM, RAM // 64)]

_NEAR = hmat.attributes(0, 0)
_LATENCY = hmat.locality(0, 0, 1000, hmat.Localities((0,), (0,), (5,)))
_CACHE = Cache(node=0, size=4096, level=1, associativity=1, policy=1, line=64)
_LESS = replace(_LATENCY, tail=_LATENCY.tail[:-2])
_SHORT = Structure(
    hmat.CACHE.type, hmat.CACHE, dict.fromkeys(("domain", "reserved1", "size"), 0)
)  # 24 bytes with its head

_OTHER = encode(srat.table(Header("SRAT", 3, b"OTHERS"), [*_X86, *_initiators([1, 2])]))

VERDICTS = (
    Verdict("VPCI1902", "File length does not match table length"),
    Verdict("VPCI1910", "Bad table checksum"),
    Verdict("VPCI1911", "Invalid zero length"),
    Verdict("VPCI1911", "[HMAT:0x00] Invalid zero length", tables=(_FINE, _hmat([_NEAR], b"\1" + bytes(15)))),
    Verdict("VPCI1912", "SRAT: Unexpected header length: 28"),
    Verdict("VPCI1912", "acpi/hmat: Unexpected cache header length: 24", tables=(_FINE, _hmat([_NEAR, _SHORT]))),
    Verdict("VPCI1912", "SRAT: SRAT not used", tables=(_srat([_cut(_X86[0]), _X86[1]]),)),
    Verdict("VPCI1912", "SRAT: Invalid SRAT header length: 14", tables=(_srat([_cut(_ARM[0]), _ARM[1]]),), board=VIRT),
    Verdict("VPCI1912", "Unexpected locality header length:40, minimum required:42", tables=(_FINE, _hmat([_LESS]))),
    Verdict("VPCI1913", "", (1, 0)),
    Verdict("VPCI1914", "", (1, 0)),
    Verdict("VPCI1915", "overlaps with node 1"),
    Verdict("VPCI1916", "overlaps with itself"),
    Verdict("VPCI1917", "no nodes coverage for 512MB", more=("-m", "1G")),
    Verdict("VPCI1918", "SRAT: Too many proximity domains", (16, 15), (_TOO_MANY,), VIRT),
    Verdict("VPCI1918", "SRAT: SRAT not used", tables=(_TOO_HIGH,)),
    Verdict("VPCI1919", "Node 1 PXM 44 ", (2, 0), (_NARROW,)),
    Verdict("VPCI1920", "SLIT table looks invalid", (2, 1), (_TWO, _slit([[10, 10], [20, 10]]))),
    Verdict("VPCI1921", "", (3, 2), (_THREE, _slit([[10, 99], [98, 10]]))),
    Verdict("VPCI1922", "SRAT: Node 0 PXM 0"),
    Verdict("VPCI1923", "SLIT table looks invalid"),
    Verdict("VPCI1924", "acpi/hmat: Ignoring: Unknown revision:3"),
    Verdict("VPCI1925", "acpi/hmat: Ignoring: Invalid table", (2, 1)),
    Verdict("VPCI1926", "acpi/hmat: Ignoring: Invalid table"),
    Verdict("VPCI1927", ""),
    Verdict("VPCI1928", ""),
    Verdict("VPCI1930", "", (2, 1)),
    Verdict("VPCI1931", "Node 1 PXM 1 "),
    Verdict("VPCI1932", "Node 1 PXM 1 [mem 0x100000000-0x13fffffff] hotplug", (2, 1)),
    Verdict("VPCI1933", "too many memblk ranges", tables=(_srat([_ARM[0], *_PIECES]),), board=VIRT),
    Verdict("VPCI1934", "No NUMA configuration found"),
    Verdict("VPCI1936", ""),
    Verdict("VPCI1937", "SRAT: Node 0 PXM 0"),
    Verdict("VPCI1938", "SRAT: Node 0 PXM 0"),
    Verdict("VPCI1939", ""),
    Verdict("VPCI1942", "Table Upgrade: install [SRAT-OTHERS-", (1, 0), (_FINE, _OTHER)),
    Verdict("VPCI1944", "SRAT: Node 0 PXM 0", (1, 0), (_srat([make(srat.GICC, domain=1, uid=0), _X86[1]]),)),
    Verdict("VPCI1943", "SRAT: Node 0 PXM 0"),
    Verdict("VPCI1943", "SRAT: Node 0 PXM 0", tables=(_srat(_X86, revision=0),)),
)  # fmt: skip


def _loaded(verdict: Verdict) -> list[Loaded]:
    if verdict.tables:
        return [Loaded(decode(one), whole_file("x")) for one in verdict.tables]
    return [load(path, path.name) for path in sorted(_ERRORS.glob(f"{verdict.code}*.yaml"))]


def _codes(tables: list[Loaded], verdict: Verdict) -> set[str]:
    report = Report()
    ram = (Range(0, 0, 1 << 30),) if verdict.more else ()
    lint(tables, _GUESTS[verdict.board], Wishes(ram), report)
    return {one.code for one in report.diagnostics}


def _started(tables: list[Loaded], verdict: Verdict) -> Seen:
    octets = [encode(one.table) for one in tables]
    if not any(one.table.header.signature == "SRAT" for one in tables):
        octets.append(_FINE)
    return boot(verdict.board, octets, more=verdict.more)


@pytest.mark.parametrize("verdict", VERDICTS, ids=[one.code for one in VERDICTS])
def test_what_lint_says_is_what_linux_does(verdict: Verdict) -> None:
    tables = _loaded(verdict)
    assert verdict.code in _codes(tables, verdict)
    linux = _started(tables, verdict)
    assert any(verdict.said in line for line in linux.log), linux.log
    assert (len(linux.online) or 1, len(linux.initiators)) == verdict.nodes
    srats = [one.table for one in tables if one.table.header.signature == "SRAT" and one.table.header.checksum is None]
    if srats and not verdict.more and srats[0].header.length is None:
        nodes = node_map(srats[0], _GUESTS[verdict.board])
        assert bool(nodes.fault) == any("Faking a node" in line for line in linux.log)
        if not nodes.fault:
            slits = [one.table for one in tables if one.table.header.signature == "SLIT"]
            online = [node.number for node in nodes.nodes if node.online]
            assert set(online) == linux.online
            known = distances(nodes, slits[0] if slits else None)
            assert [[known[a][b] for b in online] for a in online] == linux.distances


def test_files_that_are_no_tables() -> None:
    """VPCI1901: they are left, and the table beside them is used."""
    files = [(_ERRORS / "VPCI1901.aml").read_bytes(), b"SLIT" + bytes(4)]
    for octets in files:
        with pytest.raises(ValueError, match=r"signature|less than"):
            decode(octets)
    linux = boot(Q35, [_FINE, *files])
    said = [line for line in linux.log if "ACPI OVERRIDE: " in line]
    assert ["Unknown signature" in said[0], "Table smaller than ACPI header" in said[1]] == [True, True], said
    assert linux.online == {0} and any("SRAT: Node 0 PXM 0" in line for line in linux.log)


def test_an_hmat_whose_values_have_no_meaning() -> None:
    """VPCI1939 and VPCI1914: a measure and a hierarchy of later are not used; a cache is shown with what is left."""
    fine = [_NEAR, _LATENCY]
    lists = hmat.Localities((0,), (0,), (7,))
    later = [
        hmat.locality(0, 6, 1000, lists),
        hmat.locality(4, 0, 1000, lists),
        hmat.cache(_CACHE._replace(level=5, policy=3), 5),
        Structure(9, None, {}, bytes(8)),
    ]
    verdict = Verdict("VPCI1939", "", tables=(_FINE, _hmat([*fine, *later])))
    assert _codes(_loaded(verdict), verdict) == {"VPCI1914", "VPCI1939"}
    known = boot(Q35, verdict.tables).performance
    assert known["node0/access0/initiators/read_latency"] == 5
    assert known["node0/memory_side_cache/index5/write_policy"] == 2  # other
    assert known["node0/memory_side_cache/index5/indexing"] == 0


def test_a_structure_of_length_0_keeps_linux_from_starting() -> None:
    """Behind a generic initiator: it panics before it says a word."""
    table = _raw(_octets([*_X86, *_initiators([1])]) + _ZERO)
    verdict = Verdict("VPCI1911", "", tables=(table,))
    assert _codes(_loaded(verdict), verdict) == {"VPCI1911"}
    with pytest.raises(QemuError, match="ended too soon"):
        boot(Q35, [table])


def test_a_short_initiator_at_the_end_is_read_all_the_same() -> None:
    """The exception that VPCI1912 names."""
    table = _srat([*_X86, _cut(_initiators([1])[0])])
    verdict = Verdict("VPCI1912", "", tables=(table,))
    assert _codes(_loaded(verdict), verdict) == {"VPCI1912"}
    assert boot(Q35, [table]).initiators == {1}


def test_a_disabled_initiator_at_the_end_does_no_harm() -> None:
    """The exception that VPCI1913 names."""
    whole = _initiators([1, 2])
    last = replace(whole[1], values={**whole[1].values, "flags": 0})
    verdict = Verdict("VPCI1913", "", tables=(_srat([*_X86, whole[0], last]),))
    assert _codes(_loaded(verdict), verdict) == set()
    assert boot(Q35, verdict.tables).initiators == {1}


def test_a_latency_too_large_for_32_bits_is_none() -> None:
    """VPCI1927: Linux adds 999 ps before it divides, so that 4294967 ns are too many as well."""
    for unit, shown in ((4294966, 4294966), (4294967, 0)):
        lists = hmat.Localities((0,), (0,), (1000,))
        verdict = Verdict("VPCI1927", "", tables=(_FINE, _hmat([_NEAR, hmat.locality(0, 0, unit, lists)])))
        assert ("VPCI1927" in _codes(_loaded(verdict), verdict)) == (not shown)
        assert boot(Q35, verdict.tables).performance["node0/access0/initiators/read_latency"] == shown


def test_numbers_are_cut_below_a_narrow_dsdt(tmp_path: Path) -> None:
    """QEMU's DSDT on x86-64 has revision 1: an SSDT of revision 2 does not help."""
    text = ssdt.source([ssdt.GpuMemory("GPU0", 30, 0, base=0x17A0000000, size=0x17FD800000)])
    (tmp_path / "gpu.dsl").write_text(text)
    subprocess.run([need("VPCI_IASL", "iasl"), tmp_path / "gpu.dsl"], capture_output=True, timeout=60, check=True)
    linux = boot(Q35, [(tmp_path / "gpu.aml").read_bytes()])
    assert any("Truncat" in line and "64-bit constant" in line for line in linux.log), linux.log
