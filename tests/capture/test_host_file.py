"""What `capture` writes: every byte and fact comes back, it reads well, and no damage to the file brings us down."""

from __future__ import annotations

import copy
import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hosts import SYSFS, FakeKernel, Host, answering
from rights import ordinary_user
from vpci_compile import api
from vpci_compile.capture import BarFact, Capture, IommuFacts, read, read_all
from vpci_compile.capture.host_format import capture_schema
from vpci_compile.diagnostics import Failed, Severity, render_text
from vpci_compile.ir import Function

from .judge import OWN, files

SCHEMA = Path(__file__).parents[2] / "schemas/capture.schema.json"
E1000E = (SYSFS / "e1000e/config").read_bytes()
IGB = (SYSFS / "igb/config").read_bytes()
SERIAL = slice(0x144, 0x14C)  # in E1000E


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "sys")


def write(folder: Path, text: str | bytes, name: str = "host.capture") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def back(host: Host, text: str, slot: str | None = None) -> Capture:
    return read(write(host.sysfs, text), slot)


def fails(path: Path, slot: str | None = None) -> str:
    with pytest.raises(Failed) as caught:
        read(path, slot, path.name)
    return render_text(caught.value.diagnostics)


# -- there and back ------------------------------------------------------------------------------------------------


def test_a_function_comes_back_as_sysfs_has_it(host: Host) -> None:
    folder = host.add("0000:01:00.0", driver="->bus/pci/drivers/e1000e")
    taken = host.take("01:00.0")
    assert (taken.slots, taken.diagnostics, taken.complete) == (("0000:01:00.0",), (), True)
    ours, theirs = back(host, taken.text), read(folder)
    for name in ("slot", "data", "missing", "bars", "driver", "ids"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert len(ours.bars) == 5 and BarFact(0, 0x20000) in ours.bars and ours.driver == "e1000e"
    assert ours.diagnostics == ()
    assert ours.host is not None
    assert (ours.host.kernel, ours.host.architecture) == (os.uname().release, os.uname().machine)
    assert (ours.host.iommu, ours.host.migration, ours.host.dma_logging) == (None, None, None)
    assert (ours.host.regions, ours.host.vfio_config) == ({}, b"")


def test_every_capture_of_ours_comes_back(host: Host) -> None:
    wanted: dict[str, bytes] = {}
    for number, path in enumerate(files()):
        for capture in read_all(path).captures:
            slot = f"{number:04x}:{capture.slot.partition(':')[2]}"
            host.add(slot, capture.data)
            wanted[slot] = capture.data
    taken = host.take()
    assert taken.slots == tuple(sorted(wanted)) and len(wanted) > 40
    found = read_all(write(host.sysfs, taken.text))
    assert {one.slot: one.data for one in found.captures} == wanted


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from([64, 160, 256, 1536, 4096]))
def test_any_bytes_come_back(tmp_path_factory: pytest.TempPathFactory, seed: int, size: int) -> None:
    maker = random.Random(seed)
    data = bytearray(E1000E[:64])
    while len(data) < size:
        data += maker.choice([maker.randbytes(16), bytes(16), b"\xff" * 16, bytes(15) + b"\1"])
    host = Host(tmp_path_factory.mktemp("host") / "sys")
    host.add("0000:01:00.0", bytes(data))
    assert back(host, host.take().text).data == data


def test_all_functions_in_the_order_of_their_slots(host: Host) -> None:
    for slot in ("10000:00:00.0", "0000:0a:00.0", "0000:02:00.1", "0000:02:00.0"):
        host.add(slot)
    wanted = ("0000:02:00.0", "0000:02:00.1", "0000:0a:00.0", "10000:00:00.0")
    taken = host.take()
    assert taken.slots == wanted
    assert [one.slot for one in read_all(write(host.sysfs, taken.text)).captures] == [*wanted]
    assert host.take("02:00.1", "0000:02:00.0", "2:0.1").slots == wanted[:2]
    assert "error[VPCI1703]: the capture holds 4 functions; choose one" in fails(host.sysfs / "host.capture")
    assert read(host.sysfs / "host.capture", "0a:00.0").slot == "0000:0a:00.0"


