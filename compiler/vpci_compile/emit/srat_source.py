"""An SRAT of Generic Initiator entries in the data table language of iasl, as `iasl -d` prints it."""

from __future__ import annotations

from collections.abc import Iterator

_HEADER_BYTES = 48
_ENTRY_BYTES = 32
_LABEL_WIDTH = 28

# Between `Enabled` and `Reserved2` the language has a label that iasl 20200925 does not know and 20260408 demands.
_COMMENT = """\
/*
 * System Resource Affinity Table (ACPI 6.6 5.2.16): the Generic Initiator entries of one PCI function.
 * A machine's table has the entries of its processors and memory besides.
 *
 *     iasl -z THIS-FILE
 *     iasl -z -D NO_ARCHITECTURAL_TRANSACTIONS THIS-FILE     (an old iasl: 20200925, Debian 12)
 *
 * With -z (keep the creator's id) both give the same bytes as the .aml beside this file.
 * Numbers are hexadecimal.
 */
"""


def text(table: bytes) -> str:
    """The source of `table`, which has a standard header and entries of type 5 alone."""
    return _COMMENT + "\n" + "".join(f"{line}\n" for line in _lines(table))


def _line(label: str, value: str, meaning: str = "") -> str:
    line = f"{label:>{_LABEL_WIDTH}} : {value}"
    return f"{line}    // {meaning}" if meaning else line


def _lines(table: bytes) -> Iterator[str]:
    def number(offset: int, size: int) -> int:
        return int.from_bytes(table[offset : offset + size], "little")

    def quoted(offset: int, size: int) -> str:
        return f'"{table[offset : offset + size].decode("ascii")}"'

    yield _line("Signature", quoted(0, 4), "System Resource Affinity Table")
    yield _line("Table Length", f"{number(4, 4):08X}", f"{len(table)} bytes")
    yield _line("Revision", f"{number(8, 1):02X}")
    yield _line("Checksum", f"{number(9, 1):02X}", "the sum of all bytes is 0 modulo 256")
    yield _line("Oem ID", quoted(10, 6))
    yield _line("Oem Table ID", quoted(16, 8))
    yield _line("Oem Revision", f"{number(24, 4):08X}")
    yield _line("Asl Compiler ID", quoted(28, 4))
    yield _line("Asl Compiler Revision", f"{number(32, 4):08X}")
    yield ""
    yield _line("Table Revision", f"{number(36, 4):08X}", "reserved, must be 1")
    yield _line("Reserved", f"{number(40, 8):016X}")
    for start in range(_HEADER_BYTES, len(table), _ENTRY_BYTES):
        yield from _entry(table[start : start + _ENTRY_BYTES])


def _entry(entry: bytes) -> Iterator[str]:
    domain, flags = (int.from_bytes(entry[at : at + 4], "little") for at in (4, 24))
    handle = entry[8:24]
    segment, bus, device, function = int.from_bytes(handle[0:2], "little"), handle[2], handle[3] >> 3, handle[3] & 7
    yield ""
    yield _line("Subtable Type", f"{entry[0]:02X} [Generic Initiator Affinity]")
    yield _line("Length", f"{entry[1]:02X}")
    yield ""
    yield _line("Reserved1", f"{entry[2]:02X}")
    yield _line("Device Handle Type", f"{entry[3]:02X}", "PCI")
    yield _line("Proximity Domain", f"{domain:08X}", f"{domain} in decimal")
    meaning = f"{segment:04x}:{bus:02x}:{device:02x}.{function}: segment, bus, device and function"
    yield _line("Device Handle", " ".join(f"{octet:02X}" for octet in handle), meaning)
    yield _line("Flags (decoded below)", f"{flags:08X}")
    yield _line("Enabled", f"{flags & 1}")
    yield "#ifndef NO_ARCHITECTURAL_TRANSACTIONS"
    yield _line("Architectural Transactions", f"{flags >> 1 & 1}")
    yield "#endif"
    yield _line("Reserved2", f"{int.from_bytes(entry[28:32], 'little'):08X}")
