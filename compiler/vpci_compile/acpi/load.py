"""A table from a file: the binary of a guest or a VMM, or YAML."""

from __future__ import annotations

import re
from pathlib import Path

from .. import loader
from ..diagnostics import Report, Source, failure, whole_file
from . import table_reader
from .decode import decode
from .lint import Loaded

MAX_TABLE = 16 << 20  # a SLIT of 4096 domains
YAML_SUFFIXES = (".yaml", ".yml")
_DUMP = re.compile(rb"[A-Z0-9]{4} @ 0x[0-9A-Fa-f]+\s")  # what acpidump prints


def load(path: Path, shown: str) -> Loaded:
    """The table in the file at `path`; diagnostics call it `shown`. YAML by its suffix.

    Raises:
        Failed: it cannot be read (VPCI1001), is no table (VPCI1901), or is YAML with mistakes.
    """
    if path.suffix in YAML_SUFFIXES:
        return from_yaml(loader.read_source(path, shown))
    octets = loader.read_bytes(path, shown, MAX_TABLE)
    span = whole_file(shown)
    try:
        if _DUMP.match(octets):
            raise ValueError("it is text")
        return Loaded(decode(octets), span)
    except ValueError as error:
        raise failure("VPCI1901", span, f"no ACPI table: {error}", help=_way_out(octets)) from None


def _way_out(octets: bytes) -> str:
    """What a text that comes near a table has to be made first."""
    if _DUMP.match(octets):
        return "this is what acpidump prints: 'acpidump -b' writes tables, 'acpixtract -a FILE' takes them out of it"
    if re.search(rb"^\s*acpi:\s*[0-9]", octets, re.MULTILINE):
        return f"if it is YAML, its name has to end in {' or '.join(YAML_SUFFIXES)}"
    if re.search(rb"^\s*DefinitionBlock\b|\[[0-9A-F]{3}h|^ *Signature : ", octets, re.MULTILINE):
        return "this is source for iasl, which makes the table: 'iasl FILE'"
    return "tables of a guest are in /sys/firmware/acpi/tables"


def from_yaml(source: Source) -> Loaded:
    """The table that a text describes, with its places. Raises as `load`."""
    tree = loader.parse(source, "table: SRAT, and structures: [...]")
    table = table_reader.read(tree, Report())
    spans = tuple(node.span for node in tree.find(["structures"]).entries())
    return Loaded(table, tree.key_of("table"), spans if len(spans) == len(table.structures) else ())