def test_the_same_host_gives_the_same_text(host: Host) -> None:
    host.add("0000:01:00.0")
    host.add("0000:02:00.0", like="igb")
    assert host.take().text == host.take().text
    assert os.uname().nodename not in host.take().text or os.uname().nodename in os.uname().release


def test_it_reads_well(host: Host) -> None:
    host.add("0000:01:00.0", numa_node="-1", reset_method="flr bus")
    lines = host.take().text.splitlines()
    assert max(map(len, lines)) <= 118
    assert '        "000: 86 80 d3 10 03 00 10 00 00 00 00 02 00 00 00 00",' in lines
    assert '        "150..fff: 00"' in lines
    assert '      "reset_methods": ["flr", "bus"],' in lines
    assert '      "numa_node": null,' in lines
    assert len(lines) < 60


def test_host_addresses_stay_on_the_host(host: Host) -> None:
    host.add("0000:01:00.0", resource="0x000000fe00000000 0x000000fe0001ffff 0x0000000000140204")
    text = host.take().text
    assert '"resources": [{"index": 0, "size": "0x20000", "flags": "0x140204"}]' in text and "fe000" not in text


def test_a_byte_knows_its_line(host: Host) -> None:
    host.add("0000:01:00.0")
    capture = back(host, host.take().text)
    for offset, word in ((0x02, "d3"), (0x0F, "00"), (0x100, "01")):
        span = capture.place(offset)
        line = capture.origin.source.line(span.line)
        assert line.strip().startswith(f'"{offset & ~0xF:03x}: ')
        assert line[span.col - 1 :][: span.width] == word
    assert capture.place(0xFFF) == capture.origin  # one of many rows on one line


def test_a_virtual_function_is_known_as_one(host: Host) -> None:
    vf = read(OWN / "igb-vf.lspci")
    host.add("0000:01:00.0", like="igb", sriov_totalvfs="8", sriov_numvfs="2")
    host.add("0000:01:10.0", vf.data, physfn="->bus/pci/devices/0000:01:00.0", vendor="0x8086", device="0x10ca")
    path = write(host.sysfs, host.take().text)
    one, pf = read(path, "01:10.0"), read(path, "01:00.0")
    assert one.virtual and one.ids == (0x8086, 0x10CA)
    assert one.host is not None and one.host.physical_function == "0000:01:00.0" and not one.host.sriov
    assert pf.host is not None and pf.host.physical_function == "" and pf.host.sriov
    assert not pf.virtual
    imported = api.import_capture(path, "01:10.0")
    assert [d.code for d in imported.diagnostics] == ["VPCI1725"]
    assert "vfio-pci shows a guest 8086:10ca" in imported.diagnostics[0].message


@pytest.mark.parametrize(("irq", "msi", "wanted"), [
    ("0", "", None), ("0 enabled", "", False), ("17", "", True), ("17", "msix", True), ("45", "msi", None),
    ("2147483648", "", False), ("99999999999", "", None),
])  # fmt: skip
def test_whether_a_pin_has_an_interrupt(host: Host, irq: str, msi: str, wanted: bool | None) -> None:
    irq, _, enabled = irq.partition(" ")
    host.add("0000:01:00.0", irq=irq, enable=str(int(bool(enabled))), **({"msi_irqs__45": msi} if msi else {}))
    capture = back(host, host.take().text)
    assert capture.host is not None and capture.host.intx is wanted


def test_what_sysfs_does_not_say_is_null(host: Host) -> None:
    folder = host.add("0000:01:00.0")
    for path in folder.iterdir():
        if path.name != "config":
            path.unlink()
    text = host.take().text
    capture = back(host, text)
    assert capture.data == E1000E and capture.bars == () and capture.driver == ""
    assert json.loads(text)["functions"][0]["subsystem"] is None


