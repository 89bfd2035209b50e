"""What Linux's vfio-pci makes of a function."""
