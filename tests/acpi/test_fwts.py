"""fwts has no complaint about the tables that we make, and whatever it complains of our lint complains of, too."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

from acpi.fwts import complaints
from acpi.machines import Case, cases
from acpi.tables import CAPTURED, ROOT
from vpci_compile import api
from vpci_compile.acpi import hmat, qemu, slit, specified, srat
from vpci_compile.acpi.decode import decode
from vpci_compile.acpi.lint import DEFAULT_GUEST, Loaded, Wishes, lint
from vpci_compile.acpi.structures import CHECKSUM_AT, HEADER_BYTES, Header, Structure, encode, make
from vpci_compile.diagnostics import Report, whole_file
from vpci_compile.emit.machine.tables import tables
from vpci_compile.ir.machine import Cache

_MACHINES = sorted((ROOT / "layouts" / "machines").glob("*.yaml"))
_QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]


@pytest.mark.parametrize("dialect", [specified, qemu], ids=["acpi-6.6", "qemu"])
@pytest.mark.parametrize("layout", _MACHINES, ids=[path.stem for path in _MACHINES])
def test_machines_that_are_shipped(layout: Path, dialect: object, tmp_path: Path) -> None:
    system = api.load_machine(layout).system
    if system.machine.vmm.name != "qemu":
        assert tables(system) == []  # nobody knows where others put RAM
        return
    made = dialect.tables(system.machine)  # type: ignore[attr-defined]
    assert made
    assert complaints([encode(table) for table in made], tmp_path) == []


@pytest.mark.parametrize("path", CAPTURED, ids=[f"{one.parent.name}-{one.name}" for one in CAPTURED])
def test_tables_of_real_qemus(path: Path, tmp_path: Path) -> None:
    assert complaints([path.read_bytes()], tmp_path) == []


def _agrees(case: Case, folder: Path) -> None:
    """A locality without a value for every pair is none of ACPI's, and is refused."""
    try:
        made = specified.tables(case.machine)
    except ValueError:
        assume(False)
    assert complaints([encode(table) for table in made], folder) == []


@pytest.mark.parametrize("kind", ["q35", "virt"])
def test_any_machine(kind: str, tmp_path: Path) -> None:
    @seed(1)
    @settings(max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=_QUIET)
    @given(cases(kind))
    def judged(case: Case) -> None:
        _agrees(case, tmp_path)

    judged()


# -- what is wrong with a table ------------------------------------------------------------------------------------

_HANDLED = Structure(
    hmat.CACHE.type, hmat.CACHE, {**make(hmat.CACHE, attributes=1 | 1 << 4, handle_count=2).values}, bytes(4)
)
_FINE = {
    "SRAT": srat.table(
        Header("SRAT", 3),
        [
            srat.processor(0, 0),
            srat.processor(300, 0),
            srat.memory(0, 0, 1 << 29),
            make(srat.GICC),
            make(srat.ITS),
            make(srat.INITIATOR, domain=1, pci=srat.address(0, 1, 0, 0)),
            make(srat.ACPI_INITIATOR, domain=1, hid=int.from_bytes(b"PNP0A08\0", "little")),
            srat.port(0, 1),
            make(srat.RINTC),
        ],
    ),
    "SLIT": slit.table(Header("SLIT", 1), slit.matrix(3, {})),
    "HMAT": hmat.table(
        Header("HMAT", 2),
        [
            hmat.attributes(0, 0),
            hmat.locality(0, 0, 1000, hmat.Localities((0,), (0, 1), (5, 6))),
            hmat.cache(Cache(0, 4096, 1, 1, 1, 64), 1),
            _HANDLED,
        ],
    ),
}


def _codes(octets: bytes) -> set[str]:
    report = Report()
    lint([Loaded(decode(octets), whole_file("x"))], DEFAULT_GUEST, Wishes(), report)
    return {one.code for one in report.diagnostics} - {"VPCI1944"}  # processors of every architecture are in one table


def _summed(octets: bytes) -> bytes:
    """With a length and a checksum that are right."""
    made = bytearray(octets)
    made[4:8] = len(made).to_bytes(4, "little")
    made[CHECKSUM_AT] = 0
    made[CHECKSUM_AT] = -sum(made) & 0xFF
    return bytes(made)


@pytest.mark.parametrize("name", _FINE)
def test_nothing_is_wrong_with_a_table_that_is_fine(name: str, tmp_path: Path) -> None:
    octets = encode(_FINE[name])
    assert (complaints([octets], tmp_path), _codes(octets)) == ([], set())


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A fine table with a bit turned, or with bytes cut off."""
    table = _FINE[draw(st.sampled_from(sorted(_FINE)))]
    octets = bytearray(encode(table))
    if draw(st.integers(0, 5)) == 0:
        return _summed(bytes(octets[: draw(st.integers(table.format.start, len(octets) - 1))]))
    octets[draw(st.integers(HEADER_BYTES, len(octets) - 1))] ^= 1 << draw(st.integers(0, 7))
    return _summed(bytes(octets))


_NEWER = ("minimum_transfer", "address_mode")
"""Fields of ACPI 6.4 (5.2.27.4) and 6.6 (5.2.29.5) that fwts 26.09 takes for reserved."""


def _judge_spoilt(octets: bytes, folder: Path) -> None:
    theirs = complaints([octets], folder)
    if any(one[name] for one in decode(octets).structures for name in _NEWER):
        theirs = [one for one in theirs if not one.startswith("HMATReservedNonZero")]
    assert not theirs or _codes(octets), theirs


def test_what_fwts_finds_we_find(tmp_path: Path) -> None:
    @seed(1)
    @settings(max_examples=60, deadline=None, phases=[Phase.generate], suppress_health_check=_QUIET)
    @given(spoilt())
    def judged(octets: bytes) -> None:
        _judge_spoilt(octets, tmp_path)

    judged()


@pytest.mark.stack
@pytest.mark.parametrize("name", _FINE)
def test_every_bit_that_fwts_finds_we_find(name: str, tmp_path: Path) -> None:
    octets = encode(_FINE[name])
    for at in range(HEADER_BYTES, len(octets)):
        for bit in range(8):
            turned = bytearray(octets)
            turned[at] ^= 1 << bit
            _judge_spoilt(_summed(bytes(turned)), tmp_path)
