"""Compiles a layout of a virtual PCI function into what makes it true."""
