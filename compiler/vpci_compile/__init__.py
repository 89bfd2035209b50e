"""Compiles a layout of a virtual PCI function into what makes it true. The Python interface is `vpci_compile.api`."""
