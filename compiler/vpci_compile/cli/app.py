"""The typer application: one function a command, which calls `api` and prints."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from .. import resources
from .outcome import Format, State, colours, complain, say

if TYPE_CHECKING:
    from ..ir import Function
    from ..pipeline import Compiled
    from ..stack import Change

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


class _Command(TyperCommand):
    """A command whose usage line has its arguments without braces."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


_CAPTURE = "a capture file, lspci -xxxx text, a sysfs device folder, or raw bytes"
_FUNCTION = f"A layout, or a capture: {_CAPTURE}."
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


@app.command(cls=_Command, short_help="Compile a layout and write all of its outputs, or none.")
def build(
    layout: LayoutArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the outputs.", readable=False)
    ] = Path("out"),
    host_address: Annotated[
        str, typer.Option(metavar="BDF", help="The device on the host, for the QEMU arguments.")
    ] = "0000:01:00.0",
    qemu_version: QemuOption = "11.1",
    guest_address: Annotated[
        str | None, typer.Option(metavar="BDF", help="Guest address, for the SRAT; instead of the layout's.")
    ] = None,
    first_node: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, max=0xFFFF, help="Proximity domain of the first node; instead of the layout's."
        ),
    ] = None,
    host: Annotated[
        Path | None,
        typer.Option(
            "--host", metavar="CAPTURE", help="Ask whether this host can show it; needs --stack.", readable=False
        ),
    ] = None,
    slot: SlotOption = None,
    stack: Annotated[
        str | None, typer.Option("--stack", metavar="S", help="The host's kernel and VMM: linux-7.2/qemu-11.1.")
    ] = None,
    option: OptionsOption = None,
    host_device: Annotated[
        list[str] | None,
        typer.Option("--host-device", metavar="NAME=BDF", help="Of a machine: a device's address on the host."),
    ] = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 - the option's name
) -> None:
    """Compile a layout and write all of its outputs, or none.

    A file that would not change is left alone. With any error nothing is written. With --host an error is also
    everything that the host's device would show a guest otherwise, or that the host lacks; else its options are said.

    \b
    Examples:
      vpci-compile build nvidia/gh200 -o out
      vpci-compile build nic.yaml -o out --host-address 0000:3d:00.1
      vpci-compile build nic.yaml --host host.capture --stack linux-7.2/qemu-11.1
    """
    from .. import api
    from ..emit import Options, memory_needs

    State.format = format
    if api.is_machine(layout):
        from .machine_commands import build_machine

        build_machine(layout, output, host_device or [])
        return
    if (host is None) != (stack is None):
        raise typer.BadParameter("--host and --stack go together", param_hint="--host, --stack")
    if host is None and option:
        raise typer.BadParameter("options are those of a VMM on a host: name it with --host", param_hint="--option")
    wanted = None if host is None or stack is None else api.HostOptions(host, stack, slot, options_of(option))
    try:
        built = api.build(
            layout,
            output,
            Options(_address(host_address, "--host-address"), _version(qemu_version)),
            guest_address=None if guest_address is None else _bdf(guest_address, "--guest-address"),
            first_node=first_node,
            host=wanted,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--stack, --option") from None
    complain(built.diagnostics)
    if format is Format.TEXT:
        if built.realized is not None:
            from ..emit import prediction_text

            say(prediction_text.realized(built.function, built.realized.prediction.stack, built.realized.options))
        for path in built.files:
            say(f"{path}{'' if path in built.changed else '  (unchanged)'}")
        for line in memory_needs.lines(built.function):
            say(f"needs: {line}")
        say(f"contract {built.function.digest}")


@app.command(cls=_Command, short_help="Check a layout and write nothing.")
def check(
    layout: LayoutArgument,
    qemu_version: QemuOption = "11.1",
    format: FormatOption = Format.TEXT,  # noqa: A002 - the option's name
) -> None:
    """Check a layout and write nothing: exit 0 when it is fine, 1 when it has errors.

    The targets that the layout names are asked, too, whether they can show the function.

    \b
    Examples:
      vpci-compile check nic.yaml
      vpci-compile check nic.yaml --format sarif > findings.sarif
    """
    from .. import api
    from ..emit import Options

    State.format = format
    if api.is_machine(layout):
        from .machine_commands import check_machine

        check_machine(layout)
        return
    compiled = api.check(layout, Options(qemu_version=_version(qemu_version)))
    complain(compiled.diagnostics)
    if format is Format.TEXT:
        say(f"{layout}: fine, contract {compiled.function.digest}")


@app.command("import", cls=_Command, short_help="Write the layout that describes a captured function.")
def import_(
    capture: Annotated[Path, typer.Argument(metavar="CAPTURE", help=f"A real device: {_CAPTURE}.", readable=False)],
    slot: SlotOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it (default: standard output).", readable=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over FILE, if it is there.")] = False,
) -> None:
    """Write the layout that describes a captured function, every byte accounted for.

    Capture as root, others see the first 64 bytes only; and with -vv, for the sizes of the BARs.

    \b
    Examples:
      vpci-compile import /sys/bus/pci/devices/0000:3d:00.0 -o gpu.yaml
      lspci -vv -xxxx > host.lspci
      vpci-compile import host.lspci --slot 3d:00.0 -o gpu.yaml
    """
    from .. import api
    from ..emit import Artifact, writer

    if output is not None and output.exists() and not force:
        raise typer.BadParameter(f"'{output}' is there already; --force writes over it", param_hint="--output")
    imported = api.import_capture(capture, slot)
    complain(imported.diagnostics)
    if output is None:
        say(imported.text)
    else:
        writer.write_all(output.parent, [Artifact(output.name, imported.text.encode())])
        say(f"{output}")