def test_odd_attributes_do_no_harm(host: Host) -> None:
    host.add("0000:01:00.0", numa_node="many", reset_method="flr \x1b[31m " + "x" * 99, irq="-5", vendor="0xfffffffff",
             resource="nonsense", driver="->bus/pci/drivers/a driver\u2028")  # fmt: skip
    capture = back(host, host.take().text)
    assert capture.driver == "a_driver" and capture.bars == ()


def test_parameters_of_modules(host: Host) -> None:
    host.add("0000:01:00.0")
    for name, text in (("vfio_pci", "N"), ("vfio", "Y")):
        folder = host.sysfs / f"module/{name}/parameters"
        folder.mkdir(parents=True)
        (folder / "some_switch").write_text(f"{text}\n")
    assert json.loads(host.take().text)["host"]["parameters"] == {"vfio.some_switch": "Y", "vfio_pci.some_switch": "N"}


# -- what cannot be read -------------------------------------------------------------------------------------------


def test_without_root_there_are_64_bytes(host: Host) -> None:
    for bus in (1, 2):
        host.add(f"0000:0{bus}:00.0", E1000E[:64])
    host.add("0000:03:00.0")
    taken = host.take()
    assert [d.code for d in taken.diagnostics] == ["VPCI1726"] and not taken.complete
    assert taken.diagnostics[0].severity is Severity.WARNING
    assert "header could be read of 0000:01:00.0, 0000:02:00.0" in taken.diagnostics[0].message
    path = write(host.sysfs, taken.text)
    assert [d.code for d in read(path, "01:00.0").diagnostics] == ["VPCI1706"]
    assert read(path, "03:00.0").diagnostics == ()


def test_a_function_that_gives_nothing_is_left_out(host: Host) -> None:
    host.add("0000:01:00.0", E1000E[:60])
    host.add("0000:02:00.0")
    (host.devices / "0000:03:00.0").mkdir()
    taken = host.take()
    assert taken.slots == ("0000:02:00.0",)
    assert [d.code for d in taken.diagnostics] == ["VPCI1726"] * 2 and not taken.complete


def test_a_closed_file_is_said(host: Host) -> None:
    host.sysfs.parent.chmod(0o755)
    folder = host.add("0000:01:00.0")
    (folder / "config").chmod(0)
    for above in host.sysfs.parents:
        if os.access(above, os.W_OK) and str(above).startswith("/tmp/"):
            above.chmod(0o755)
    with ordinary_user():
        taken = host.take()
    assert "Permission denied" in taken.diagnostics[0].message and taken.slots == ()


@pytest.mark.parametrize("slot", ["77:00.0", "0001:01:00.0", "eth0", "", "01:20.0", "01:00.0/..", "*"])
def test_no_such_function(host: Host, slot: str) -> None:
    host.add("0000:01:00.0")
    with pytest.raises(Failed) as caught:
        host.take(slot)
    text = render_text(caught.value.diagnostics)
    assert "error[VPCI1702]" in text and ("there are 0000:01:00.0" in text or "is not a slot" in text)


def test_no_sysfs_and_no_function(host: Host, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="VPCI1702: this host shows no PCI function"):
        host.take()
    with pytest.raises(Failed, match="VPCI1001"):
        api.capture_host(None, sysfs=tmp_path / "nothing")


# -- without what tells units apart --------------------------------------------------------------------------------


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


# -- vfio ----------------------------------------------------------------------------------------------------------


