"""YAML with positions; the only user of PyYAML."""

from .files import exists, load, read_bytes, read_source, unreadable
from .node import Node, Scalar
from .yaml_reader import parse

__all__ = ["Node", "Scalar", "exists", "load", "parse", "read_bytes", "read_source", "unreadable"]
