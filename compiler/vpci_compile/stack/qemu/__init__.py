"""What QEMU's vfio-pci and vfio-user-pci make of a function, what they refuse, and what they compare."""
