"""`python -m vpci_compile`."""

from .cli import entry

entry()