def test_everything_that_vfio_says_comes_back(host: Host) -> None:
    host.add("0000:01:00.0")
    host.bind("0000:01:00.0")
    shown = bytearray(E1000E)
    shown[0x3D] = 0
    kernel = answering(bytes(shown))
    taken = host.take("01:00.0", vfio=kernel)
    assert taken.diagnostics == () and kernel.all_closed
    assert kernel.opened == ["/dev/iommu", "/dev/vfio/devices/vfio3"]
    facts = back(host, taken.text).host
    assert facts is not None
    assert facts.vfio_config == shown and facts.vfio_missing == ()
    assert facts.regions == {0: 0x20000, 2: 1 << 37, 7: 4096, 9: 0x2000}
    assert facts.migration == {"stop-copy", "p2p"} and facts.dma_logging is True and facts.intx is True
    assert facts.iommu == IommuFacts(20, pasid_exec=True, pasid_priv=True, ats=True, dirty_tracking=True)
    vfio = json.loads(taken.text)["functions"][0]["vfio"]
    assert vfio["route"] == "iommufd" and vfio["flags"] == ["reset", "pci"] and vfio["atomics"] == ["32", "64"]
    regions = {region["index"]: region for region in vfio["regions"]}
    assert regions[0]["msix_mappable"] and regions[0]["flags"] == ["read", "write", "mmap"]
    assert regions[2]["mmap"] == [{"offset": "0x0", "size": "0x1000"}, {"offset": "0x3000", "size": "0x5000"}]
    assert regions[2]["others"] == [9]
    assert regions[9]["type"] == {"type": "0x80008086", "subtype": "0x1"} and regions[9]["name"] == "region9"
    assert [(irq["name"], irq["count"]) for irq in vfio["irqs"]] == [("intx", 1), ("msi", 8), ("msix", 5), ("req", 1)]
    assert vfio["irqs"][1]["flags"] == ["eventfd", "noresize"]


def test_without_iommufd_it_goes_through_the_group(host: Host) -> None:
    host.add("0000:01:00.0")
    host.bind("0000:01:00.0", node=None)
    kernel = answering(E1000E, paths=("/dev/vfio/vfio", "/dev/vfio/7"))
    taken = host.take("01:00.0", vfio=kernel)
    assert [d.code for d in taken.diagnostics] == ["VPCI1729"] and taken.complete and kernel.all_closed
    assert kernel.opened == ["/dev/vfio/vfio", "/dev/vfio/7"]
    facts = back(host, taken.text).host
    assert facts is not None and facts.iommu is None and facts.vfio_config == E1000E and facts.regions[7] == 4096
    assert json.loads(taken.text)["functions"][0]["vfio"]["route"] == "group"


def test_a_node_without_iommufd_goes_through_the_group(host: Host) -> None:
    host.add("0000:01:00.0")
    host.bind("0000:01:00.0")
    kernel = answering(E1000E, paths=("/dev/vfio/devices/vfio3", "/dev/vfio/vfio", "/dev/vfio/7"))
    assert host.take("01:00.0", vfio=kernel).complete


def test_without_an_iommu(host: Host) -> None:
    host.add("0000:01:00.0")
    host.bind("0000:01:00.0", node=None)
    host.set("0000:01:00.0", "iommu_group/name", "vfio-noiommu")
    kernel = answering(E1000E, paths=("/dev/vfio/vfio", "/dev/vfio/noiommu-7"))
    taken = host.take("01:00.0", vfio=kernel)
    assert json.loads(taken.text)["functions"][0]["vfio"]["route"] == "noiommu"


def test_what_the_driver_and_the_iommu_cannot(host: Host) -> None:
    host.add("0000:01:00.0")
    host.bind("0000:01:00.0")
    kernel = answering(E1000E, migration=None, logging=False, hw=(2, 0, 0xE), caps=())
    facts = back(host, host.take("01:00.0", vfio=kernel).text).host
    assert facts is not None
    assert (facts.migration, facts.dma_logging) == (frozenset(), False)
    assert facts.iommu == IommuFacts(0, pasid_exec=False, pasid_priv=False, ats=False, dirty_tracking=False)


def test_a_kernel_that_does_not_know_what_it_is_asked(host: Host) -> None:
    from vpci_compile.capture import vfio_abi as abi

    host.add("0000:01:00.0")
    host.bind("0000:01:00.0")
    kernel = answering(E1000E, hw=None, refuse={abi.DEVICE_FEATURE: 22})
    taken = host.take("01:00.0", vfio=kernel)
    facts = back(host, taken.text).host
    assert facts is not None and (facts.migration, facts.dma_logging, facts.iommu) == (None, None, None)
    assert [d.code for d in taken.diagnostics] == ["VPCI1729"]
    assert "Linux 6.6" in taken.diagnostics[0].message


