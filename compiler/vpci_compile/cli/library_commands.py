"""The commands about what is known of devices: `free`. Imported by `app`, which they join."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import _CAPTURE, FormatOption, _Command, app
from .outcome import NO, Format, State, complain, say


@app.command(cls=_Command, short_help="Say which ranges of captured configuration spaces are free.")
def free(
    captures: Annotated[
        list[Path],
        typer.Argument(metavar="CAPTURE...", help=f"Real devices of one model: {_CAPTURE}.", readable=False),
    ],
    slot: Annotated[
        list[str] | None,
        typer.Option("--slot", metavar="BDF", help="Which function: one for all captures, or one for each."),
    ] = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 - the option's name
) -> None:
    """Say which ranges of configuration space are free, which only seem so, and why.

    Of several captures the ranges that are free on all of them; and where a PASID structure of eight bytes could stand.
    Exit 1 when there is no such place.

    \b
    Examples:
      vpci-compile free host.lspci --slot 3d:00.0
      vpci-compile free old-firmware.lspci new-firmware.lspci --format json
    """
    from .. import api
    from ..emit import free_text

    slots = slot or []
    if len(slots) not in (0, 1, len(captures)):
        raise typer.BadParameter(f"{len(slots)} slots for {len(captures)} captures", param_hint="--slot")
    if format is Format.SARIF:
        raise typer.BadParameter("text or json", param_hint="--format")
    State.format = format
    found = api.free(captures, slots * len(captures) if len(slots) == 1 else slots)
    if format is Format.TEXT:
        complain(found.diagnostics)
        say(free_text.render(found.spaces, found.together, found.pasid))
    else:
        say(free_text.as_json(found.spaces, found.together, found.pasid))
    raise typer.Exit(NO if found.pasid.at is None else 0)
