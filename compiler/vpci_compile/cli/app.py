"""The typer application: one function a command, which calls `api` and prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from .outcome import NO, Format, State, colours, complain, say

app = typer.Typer(
    name="vpci-compile",
    help="Describe a virtual PCI function once, bit by bit; check it, and emit what makes it true.",
    epilog="A first walk: vpci-compile import CAPTURE -o nic.yaml; edit it; vpci-compile build nic.yaml -o out",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

LayoutArgument = Annotated[Path, typer.Argument(metavar="LAYOUT", help="A layout (.yaml).", show_default=False)]
FunctionArgument = Annotated[
    Path,
    typer.Argument(
        metavar="LAYOUT|CAPTURE", help="A layout (.yaml) or a capture (lspci text, sysfs folder, raw bytes)."
    ),
]
SlotOption = Annotated[
    str | None, typer.Option("--slot", metavar="BDF", help="Which function of a capture that holds several: 3d:00.0.")
]
FormatOption = Annotated[Format, typer.Option("--format", help="How diagnostics are written.")]


@app.command()
def build(
    layout: LayoutArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the outputs.")] = Path(
        "out"
    ),
    host_address: Annotated[
        str, typer.Option(metavar="BDF", help="The device on the host, for the QEMU arguments.")
    ] = "0000:01:00.0",
    qemu_version: Annotated[str, typer.Option(metavar="X.Y", help="The QEMU that will run it.")] = "11.1",
    guest_address: Annotated[
        str | None, typer.Option(metavar="BDF", help="Guest address, for the SRAT; instead of the layout's.")
    ] = None,
    first_node: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Proximity domain of the first node; instead of the layout's."),
    ] = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 - the option's name
) -> None:
    """Compile a layout and write all of its outputs, or none.

    vpci-compile build layouts/nvidia/gh200.yaml -o out
    vpci-compile build nic.yaml -o out --host-address 0000:3d:00.1 --qemu-version 11.0
    """
    from .. import api
    from ..emit import Options

    State.format = format
    built = api.build(
        layout,
        output,
        Options(_address(host_address, "--host-address"), _version(qemu_version)),
        guest_address=None if guest_address is None else _bdf(guest_address, "--guest-address"),
        first_node=first_node,
    )
    complain(built.diagnostics)
    if format is Format.TEXT:
        for path in built.files:
            say(f"{path}{'' if path in built.changed else '  (unchanged)'}")
        say(f"contract {built.function.digest}")


@app.command()
def check(layout: LayoutArgument, format: FormatOption = Format.TEXT) -> None:  # noqa: A002 - the option's name
    """Check a layout and write nothing: exit 0 when it is fine, 1 when it has errors.

    vpci-compile check nic.yaml
    vpci-compile check nic.yaml --format sarif > findings.sarif
    """
    from .. import api

    State.format = format
    compiled = api.check(layout)
    complain(compiled.diagnostics)
    if format is Format.TEXT:
        say(f"{layout}: fine, contract {compiled.function.digest}")


@app.command("import")
def import_(
    capture: Annotated[
        Path, typer.Argument(metavar="CAPTURE", help="lspci -xxx/-xxxx text, a sysfs device folder, or raw bytes.")
    ],
    slot: SlotOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write it (default: standard output)."),
    ] = None,
) -> None:
    """Write the layout that describes a captured function, every byte accounted for.

    vpci-compile import /sys/bus/pci/devices/0000:3d:00.0 -o gpu.yaml
    lspci -xxxx > host.lspci; vpci-compile import host.lspci --slot 3d:00.0 -o gpu.yaml
    """
    from .. import api
    from ..emit import Artifact, writer

    imported = api.import_capture(capture, slot)
    complain(imported.diagnostics)
    if output is None:
        say(imported.text)
    else:
        writer.write_all(output.parent, [Artifact(output.name, imported.text.encode())])
        say(f"{output}")


@app.command()
def show(function: FunctionArgument, slot: SlotOption = None) -> None:
    """Draw the configuration space: what is where, who owns it, what is free.

    vpci-compile show layouts/nvidia/gh200.yaml
    vpci-compile show host.lspci --slot 3d:00.0
    """
    from .. import api
    from ..emit import terminal_map

    compiled = api.load(function, slot)
    complain(compiled.diagnostics)
    say(terminal_map.render(compiled.function, colour=colours()))


@app.command()
def explain(
    what: Annotated[str, typer.Argument(metavar="LAYOUT|CAPTURE|CODE", help="A file, or a code such as VPCI1304.")],
    offset: Annotated[str | None, typer.Argument(metavar="OFFSET", help="A byte of the file: 0x68, 104.")] = None,
    slot: SlotOption = None,
) -> None:
    """Explain one byte (its field, who answers, what a write does, which line decided it), or an error code.

    vpci-compile explain layouts/nvidia/gh200.yaml 0x68
    vpci-compile explain VPCI1304
    """
    if re.fullmatch(r"(?i)VPCI[0-9]{4}", what) and not Path(what).exists():
        say(_page(what.upper()))
        return
    from .. import api
    from ..emit import explain as explanation

    if offset is None:
        raise typer.BadParameter("say which byte: vpci-compile explain FILE 0x68", param_hint="OFFSET")
    compiled = api.load(Path(what), slot)
    complain(compiled.diagnostics)
    say(explanation.explain(compiled.function, _offset(offset, compiled.function.config.size)))


@app.command()
def diff(
    left: FunctionArgument,
    right: FunctionArgument,
    left_slot: Annotated[str | None, typer.Option(metavar="BDF", help="Function of the first capture.")] = None,
    right_slot: Annotated[str | None, typer.Option(metavar="BDF", help="Function of the second capture.")] = None,
) -> None:
    """Compare two contracts: exit 0 when they are equal, 1 when not.

    vpci-compile diff old.yaml new.yaml
    vpci-compile diff nic.yaml host.lspci --right-slot 3d:00.1
    """
    from .. import api
    from ..emit import difference_text

    ours, theirs = api.load(left, left_slot), api.load(right, right_slot)
    complain([*ours.diagnostics, *theirs.diagnostics])
    found = api.compare(ours.function, theirs.function)
    say(difference_text.render(found, str(left), str(right), colour=colours()))
    raise typer.Exit(NO if found else 0)


@app.command()
def schema(
    capabilities: Annotated[
        bool, typer.Option("--capabilities", help="List the names of the capability catalogue instead.")
    ] = False,
    fields: Annotated[
        str | None, typer.Option("--fields", metavar="CAP", help="List the fields of one capability instead.")
    ] = None,
) -> None:
    """Print the JSON Schema of layouts for editors, or the words of the capability catalogue.

    vpci-compile schema > device.schema.json
    vpci-compile schema --capabilities
    vpci-compile schema --fields pcie
    """
    from ..emit import words

    if fields is not None:
        text = words.fields(fields)
        if text is None:
            raise typer.BadParameter(f"no capability '{fields}'; 'vpci-compile schema --capabilities' lists them")
        say(text)
    elif capabilities:
        say(words.capabilities())
    else:
        from ..spec.schema import device_schema

        say(device_schema())


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        say(f"vpci-compile {installed('vpci-compile')}")
        raise typer.Exit


def _page(code: str) -> str:
    from .. import resources
    from ..diagnostics import REGISTRY

    if code not in REGISTRY:
        raise typer.BadParameter(f"there is no code {code}")
    return (resources.folder("docs") / "errors" / f"{code}.md").read_text(encoding="utf-8")


def _offset(text: str, size: int) -> int:
    try:
        offset = int(text, 0)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not a number; write 0x68 or 104", param_hint="OFFSET") from None
    if not 0 <= offset < size:
        raise typer.BadParameter(f"{offset:#x} is outside this space (0x000..{size - 1:#x})", param_hint="OFFSET")
    return offset


def _version(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,3})\.(\d{1,3})(?:\.\d+)?", text)
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
    segment, bus, device, function = _bdf(text, option)
    return f"{segment:04x}:{bus:02x}:{device:02x}.{function}"
