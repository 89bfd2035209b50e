#!/bin/sh
# Give it a QEMU command without this function, and it runs the command with the function:
#     sh THIS-FILE qemu-system-x86_64 -machine q35 -m 4G ...
exec "$@" \
    -device '{"driver":"pcie-root-port","id":"rp01","bus":"pcie.0","chassis":1}' \
    -device '{"driver":"vfio-pci","id":"nvidia-gb200","host":"0000:01:00.0","bus":"rp01","addr":"00.0","rombar":0}' \
    -numa node,nodeid=1 \
    -numa node,nodeid=2 \
    -numa node,nodeid=3 \
    -numa node,nodeid=4 \
    -numa node,nodeid=5 \
    -numa node,nodeid=6 \
    -numa node,nodeid=7 \
    -numa node,nodeid=8 \
    -object '{"qom-type":"acpi-generic-initiator","id":"nvidia-gb200-gi0","pci-dev":"nvidia-gb200","node":1}' \
    -object '{"qom-type":"acpi-generic-initiator","id":"nvidia-gb200-gi1","pci-dev":"nvidia-gb200","node":2}' \
    -object '{"qom-type":"acpi-generic-initiator","id":"nvidia-gb200-gi2","pci-dev":"nvidia-gb200","node":3}' \
    -object '{"qom-type":"acpi-generic-initiator","id":"nvidia-gb200-gi3","pci-dev":"nvidia-gb200","node":4}' \
    -object '{"qom-type":"acpi-generic-initiator","id":"nvidia-gb200-gi4","pci-dev":"nvidia-gb200","node":5}' \
    -object '{"qom-type":"acpi-generic-initiator","id":"nvidia-gb200-gi5","pci-dev":"nvidia-gb200","node":6}' \
    -object '{"qom-type":"acpi-generic-initiator","id":"nvidia-gb200-gi6","pci-dev":"nvidia-gb200","node":7}' \
    -object '{"qom-type":"acpi-generic-initiator","id":"nvidia-gb200-gi7","pci-dev":"nvidia-gb200","node":8}'
