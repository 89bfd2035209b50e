#!/bin/sh
# Starts the machine; what is given to this script follows: an accelerator, disks, a console.
exec qemu-system-aarch64 -nodefaults \
    -machine virt-11.1,gic-version=3 \
    -cpu max \
    -m size=4294967296B \
    -smp 4 \
    -object '{"qom-type":"iommufd","id":"iommufd0"}' \
    -object '{"qom-type":"memory-backend-ram","id":"ram0","size":4294967296}' \
    -numa node,nodeid=0,cpus=0-3,memdev=ram0 \
    -device '{"driver":"pxb-pcie","id":"pcie1","bus":"pcie.0","addr":"01.0","bus_nr":8}' \
    -device '{"driver":"arm-smmuv3","primary-bus":"pcie1","id":"pcie1-smmu","accel":true,"ats":"on","ril":"off","ssidsize":"20","oas":"48"}' \
    -device '{"driver":"pcie-root-port","id":"nic-port","bus":"pcie1","addr":"00.0","chassis":1,"pref64-reserve":1048576,"io-reserve":0}' \
    -device '{"driver":"vfio-pci","id":"nic0","host":"0000:01:00.0","bus":"nic-port","addr":"00.0","rombar":0,"ats":"on","iommufd":"iommufd0","x-vpasid-cap-offset":4088}' \
    "$@"
