#!/bin/sh
# Starts the machine; what is given to this script follows: a kernel or firmware, disks, a console.
exec cloud-hypervisor --cpus boot=16,topology=2:4:1:2 \
    --memory size=0 \
    --memory-zone id=ram0,size=8589934592 id=ram1,size=8589934592 \
    --platform num_pci_segments=3 \
    --numa 'guest_numa_id=0,cpus=[0,1,2,3,4,5,6,7],memory_zones=[ram0],pci_segments=[1],distances=[1@21]' 'guest_numa_id=1,cpus=[8,9,10,11,12,13,14,15],memory_zones=[ram1],pci_segments=[2],distances=[0@21]' \
    --device path=/sys/bus/pci/devices/0000:01:00.0,id=gpu0,pci_segment=1,pci_device_id=1,x_nv_gpudirect_clique=0 path=/sys/bus/pci/devices/0000:02:00.0,id=gpu1,pci_segment=1,pci_device_id=2,x_nv_gpudirect_clique=0 path=/sys/bus/pci/devices/0000:03:00.0,id=gpu2,pci_segment=1,pci_device_id=3,x_nv_gpudirect_clique=0 path=/sys/bus/pci/devices/0000:04:00.0,id=gpu3,pci_segment=1,pci_device_id=4,x_nv_gpudirect_clique=0 path=/sys/bus/pci/devices/0000:05:00.0,id=gpu4,pci_segment=2,pci_device_id=1,x_nv_gpudirect_clique=1 path=/sys/bus/pci/devices/0000:06:00.0,id=gpu5,pci_segment=2,pci_device_id=2,x_nv_gpudirect_clique=1 path=/sys/bus/pci/devices/0000:07:00.0,id=gpu6,pci_segment=2,pci_device_id=3,x_nv_gpudirect_clique=1 path=/sys/bus/pci/devices/0000:08:00.0,id=gpu7,pci_segment=2,pci_device_id=4,x_nv_gpudirect_clique=1 \
    "$@"
