"""A tree against the language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import ValidationError

from ..diagnostics import Report
from ..loader import Node
from .compiled import Language, model, validator

if TYPE_CHECKING:
    from .device import DeviceLayout
    from .machine import MachineLayout


def device_layout(tree: Node, report: Report) -> DeviceLayout:
    """The typed document.

    Raises:
        Failed: VPCI1101 (unknown key), VPCI1102 (key missing), VPCI1103 (value of the wrong shape), all of them.
    """
    return _typed(Language.DEVICE, tree, report)  # type: ignore[no-any-return]


def machine_layout(tree: Node, report: Report) -> MachineLayout:
    """The typed document of a machine. Raises as `device_layout`."""
    return _typed(Language.MACHINE, tree, report)  # type: ignore[no-any-return]


def _typed(language: Language, tree: Node, report: Report) -> Any:
    try:
        return validator(language).validate_python(tree.plain())
    except ValidationError as error:
        from .complaints import Complaints

        Complaints(tree, model(language), error.errors(include_url=False), report).write()
        report.stop_on_errors()
        raise
