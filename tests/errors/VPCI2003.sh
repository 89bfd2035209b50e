#!/bin/sh
# A QEMU that starts and cannot go on.
[ "$*" = --version ] && exec echo "QEMU emulator version 11.1.3"
echo "qemu-system-x86_64: no more of this" >&2
exit 1