@app.command(cls=_Command, short_help="Draw the configuration space of a layout or a capture.")
def show(
    function: Annotated[Path, typer.Argument(metavar="FUNCTION", help=_FUNCTION, readable=False)],
    slot: SlotOption = None,
    stack: BelowOption = None,
    place: PlaceOption = Where.PORT,
    option: OptionsOption = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Write a picture (SVG) instead.", readable=False)
    ] = None,
) -> None:
    """Draw the configuration space: what is where, who owns it, what is free.

    With --stack, as a guest finds the captured function below that stack.

    \b
    Examples:
      vpci-compile show nvidia/gh200
      vpci-compile show nvidia/gh200 --svg gh200.svg
      vpci-compile show host.lspci --slot 3d:00.0 --stack linux-7.2/qemu-11.1
    """
    from .. import api

    if api.is_machine(function):
        from .machine_commands import show_machine

        if svg is not None:
            raise typer.BadParameter("a picture is of one function, and this is a machine", param_hint="--svg")
        show_machine(function)
        return
    shown, _, _ = _seen(function, slot, stack, place, option)
    if svg is None:
        from ..emit import terminal_map

        say(terminal_map.render(shown, colour=colours()))
        return
    from ..emit import Artifact, svg_map, writer

    writer.write_all(svg.parent, [Artifact(svg.name, svg_map.render(shown).encode())])
    say(f"{svg}")


@app.command(cls=_Command, short_help="Explain one byte of a function, or an error code.")
def explain(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="A layout, a capture, or the code of a diagnostic: VPCI1304.")
    ],
    offset: Annotated[
        str | None,
        typer.Argument(metavar="OFFSET", help="A byte, 0x68, or a name, pcie.devctl; of a machine gpu0, node3."),
    ] = None,
    slot: SlotOption = None,
    stack: BelowOption = None,
    place: PlaceOption = Where.PORT,
    option: OptionsOption = None,
) -> None:
    """Explain one byte: its field, who answers, what a write does, which line decided it. Or explain an error code.

    With --stack, as a guest finds the captured function below that stack, and who changed the byte.

    \b
    Examples:
      vpci-compile explain nvidia/gh200 0x68
      vpci-compile explain machines/gh200 gpu0
      vpci-compile explain VPCI1304
    """
    if re.fullmatch(r"(?i)VPCI[0-9]{1,4}", what) and not Path(what).exists():
        say(_page(what.upper()))
        return
    from .. import api
    from ..emit import explain as explanation
    from ..emit import prediction_text

    if api.is_machine(what):
        from .machine_commands import explain_machine

        explain_machine(Path(what), offset)
        return
    if offset is None:
        raise typer.BadParameter("say which byte: vpci-compile explain FILE 0x68", param_hint="OFFSET")
    function, device, changes = _seen(Path(what), slot, stack, place, option)
    # The stack may have changed what a structure is, and so the names in it: those of the device still say the place.
    named = next((at for one in (function, device) if (at := one.place_of(offset)) is not None), None)
    at = _offset(offset, function.config.size) if named is None else named
    say(explanation.explain(function, at) + prediction_text.explain(changes, at))


