"""`capture --redact`: what tells one unit from another is taken out, and is no fact of anything afterwards."""

from __future__ import annotations

import pytest

from hosts import Host, answering
from vpci_compile import api
from vpci_compile.diagnostics import Severity
from vpci_compile.ir import Function

from .host_files import E1000E, SERIAL, back, write


def test_a_serial_number_is_taken_out(host: Host) -> None:
    host.add("0000:01:00.0", E1000E)
    open_text, closed_text = host.take().text, host.take(redacted=True).text
    serial = E1000E[SERIAL]
    assert len(set(serial)) > 2 and serial.hex(" ")[:11] in open_text
    assert serial.hex(" ")[:11] not in closed_text and serial[::-1].hex(" ") not in closed_text
    assert '"redacted": [{"range": "0x144..0x14b", "what": "serial-number"}]' in closed_text
    assert '"140: 03 00 01 00 -- -- -- -- -- -- -- -- 00 00 00 00"' in closed_text
    whole, cut = back(host, open_text), back(host, closed_text)
    assert cut.missing == cut.redacted == ((0x144, 0x14C),)
    assert not cut.covers(0x144) and cut.covers(0x14C) and cut.covers(0x143)
    assert cut.data == whole.data[:0x144] + bytes(8) + whole.data[0x14C:]
    assert [d.code for d in cut.diagnostics] == ["VPCI1718"]
    assert cut.diagnostics[0].severity is Severity.NOTE


def imported(host: Host, text: str) -> tuple[str, Function]:
    path = write(host.sysfs, text)
    return api.import_capture(path).text, api.load(path).function


def test_what_was_taken_out_is_no_fact_of_the_layout(host: Host) -> None:
    host.add("0000:01:00.0", E1000E)
    layout, function = imported(host, host.take(redacted=True).text)
    assert "{range: 0x144..0x14b, why: redacted in the capture}" in layout
    assert function.config.compared[SERIAL] == bytes(8)
    _, whole = imported(host, host.take().text)
    assert whole.digest == function.digest


@pytest.mark.parametrize("at", [0x46, 0x4A])
def test_no_zero_of_a_redacted_capture_is_compared(host: Host, at: int) -> None:
    """A MAC address in a vendor's own structure: nothing there is volatile by nature."""
    mac = bytes.fromhex("525400123456")
    data = bytearray(E1000E)
    data[0x40:0x60] = bytes.fromhex("090020") + b"\x11" * 29
    data[at : at + 6] = mac
    data[0xA1] = 0x40  # MSI-X, the last of the chain
    host.add("0000:01:00.0", bytes(data), net__eth0__address=mac.hex(":"))
    open_text, closed = host.take().text, host.take(redacted=True).text
    assert "52 54 00 12 34 56" in open_text and "52 54" not in closed
    layout, function = imported(host, closed)
    assert f"{{range: {at:#x}..{at + 5:#x}, why: redacted in the capture}}" in layout and "52 54" not in layout
    assert "volatile: [data]" in layout
    assert function.config.compared[at : at + 6] == bytes(6)
    _, whole = imported(host, open_text)
    assert whole.config.compared[at : at + 6] == b"\xff" * 6


@pytest.mark.parametrize("form", [
    "525400123456", "563412005452", "525400fffe123456", "563412feff005452", "525400ffff123456",
])  # fmt: skip
def test_an_address_in_each_of_its_forms(host: Host, form: str) -> None:
    octets = bytes.fromhex(form)
    data = bytearray(E1000E)
    data[0x900 : 0x900 + len(octets)] = octets
    host.add("0000:01:00.0", bytes(data), net__eth0__address="52:54:00:12:34:56")
    capture = back(host, host.take(redacted=True).text)
    assert (0x900, 0x900 + len(octets)) in capture.redacted


def test_addresses_that_nobody_has_take_nothing_out(host: Host) -> None:
    host.add("0000:01:00.0", bytes(E1000E[:0x140]) + bytes(0xEC0), net__eth0__address="00:00:00:00:00:00",
             net__eth1__address="ff:ff:ff:ff:ff:ff", net__lo__address="none")  # fmt: skip
    assert back(host, host.take(redacted=True).text).redacted == ()


def test_a_guid_and_vpd_are_taken_out(host: Host) -> None:
    data = bytearray(E1000E)
    assert data[0xA1] == 0
    data[0xA1] = 0xB0  # MSI-X, the last of the chain
    data[0xB0:0xB8] = bytes.fromhex("0300 0080 41424344")
    data[0x980:0x988] = bytes.fromhex("506b4b0300cb7ef2")
    host.add("0000:01:00.0", bytes(data), infiniband__mlx5_0__node_guid="506b:4b03:00cb:7ef2")
    capture = back(host, host.take(redacted=True).text)
    assert capture.redacted == ((0xB2, 0xB8), (0x144, 0x14C), (0x980, 0x988))
    assert capture.data[0xB0:0xB2] == b"\x03\x00"


def test_what_vfio_shows_is_redacted_as_well(host: Host) -> None:
    host.add("0000:01:00.0", E1000E)
    host.bind("0000:01:00.0")
    text = host.take(vfio=answering(E1000E), redacted=True).text
    assert E1000E[SERIAL].hex(" ")[:11] not in text
    capture = back(host, text)
    assert capture.host is not None and capture.host.vfio_missing == ((0x144, 0x14C),)
