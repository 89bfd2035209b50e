#!/bin/sh
# A QEMU that knows no device.
[ "$*" = --version ] && exec echo "QEMU emulator version 11.1.3"
echo "qemu-system-x86_64: -device e1000e: 'e1000e' is not a valid device model name" >&2
exit 1
