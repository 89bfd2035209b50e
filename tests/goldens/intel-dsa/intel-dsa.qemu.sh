#!/bin/sh
# Give it a QEMU command without this function, and it runs the command with the function:
#     sh THIS-FILE qemu-system-x86_64 -machine q35 -m 4G ...
exec "$@" \
    -object '{"qom-type":"iommufd","id":"iommufd0"}' \
    -device '{"driver":"vfio-pci","id":"intel-dsa","host":"0000:01:00.0","bus":"pcie.0","addr":"05.0","rombar":0,"ats":"on","iommufd":"iommufd0","x-vpasid-cap-offset":4088}'
