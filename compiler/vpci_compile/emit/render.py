"""The one door to jinja2: templates under `templates/` filled with values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from .. import resources
from ..diagnostics import printable

if TYPE_CHECKING:
    from jinja2 import Environment


_HTML = ".html.j2"


@cache
def _environment(*, html: bool) -> Environment:
    # Imported here: most commands render nothing, and the library costs more to load than they take to run.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(str(resources.folder("templates"))),
        undefined=StrictUndefined,  # a value that a template misses is our bug, never an empty string
        autoescape=html,
        finalize=_shown if html else None,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )


def _shown(value: object) -> object:
    """Text for a page without what turns text around or hides it; markup (`| safe`) stays as it is."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def render(template: str, values: Mapping[str, object]) -> str:
    """The text of `template`, a path under `templates/` ("c/header.h.j2"), with `values`.

    Of HTML everything is escaped. Of the others nothing is: what goes into such a template is safe in the template's
    own language before it gets here.

    Raises:
        jinja2.TemplateError: no such template, a mistake in it, or a value that it misses.
    """
    return _environment(html=template.endswith(_HTML)).get_template(template).render(values)
