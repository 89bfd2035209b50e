#!/bin/sh
# A QEMU of the year before vfio-user-pci.
echo "QEMU emulator version 10.0.2"
