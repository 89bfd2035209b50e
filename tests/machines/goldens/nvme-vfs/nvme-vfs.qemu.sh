#!/bin/sh
# Starts the machine; what is given to this script follows: an accelerator, disks, a console.
exec qemu-system-x86_64 -nodefaults \
    -machine pc-q35-11.1 \
    -cpu max \
    -m size=4294967296B \
    -smp 4 \
    -object '{"qom-type":"iommufd","id":"iommufd0"}' \
    -object '{"qom-type":"memory-backend-ram","id":"ram0","size":4294967296}' \
    -numa node,nodeid=0,cpus=0-3,memdev=ram0 \
    -device '{"driver":"pcie-root-port","id":"disk-port0","bus":"pcie.0","addr":"04.0","chassis":1,"multifunction":true,"io-reserve":0}' \
    -device '{"driver":"pcie-root-port","id":"disk-port1","bus":"pcie.0","addr":"04.1","chassis":2,"multifunction":true,"io-reserve":0}' \
    -device '{"driver":"pcie-root-port","id":"disk-port2","bus":"pcie.0","addr":"04.2","chassis":3,"multifunction":true,"io-reserve":0}' \
    -device '{"driver":"pcie-root-port","id":"disk-port3","bus":"pcie.0","addr":"04.3","chassis":4,"multifunction":true,"io-reserve":0}' \
    -device '{"driver":"vfio-pci","id":"disk0","host":"0000:01:00.0","bus":"disk-port0","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    -device '{"driver":"vfio-pci","id":"disk1","host":"0000:02:00.0","bus":"disk-port1","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    -device '{"driver":"vfio-pci","id":"disk2","host":"0000:03:00.0","bus":"disk-port2","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    -device '{"driver":"vfio-pci","id":"disk3","host":"0000:04:00.0","bus":"disk-port3","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    "$@"
