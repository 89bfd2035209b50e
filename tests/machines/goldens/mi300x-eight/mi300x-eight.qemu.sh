#!/bin/sh
# Starts the machine; what is given to this script follows: an accelerator, disks, a console.
exec qemu-system-x86_64 -nodefaults \
    -machine pc-q35-11.1 \
    -cpu max,phys-bits=44,vendor=AuthenticAMD \
    -m size=17179869184B \
    -smp 16,sockets=2,cores=4,threads=2 \
    -global q35-pcihost.pci-hole64-size=8796093022208 \
    -object '{"qom-type":"iommufd","id":"iommufd0"}' \
    -object '{"qom-type":"memory-backend-ram","id":"ram0","size":8589934592}' \
    -object '{"qom-type":"memory-backend-ram","id":"ram1","size":8589934592}' \
    -numa node,nodeid=0,cpus=0-7,memdev=ram0 \
    -numa node,nodeid=1,cpus=8-15,memdev=ram1 \
    -numa dist,src=0,dst=1,val=32 \
    -device '{"driver":"pxb-pcie","id":"socket0","bus":"pcie.0","addr":"01.0","bus_nr":32,"numa_node":0}' \
    -device '{"driver":"pxb-pcie","id":"socket1","bus":"pcie.0","addr":"02.0","bus_nr":128,"numa_node":1}' \
    -device '{"driver":"pcie-root-port","id":"rp0","bus":"socket0","addr":"00.0","chassis":1,"pref64-reserve":549755813888,"io-reserve":0}' \
    -device '{"driver":"pcie-root-port","id":"rp1","bus":"socket0","addr":"01.0","chassis":2,"pref64-reserve":549755813888,"io-reserve":0}' \
    -device '{"driver":"pcie-root-port","id":"rp2","bus":"socket0","addr":"02.0","chassis":3,"pref64-reserve":549755813888,"io-reserve":0}' \
    -device '{"driver":"pcie-root-port","id":"rp3","bus":"socket0","addr":"03.0","chassis":4,"pref64-reserve":549755813888,"io-reserve":0}' \
    -device '{"driver":"pcie-root-port","id":"rp4","bus":"socket1","addr":"00.0","chassis":5,"pref64-reserve":549755813888,"io-reserve":0}' \
    -device '{"driver":"pcie-root-port","id":"rp5","bus":"socket1","addr":"01.0","chassis":6,"pref64-reserve":549755813888,"io-reserve":0}' \
    -device '{"driver":"pcie-root-port","id":"rp6","bus":"socket1","addr":"02.0","chassis":7,"pref64-reserve":549755813888,"io-reserve":0}' \
    -device '{"driver":"pcie-root-port","id":"rp7","bus":"socket1","addr":"03.0","chassis":8,"pref64-reserve":549755813888,"io-reserve":0}' \
    -device '{"driver":"vfio-pci","id":"gpu0","host":"0000:01:00.0","bus":"rp0","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    -device '{"driver":"vfio-pci","id":"gpu1","host":"0000:02:00.0","bus":"rp1","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    -device '{"driver":"vfio-pci","id":"gpu2","host":"0000:03:00.0","bus":"rp2","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    -device '{"driver":"vfio-pci","id":"gpu3","host":"0000:04:00.0","bus":"rp3","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    -device '{"driver":"vfio-pci","id":"gpu4","host":"0000:05:00.0","bus":"rp4","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    -device '{"driver":"vfio-pci","id":"gpu5","host":"0000:06:00.0","bus":"rp5","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    -device '{"driver":"vfio-pci","id":"gpu6","host":"0000:07:00.0","bus":"rp6","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    -device '{"driver":"vfio-pci","id":"gpu7","host":"0000:08:00.0","bus":"rp7","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    "$@"
