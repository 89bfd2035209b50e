"""The command over many hosts: `baseline`. Imported by `app`, which it joins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import Command, FormatOption, OptionsOption, PlaceOption, SlotOption, Where, app, options_of
from .outcome import NO, Format, State, complain, note, say, tell
from .stack_commands import StackOption


@app.command(cls=Command, short_help="Write the layout that many hosts can all present.")
def baseline(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="CAPTURE|LAYOUT...",
            help="Captures of the function on each host; layouts that must stay true.",
            readable=False,
        ),
    ],
    stack: StackOption,
    place: PlaceOption = Where.PORT,
    option: OptionsOption = None,
    migratable: Annotated[
        bool, typer.Option("--migratable", help="Also leave out what keeps a guest from moving between them.")
    ] = False,
    slot: SlotOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="LAYOUT", help="Where to write it (default: standard output).", readable=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over LAYOUT, if it is there.")] = False,
    format: FormatOption = Format.TEXT,  # noqa: A002 - the option's name
) -> None:
    """Write the layout that many hosts can all present, like the baseline of several CPUs.

    'build LAYOUT --host CAPTURE --stack S' then says yes for each of them. What is pinned by an option, dropped or left
    open, and because of which host, is reported and stands in the layout. Where hosts cannot be one function, the
    fewest are left out and the reasons named. Exit 1 when an input is left out, or is none.

    \b
    Examples:
      vpci-compile baseline hosts/*.capture --stack linux-7.2/qemu-11.1 -o nic.yaml
      vpci-compile baseline a.lspci b.lspci --slot 3d:00.0 --stack linux-7.2/qemu-11.1 --migratable
    """
    from .. import api
    from ..emit import Artifact, writer

    State.format = format
    if output is not None and output.exists() and not force:
        raise typer.BadParameter(f"'{output}' is there already; --force writes over it", param_hint="--output")
    if output is None and format is not Format.TEXT:
        raise typer.BadParameter("diagnostics go to standard output: say where the layout goes", param_hint="--output")
    try:
        answer = api.baseline(
            inputs,
            stack,
            place.value,
            options_of(option),
            migratable=migratable,
            slot=slot,
            folder="" if output is None else output.parent,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--stack, --option") from None
    complain(answer.diagnostics)
    if format is Format.TEXT:
        report = answer.report()
        say(report) if output is not None else note(report)
    if answer.common is not None:
        if output is None:
            say(answer.common.text)
        else:
            writer.write_all(output.parent, [Artifact(output.name, answer.common.text.encode())], inputs)
            if format is Format.TEXT:
                tell(f"{output}")
    if not answer.whole:
        raise typer.Exit(NO)
