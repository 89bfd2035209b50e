"""What is wrong with a DSDT or SSDT, as far as NUMA and GPUs go: numbers that lose their upper half.

Source: ACPI 6.6 20.2.3 (QWordConst); Linux takes the width of all integers from the DSDT (acpi_ut_set_integer_width).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..diagnostics import Report, Span
from .structures import Table

WIDE_REVISION = 2
"""From this revision on the integers of a table have 64 bits; QEMU's DSDT on x86-64 has 1."""
_PREFIX = b"nvidia,gpu-mem-"
_QWORD, _QWORD_BYTES = b"\x0e", 8


def check(table: Table, span: Span, tables: Sequence[Table], report: Report) -> None:
    """Report the properties of GPUs that do not fit. The DSDT decides, where it is among the tables."""
    known = next((one for one in tables if one.header.signature == "DSDT"), table)
    if known.header.revision >= WIDE_REVISION:
        return
    for name, value in _wide_properties(table.tail):
        report.add(
            "VPCI1935",
            span,
            f"{name} is {value:#x}, and integers have 32 bits below a {known.header.signature} of revision 1",
            note="Linux: 'Truncated 64-bit constant found in 32-bit table'",
            help="QEMU's virt has a DSDT of revision 2; on x86-64 another property, or a memory BAR, has to say it",
        )


def _wide_properties(aml: bytes) -> Iterator[tuple[str, int]]:
    """`Package {"nvidia,gpu-mem-...", number}` with a number of more than 32 bits."""
    at = aml.find(_PREFIX)
    while at >= 0:
        end = aml.find(b"\0", at)
        if end < 0:
            return
        value = int.from_bytes(aml[end + 2 : end + 2 + _QWORD_BYTES], "little")
        if aml[end + 1 : end + 2] == _QWORD and value >> 32:
            yield aml[at:end].decode("ascii", "replace"), value
        at = aml.find(_PREFIX, end)
