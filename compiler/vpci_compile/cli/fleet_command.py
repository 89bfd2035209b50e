"""The command about many hosts: `fleet`. Imported by `app`, which it joins."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ..diagnostics import printable
from .app import Command, OptionsOption, PlaceOption, Where, app, options_of
from .outcome import NO, colours, complain, say

if TYPE_CHECKING:
    from ..fleet import Group, Member

_EACH = 64  # files between two words of progress


class Output(StrEnum):
    """How the answer is written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


@app.command(cls=Command, short_help="Say which functions of many hosts can migrate where.")
def fleet(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Captures, folders of them, patterns; JSON lines; predictions' .json.",
            readable=False,
        ),
    ],
    stack: Annotated[
        str, typer.Option("--stack", metavar="S", help="Kernel and VMM on each host; else the newest known.")
    ] = "",
    place: PlaceOption = Where.PORT,
    option: OptionsOption = None,
    format: Annotated[  # noqa: A002 - the option's name
        Output,
        typer.Option("--format", help="For people; as schemas/fleet.schema.json says; a row a function."),
    ] = Output.TEXT,
    progress: Annotated[
        bool | None,
        typer.Option("--progress/--no-progress", help="Say on stderr how far it is; else on a terminal."),
    ] = None,
) -> None:
    """Group the functions of many hosts by model and by contract below a stack, and say which stand apart.

    Functions with one contract can migrate to each other. Where a model has several, it is said which fields set
    them apart, and which way a migration would be taken, by the rule of its destination. Files that cannot be read
    are named on stderr, and the rest is answered.

    Exit 0: everything was read, and each function can migrate to each other one of its model (or the stack shows none
    of that model to guests). Exit 1: something could not be read, or some functions of a model cannot.

    \b
    Examples:
      vpci-compile fleet hosts/
      vpci-compile fleet 'hosts/*.lspci' --stack linux-6.12/qemu-10.2
      vpci-compile fleet captures.jsonl --format csv > fleet.csv
    """
    from .. import api
    from ..emit.printed import fleet_format, fleet_text

    each: Callable[[Member, Group], None] | None = None
    if format is Output.CSV:
        say(fleet_format.csv_row(*fleet_format.COLUMNS))
        each = _row
    shown = _Progress() if (colours(sys.stderr) if progress is None else progress) else None
    try:
        report = api.fleet(paths, stack, place.value, options_of(option), each=each, progress=shown)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--stack, --option") from None
    finally:
        if shown is not None:
            shown.end()
    complain([*report.problems, *(one.first for one in report.warnings.values())])
    if format is Output.JSON:
        say(fleet_format.to_json(report))
    elif format is Output.TEXT:
        say(fleet_text.render(report, colour=colours()))
    raise typer.Exit(0 if report.fine else NO)


def _row(member: Member, group: Group) -> None:
    from ..emit.printed import fleet_format

    sys.stdout.write(fleet_format.csv_function(member, group))


class _Progress:
    """One line on stderr that says which file is read."""

    def __init__(self) -> None:
        self._width = 0

    def __call__(self, number: int, path: str) -> None:
        if number % _EACH == 1:
            text = f"reading file {number:,}: {printable(path)}"[:100]
            self._put(text)

    def _put(self, text: str) -> None:
        sys.stderr.write(f"\r{text.ljust(self._width)}")
        sys.stderr.flush()
        self._width = len(text)

    def end(self) -> None:
        """Take the line away."""
        self._put("")
        sys.stderr.write("\r")
