"""What `capture` writes: every byte and fact comes back, and it reads well; and what it says of what it cannot read."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hosts import Host
from rights import ordinary_user
from vpci_compile import api
from vpci_compile.capture import BarFact, read, read_all
from vpci_compile.diagnostics import Failed, Severity, render_text

from .host_files import E1000E, back, fails, write
from .judge import OWN, files

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
