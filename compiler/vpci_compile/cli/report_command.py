"""The command `report`. Imported by `app`, which it joins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import _FUNCTION, OptionsOption, PlaceOption, SlotOption, Where, _Command, app, options_of, refuse
from .diff_command import _accepted, _side, answered, unread
from .outcome import complain, say
from .show_commands import _seen

_OF_TWO = ("dst_slot", "dst_stack", "dst_option", "ignore", "policy")
"""Options that only a destination gives a meaning."""


@app.command(cls=_Command, short_help="Write a page about a function, or about a migration.")
def report(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC", help=f"{_FUNCTION[:-1]}; or what build or predict wrote (.json).", readable=False
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it (.html).", readable=False)
    ],
    destination: Annotated[
        Path | None,
        typer.Argument(metavar="[DST]", help="The other side: the page is then the answer of diff.", readable=False),
    ] = None,
    slot: SlotOption = None,
    dst_slot: Annotated[str | None, typer.Option(metavar="BDF", help="Which function of the capture DST.")] = None,
    stack: Annotated[
        str, typer.Option("--stack", metavar="S", help="Kernel and VMM below which a capture is seen.")
    ] = "",
    dst_stack: Annotated[str, typer.Option(metavar="S", help="Those of the destination, if others.")] = "",
    place: PlaceOption = Where.PORT,
    option: OptionsOption = None,
    dst_option: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="Another value of an option on the destination.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="FIELD", help="A field that may differ: pcie.lnksta, or pcie.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file that says what may differ, and why.", readable=False)
    ] = None,
) -> None:
    """Write one HTML file that needs nothing but itself: map, BARs, every byte and register of a function.

    With DST it is the answer of diff to whether SRC can be migrated there, both sides beside one another. Exit status 0
    when the page was written, whatever it says.

    \b
    Examples:
      vpci-compile report nvidia/gh200 -o gh200.html
      vpci-compile report host.lspci --slot 3d:00.0 --stack linux-7.2/qemu-11.1 -o guest.html
      vpci-compile report a.capture b.capture -o migration.html
    """
    from .. import api
    from ..emit.pages import report as pages
    from ..host import document
    from ..host.sides import Side

    for path in (source, destination):
        if path is not None and api.is_machine(path):
            raise typer.BadParameter(f"'{path}' is a machine; name one of its functions", param_hint="SRC, DST")
    words = options_of(option)
    if destination is None:
        refuse(context, "this is about a destination: name it", *_OF_TWO)
        read = None if stack or not source.is_file() else document.read(source, str(source))
        if read is not None:
            refuse(context, f"'{source}' says already what a guest finds", "slot", "place", "option")
            function, changes = read.function, read.changes
        else:
            function, _, changes = _seen(context, source, slot, stack or None, place, option)
        below = stack or ("" if read is None else read.stack)
        page = pages.function_page(function, shown=source.name, stack=below, changes=changes)
    else:
        ours = _side(source, slot, "--slot", api.Below(stack, place.value, words))
        others = api.Below(dst_stack or stack, place.value, {**words, **options_of(dst_option, "--dst-option")})
        theirs = _side(destination, dst_slot, "--dst-slot", others)
        unread(context, ours, theirs)
        found = answered(ours, theirs, _accepted(ignore, policy))
        complain(one for side in (ours, theirs) for one in getattr(side, "diagnostics", ()))
        shown = None  # of two machines: they have no one function
        if isinstance(ours, Side) and isinstance(theirs, Side):
            shown = ours.function, theirs.arriving
        page = pages.migration_page(found, shown)
    from ..emit import Artifact, writer

    writer.write_all(output.parent, [Artifact(output.name, page.encode())])
    say(f"{output}")
