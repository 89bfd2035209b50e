"""ACPI tables of NUMA machines: made, read, judged. The only floor that knows their bytes."""
