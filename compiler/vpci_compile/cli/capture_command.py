"""The command that runs on a host: `capture`. Imported by `app`, which it joins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import Command, app
from .outcome import NO, complain, say, tell


@app.command(cls=Command, short_help="Collect functions of this host in one file.")
def capture(
    slots: Annotated[
        list[str] | None, typer.Argument(metavar="BDF...", help="Functions of this host: 3d:00.0, 0000:3d:00.1.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All PCI functions of this host.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it (default: standard output).", readable=False
        ),
    ] = None,
    vfio: Annotated[
        bool, typer.Option("--vfio", help="Ask vfio, too, about functions bound to its drivers. Resets them.")
    ] = False,
    redact: Annotated[
        bool, typer.Option("--redact", help="Leave out serial numbers, VPD contents and MAC addresses.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over FILE, if it is there.")] = False,
) -> None:
    """Collect functions of this host in one file, which every command takes for a capture.

    Run it as root: others see the first 64 bytes of a function only. From sysfs alone nothing on the host changes; with
    --vfio each function that a vfio driver has is opened, which resets it, as the start of a VMM does. Nothing is ever
    bound. Exit 1 when something that was asked for could not be read; the file then has the rest.

    \b
    Examples:
      vpci-compile capture 3d:00.0 -o nic.capture
      vpci-compile capture 3d:00.0 3d:00.1 --vfio --redact -o nic.capture
      vpci-compile capture --all -o host.capture
    """
    from .. import api
    from ..emit import Artifact, writer

    if bool(slots) == every:
        raise typer.BadParameter("say which functions, or --all", param_hint="BDF...")
    if output is not None and output.exists() and not force:
        raise typer.BadParameter(f"'{output}' is there already; --force writes over it", param_hint="--output")
    taken = api.capture_host(slots or None, vfio=vfio, redact=redact)
    complain(taken.diagnostics)
    if output is None:
        say(taken.text)
    else:
        writer.write_all(output.parent, [Artifact(output.name, taken.text.encode())])
        tell(f"{output}  ({len(taken.slots)} function{'s' if len(taken.slots) != 1 else ''})")
    if not taken.complete:
        raise typer.Exit(NO)
