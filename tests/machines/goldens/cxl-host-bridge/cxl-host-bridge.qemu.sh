#!/bin/sh
# Starts the machine; what is given to this script follows: an accelerator, disks, a console.
exec qemu-system-x86_64 -nodefaults \
    -machine pc-q35-11.1,hmat=on,cxl=on \
    -cpu max \
    -m size=4294967296B \
    -smp 4 \
    -object '{"qom-type":"iommufd","id":"iommufd0"}' \
    -object '{"qom-type":"memory-backend-ram","id":"ram0","size":4294967296}' \
    -numa node,nodeid=0,cpus=0-3,memdev=ram0,initiator=0 \
    -numa node,nodeid=1 \
    -numa dist,src=0,dst=1,val=20 \
    -numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-latency,latency=100 \
    -numa hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=access-latency,latency=250 \
    -numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-bandwidth,bandwidth=107374182400 \
    -numa hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=access-bandwidth,bandwidth=32212254720 \
    -device '{"driver":"pxb-cxl","id":"cxl0","bus":"pcie.0","addr":"01.0","bus_nr":52,"numa_node":0}' \
    -device '{"driver":"cxl-rp","id":"cxl-port","bus":"cxl0","addr":"00.0","chassis":1,"pref64-reserve":1048576}' \
    -device '{"driver":"vfio-pci","id":"accel0","host":"0000:01:00.0","bus":"cxl-port","addr":"00.0","rombar":0,"ats":"on","iommufd":"iommufd0","x-vpasid-cap-offset":4088}' \
    -object '{"qom-type":"acpi-generic-port","id":"cxl0-gp0","pci-bus":"cxl0","node":1}' \
    "$@"
