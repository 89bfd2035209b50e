"""The command `diff`. Imported by `app`, which it joins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .app import Command, OptionsOption, PlaceOption, Where, app, load, options_of, refuse
from .outcome import NO, Format, State, colours, complain, say
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
    from ..diagnostics import Diagnostic
    from ..diff import Outcome
    from ..host.machines import Probed
    from ..host.policy import Accepted
    from ..host.sides import Side

_BELOW = ("stack", "dst_stack", "place", "option", "dst_option")
"""Options that say what stands between a captured function and its guest."""


@app.command(cls=Command, short_help="Say whether a migration would work, before it is tried.")
def diff(
    context: typer.Context,
    source: SourceArgument,
    destination: Annotated[Path, typer.Argument(metavar="DST", help="The same, of the destination.", readable=False)],
    src_slot: Annotated[str | None, typer.Option(metavar="BDF", help="Which function of the capture SRC.")] = None,
    dst_slot: DstSlotOption = None,
    stack: Annotated[
        str, typer.Option("--stack", metavar="S", help="Kernel and VMM of both sides; else the newest known.")
    ] = "",
    dst_stack: DstStackOption = "",
    place: PlaceOption = Where.PORT,
    option: OptionsOption = None,
    dst_option: DstOptionsOption = None,
    ignore: IgnoreOption = None,
    policy: PolicyOption = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Compare the two contracts as they are, with no VMM in between.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="A change that the guest sees, or may see, counts as a no.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="List what is harmless or unstable one by one.")] = False,
    format: Annotated[  # noqa: A002 - the option's name
        Format, typer.Option("--format", help="text, json (schemas/diff.schema.json) or sarif.")
    ] = Format.TEXT,
) -> None:
    """Say whether a machine with SRC can be migrated to where it has DST: exit 0 when it can, 1 when it cannot.

    The rule is the destination's, and both directions are answered. A difference is
    rejected (the destination refuses), guest-visible (it does not, and a running guest
    sees something change), unstable (compared and equal, and hardware changes it: a
    refusal tomorrow), unknown (a side does not say it) or harmless.

    \b
    Examples:
      vpci-compile diff nic.yaml host.lspci --dst-slot 3d:00.1
      vpci-compile diff a.capture b.capture --stack linux-6.12/qemu-10.0
      vpci-compile diff a.capture b.capture --ignore dsn --format json
    """
    from .. import api

    State.format = format
    if raw:
        refuse(context, "with --raw there is no VMM in between", *_BELOW, "ignore", "policy", "strict")
        _raw((source, src_slot), (destination, dst_slot), format)
        return
    if are_machines(source, destination):
        refuse(context, "both sides are machine layouts, which say it themselves", *_BELOW, "src_slot", "dst_slot")
        _told(api.migration_of_machines(source, destination, accepted(ignore, policy)), [], everything, strict)
        return
    below = api.Below(stack, place.value, options_of(option))
    ends = Typed(source, src_slot, "--src-slot"), Typed(destination, dst_slot, "--dst-slot")
    ours, theirs = both(context, *ends, below, dst_stack, dst_option)
    found = _answered(ours, theirs, accepted(ignore, policy))
    said = [one for side in (ours, theirs) for one in getattr(side, "diagnostics", ())]
    _told(found, said, everything, strict)


def _told(found: Outcome, said: list[Diagnostic], everything: bool, strict: bool) -> None:
    """The answer in the form that is asked for, and the exit status."""
    from ..emit.printed import migration_json, migration_text

    if State.format is Format.JSON:
        say(migration_json.render(found))
    elif State.format is Format.SARIF:
        complain([*said, *migration_json.diagnostics(found.there)])
    else:
        complain(said)
        say(migration_text.render(found, colour=colours(), everything=everything))
    if not found.there.accepted or (strict and any(found.there.of(kind) for kind in migration_text.SEEN)):
        raise typer.Exit(NO)


def _answered(source: Side | Probed, destination: Side | Probed, known: list[Accepted]) -> Outcome:
    """`api.migration`; two sides that cannot be compared are wrong usage."""
    from .. import api

    try:
        return api.migration(source, destination, known)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="SRC, DST") from None


def _raw(source: tuple[Path, str | None], destination: tuple[Path, str | None], format: Format) -> None:  # noqa: A002
    """Two contracts, by the layouts that say them; a capture by that which `import` writes."""
    from .. import api
    from ..emit.printed import difference_text

    if format is not Format.TEXT:
        raise typer.BadParameter("of raw contracts there is text only", param_hint="--raw, --format")
    ours, theirs = load(*source, "--src-slot"), load(*destination, "--dst-slot")
    complain([*ours.diagnostics, *theirs.diagnostics])
    found = api.compare(ours.function, theirs.function)
    say(difference_text.render(found, str(source[0]), str(destination[0]), colour=colours()))
    raise typer.Exit(NO if found else 0)
