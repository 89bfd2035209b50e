"""`python -m vpci_compile`."""

from .cli import main

main()
