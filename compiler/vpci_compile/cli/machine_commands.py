"""What `build`, `check` and `show` do with the layout of a machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .app import address_of, refuse
from .outcome import Format, State, complain, say, tell

if TYPE_CHECKING:
    from ..emit import Options


def refuse_options(context: typer.Context, *names: str) -> None:
    """Refuse the options of the command that were given and say nothing of a machine."""
    refuse(context, "that is of a function, and this is a machine", *names)


def build_machine(layout: Path, output: Path, host_devices: Sequence[str], options: Options) -> None:
    """Write all outputs of a machine, or none; `host_devices` are NAME=BDF, or NAME=/SOCKET."""
    from .. import api

    addresses: dict[str, str] = {}
    sockets: dict[str, str] = {}
    for row in host_devices:
        name, equals, address = row.partition("=")
        if not equals:
            raise typer.BadParameter(f"'{row}' is not NAME=BDF", param_hint="--host-device")
        if address.startswith("/"):
            sockets[name] = address
        else:
            addresses[name] = address_of(address, "--host-device")
    try:
        built = api.build_machine(layout, output, options._replace(host_devices=addresses, sockets=sockets))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--host-device") from None
    complain(built.diagnostics)
    if State.format is Format.TEXT:
        for path in built.files:
            tell(f"{path}{'' if path in built.changed else '  (unchanged)'}")
        untold = [one.name for one in built.system.devices if one.name not in {*addresses, *sockets}]
        if untold:
            say(f"needs: addresses on the host, told with --host-device NAME=BDF: {', '.join(untold)}")


def check_machine(layout: Path) -> None:
    """Check a machine and write nothing."""
    from .. import api

    compiled = api.check_machine(layout)
    complain(compiled.diagnostics)
    if State.format is Format.TEXT:
        system = compiled.system
        devices = f"{len(system.devices)} device{'' if len(system.devices) == 1 else 's'}"
        nodes = f"{len(system.machine.nodes)} node{'' if len(system.machine.nodes) == 1 else 's'}"
        tell(f"{layout}: fine, a machine of {nodes} and {devices}")


def show_machine(layout: Path, svg: Path | None) -> None:
    """Draw a machine: its buses, its nodes, their distances; into a picture, if one is named."""
    from .. import api

    if svg is None:
        from ..emit.machine import text as machine_text

        compiled = api.load_machine(layout)
        complain(compiled.diagnostics)
        say(machine_text.render(compiled.system))
        return
    from ..emit import Artifact, writer

    picture = api.picture(layout)
    complain(picture.diagnostics)
    writer.write_all(svg.parent, [Artifact(svg.name, picture.text.encode())], (layout,))
    tell(f"{svg}")


def explain_machine(layout: Path, name: str | None) -> None:
    """Explain where a part of a machine is, and why."""
    from .. import api
    from ..diagnostics import nearest
    from ..emit.machine import explain as machine_explain

    compiled = api.load_machine(layout)
    complain(compiled.diagnostics)
    known = machine_explain.names(compiled.system)
    if name is None or name not in known:
        near = nearest(name or "", known)
        way_out = f"did you mean '{near[0]}'?" if near else f"its parts: {', '.join(known)}"
        message = f"there is no part '{name}' in this machine" if name else "say which part"
        raise typer.BadParameter(f"{message}; {way_out}", param_hint="OFFSET")
    say(machine_explain.explain(compiled.system, name))