@app.command(cls=_Command, short_help="Print the JSON Schema of layouts, or names that layouts use.")
def schema(
    capabilities: Annotated[
        bool, typer.Option("--capabilities", help="List the names of all capabilities instead.")
    ] = False,
    fields: Annotated[
        str | None, typer.Option("--fields", metavar="CAP", help="List the fields of one capability instead.")
    ] = None,
) -> None:
    """Print the JSON Schema of layouts (for editors), or the names that layouts use.

    \b
    Examples:
      vpci-compile schema > device.schema.json
      vpci-compile schema --capabilities
      vpci-compile schema --fields pcie
    """
    from ..emit import words

    if fields is not None:
        if capabilities:
            raise typer.BadParameter("either --capabilities or --fields", param_hint="--fields")
        text = words.fields(fields)
        if text is None:
            near = words.nearest_name(fields)
            way_out = f"did you mean '{near}'?" if near else "'vpci-compile schema --capabilities' lists them"
            raise typer.BadParameter(f"there is no capability '{fields}'; {way_out}", param_hint="--fields")
        say(text)
    elif capabilities:
        say(words.capabilities())
    else:
        from ..spec.schema import device_schema

        say(device_schema())


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


def _seen(
    path: Path, slot: str | None, stack: str | None, place: Where, option: list[str] | None
) -> tuple[Function, Function, tuple[Change, ...]]:
    """The function of a layout or a capture, twice; with a stack, what a guest finds of the capture, and why."""
    if stack is None:
        if option:
            raise typer.BadParameter("options are those of a VMM: name it with --stack", param_hint="--option")
        compiled = _load(path, slot, "--slot")
        complain(compiled.diagnostics)
        return compiled.function, compiled.function, ()
    from .. import api

    try:
        predicted = api.predict(path, stack, place.value, options_of(option), slot)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--stack, --option") from None
    complain(predicted.diagnostics)
    return predicted.function, predicted.device, predicted.prediction.changes


def options_of(rows: list[str] | None, option: str = "--option") -> dict[str, str]:
    """`--option k=v` as a mapping."""
    words: dict[str, str] = {}
    for row in rows or ():
        key, equals, value = row.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"'{row}' is not KEY=VALUE", param_hint=option)
        words[key] = value
    return words


def _load(path: Path, slot: str | None, option: str) -> Compiled:
    from .. import api

    if slot is not None and api.is_layout(path):
        raise typer.BadParameter(f"'{path}' is a layout: it has one function", param_hint=option)
    return api.load(path, slot)


def _page(code: str) -> str:
    from ..diagnostics import REGISTRY, nearest

    if code not in REGISTRY:
        near = "".join(f"; did you mean {one}?" for one in nearest(code, REGISTRY))
        raise typer.BadParameter(f"there is no code {code}{near}", param_hint="WHAT")
    return (resources.folder("docs") / "errors" / f"{code}.md").read_text(encoding="utf-8")


def _offset(text: str, size: int) -> int:
    try:
        offset = int(text, 0)
    except ValueError:
        message = f"'{text}' is no byte and no name in this function; write 0x68, 104 or pcie.devctl"
        raise typer.BadParameter(message, param_hint="OFFSET") from None
    if not 0 <= offset < size:
        raise typer.BadParameter(f"{offset:#x} is outside this space (0x000..{size - 1:#x})", param_hint="OFFSET")
    return offset


def _version(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})(?:\.[0-9]+)?", text)
    if not match:
        raise typer.BadParameter(f"'{text}' is not a version; write 11.1", param_hint="--qemu-version")
    return int(match[1]), int(match[2])


def _bdf(text: str, option: str) -> tuple[int, int, int, int]:
    match = re.fullmatch(r"(?:([0-9a-fA-F]{4}):)?([0-9a-fA-F]{2}):([01][0-9a-fA-F])\.([0-7])", text)
    if not match:
        raise typer.BadParameter(f"'{text}' is not a PCI address; write 0000:3d:00.0", param_hint=option)
    segment, bus, device, function = (int(part or "0", 16) for part in match.groups())
    return segment, bus, device, function


def _address(text: str, option: str) -> str:
    """A host's address: its domain can have more than four digits (Intel VMD, Hyper-V)."""
    wide, _, rest = text.partition(":")
    if re.fullmatch(r"[0-9a-fA-F]{5,8}", wide):
        return f"{wide.lower()}:{_address(rest, option).partition(':')[2]}"
    segment, bus, device, function = _bdf(text, option)
    return f"{segment:04x}:{bus:02x}:{device:02x}.{function}"


from . import (  # noqa: E402 - their commands join the application
    acpi_commands,  # noqa: F401
    baseline_command,  # noqa: F401
    capture_command,  # noqa: F401
    diff_command,  # noqa: F401
    fleet_command,  # noqa: F401
    library_commands,  # noqa: F401
    live_commands,  # noqa: F401
    probe_command,  # noqa: F401
    report_command,  # noqa: F401
    stack_commands,  # noqa: F401
)
