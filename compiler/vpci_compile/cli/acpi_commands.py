"""The commands about ACPI tables: `acpi decode`, `build`, `diff`, `lint`, `nodes`. Imported by `app`."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .app import Command, FormatOption, app
from .outcome import NO, Format, State, complain, say, tell

if TYPE_CHECKING:  # imported by the commands: the others start faster without
    from ..acpi.lint import Loaded
    from ..acpi.node_map import Guest
    from ..acpi.structures import Table
    from ..ir.machine import Range

acpi = typer.Typer(
    help="Read, write and judge the ACPI tables of NUMA machines: SRAT, SLIT and HMAT.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(acpi, name="acpi", short_help="Read, write and judge SRAT, SLIT and HMAT.")

TableArgument = Annotated[
    Path,
    typer.Argument(metavar="TABLE", help="A table: binary, or YAML as 'acpi decode' writes it.", readable=False),
]
TablesArgument = Annotated[
    list[Path],
    typer.Argument(metavar="TABLE...", help="Tables of one machine: binary, or YAML (.yaml).", readable=False),
]


class Processors(StrEnum):
    """The processors of the guest."""

    X86_64 = "x86-64"
    AARCH64 = "aarch64"


GuestOption = Annotated[
    Processors | None,
    typer.Option("--guest", help="The processors of the guest (default: those of the SRAT, or else x86-64)."),
]
NodesOption = Annotated[
    int | None,
    typer.Option(
        "--nodes", metavar="N", min=1, max=1 << 16, help="Nodes of the guest's kernel: 1 << CONFIG_NODES_SHIFT."
    ),
]


@acpi.command(cls=Command, short_help="Write a table as YAML.")
def decode(
    table: TableArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it (default: standard output).", readable=False
        ),
    ] = None,
) -> None:
    """Write a table as YAML, every byte accounted for: 'acpi build' makes the same table of it.

    \b
    Examples:
      vpci-compile acpi decode /sys/firmware/acpi/tables/SRAT
      vpci-compile acpi decode SRAT.aml -o srat.yaml
    """
    from ..acpi import table_text
    from ..emit import Artifact, writer

    text = table_text.text(_load(table).table)
    if output is None:
        say(text)
    else:
        writer.write_all(output.parent, [Artifact(output.name, text.encode())], (table,))
        tell(f"{output}")


@acpi.command(cls=Command, short_help="Make the table that a YAML file describes.")
def build(
    table: TableArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the outputs.", readable=False)
    ] = Path("out"),
) -> None:
    """Make the table that a YAML file describes: NAME.aml, and NAME.dsl, its source for iasl.

    There is no source of a table that holds what iasl has no words for.

    \b
    Example:
      vpci-compile acpi build srat.yaml -o out
    """
    from ..acpi import source
    from ..acpi.structures import encode
    from ..emit import Artifact, writer

    made = _load(table).table
    files = [Artifact(f"{table.stem}.aml", encode(made))]
    why = ""
    try:
        files.append(Artifact(f"{table.stem}.dsl", source.text(made).encode()))
    except ValueError as error:
        why = f"no {table.stem}.dsl: {error}"
    changed = writer.write_all(output, files)
    for one in files:
        path = output / one.name
        tell(f"{path}{'' if path in changed else '  (unchanged)'}")
    if why:
        say(why)


@acpi.command(cls=Command, short_help="Say what a guest's Linux will make of tables.")
def lint(
    tables: TablesArgument,
    guest: GuestOption = None,
    nodes: NodesOption = None,
    ram: Annotated[
        list[str] | None,
        typer.Option("--ram", metavar="A..B", help="RAM that the SRAT has to cover: 0x0..0x7fffffff. More than once."),
    ] = None,
    nvidia: Annotated[bool, typer.Option("--nvidia", help="The initiators are GPUs of NVIDIA.")] = False,
    format: FormatOption = Format.TEXT,  # noqa: A002 - the option's name
) -> None:
    """Say what a guest's Linux will ignore, what makes it drop a table, what keeps it from starting: exit 1 on errors.

    An SRAT among the tables is what a SLIT and an HMAT are compared with.

    \b
    Examples:
      vpci-compile acpi lint /sys/firmware/acpi/tables/SRAT
      vpci-compile acpi lint SRAT.aml SLIT.aml HMAT.aml --guest aarch64 --nodes 16 --nvidia
    """
    from .. import api
    from ..acpi.lint import Wishes
    from ..diagnostics import Severity

    State.format = format
    wishes = Wishes(tuple(_range(text) for text in ram or ()), nvidia)
    loaded = [_load(path) for path in tables]
    known = next((one.table for one in loaded if one.table.header.signature == "SRAT"), None)
    found = api.lint_tables(loaded, _guest(guest, nodes, known), wishes)
    complain(found)
    if any(one.severity is Severity.ERROR for one in found):
        raise typer.Exit(NO)
    if format is Format.TEXT and not found:
        say("fine")


@acpi.command(cls=Command, short_help="Compare two tables.")
def diff(
    left: TableArgument,
    right: Annotated[Path, typer.Argument(metavar="RIGHT", help="The other one.", readable=False)],
) -> None:
    """Compare two tables, structure by structure: exit 0 when they are the same byte for byte, 1 when not.

    \b
    Example:
      vpci-compile acpi diff old.aml /sys/firmware/acpi/tables/SRAT
    """
    from ..emit.printed import table_difference

    text = table_difference.render(_load(left).table, _load(right).table, (str(left), str(right)))
    say(text or "the same")
    raise typer.Exit(NO if text else 0)


@acpi.command("nodes", cls=Command, short_help="Print the NUMA nodes that a guest will have.")
def nodes_(tables: TablesArgument, guest: GuestOption = None, nodes: NodesOption = None) -> None:
    """Print which NUMA node of a guest's Linux is which proximity domain, what it has, and how far nodes are.

    Linux numbers domains as it meets them: processors and generic initiators in the order of the SRAT, then memory.

    \b
    Example:
      vpci-compile acpi nodes SRAT.aml SLIT.aml --guest aarch64
    """
    from .. import api
    from ..emit.printed import node_map_text

    loaded = [_load(path) for path in tables]
    known = next((one.table for one in loaded if one.table.header.signature == "SRAT"), None)
    if known is None:
        raise typer.BadParameter("the nodes are in an SRAT: name one", param_hint="TABLE...")
    made, distances = api.nodes_of_tables(loaded, _guest(guest, nodes, known))
    say(node_map_text.render(made, distances))
    if made.fault:
        raise typer.Exit(NO)


def _load(path: Path) -> Loaded:
    from .. import api

    return api.load_table(path)


def _guest(processors: Processors | None, nodes: int | None, srat: Table | None) -> Guest:
    from ..acpi.node_map import DEFAULT_NODES, Guest, architecture
    from ..ir.machine import Architecture

    own = architecture(srat) if processors is None else Architecture(processors.value)
    return Guest(own, nodes or DEFAULT_NODES[own])


def _range(text: str) -> Range:
    from ..ir.machine import Range

    match = re.fullmatch(r"(0x[0-9a-fA-F]{1,16})\.\.(0x[0-9a-fA-F]{1,16})", text)
    if match is None or int(match[1], 16) > int(match[2], 16):
        raise typer.BadParameter(f"'{text}' is no range; write 0x0..0x7fffffff", param_hint="--ram")
    first, last = int(match[1], 16), int(match[2], 16)
    return Range(0, first, last + 1 - first)
