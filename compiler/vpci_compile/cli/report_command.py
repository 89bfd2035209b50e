"""The command `report`. Imported by `app`, which it joins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .app import Command, OptionsOption, PlaceOption, SlotOption, Where, app, options_of, refuse
from .outcome import complain, tell
from .two_sides import (
    DstOptionsOption,
    DstSlotOption,
    DstStackOption,
    IgnoreOption,
    PolicyOption,
    SourceArgument,
    Typed,
    accepted,
    are_machines,
    both,
)

if TYPE_CHECKING:
    from ..api import Page

_OF_TWO = ("dst_slot", "dst_stack", "dst_option", "ignore", "policy")
"""Options that only a destination gives a meaning."""
_OF_CAPTURES = ("slot", "dst_slot", "stack", "dst_stack", "place", "option", "dst_option")
"""Options that are of captures, and say nothing of a machine's layout."""


@app.command(cls=Command, short_help="Write a page about a function, a machine, or a migration.")
def report(
    context: typer.Context,
    source: SourceArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it (.html).", readable=False)
    ],
    destination: Annotated[
        Path | None,
        typer.Argument(metavar="[DST]", help="The other side: the page is then the answer of diff.", readable=False),
    ] = None,
    slot: SlotOption = None,
    dst_slot: DstSlotOption = None,
    stack: Annotated[
        str, typer.Option("--stack", metavar="S", help="Kernel and VMM below which a capture is seen.")
    ] = "",
    dst_stack: DstStackOption = "",
    place: PlaceOption = Where.PORT,
    option: OptionsOption = None,
    dst_option: DstOptionsOption = None,
    ignore: IgnoreOption = None,
    policy: PolicyOption = None,
) -> None:
    """Write one HTML file that needs nothing but itself: map, BARs, every byte and register of a function; or topology,
    windows, nodes, distances and tables of a machine.

    With DST it is the answer of diff to whether SRC can be migrated there, both sides beside one another. Exit status 0
    when the page was written, whatever it says.

    \b
    Examples:
      vpci-compile report nvidia/gh200 -o gh200.html
      vpci-compile report a.capture b.capture -o migration.html
      vpci-compile report machines/gb200-four -o machine.html
    """
    from .. import api
    from ..emit import Artifact, writer

    if destination is None:
        page = _of_one(context, source, slot, stack, place, option)
    elif are_machines(source, destination):
        refuse(context, "both sides are machine layouts, which say it themselves", *_OF_CAPTURES)
        page = api.report_of_machines(source, destination, accepted(ignore, policy))
    else:
        below = api.Below(stack, place.value, options_of(option))
        ends = Typed(source, slot, "--slot"), Typed(destination, dst_slot, "--dst-slot")
        ours, theirs = both(context, *ends, below, dst_stack, dst_option)
        try:
            page = api.report_of_migration(ours, theirs, accepted(ignore, policy))
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="SRC, DST") from None
    complain(page.diagnostics)
    sides = (source,) if destination is None else (source, destination)
    writer.write_all(output.parent, [Artifact(output.name, page.text.encode())], sides)
    tell(f"{output}")


def _of_one(
    context: typer.Context, source: Path, slot: str | None, stack: str, place: Where, option: list[str] | None
) -> Page:
    """The page about one function or one machine."""
    from .. import api
    from ..host import document

    refuse(context, "this is about a destination: name it", *_OF_TWO)
    if api.is_machine(source):
        refuse(context, "a machine layout says it itself", *_OF_CAPTURES)
        return api.report_of_machine(source)
    if stack:
        try:
            return api.report(source, slot, api.Below(stack, place.value, options_of(option)))
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--stack, --option") from None
    if source.is_file() and document.read(source, str(source)) is not None:
        refuse(context, f"'{source}' says already what a guest finds", "slot", "place", "option")
    refuse(context, "that is of a capture below a stack: name it with --stack", "place", "option")
    if slot is not None and api.is_layout(source):
        raise typer.BadParameter(f"'{source}' is a layout: it has one function", param_hint="--slot")
    return api.report(source, slot)
