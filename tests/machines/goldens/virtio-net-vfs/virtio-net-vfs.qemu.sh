#!/bin/sh
# Starts the machine; what is given to this script follows: an accelerator, disks, a console.
exec qemu-system-x86_64 -nodefaults \
    -machine pc-q35-11.1 \
    -cpu max \
    -m size=2147483648B \
    -smp 2 \
    -object '{"qom-type":"iommufd","id":"iommufd0"}' \
    -object '{"qom-type":"memory-backend-ram","id":"ram0","size":2147483648}' \
    -numa node,nodeid=0,cpus=0-1,memdev=ram0 \
    -device '{"driver":"pcie-root-port","id":"old-port","bus":"pcie.0","addr":"01.0","chassis":1,"pref64-reserve":1048576}' \
    -device '{"driver":"pcie-root-port","id":"new-port","bus":"pcie.0","addr":"02.0","chassis":2,"pref64-reserve":1048576,"io-reserve":0}' \
    -device '{"driver":"vfio-pci","id":"net0","host":"0000:01:00.0","bus":"old-port","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    -device '{"driver":"vfio-pci","id":"net1","host":"0000:02:00.0","bus":"new-port","addr":"00.0","rombar":0,"iommufd":"iommufd0"}' \
    "$@"
