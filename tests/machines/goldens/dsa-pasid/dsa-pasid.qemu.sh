#!/bin/sh
# Starts the machine; what is given to this script follows: an accelerator, disks, a console.
exec qemu-system-x86_64 -nodefaults \
    -machine pc-q35-11.1,kernel-irqchip=split \
    -cpu max \
    -m size=8589934592B \
    -smp 8 \
    -object '{"qom-type":"iommufd","id":"iommufd0"}' \
    -object '{"qom-type":"memory-backend-ram","id":"ram0","size":8589934592}' \
    -numa node,nodeid=0,cpus=0-7,memdev=ram0 \
    -device '{"driver":"intel-iommu","intremap":"on","caching-mode":true,"scalable-mode":true,"fsts":true,"pasid-bits":20,"device-iotlb":true}' \
    -device '{"driver":"vfio-pci","id":"dsa0","host":"0000:01:00.0","bus":"pcie.0","addr":"05.0","rombar":0,"ats":"on","iommufd":"iommufd0","x-vpasid-cap-offset":4088}' \
    "$@"
