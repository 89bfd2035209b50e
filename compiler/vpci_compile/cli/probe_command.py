"""The command that asks a QEMU about its own devices: `probe`. Imported by `app`, which it joins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import Command, app
from .outcome import say, tell


@app.command(cls=Command, short_help="Ask a QEMU what a migration of its own devices must have.")
def probe(
    device: Annotated[
        list[str],
        typer.Option("--device", metavar="D", help="A device, as -device takes it; may be given more than once."),
    ],
    qemu: Annotated[
        Path | None, typer.Option("--qemu", metavar="PATH", help="The QEMU (10.1 or newer); else the one on the PATH.")
    ] = None,
    machine: Annotated[
        str, typer.Option("--machine", metavar="M", help="The machine, as -machine takes it; say its version.")
    ] = "q35",
    argument: Annotated[
        list[str] | None,
        typer.Option(
            "--argument", metavar="A", help="Another argument of QEMU, one word each: -object, then its value."
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="ID", help="Ask about this device only; may be given more than once."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it (default: standard output).", readable=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over FILE, if it is there.")] = False,
) -> None:
    """Ask a QEMU what a migration of its own devices must have: a file for each side, and 'diff' compares them.

    The machine is made and saved, and no guest runs. QEMU is then given its own state back, one byte changed after the
    other: what it refuses is what it compares. Seconds for each device, no root.

    \b
    Examples:
      vpci-compile probe --machine pc-q35-11.1 --device e1000e,addr=4 -o source.json
      vpci-compile probe --device pcie-root-port,id=rp,chassis=1 --device virtio-net-pci,bus=rp,id=net --id net
      vpci-compile probe --device ivshmem-plain,memdev=m
        --argument=-object --argument=memory-backend-ram,id=m,size=1M
    """
    from .. import api
    from ..emit import Artifact, writer

    if output is not None and output.exists() and not force:
        raise typer.BadParameter(f"'{output}' is there already; --force writes over it", param_hint="--output")
    text = api.probe(qemu, machine, device, argument or (), name or ())
    if output is None:
        say(text)
    else:
        writer.write_all(output.parent, [Artifact(output.name, text.encode())])
        tell(f"{output}")
