"""Machines that use much of the language, as text."""

X86 = """vpci: 1
machine: x86
about: {about}
architecture: x86-64
vmm: {{name: qemu, release: "11.1", type: q35}}
cpus: 6
nodes:
  - {{cpus: "0-2", memory: 1G}}
  - {{cpus: "3-5", memory: 512M}}
  - {{memory: 256M, initiator: 1}}
hotplug: {{size: 2G, slots: 4}}
buses:
  far: {{number: 64, node: 1}}
ports:
  a: {{slot: 4, function: 0}}
  b: {{slot: 4, function: 1, io: false}}
  c: {{bus: far, window: 4G}}
viommu: {{type: intel-iommu, ats: true, pasid_bits: 20}}
distances: {{remote: 21, pairs: [{{from: 0, to: 1, value: 30}}]}}
latencies:
  - {{measure: access-latency, from: 0, to: 0, value: 5}}
  - {{measure: access-bandwidth, from: 0, to: 0, value: 200M}}
  - {{measure: access-latency, from: 1, to: 1, value: 5}}
  - {{measure: access-latency, from: 0, to: 2, value: 20}}
  - {{measure: access-latency, from: 1, to: 2, value: 10}}
  - {{measure: access-bandwidth, from: 1, to: 1, value: 200M}}
  - {{measure: access-bandwidth, from: 0, to: 2, value: 50M}}
  - {{measure: access-bandwidth, from: 1, to: 2, value: 100M}}
caches:
  - {{node: 2, size: 1M, level: 1, associativity: direct, policy: write-back, line: 64}}
"""
ARM = """vpci: 1
machine: arm
about: {about}
architecture: aarch64
vmm: {{name: qemu, release: "11.1", type: virt}}
cpus: 2
nodes: [{{memory: 2G}}]
buses:
  s: {{number: 16, viommu: {{type: smmuv3, accel: true, ats: true, pasid_bits: 20}}}}
ports:
  p: {{bus: s, window: 1T}}
devices:
  gpu: {{layout: nvidia/gh200, port: p}}
distances: {{remote: 20, initiators: 80}}
"""
