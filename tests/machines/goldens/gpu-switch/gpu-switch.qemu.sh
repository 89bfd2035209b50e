#!/bin/sh
# Starts the machine; what is given to this script follows: an accelerator, disks, a console.
exec qemu-system-x86_64 -nodefaults \
    -machine pc-q35-11.1 \
    -cpu max,phys-bits=42,vendor=GenuineIntel \
    -m size=17179869184B \
    -smp 8,sockets=1,cores=4,threads=2 \
    -global q35-pcihost.pci-hole64-size=2199023255552 \
    -object '{"qom-type":"iommufd","id":"iommufd0"}' \
    -object '{"qom-type":"memory-backend-ram","id":"ram0","size":17179869184}' \
    -numa node,nodeid=0,cpus=0-7,memdev=ram0 \
    -device '{"driver":"pxb-pcie","id":"socket0","bus":"pcie.0","addr":"01.0","bus_nr":32,"numa_node":0}' \
    -device '{"driver":"pcie-root-port","id":"uplink","bus":"socket0","addr":"00.0","chassis":1,"pref64-reserve":1099511627776,"io-reserve":0}' \
    -device '{"driver":"x3130-upstream","id":"switch0","bus":"uplink","addr":"00.0"}' \
    -device '{"driver":"xio3130-downstream","id":"gpu-port0","bus":"switch0","addr":"00.0","chassis":2}' \
    -device '{"driver":"xio3130-downstream","id":"gpu-port1","bus":"switch0","addr":"01.0","chassis":3}' \
    -device '{"driver":"xio3130-downstream","id":"nic-port","bus":"switch0","addr":"02.0","chassis":4}' \
    -device '{"driver":"vfio-pci","id":"gpu0","host":"0000:01:00.0","bus":"gpu-port0","addr":"00.0","rombar":0,"x-nv-gpudirect-clique":0,"iommufd":"iommufd0"}' \
    -device '{"driver":"vfio-pci","id":"gpu1","host":"0000:02:00.0","bus":"gpu-port1","addr":"00.0","rombar":0,"x-nv-gpudirect-clique":0,"iommufd":"iommufd0"}' \
    -device '{"driver":"vfio-pci","id":"nic0","host":"0000:03:00.0","bus":"nic-port","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    "$@"