def test_new_bits_have_no_names_and_are_kept(host: Host) -> None:
    host.add("0000:01:00.0")
    host.bind("0000:01:00.0")
    taken = host.take("01:00.0", vfio=answering(E1000E, migration=1 | 1 << 40, hw=(77, 0, 1 << 63)))
    vfio = json.loads(taken.text)["functions"][0]["vfio"]
    assert vfio["migration"] == ["stop-copy", "bit40"]
    assert vfio["iommu"] == {"type": "type77", "max_pasid_log2": 0, "capabilities": ["bit63"]}
    facts = back(host, taken.text).host
    assert facts is not None and facts.migration == {"stop-copy"}


def test_only_functions_of_vfio_are_asked(host: Host) -> None:
    host.add("0000:01:00.0")
    host.add("0000:02:00.0", driver="->bus/pci/drivers/e1000e")
    host.add("0000:03:00.0")
    host.bind("0000:01:00.0")
    kernel = answering(E1000E)
    taken = host.take("01:00.0", "02:00.0", "03:00.0", vfio=kernel)
    assert [d.code for d in taken.diagnostics] == ["VPCI1727"] * 2 and not taken.complete
    assert "bound to e1000e" in taken.diagnostics[0].message and "no driver" in taken.diagnostics[1].message
    assert [one["vfio"] is None for one in json.loads(taken.text)["functions"]] == [False, True, True]
    assert host.take(vfio=answering(E1000E)).complete  # all functions: those of vfio are meant
    (host.devices / "0000:01:00.0/driver").unlink()
    (host.devices / "0000:01:00.0/driver").symlink_to(host.sysfs / "bus/pci/drivers/e1000e")
    assert host.take(vfio=answering(E1000E)).complete  # a variant driver: it has a node of vfio


def test_all_of_a_host_without_vfio(host: Host) -> None:
    host.add("0000:02:00.0")
    taken = host.take(vfio=FakeKernel())
    assert [d.code for d in taken.diagnostics] == ["VPCI1727"] and not taken.complete


def refusals() -> list[tuple[dict[str, Any], str]]:
    from vpci_compile.capture import vfio_abi as abi

    node, group = "/dev/vfio/devices/vfio3", {"paths": ("/dev/vfio/vfio", "/dev/vfio/7")}
    return [
        ({"refuse": {"/dev/iommu": 13}}, "open /dev/iommu: Permission denied"),
        ({"refuse": {node: 13}}, f"open {node}: Permission denied"),
        ({"refuse": {abi.DEVICE_BIND_IOMMUFD: 16}}, "VFIO_DEVICE_BIND_IOMMUFD: Device or resource busy"),
        ({"refuse": {abi.DEVICE_GET_INFO: 5}}, "VFIO_DEVICE_GET_INFO: Input/output error"),
        ({"refuse": {abi.DEVICE_GET_REGION_INFO: 5}}, "VFIO_DEVICE_GET_REGION_INFO: Input/output error"),
        ({"refuse": {abi.DEVICE_GET_IRQ_INFO: 5}}, "VFIO_DEVICE_GET_IRQ_INFO: Input/output error"),
        ({"refuse": {"read": 5}}, "reading the configuration space: Input/output error"),
        ({"paths": ()}, "open /dev/vfio/vfio: No such file or directory"),
        ({"paths": ("/dev/vfio/vfio",)}, "open /dev/vfio/7: No such file or directory"),
        ({**group, "viable": False}, "group 7: not all of its functions are in the hands of vfio"),
        ({**group, "refuse": {abi.GROUP_SET_CONTAINER: 22}}, "VFIO_GROUP_SET_CONTAINER: Invalid argument"),
        ({**group, "refuse": {abi.SET_IOMMU: 1}}, "VFIO_SET_IOMMU: Operation not permitted"),
        ({**group, "refuse": {abi.GROUP_GET_DEVICE_FD: 19}}, "VFIO_GROUP_GET_DEVICE_FD: No such device"),
        ({"caps": [(5, b"")]}, "the kernel's answer: "),
    ]


