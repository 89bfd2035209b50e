#!/bin/sh
# Give it a QEMU command without this function, and it runs the command with the function:
#     sh THIS-FILE qemu-system-x86_64 -machine q35 -m 4G ...
exec "$@" \
    -device '{"driver":"pcie-root-port","id":"rp01","bus":"pcie.0","chassis":1,"pref64-reserve":1048576}' \
    -device '{"driver":"vfio-pci","id":"intel-e810-vf","host":"0000:01:00.0","bus":"rp01","addr":"00.0","rombar":0}'
