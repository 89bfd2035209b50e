"""The typer application: one function a command, which calls `api` and prints."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from .. import resources
from .outcome import Format, say

if TYPE_CHECKING:
    from ..pipeline import Compiled

# Whether a file can be read is for our own diagnostics to say: `readable=False` keeps typer from it.
# In the help texts below, click leaves the lines after a \b as they are.
app = typer.Typer(
    name="vpci-compile",
    help="Describe a virtual PCI function once, bit by bit; check it, and emit what makes it true.",
    epilog="""\b
A first walk:
  vpci-compile show nvidia/gh200
  vpci-compile import CAPTURE -o nic.yaml
  vpci-compile build nic.yaml -o out

Exit status: 0 fine, 1 the answer is no, 2 wrong usage, 70 a fault of ours.""",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Command(TyperCommand):
    """A command whose usage line has its arguments without braces, and that takes no empty argument."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse an empty argument."""
        if "" in args:  # as a path it would be the working folder
            raise typer.BadParameter("an argument is empty; is a variable of the shell not set?")
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words behind the program's name."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


CAPTURE = "a capture file, lspci -xxxx text, a sysfs device folder, or raw bytes"
FUNCTION = f"A layout, or a capture: {CAPTURE}."
LayoutArgument = Annotated[
    Path,
    typer.Argument(
        metavar="LAYOUT", help="A layout (.yaml), or the name of a shipped one (nvidia/gh200).", readable=False
    ),
]
SlotOption = Annotated[
    str | None, typer.Option("--slot", metavar="BDF", help="Which function of a capture that holds several: 3d:00.0.")
]
QemuOption = Annotated[str, typer.Option(metavar="X.Y", help="The QEMU that will run it.")]
FormatOption = Annotated[
    Format, typer.Option("--format", help="How diagnostics are written: text to stderr, json and sarif to stdout.")
]


class Where(StrEnum):
    """Where the function sits in the guest."""

    PORT = "port"
    ROOT = "root"
    CONVENTIONAL = "conventional"


BelowOption = Annotated[
    str | None, typer.Option("--stack", metavar="S", help="Of a capture: what a guest finds below this stack.")
]
PlaceOption = Annotated[
    Where, typer.Option("--place", help="Where the guest has it; conventional: behind a bridge of an express machine.")
]
OptionsOption = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="K=V", help="An option of the VMM's device; may be given more than once."),
]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    library: Annotated[
        list[Path] | None,
        typer.Option(
            "--library",
            metavar="DIR",
            help="A library of your own: layouts and quirks/*.yaml. May be given more than once; or VPCI_LIBRARY.",
            readable=False,
        ),
    ] = None,
) -> None:
    if library:
        resources.use_libraries(library)
    if version:
        from importlib.metadata import version as installed

        say(f"vpci-compile {installed('vpci-compile')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.BadParameter("say which command", param_hint="COMMAND")


def options_of(rows: list[str] | None, option: str = "--option") -> dict[str, str]:
    """`--option k=v` as a mapping."""
    words: dict[str, str] = {}
    for row in rows or ():
        key, equals, value = row.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"'{row}' is not KEY=VALUE", param_hint=option)
        words[key] = value
    return words


def refuse(context: typer.Context, why: str, *names: str) -> None:
    """Refuse the options of the command called `names` that were given: nobody would read them."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(why, param_hint=parameter.opts[0])


def load(path: Path, slot: str | None, option: str) -> Compiled:
    """`api.load`; a slot of a layout, given by `option`, is wrong usage."""
    from .. import api

    if slot is not None and api.is_layout(path):
        raise typer.BadParameter(f"'{path}' is a layout: it has one function", param_hint=option)
    return api.load(path, slot)


def bdf(text: str, option: str) -> tuple[int, int, int, int]:
    """Segment, bus, device and function of an address, given by `option`."""
    match = re.fullmatch(r"(?:([0-9a-fA-F]{4}):)?([0-9a-fA-F]{2}):([01][0-9a-fA-F])\.([0-7])", text)
    if not match:
        raise typer.BadParameter(f"'{text}' is not a PCI address; write 0000:3d:00.0", param_hint=option)
    segment, bus, device, function = (int(part or "0", 16) for part in match.groups())
    return segment, bus, device, function


def address_of(text: str, option: str) -> str:
    """A host's address: its domain can have more than four digits (Intel VMD, Hyper-V)."""
    wide, _, rest = text.partition(":")
    if re.fullmatch(r"[0-9a-fA-F]{5,8}", wide):
        return f"{wide.lower()}:{address_of(rest, option).partition(':')[2]}"
    segment, bus, device, function = bdf(text, option)
    return f"{segment:04x}:{bus:02x}:{device:02x}.{function}"


# Their commands join the application, in the order of its help.
# isort: off
from . import build_commands, show_commands  # noqa: E402, F401
from . import stack_commands, capture_command, library_commands  # noqa: E402, F401
from . import diff_command, baseline_command, fleet_command, probe_command  # noqa: E402, F401
from . import live_commands, report_command, acpi_commands  # noqa: E402, F401
# isort: on
