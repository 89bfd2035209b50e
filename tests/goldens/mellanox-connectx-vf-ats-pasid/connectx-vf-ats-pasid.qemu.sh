#!/bin/sh
# Give it a QEMU command without this function, and it runs the command with the function:
#     sh THIS-FILE qemu-system-x86_64 -machine q35 -m 4G ...
exec "$@" \
    -object '{"qom-type":"iommufd","id":"iommufd0"}' \
    -device '{"driver":"pcie-root-port","id":"rp01","bus":"pcie.0","chassis":1,"pref64-reserve":1048576}' \
    -device '{"driver":"vfio-pci","id":"connectx-vf-ats-pasid","host":"0000:01:00.0","bus":"rp01","addr":"00.0","rombar":0,"ats":"on","iommufd":"iommufd0","x-vpasid-cap-offset":4088}'
