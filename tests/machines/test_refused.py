"""Machines that cannot be: each is refused with a code, and where it is QEMU that refuses, QEMU does."""

from __future__ import annotations

from pathlib import Path

import pytest

from emit import qtest
from judges import need
from machines.drawn import write_devices
from vpci_compile import api
from vpci_compile.diagnostics import Failed

HEADS = {
    "x86": 'vpci: 1\nmachine: x\narchitecture: x86-64\nvmm: {name: qemu, release: "11.1", type: q35}\n',
    "arm": 'vpci: 1\nmachine: x\narchitecture: aarch64\nvmm: {name: qemu, release: "11.1", type: virt}\n',
}
ONE = "cpus: 1\nnodes: [{memory: 1G}]\n"
TOLD = "latencies:\n  - {measure: access-latency, from: 0, to: 0, value: 5}\n"
BOTH = TOLD + "  - {measure: access-bandwidth, from: 0, to: 0, value: 1M}\n"
REFUSED = {
    "parts of processors": ("x86", "cpus: 6\nprocessor: {sockets: 4}\nnodes: [{memory: 1G}]\n", "VPCI1990"),
    "dies on arm": ("arm", "cpus: 2\nprocessor: {dies: 2}\nnodes: [{memory: 1G}]\n", "VPCI1990"),
    "a port called root": ("x86", ONE + "ports: {root: {}}\n", "VPCI1992"),
    "the root bus of QEMU": ("x86", ONE + "buses: {pcie.0: {number: 5}}\n", "VPCI1992"),
    "the name of an SMMU": (
        "arm",
        ONE + "buses: {b: {number: 5, viommu: {type: smmuv3, accel: true}}}\nports: {b-smmu: {}}\n",
        "VPCI1992",
    ),
    "Intel's on arm": ("arm", ONE + "viommu: {type: intel-iommu}\n", "VPCI1993"),
    "an SMMU on x86": ("x86", ONE + "buses: {b: {number: 5, viommu: {type: smmuv3}}}\n", "VPCI1993"),
    "PASID without accel": (
        "arm",
        ONE + "buses: {b: {number: 5, viommu: {type: smmuv3, pasid_bits: 8}}}\n",
        "VPCI1993",
    ),
    "VFIO without accel": (
        "arm",
        ONE + "buses: {b: {number: 5, viommu: {type: smmuv3}}}\nports: {p: {bus: b}}\n"
        "devices: {d: {layout: port-0.yaml, port: p}}\n",
        "VPCI1993",
    ),
    "switches deeper than there are buses": (
        "x86",
        ONE
        + "ports:\n  p0: {}\n"
        + "".join(f"  p{n}: {{bus: s{n}}}\n" for n in range(1, 1500))
        + "switches:\n"
        + "".join(f"  s{n}: {{port: p{n - 1}}}\n" for n in range(1, 1500)),
        "VPCI1964",
    ),
    "a switch behind no port": ("x86", ONE + "switches: {s: {port: p}}\n", "VPCI1960"),
    "two switches behind one port": (
        "x86",
        ONE + "ports: {p: {}}\nswitches: {s: {port: p}, t: {port: p}}\n",
        "VPCI1961",
    ),
    "a function where a switch is": (
        "x86",
        ONE + "ports: {p: {}}\nswitches: {s: {port: p}}\ndevices: {d: {layout: port-0.yaml, port: p}}\n",
        "VPCI1961",
    ),
    "a function beside a switch": (
        "x86",
        ONE + "ports: {p: {}}\nswitches: {s: {port: p}}\ndevices: {d: {layout: port-0.yaml, port: p, function: 1}}\n",
        "VPCI1996",
    ),
    "a function on a switch": (
        "x86",
        ONE + "ports: {p: {}}\nswitches: {s: {port: p}}\ndevices: {d: {layout: root-0.yaml, bus: s}}\n",
        "VPCI1960",
    ),
    "a switch called as its port": ("x86", ONE + "ports: {p: {}}\nswitches: {p: {port: p}}\n", "VPCI1992"),
    "VFIO below a switch without accel": (
        "arm",
        ONE + "buses: {b: {number: 5, viommu: {type: smmuv3}}}\nports: {p: {bus: b}, q: {bus: s}}\n"
        "switches: {s: {port: p}}\ndevices: {d: {layout: port-0.yaml, port: q}}\n",
        "VPCI1993",
    ),
    "no memory": ("x86", "cpus: 1\nnodes: [{}]\n", "VPCI1994"),
    "memory for later": ("x86", ONE + "hotplug: {size: 4097, slots: 1}\n", "VPCI1994"),
    "node of a bus": ("x86", ONE + "buses: {b: {number: 5, node: 1}}\n", "VPCI1960"),
    "a port that is no CXL": ("x86", ONE + "buses: {b: {number: 5}}\ngeneric_ports: [{bus: b, node: 0}]\n", "VPCI1960"),
    "told twice": ("x86", ONE + TOLD + "  - {measure: access-latency, from: 0, to: 0, value: 6}\n", "VPCI1995"),
    "too far apart": (
        "x86",
        "cpus: 1\nnodes: [{memory: 1G}, {memory: 1G}]\n"
        + TOLD
        + "  - {measure: access-latency, from: 0, to: 1, value: 70000001}\n",
        "VPCI1995",
    ),
    "a pair that ACPI misses": (
        "x86",
        "cpus: 2\nnodes: [{memory: 1G, cpus: 0}, {memory: 1G, cpus: 1}]\ntables: acpi-6.6\n"
        + TOLD
        + "  - {measure: access-latency, from: 1, to: 1, value: 5}\n",
        "VPCI1995",
    ),
    "no initiator": (
        "x86",
        "cpus: 1\nnodes: [{memory: 1G}, {memory: 1G}]\n"
        "latencies: [{measure: access-latency, from: 1, to: 0, value: 5}]\n",
        "VPCI1995",
    ),
    "a cache of nothing": ("x86", ONE + TOLD + "caches: [{node: 0, size: 4K}]\n", "VPCI1995"),
    "a cache above none": ("x86", ONE + BOTH + "caches: [{node: 0, size: 4K, level: 2}]\n", "VPCI1995"),
    "a cache that is smaller": (
        "x86",
        ONE + BOTH + "caches: [{node: 0, size: 4K}, {node: 0, size: 4K, level: 2}]\n",
        "VPCI1995",
    ),
    "a function alone": ("x86", ONE + "ports: {p: {slot: 4, function: 2}}\n", "VPCI1996"),
    "beside a single function": (
        "x86",
        ONE + "ports: {p: {}}\ndevices:\n  a: {layout: generic/sriov-vf-pasid, port: p}\n"
        "  b: {layout: port-0.yaml, port: p, function: 1}\n",
        "VPCI1996",
    ),
    "an expander without a port": (
        "x86",
        ONE + "buses: {b: {number: 5}}\ndevices: {d: {layout: root-0.yaml, bus: b}}\n",
        "VPCI1966",
    ),
    "a crooked window": ("x86", ONE + "ports: {p: {window: 1000}}\n", "VPCI1965"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(name: str, tmp_path: Path) -> None:
    write_devices(tmp_path)
    head, text, code = REFUSED[name]
    path = tmp_path / "x.yaml"
    path.write_text(HEADS[head] + text, encoding="utf-8")
    with pytest.raises(Failed) as caught:
        api.check_machine(path)
    assert {one.code for one in caught.value.diagnostics} == {code}


QEMU = {  # what such a layout would come to on the command line
    "parts of processors": (["-smp", "6,sockets=4"], "CPU topology"),
    "an expander without a port": (
        ["-device", "pxb-pcie,id=b,bus=pcie.0,bus_nr=5", "-device", "pci-testdev,bus=b,addr=1.0"],
        "Only PCI/PCIe bridges",
    ),
    "node of a bus": (
        [
            "-object",
            "memory-backend-ram,id=m,size=256M",
            "-numa",
            "node,memdev=m",
            "-device",
            "pxb-pcie,id=b,bus=pcie.0,bus_nr=5,numa_node=1",
        ],
        "Illegal numa node",
    ),
    "beside a single function": (
        ["-device", "pci-testdev,addr=4.0", "-device", "pci-testdev,addr=4.1"],
        "single function",
    ),
    "memory for later": (["-m", "size=1G,slots=1,maxmem=1073745921B"], "aligned"),
    "PCI address space": (["-global", "q35-pcihost.pci-hole64-size=4398046511104"], "phys-bits too low"),
}


@pytest.mark.parametrize("name", QEMU)
def test_qemu_refuses_it(name: str) -> None:
    arguments, words = QEMU[name]
    said = qtest.refusal(need("VPCI_QEMU", "qemu-system-x86_64"), "q35", arguments)
    assert words in said
