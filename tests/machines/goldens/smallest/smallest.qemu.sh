#!/bin/sh
# Starts the machine; what is given to this script follows: an accelerator, disks, a console.
exec qemu-system-x86_64 -nodefaults \
    -machine pc-q35-11.1 \
    -cpu max \
    -m size=1073741824B \
    -smp 1 \
    -object '{"qom-type":"iommufd","id":"iommufd0"}' \
    -object '{"qom-type":"memory-backend-ram","id":"ram0","size":1073741824}' \
    -numa node,nodeid=0,cpus=0-0,memdev=ram0 \
    -device '{"driver":"pcie-root-port","id":"rp1","bus":"pcie.0","addr":"01.0","chassis":1,"pref64-reserve":1048576}' \
    -device '{"driver":"vfio-pci","id":"vf0","host":"0000:01:00.0","bus":"rp1","addr":"00.0","rombar":0,"ats":"on","iommufd":"iommufd0","x-vpasid-cap-offset":4088}' \
    "$@"
