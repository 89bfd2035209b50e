"""What is told of the host: QEMU starts with it as it is, libvirt makes the same of it, others hold it or refuse it."""

from __future__ import annotations

import contextlib
import json
import socket
from pathlib import Path

import pytest
from lxml import etree

from acpi.test_qemu_tables import without_checksum
from emit import qtest
from machines import libvirt
from machines.qemu_arguments import facts
from machines.running import number_buses, program_of
from machines.test_configurations import compiled, domain_schema
from machines.test_libvirt import names
from machines.test_other_vmms import ONE_NODE, words
from vpci_compile import api
from vpci_compile.diagnostics import Failed
from vpci_compile.emit import Options
from vpci_compile.live.verify import serving

TWO = """vpci: 1
machine: two
architecture: x86-64
vmm: {name: qemu, release: "11.1", type: q35}
cpus: 2
nodes: [{memory: 256M}]
ports: {a: {}, b: {}}
devices:
  near: {layout: nvidia/gh200, port: a}
  far: {layout: nvidia/gh200, port: b}
distances: {remote: 20, initiators: 80}
"""
MIB_2 = 2 << 20


def built(folder: Path, text: str, options: Options) -> Path:
    path = folder / "machine.yaml"
    path.write_text(text)
    api.build_machine(path, folder / "out", options)
    return folder / "out"


def test_qemu_starts_with_sockets_and_a_monitor(tmp_path: Path) -> None:
    """The arguments as they are written, with servers behind the sockets: its tables are those beside them."""
    system = compiled(tmp_path, TWO)
    sockets = {one.name: str(tmp_path / one.name) for one in system.devices}
    out = built(tmp_path, TWO, Options(sockets=sockets, monitor=str(tmp_path / "qmp")))
    argv = json.loads((out / "two.qemu.json").read_text())["argv"]
    with contextlib.ExitStack() as stack:
        for one in system.devices:
            stack.enter_context(serving(Path(sockets[one.name]), one.function))
        machine = stack.enter_context(qtest.machine(program_of(system), "q35", argv[1:]))
        number_buses(machine, system)
        for name in ("srat", "slit"):
            (table,) = machine.acpi_tables(name.upper().encode())
            assert table.hex() == without_checksum((out / f"two.{name}.aml").read_bytes()).hex()
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(tmp_path / "qmp"))
            assert "QMP" in json.loads(monitor.makefile().readline())


def test_libvirt_takes_huge_pages(tmp_path: Path) -> None:
    system = compiled(tmp_path, TWO)
    addresses = {"near": "0000:01:00.0", "far": "0000:02:00.0"}
    out = built(tmp_path, TWO, Options(host_devices=addresses, huge_pages=MIB_2))
    domain = (out / "two.libvirt.xml").read_bytes()
    domain_schema().assertValid(etree.fromstring(domain))
    ours = facts(json.loads((out / "two.qemu.json").read_text())["argv"], {})
    theirs = facts(libvirt.native({"two": domain}, addresses.values())["two"], names(system))
    memory = {fact for fact in ours if fact[1] == "ram0"}
    assert ("-object", "ram0", "hugetlbsize", MIB_2) in memory
    assert memory <= theirs
    assert {fact[2] for fact in theirs - ours if fact[1] == "ram0"} == {"prealloc"}  # it takes them all at once


def test_cloud_hypervisor(tmp_path: Path) -> None:
    text = ONE_NODE.format(vmm='cloud-hypervisor, release: "53.0"')
    out = built(tmp_path, text, Options(sockets={"acc": "/run/a"}, huge_pages=MIB_2, monitor="/run/api"))
    body = json.loads((out / "small.cloud-hypervisor.vm-create.json").read_text())
    assert body["user_devices"] == [{"socket": "/run/a", "id": "acc", "pci_segment": 0, "pci_device_id": 5}]
    assert body["devices"] == []
    zone = {"id": "ram0", "size": 1 << 30, "hugepages": True, "hugepage_size": MIB_2, "shared": True}
    assert body["memory"]["zones"] == [zone]
    argv = words((out / "small.cloud-hypervisor.sh").read_text())
    assert f"id=ram0,size={1 << 30},hugepages=on,hugepage_size={MIB_2},shared=on" in argv
    assert "socket=/run/a,id=acc,pci_segment=0,pci_device_id=5" in argv and "path=/run/api" in argv


def test_crosvm_and_firecracker(tmp_path: Path) -> None:
    text = ONE_NODE.format(vmm='crosvm, release: "2026.8"')
    argv = words((built(tmp_path, text, Options(monitor="/run/c")) / "small.crosvm.sh").read_text())
    assert argv[argv.index("--socket") + 1] == "/run/c"
    text = ONE_NODE.format(vmm='firecracker, release: "2026.8"')
    out = built(tmp_path, text, Options(huge_pages=MIB_2))
    assert json.loads((out / "small.firecracker.experimental.json").read_text())["machine-config"]["huge_pages"] == "2M"


@pytest.mark.parametrize(
    ("vmm", "options"),
    [
        ('crosvm, release: "2026.8"', Options(sockets={"acc": "/run/a"})),
        ('crosvm, release: "2026.8"', Options(huge_pages=MIB_2)),
        ('firecracker, release: "2026.8"', Options(monitor="/run/m")),
        ('firecracker, release: "2026.8"', Options(huge_pages=1 << 30)),
        ('cloud-hypervisor, release: "53.0"', Options(iommufd_fd=9)),
        ('cloud-hypervisor, release: "53.0"', Options(sockets={"acc": "/run/a"}, host_devices={"acc": "0000:01:00.0"})),
        ('qemu, release: "11.1", type: q35', Options(huge_pages=3 << 20)),
        ('qemu, release: "11.1", type: q35', Options(monitor="run/m")),
        ('qemu, release: "11.1", type: q35', Options(monitor="/" + "m" * 107)),
    ],
)
def test_what_is_refused(vmm: str, options: Options, tmp_path: Path) -> None:
    with pytest.raises(Failed) as caught:
        built(tmp_path, ONE_NODE.format(vmm=vmm), options)
    assert "VPCI1976" in {one.code for one in caught.value.diagnostics}
