"""Machines with QEMU's own devices: what a QEMU says of one (a probe file), and whether another takes its state."""
