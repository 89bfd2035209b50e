"""YAML (the only user of PyYAML) and JSON, with positions."""

from .files import exists, load, meant, open_to_read, read_bytes, read_source, unreadable
from .json_reader import parse_json
from .node import Node, Scalar
from .yaml_reader import parse

__all__ = [
    "Node",
    "Scalar",
    "exists",
    "load",
    "meant",
    "open_to_read",
    "parse",
    "parse_json",
    "read_bytes",
    "read_source",
    "unreadable",
]
