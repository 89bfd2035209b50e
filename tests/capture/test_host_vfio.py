"""`capture --vfio`: everything that the kernel says of a function comes back, and what it refuses is said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hosts import FakeKernel, Host, answering
from vpci_compile.capture import IommuFacts

from .host_files import E1000E, back


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
