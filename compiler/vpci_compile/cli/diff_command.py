"""The command `diff`. Imported by `app`, which it joins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .app import _FUNCTION, OptionsOption, PlaceOption, Where, _Command, _load, app, options_of, refuse
from .outcome import NO, Format, State, colours, complain, say

if TYPE_CHECKING:
    from ..api import Below
    from ..diagnostics import Diagnostic
    from ..diff import Outcome
    from ..host.machines import Probed
    from ..host.policy import Accepted
    from ..host.sides import Side

_BELOW = ("stack", "dst_stack", "place", "option", "dst_option")
"""Options that say what stands between a captured function and its guest."""


@app.command(cls=_Command, short_help="Say whether a migration would work, before it is tried.")
def diff(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC", help=f"{_FUNCTION[:-1]}; or what build or predict wrote (.json).", readable=False
        ),
    ],
    destination: Annotated[Path, typer.Argument(metavar="DST", help="The same, of the destination.", readable=False)],
    src_slot: Annotated[str | None, typer.Option(metavar="BDF", help="Which function of the capture SRC.")] = None,
    dst_slot: Annotated[str | None, typer.Option(metavar="BDF", help="Which function of the capture DST.")] = None,
    stack: Annotated[
        str, typer.Option("--stack", metavar="S", help="Kernel and VMM of both sides; else the newest known.")
    ] = "",
    dst_stack: Annotated[str, typer.Option(metavar="S", help="Those of the destination, if others.")] = "",
    place: PlaceOption = Where.PORT,
    option: OptionsOption = None,
    dst_option: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="Another value of an option on the destination.")
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="A field that may differ: pcie.lnksta, or pcie. More than once."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file that says what may differ, and why.", readable=False)
    ] = None,
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
    if machines(source, destination):
        refuse(context, "both sides are machine layouts, which say it themselves", *_BELOW, "src_slot", "dst_slot")
        _told(api.migration_of_machines(source, destination, _accepted(ignore, policy)), [], everything, strict)
        return
    words = options_of(option)
    ours = _side(source, src_slot, "--src-slot", api.Below(stack, place.value, words))
    others = api.Below(dst_stack or stack, place.value, {**words, **options_of(dst_option, "--dst-option")})
    theirs = _side(destination, dst_slot, "--dst-slot", others)
    unread(context, ours, theirs)
    found = answered(ours, theirs, _accepted(ignore, policy))
    said = [one for side in (ours, theirs) for one in getattr(side, "diagnostics", ())]
    _told(found, said, everything, strict)


def machines(source: Path, destination: Path) -> bool:
    """Whether both sides are layouts of machines; one alone is wrong usage."""
    from .. import api

    found = [api.is_machine(path) for path in (source, destination)]
    if any(found) and not all(found):
        for path in (source, destination):
            if not path.exists() and not api.is_layout(path):
                api.load(path)  # says that there is none
        raise typer.BadParameter("one side is a machine layout, and the other is none", param_hint="SRC, DST")
    return all(found)


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


def answered(source: Side | Probed, destination: Side | Probed, accepted: list[Accepted]) -> Outcome:
    """`api.migration`; two sides that cannot be compared are wrong usage."""
    from .. import api

    try:
        return api.migration(source, destination, accepted)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="SRC, DST") from None


def unread(context: typer.Context, source: Side | Probed, destination: Side | Probed) -> None:
    """Refuse options of the VMM, and a place, where neither side is a capture, which alone is shown by them."""
    from ..host.sides import Side

    sides = [one for one in (source, destination) if isinstance(one, Side)]
    if any(one.capture is not None for one in sides):
        return
    options = sorted({key for one in sides for key in one.unread})
    if options:
        refuse(context, f"no side is a capture: nothing reads {', '.join(options)}", "option", "dst_option")
    refuse(context, "no side is a capture: both say themselves where the guest has them", "place")


def _raw(source: tuple[Path, str | None], destination: tuple[Path, str | None], format: Format) -> None:  # noqa: A002
    """Two contracts, by the layouts that say them; a capture by that which `import` writes."""
    from .. import api
    from ..emit.printed import difference_text

    if format is not Format.TEXT:
        raise typer.BadParameter("of raw contracts there is text only", param_hint="--raw, --format")
    ours, theirs = _load(*source, "--src-slot"), _load(*destination, "--dst-slot")
    complain([*ours.diagnostics, *theirs.diagnostics])
    found = api.compare(ours.function, theirs.function)
    say(difference_text.render(found, str(source[0]), str(destination[0]), colour=colours()))
    raise typer.Exit(NO if found else 0)


def _side(path: Path, slot: str | None, option: str, below: Below) -> Side | Probed:
    from .. import api

    found: Side | Probed | None = api.machine(path)
    if found is None:
        try:
            found = api.side(path, slot, below)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--stack, --option") from None
    if slot is not None and getattr(found, "capture", None) is None:
        what = "a layout" if api.is_layout(path) else "no capture"
        raise typer.BadParameter(f"'{path}' is {what}: it has one function", param_hint=option)
    return found


def _accepted(ignore: list[str] | None, policy: Path | None) -> list[Accepted]:
    from ..host.policy import Accepted, read

    return [
        *(Accepted(field, f"--ignore {field}") for field in ignore or ()),
        *(read(policy, str(policy)) if policy is not None else ()),
    ]
