"""What the commands do, as functions: the Python interface.

Every function raises `Failed` (with diagnostics) for what a user did wrong, and returns values; none prints.
"""

from .captures import Free, Imported, capture_host, free, import_capture
from .functions import Built, HostOptions, build, check, compare, load
from .library import Layouts, layout_card, layouts
from .machines import BuiltMachine, build_machine, check_machine, is_machine, load_machine, machine, probe
from .migrations import Below, migration, migration_of_machines, side
from .named import LAYOUT_SUFFIXES, StrPath, is_layout
from .reports import Page, picture, report, report_of_machine, report_of_machines, report_of_migration
from .stacks import PREDICTION_SUFFIXES, baseline, fleet, predict, write_prediction
from .tables import lint_tables, load_table, nodes_of_tables

__all__ = [
    "LAYOUT_SUFFIXES",
    "PREDICTION_SUFFIXES",
    "Below",
    "Built",
    "BuiltMachine",
    "Free",
    "HostOptions",
    "Imported",
    "Layouts",
    "Page",
    "StrPath",
    "baseline",
    "build",
    "build_machine",
    "capture_host",
    "check",
    "check_machine",
    "compare",
    "fleet",
    "free",
    "import_capture",
    "is_layout",
    "is_machine",
    "layout_card",
    "layouts",
    "lint_tables",
    "load",
    "load_machine",
    "load_table",
    "machine",
    "migration",
    "migration_of_machines",
    "nodes_of_tables",
    "picture",
    "predict",
    "probe",
    "report",
    "report_of_machine",
    "report_of_machines",
    "report_of_migration",
    "side",
    "write_prediction",
]
