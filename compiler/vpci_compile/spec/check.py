"""A tree against the language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import ValidationError

from ..diagnostics import Report
from ..loader import Node
from .compiled import validator

if TYPE_CHECKING:
    from .device import DeviceLayout


def device_layout(tree: Node, report: Report) -> DeviceLayout:
    """The typed document.

    Raises:
        Failed: VPCI1101 (unknown key), VPCI1102 (key missing), VPCI1103 (value of the wrong shape), all of them.
    """
    try:
        return validator().validate_python(tree.plain())  # type: ignore[no-any-return]
    except ValidationError as error:
        from .complaints import Complaints

        Complaints(tree, error.errors(include_url=False), report).write()
        report.stop_on_errors()
        raise
