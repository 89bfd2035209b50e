"""What went wrong, where, by which rule, and what to do about it."""

from .codes import REGISTRY, Code
from .render import printable, render_json, render_sarif, render_text
from .report import Diagnostic, Failed, Label, Report, Severity, failure, nearest
from .span import Source, Span, whole_file

__all__ = [
    "REGISTRY",
    "Code",
    "Diagnostic",
    "Failed",
    "Label",
    "Report",
    "Severity",
    "Source",
    "Span",
    "failure",
    "nearest",
    "printable",
    "render_json",
    "render_sarif",
    "render_text",
    "whole_file",
]
