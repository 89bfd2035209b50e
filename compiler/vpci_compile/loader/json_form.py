"""Documents of our own in JSON: the first key says which form they have, and its version."""

from __future__ import annotations

from typing import NamedTuple

from ..diagnostics import Report, Source, failure
from .json_reader import parse_json
from .json_shape import Part
from .node import Node


class Form(NamedTuple):
    """A form of documents: what they are called, as in "vpci-compile NAME writes one"; key and version; their shape."""

    name: str
    key: str
    version: int
    shape: Part

    def read(self, source: Source) -> tuple[Node, Report]:
        """The tree of a document that has this form, and a report for whatever else is wrong with it.

        Raises:
            Failed: VPCI1701 (another JSON document), VPCI1715 (not JSON), VPCI1716 (of the wrong shape), VPCI1717 (of
                another version), VPCI1003 (key given twice).
        """
        tree, report = parse_json(source), Report()
        self._check_version(tree)
        self.shape.check(tree, "", report)
        report.stop_on_errors()
        return tree, report

    def _check_version(self, tree: Node) -> None:
        keys = tree.value if isinstance(tree.value, dict) else {}
        if self.key not in keys:
            message = f"a JSON document without the key '{self.key}' is not a {self.name}"
            raise failure("VPCI1701", tree.span, message, help=f"'vpci-compile {self.name}' writes one")
        said = keys[self.key]
        number = said.value
        if isinstance(number, int) and not isinstance(number, bool) and number != self.version:
            message = f"{self.name} file of version {str(number)[:20]}; this program reads version {self.version}"
            way_out = "read it with the release that wrote it, or a newer one"
            raise failure("VPCI1717", said.span, message, help=way_out)