@pytest.mark.parametrize(("changes", "words"), refusals(), ids=[words for _, words in refusals()])
def test_what_vfio_refuses_is_said_and_the_rest_is_kept(host: Host, changes: dict[str, Any], words: str) -> None:
    host.add("0000:01:00.0")
    host.bind("0000:01:00.0")
    kernel = answering(E1000E, **changes)
    taken = host.take("01:00.0", vfio=kernel)
    assert [d.code for d in taken.diagnostics] == ["VPCI1728"] and not taken.complete
    assert words in taken.diagnostics[0].message
    assert kernel.all_closed
    capture = back(host, taken.text)
    assert capture.data == E1000E and capture.host is not None and capture.host.vfio_config == b""


def test_a_function_without_group_and_node(host: Host) -> None:
    host.add("0000:01:00.0", driver="->bus/pci/drivers/vfio-pci")
    taken = host.take("01:00.0", vfio=FakeKernel())
    assert "the function has no device node and no group" in taken.diagnostics[0].message


# -- the format ----------------------------------------------------------------------------------------------------


def whole(host: Host) -> str:
    """A file that has something of everything."""
    host.add("0000:01:00.0", reset_method="flr bus", numa_node="1")
    host.bind("0000:01:00.0")
    host.add("0000:02:00.0", like="igb", sriov_totalvfs="8", sriov_numvfs="0")
    return host.take(vfio=answering(E1000E), redacted=True).text


def test_the_schema_is_what_the_program_reads() -> None:
    made = capture_schema()
    if os.environ.get("VPCI_ACCEPT"):
        SCHEMA.write_text(made, encoding="utf-8")
    assert SCHEMA.read_text(encoding="utf-8") == made, "make schema"
    Draft202012Validator.check_schema(json.loads(made))


