"""The commands about what is known of devices: `layouts` and `free`. Imported by `app`, which they join."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from .app import CAPTURE, Command, FormatOption, app
from .outcome import NO, Format, State, complain, say

layouts = typer.Typer(help="What the libraries hold: list it, search it, show one layout.", no_args_is_help=True)
app.add_typer(layouts, name="layouts", rich_help_panel=None)


@layouts.command("list", cls=Command, short_help="List the layouts of all libraries.")
def list_(
    of: Annotated[
        str | None,
        typer.Option("--id", metavar="VVVV:DDDD", help="Only those of a device: 10de:2342; or 10de: alone."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Older versions and bases, too.")] = False,
    format: FormatOption = Format.TEXT,  # noqa: A002 - the option's name
) -> None:
    """List the layouts of all libraries, with the ids that the guest sees and those of the device behind.

    A library of your own comes in by --library before the command, or by VPCI_LIBRARY. Exit 1 when there is none.

    \b
    Examples:
      vpci-compile layouts list
      vpci-compile layouts list --id 10de:2342
      vpci-compile --library /srv/layouts layouts list --all
    """
    from .. import api
    from ..emit.printed import library_text

    _no_sarif(format)
    found = api.layouts(*_ids(of), every=every)
    State.format = format
    if format is Format.TEXT:
        complain(found.diagnostics)
        if found.entries:
            say(library_text.listing(found.entries))
    else:
        say(library_text.as_json(found.entries))
    raise typer.Exit(0 if found.entries and not found.diagnostics else NO)


@layouts.command("show", cls=Command, short_help="Show what a layout is, and its sources.")
def show_layout(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A layout of a library: nvidia/gh200, nvidia/gh200@1.")],
) -> None:
    """Show what a layout of a library is, where its facts come from, and what it promises.

    \b
    Examples:
      vpci-compile layouts show nvidia/gh200
    """
    from .. import api
    from ..emit.printed import library_text

    say(library_text.card(api.layout_card(name)))


def _ids(text: str | None) -> tuple[int | None, int | None]:
    match = re.fullmatch(r"([0-9a-fA-F]{4})?:([0-9a-fA-F]{4})?", text) if text is not None else None
    if text is not None and match is None:
        raise typer.BadParameter(f"'{text}' is not VVVV:DDDD; write 10de:2342 or 10de:", param_hint="--id")
    vendor, device = match.groups() if match is not None else (None, None)
    return int(vendor, 16) if vendor else None, int(device, 16) if device else None


def _no_sarif(chosen: Format) -> None:
    if chosen is Format.SARIF:
        raise typer.BadParameter("text or json", param_hint="--format")


@app.command(cls=Command, short_help="Say which ranges of captured configuration spaces are free.")
def free(
    captures: Annotated[
        list[Path],
        typer.Argument(metavar="CAPTURE...", help=f"Real devices of one model: {CAPTURE}.", readable=False),
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
    from ..emit.printed import free_text

    slots = slot or []
    if len(slots) not in (0, 1, len(captures)):
        raise typer.BadParameter(f"{len(slots)} slots for {len(captures)} captures", param_hint="--slot")
    _no_sarif(format)
    State.format = format
    found = api.free(captures, slots * len(captures) if len(slots) == 1 else slots)
    if format is Format.TEXT:
        complain(found.diagnostics)
        say(free_text.render(found.spaces, found.together, found.pasid))
    else:
        say(free_text.as_json(found.spaces, found.together, found.pasid))
    raise typer.Exit(NO if found.pasid.at is None else 0)
