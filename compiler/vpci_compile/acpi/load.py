"""A table from a file: the binary of a guest or a VMM, or YAML."""

from __future__ import annotations

from pathlib import Path

from .. import loader
from ..diagnostics import Report, Source, failure, whole_file
from . import table_reader
from .decode import decode
from .lint import Loaded

MAX_TABLE = 16 << 20  # a SLIT of 4096 domains
YAML_SUFFIXES = (".yaml", ".yml")


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
        return Loaded(decode(octets), span)
    except ValueError as error:
        help_text = "tables of a guest are in /sys/firmware/acpi/tables"
        raise failure("VPCI1901", span, f"no ACPI table: {error}", help=help_text) from None


def from_yaml(source: Source) -> Loaded:
    """The table that a text describes, with its places. Raises as `load`."""
    tree = loader.parse(source, "table: SRAT, and structures: [...]")
    table = table_reader.read(tree, Report())
    spans = tuple(node.span for node in tree.find(["structures"]).entries())
    return Loaded(table, tree.key_of("table"), spans if len(spans) == len(table.structures) else ())