def every_part(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [part for entry in schema for part in every_part(entry)]
    if not isinstance(schema, dict):
        return []
    return [*([schema] if "properties" in schema else []), *(p for value in schema.values() for p in every_part(value))]


def test_every_key_is_described() -> None:
    parts = every_part(json.loads(capture_schema()))
    assert len(parts) > 8
    for part in parts:
        assert part["description"] and all(entry.get("description") for entry in part["properties"].values())


def test_every_key_is_in_the_documentation() -> None:
    text = (SCHEMA.parents[1] / "docs/capture.md").read_text(encoding="utf-8")
    for part in every_part(json.loads(capture_schema())):
        for key in part["properties"]:
            assert re.search(rf"`{re.escape(key)}`|\"{re.escape(key)}\"", text), key


WRONG: dict[str, Callable[[Any], None]] = {
    "unknown key": lambda d: d["host"].update(colour="red"),
    "misspelt key": lambda d: d["functions"][0].update(slott=d["functions"][0].pop("slot")),
    "missing key": lambda d: d["functions"][1].pop("config"),
    "missing deep": lambda d: d["functions"][0]["vfio"]["iommu"].pop("type"),
    "text for a list": lambda d: d.update(functions="none"),
    "list for a mapping": lambda d: d.update(host=[]),
    "number for text": lambda d: d["functions"][0].update(vendor=0x8086),
    "text for a number": lambda d: d["functions"][0].update(numa_node="1"),
    "true for a number": lambda d: d["host"].update(page_size=True),
    "null for text": lambda d: d["functions"][0].update(slot=None),
    "a slot that is none": lambda d: d["functions"][0].update(slot="eth0"),
    "a newline after a slot": lambda d: d["functions"][0].update(slot="0000:01:00.0\n"),
    "a negative number": lambda d: d["functions"][0].update(iommu_group=-1),
    "an impossible BAR": lambda d: d["functions"][0]["resources"][0].update(index=7),
    "eight BARs": lambda d: d["functions"][0].update(resources=d["functions"][0]["resources"][:1] * 8),
    "a row of words": lambda d: d["functions"][0]["config"].append("no bytes here"),
    "a row beyond the end": lambda d: d["functions"][0]["config"].append("1000: 00"),
    "a row of 17 bytes": lambda d: d["functions"][0]["config"].append("000:" + " 00" * 17),
    "an odd row": lambda d: d["functions"][0]["config"].append("008: 00"),
    "a name of no parameter": lambda d: d["host"]["parameters"].update({"a b": "x"}),
    "a colour": lambda d: d["host"].update(kernel="\x1b[31m"),
    "half a character": lambda d: d["host"].update(kernel="\ud800"),
    "digits of another script": lambda d: d["functions"][0].update(vendor="0x\u0661\u0662"),
    "too many words": lambda d: d["functions"][0].update(reset_methods=["flr"] * 65),
    "a version as text": lambda d: d.update({"vpci-capture": "1"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_said_once_at_its_place(host: Host, name: str) -> None:
    document = json.loads(whole(host))
    WRONG[name](document)
    path = write(host.sysfs, json.dumps(document, indent=1))
    text = fails(path, "01:00.0")
    assert re.fullmatch(r"host\.capture:(\d+):(\d+): error\[VPCI1716\]: [^\n]+\n(?s:.*)", text), text
    assert text.count("error[") == 1 and "\x1b" not in text
    if "newline" not in name:  # Python's $ stands before one, that of JSON Schema does not
        assert not Draft202012Validator(json.loads(capture_schema())).is_valid(document)


def test_the_place_is_the_place(host: Host) -> None:
    text = whole(host).replace('"revision": "0x00"', '"revision": 0', 1)
    line = next(n for n, row in enumerate(text.splitlines(), 1) if '"revision": 0' in row)
    said = fails(write(host.sysfs, text), "01:00.0")
    place = f"host.capture:{line}:19: error[VPCI1716]: functions[0].revision"
    assert said.startswith(f'{place}: 0 where a number in hex, "0x00" is expected')


@pytest.mark.parametrize(("rows", "words"), [
    (["000:" + " 00" * 16, "000:" + " 00" * 16], "row 0x000 stands after byte 0x00f"),
    (["010..00f: 00"], "the row 010..00f ends before it begins"),
])  # fmt: skip
def test_rows_that_contradict_each_other(host: Host, rows: list[str], words: str) -> None:
    document = json.loads(whole(host))
    document["functions"][0]["config"] = rows
    said = fails(write(host.sysfs, json.dumps(document, indent=1)), "01:00.0")
    assert "error[VPCI1704]" in said and words in said


def test_rows_that_are_missing_are_a_gap(host: Host) -> None:
    document = json.loads(whole(host))
    rows = document["functions"][1]["config"]
    assert rows[8] == "080..09f: 00"
    del rows[8]
    capture = back(host, json.dumps(document, indent=1), "02:00.0")
    assert (0x80, 0xA0) in capture.missing
    assert "VPCI1705" in [d.code for d in capture.diagnostics]


def test_a_range_that_is_said_to_be_redacted_is_not_believed_to_be_there(host: Host) -> None:
    host.add("0000:01:00.0")
    document = json.loads(host.take().text)
    document["functions"][0]["redacted"] = [{"range": "0x144..0x14b", "what": "by-hand"}]
    capture = back(host, json.dumps(document))
    assert capture.missing == ((0x144, 0x14C),) and capture.data[SERIAL] == bytes(8)


def test_another_version(host: Host) -> None:
    path = write(host.sysfs, whole(host).replace('"vpci-capture": 1', '"vpci-capture": 2'))
    said = fails(path)
    assert said.startswith(
        "host.capture:2:19: error[VPCI1717]: capture file of version 2; this program reads version 1"
    )


@pytest.mark.parametrize("text", ["{}", '{"a": 1}', "{ }\n", '{"vpci": 1}'])
def test_another_json_document(tmp_path: Path, text: str) -> None:
    assert "error[VPCI1701]: a JSON document without the key 'vpci-capture'" in fails(write(tmp_path, text))


@pytest.mark.parametrize(("text", "code"), [
    ("{", "VPCI1715"), ('{"vpci-capture": 1', "VPCI1715"), ('{"vpci-capture": 1}\n{}', "VPCI1715"),
    ('{"vpci-capture": 1.0}', "VPCI1715"), ('{"vpci-capture": 1e3}', "VPCI1715"), ('{"vpci-capture": NaN}', "VPCI1715"),
    ('{"vpci-capture": 01}', "VPCI1715"), ('{"vpci-capture": ' + "9" * 5000 + "}", "VPCI1715"),
    ('{"vpci-capture": 1, "vpci-capture": 1}', "VPCI1003"), ('{"vpci-capture": 1,}', "VPCI1715"),
    ('{"a": "\\ud8', "VPCI1715"), ('{"a": "tab\there"}', "VPCI1715"),
    ('{"a" 1}', "VPCI1715"), ('{"a": tru}', "VPCI1715"),
    ('{"a": [1 2]}', "VPCI1715"), ('{"a": ]}', "VPCI1715"), ('{"a": ' + "[" * 100_000, "VPCI1710"),
    ('{"a": [' + "1," * 600_000 + "1]}", "VPCI1710"), ('{"vpci-capture": ' + "9" * 39 + "}", "VPCI1717"),
])  # fmt: skip
def test_broken_json(tmp_path: Path, text: str, code: str) -> None:
    said = fails(write(tmp_path, text))
    assert f"error[{code}]" in said and said.count("error[") == 1


def test_a_file_cut_anywhere(host: Host) -> None:
    text = whole(host)
    for cut in [*range(1, 200), *range(200, len(text) - 2, 37)]:
        said = fails(write(host.sysfs, text[:cut]))
        assert re.match(r"host\.capture:\d+:\d+: error\[VPCI17(15|01)\]", said), (cut, said)


@settings(max_examples=int(os.environ.get("VPCI_FUZZ", "1")) * 150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.data())
def test_any_damage_to_the_text_is_a_diagnostic(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("host")
    text = bytearray(whole(Host(folder / "sys")).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        how = data.draw(st.sampled_from(["set", "delete", "insert", "copy"]))
        if how == "set":
            text[at] = data.draw(st.integers(0, 255))
        elif how == "delete":
            del text[at : at + data.draw(st.integers(1, 400))]
        elif how == "insert":
            text[at:at] = data.draw(
                st.sampled_from([b'"', b"{", b"]", b",", b"null", b"\0", b"\xff", b"-", b"\\u0000"])
            )
        else:
            text[at:at] = text[at : at + 300]
    judge(write(folder, bytes(text)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=int(os.environ.get("VPCI_FUZZ", "1")) * 150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.data())
def test_program_and_schema_refuse_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("host")
    document = copy.deepcopy(json.loads(whole(Host(folder / "sys"))))
    place: Any = document
    while True:
        keys = [*place] if isinstance(place, dict) else [*range(len(place))]
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.integers(0, 4)):
            place = place[key]
            continue
        place[key] = data.draw(JSON)
        break
    codes = judge(write(folder, json.dumps(document)))
    valid = Draft202012Validator(json.loads(capture_schema())).is_valid(document)
    shape = {"VPCI1716", "VPCI1717", "VPCI1006"}
    assert valid == (not codes & shape), (valid, codes)


def judge(path: Path) -> set[str]:
    """Read a file in both ways; whatever is in it, only diagnostics come of it."""
    found = read_all(path)
    for capture in found.captures:
        assert 64 <= len(capture.data) <= 4096
    try:
        read(path, "01:00.0")
    except Failed as failed:
        assert all(d.span.line >= 1 for d in failed.diagnostics)
        assert render_text(failed.diagnostics)
    return {d.code for d in found.diagnostics}


def test_a_large_host_is_read_in_seconds(host: Host) -> None:
    import time

    entry = json.loads(whole(host))
    functions = []
    for number in range(1500):
        one = copy.deepcopy(entry["functions"][number % 2])
        one["slot"] = f"{number >> 8:04x}:{number & 0xFF:02x}:00.0"
        functions.append(one)
    path = write(host.sysfs, json.dumps({**entry, "functions": functions}, indent=1))
    start = time.process_time()
    assert len(read_all(path).captures) == 1500
    assert time.process_time() - start < 20
