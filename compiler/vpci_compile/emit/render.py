"""The one door to jinja2: templates under `templates/` filled with values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from .. import resources

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> Environment:
    # Imported here: most commands render nothing, and the library costs more to load than they take to run.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(str(resources.folder("templates"))),
        undefined=StrictUndefined,  # a value that a template misses is our bug, never an empty string
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )


def render(template: str, values: Mapping[str, object]) -> str:
    """The text of `template`, a path under `templates/` ("c/header.h.j2"), with `values`.

    Nothing is escaped: what goes into a template is safe in the template's own language before it gets here.

    Raises:
        jinja2.TemplateError: no such template, a mistake in it, or a value that it misses.
    """
    return _environment().get_template(template).render(values)
